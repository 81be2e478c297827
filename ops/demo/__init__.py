"""`tdc demo`: sample agents with a scripted model but real tools, run through the whole line."""
