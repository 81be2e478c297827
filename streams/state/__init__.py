"""State of one partition of one stage: a port, and its Redis and in-memory back-ends."""
