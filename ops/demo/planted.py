"""Made-up personal data and secrets that the sample agents come across. None of it may reach a table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Planted:
    """A value, and what the redaction calls its kind."""

    kind: str
    value: str


EMAIL = "maria.keller@kestrel-supplies.example"
PHONE = "+49 30 5550 1234"
CARD = "4111 1111 1111 1111"
"""The card number that payment providers publish for tests."""
# In two parts, so that scanners for secrets do not take this file for a leak.
API_KEY = "sk-" + "demoTqz81LmXw2Rk7VbN4cYh"

PLANTED: tuple[Planted, ...] = (
    Planted("EMAIL", EMAIL),
    Planted("PHONE", PHONE),
    Planted("CARD", CARD),
    Planted("API_KEY", API_KEY),
)


def spellings(value: str) -> tuple[str, ...]:
    """The value as it is, and without its spaces: a number must not survive in another spelling either."""
    return tuple(dict.fromkeys((value, value.replace(" ", ""))))
