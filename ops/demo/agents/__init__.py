"""The sample agents. Each runs in a process of its own and uses the producer SDK and the standard library only."""
