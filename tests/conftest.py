"""For all tests: a law holds however slow the machine is, so no example of one has a deadline."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
