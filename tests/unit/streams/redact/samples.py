"""What the tests of redaction share: a key, secrets that are none, and traces made in one line."""

from pathlib import Path

from schemas.records import Body, Event
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import RULES_ALONE, Redactor
from tests.unit.core.build import Run

DATA = Path(__file__).parents[5] / "shared" / "data"
KEY = b"k" * 32
NAMES = Pseudonyms(KEY, "trace-1")
# In parts, so that scanners for secrets do not take this file for a leak.
OPENAI = "sk-" + "Zq81LmXw2Rk7VbN4cYhT"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
SLASHED = "/6ilI8ihN5KXSc7Tvo" + "/hBKqFYY/kv5ZJr3J1TWDt"
BOT = "1436840512:" + "AAKtFI3OyV2dZAkg05rK-gqv81RKMGHZEM9"
HASHED = "$2b$12$" + "EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
SLACK = "xoxb-" + "1234567890-abcdefghij"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + "IBAAKCAQEA7\nabc+/=\n-----END RSA PRIVATE KEY-----"


def redacted(
    *bodies: Body, key: bytes = KEY, scope: str = "trace-1", redactor: Redactor = RULES_ALONE
) -> tuple[list[Event], dict[str, int]]:
    """The bodies as events of one trace, redacted, and the counts of the report."""
    run = Run(scope)
    for body in bodies:
        run.add(body)
    result = redact_events(run.events, Pseudonyms(key, scope), redactor)
    assert len(result.events) == len(run.events)
    return list(result.events), result.report.counts


def params(event: Event) -> str:
    """Parameters of a tool call."""
    assert event.tool_called is not None
    return event.tool_called.parameters_json


def said(event: Event) -> str:
    """What a user said."""
    assert event.user_message is not None
    assert event.user_message.content is not None
    return event.user_message.content
