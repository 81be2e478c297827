"""Redaction: what is found, what must not be, and that nothing else of a trace changes."""

import base64
import gzip
import json
import random
import time
from collections import defaultdict
from pathlib import Path

import pytest

from schemas.errors import InvalidRecord
from schemas.records import (
    AgentStarted,
    Body,
    Consent,
    Event,
    Message,
    ModelCalled,
    StateChanged,
    ToolCall,
    ToolCalled,
    ToolReturned,
    UserMessage,
)
from streams.core.redact import events as redact_module
from streams.core.redact import find as find_module
from streams.core.redact.events import Search, redact_events
from streams.core.redact.filter import line_spans, redact_line
from streams.core.redact.find import find
from streams.core.redact.leaves import map_text
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.rules import RULES
from tests.unit.core.build import Run

DATA = Path(__file__).parents[4] / "shared" / "data"
KEY = b"k" * 32
NAMES = Pseudonyms(KEY, "trace-1")
# In parts, so that scanners for secrets do not take this file for a leak.
OPENAI = "sk-" + "Zq81LmXw2Rk7VbN4cYhT"
GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
SLACK = "xoxb-" + "1234567890-abcdefghij"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow" + "IBAAKCAQEA7\nabc+/=\n-----END RSA PRIVATE KEY-----"

FOUND = [
    ("EMAIL", "write to mia.li@example.com.", "mia.li@example.com"),
    ("EMAIL", "Mia <mia+x@sub.example.co.uk>", "mia+x@sub.example.co.uk"),
    ("EMAIL", "email=mia@example.com&x=1", "mia@example.com"),
    ("EMAIL", "?to=mia%40example.com&x", "mia%40example.com"),
    ("EMAIL", "müller@bücher.example", "müller@bücher.example"),
    ("EMAIL", "mia@example.com--", "mia@example.com"),
    ("CARD", "card 4111 1111 1111 1111.", "4111 1111 1111 1111"),
    ("CARD", "4111111111111111", "4111111111111111"),
    ("CARD", "5500-0000-0000-0004", "5500-0000-0000-0004"),
    ("CARD", "3782 822463 10005", "3782 822463 10005"),
    ("PHONE", "call +49 30 5550 1234 now", "+49 30 5550 1234"),
    ("PHONE", "+493055501234", "+493055501234"),
    ("PHONE", "phone=+1 (415) 555-2671", "+1 (415) 555-2671"),
    ("PHONE", "(415) 555-2671", "(415) 555-2671"),
    ("PHONE", "415.555.2671", "415.555.2671"),
    ("PHONE", "986.291.2294x751", "986.291.2294x751"),
    ("PHONE", "001-420-335-7509x38548", "001-420-335-7509x38548"),
    ("PHONE", "Tel (07) 5331 0577", "(07) 5331 0577"),
    ("PHONE", "03.93.92.16.85", "03.93.92.16.85"),
    ("PHONE", "0490 75 40 81.", "0490 75 40 81"),
    ("IP", "from 203.0.113.7:443", "203.0.113.7"),
    ("IP", "http://10.1.2.3/x", "10.1.2.3"),
    ("IP", "addr 2001:db8:85a3::8a2e:370:7334,", "2001:db8:85a3::8a2e:370:7334"),
    ("IP", "fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
    ("API_KEY", f"key {OPENAI} set", OPENAI),
    ("API_KEY", f"{GITHUB}", GITHUB),
    ("API_KEY", f"id={AWS}", AWS),
    ("API_KEY", f"'{SLACK}'", SLACK),
    ("TOKEN", f"cookie {JWT};", JWT),
    ("TOKEN", "Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("TOKEN", "Bearer 9f8e7d6c5b4a39281706f5e4d3c2b1a0", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
    ("SECRET", 'password: "Summer24!"', "Summer24!"),
    ("SECRET", "DB_PASSWORD=x9y8z7w6", "x9y8z7w6"),
    ("SECRET", '\\"api_key\\": \\"0a1b2c3d4e5f\\"', "0a1b2c3d4e5f"),
    ("URL_CREDENTIALS", "postgres://app:s3cr3t@db/main", "app:s3cr3t"),
    ("PRIVATE_KEY", f"x {PEM} y", PEM),
]

NOT_FOUND = [
    "550e8400-e29b-41d4-a716-446655440000",
    "55555555-4444-3333-2222-111111111111",
    "e83c5163316f89bfbde7d9ab23ca2e25604af290",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2024-01-15T10:00:00.123456Z",
    "2024-01-15 10:00:00+00:00",
    "+2024-01-15 10:00:00",
    "order 4857739943, patient 9434765919",
    "1705312800, 1705312800123, 1705312800123456, 1705312800123456789",
    "Python 3.11.4, v1.2.3.4, pkg==1.2.3.4, Chrome/120.0.0.0, 4.0.1-rc1",
    "127.0.0.1 0.0.0.0 255.255.255.0 ::1 2.0.0.0",
    "x[::2] a::b std::vector<int> Foo::bar 12:34:56 10:20:30:40 aa:bb:cc:dd:ee:ff",
    "ZFA04G, 8JSWKD, HAT156 at 10:00 EST",
    "git@github.com:org/repo.git",
    "lodash@4.17.21-beta.next @pytest.mark.parametrize a @ b user@host",
    "4111 1111 1111 1112",
    "1234-5678-9012-3456-7890",
    "password: str, password=password, token = get_token(user), secret=None, api_key=os.environ['X']",
    "PASSWORD=/etc/secret1/file password=config.db_password2 pwd=make_hash2(text)",
    "token classification_models_and_their_uses",
    "basic authentication-and-authorization",
    "https://example.com:8080/path?a=b",
    "sk-learn skeleton sk_buff task-force",
    "x = 123-456\n789-0123",
    "1 234 567 890 and 12 345 678",
    "00 01 02 03 04 05 06 07 and 01 02 03 04",
    "05-12-2023 10:30 05.12.2023 11 01/02/2024",
    "0.123 456 0x12 345 678",
    "0.4111111111111111 -4111111111111111.5e3",
    "",
    "@",
    "+",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_found(kind: str, text: str, value: str) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in find(text)] == [(kind, value)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_not_found(text: str) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in find(text)] == []


def redacted(*bodies: Body, key: bytes = KEY, scope: str = "trace-1") -> tuple[list[Event], dict[str, int]]:
    run = Run(scope)
    for body in bodies:
        run.add(body)
    result = redact_events(run.events, Pseudonyms(key, scope))
    assert len(result.events) == len(run.events)
    return list(result.events), result.report.counts


def params(event: Event) -> str:
    assert event.tool_called is not None
    return event.tool_called.parameters_json


def said(event: Event) -> str:
    assert event.user_message is not None
    assert event.user_message.content is not None
    return event.user_message.content


def test_a_value_found_once_goes_everywhere_in_the_trace() -> None:
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json='{"password": "Summer24!"}'),
        UserMessage(content='It is "Summer24!" or xSummer24!x'),
    )
    assert "Summer24" not in str(events)
    assert counts == {"SECRET": 3}


def test_pseudonyms_are_the_same_within_a_trace_and_different_across() -> None:
    mail = UserMessage(content="a@b.example and A@B.EXAMPLE")
    (one,), _ = redacted(mail)
    (again,), _ = redacted(mail)
    (other_trace,), _ = redacted(mail, scope="trace-2")
    (other_key,), _ = redacted(mail, key=b"j" * 32)
    first, _, second = said(one).partition(" and ")
    assert first == second
    assert said(one) == said(again)
    assert len({said(one), said(other_trace), said(other_key)}) == 3
    assert first.endswith("@redacted.invalid")


def test_json_keeps_every_byte_around_a_finding() -> None:
    text = '{ "n": 0.10, "big": 123456789012345678901234567890, "n": 1E400,\n "to": "a@b.example", "\\u00e9": null }'
    ((event), *_), counts = redacted(ToolCalled(tool="T", parameters_json=text))
    before, _, after = text.partition("a@b.example")
    assert params(event).startswith(before)
    assert params(event).endswith(after)
    assert counts == {"EMAIL": 1}


UNTOUCHED = [
    '{ "a" : 1.0 , "a": 2 }',
    "[1e5, -0, 1E-7]",
    "null",
    '"text"',
    "{not json",
    "",
    "[" * 500 + "]" * 500,
    "[" * 50_000,
    '{"\\ud800": NaN}',
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_holds_nothing_comes_back_byte_for_byte(text: str) -> None:
    run = Run().add(ToolCalled(tool="T", parameters_json=text)).add(UserMessage(content=text))
    assert redact_events(run.events, NAMES).events == tuple(run.events)


KEYED = [
    ('{"password": "CorrectHorse"}', True),
    ('{"userPassword":"Tr0ub4dor"}', True),
    ('{"db": {"api_key" : "0a1b2c3d"}}', True),
    ('{"Authorization": "Basic dXNlcjpwYXNzMQ=="}', True),
    ('{"access_token": "abc123xyz"}', True),
    ('{"p": "{\\"password\\": \\"CorrectHorse\\"}"}', True),
    ('{"password": {"type": "string", "description": "Choose1 a password"}}', False),
    ('{"password": "string", "required": ["password"]}', False),
    ('{"password": "the password of the user 1"}', False),
    ('{"token": "EOS_2 and more", "tokens": 123456789, "key": "a1b2c3d4"}', False),
    ('{"api_key": "settings.api_key1"}', False),
    ('{"password": 12345678, "other": "x1y2z3a4"}', False),
]


@pytest.mark.parametrize(("text", "secret"), KEYED)
def test_the_key_of_a_value_may_say_that_it_is_secret(text: str, secret: bool) -> None:
    events, counts = redacted(ToolCalled(tool="T", parameters_json=text))
    assert sum(counts.values()) == secret
    assert secret or params(events[0]) == text


JSON_WITH_FINDING = [
    '{"to": "a@b.example"}',
    '{"to": "a\\u0040b.example"}',
    '{"a@b.example": 1}',
    '{"to": "a@b.example", "to": 1}',
    '{"in": "{\\"to\\": \\"a@b.example\\"}"}',
    '{"in": "{\\"to\\": \\"a\\\\u0040b.example\\"}"}',
    '{"to": "a@b.example", "bad": "\\ud800"}',
    '{"to": "a@b.example", "n": NaN}',
    '{"to": "say \\"a@b.example\\"\\n"}',
    '"a@b.example"',
    "[" * 500 + '"a@b.example"' + "]" * 500,
    '{"card": 4111111111111111}',
    "4111111111111111",
    '{"a": [{"b": ["4111 1111 1111 1111"]}]}',
]


@pytest.mark.parametrize("text", JSON_WITH_FINDING)
def test_json_is_redacted_leaf_by_leaf_and_still_parses(text: str) -> None:
    events, counts = redacted(ToolCalled(tool="T", parameters_json=text))
    out = params(events[0])
    json.loads(out)
    assert sum(counts.values()) == 1
    assert "b.example" not in out
    assert "1111" not in out


@pytest.mark.parametrize(
    "text",
    [
        '{"to": "a@b.example"',
        '{"to": "a\\u0040b.example"',
        "{'to': 'a\\u0040b.example'}",
        'log: {"to": "a\\\\u0040b.example"}',
        "[" * 50_000 + "a@b.example",
    ],
)
def test_what_is_no_json_is_redacted_as_text(text: str) -> None:
    events, counts = redacted(ToolReturned(success=True, result_json=text), UserMessage(content=text))
    assert "b.example" not in str(events)
    assert counts == {"EMAIL": 2}


def test_json_in_json_in_json_to_any_depth() -> None:
    text = "a@b.example"
    for _ in range(12):
        text = json.dumps({"in": text})
    events, _ = redacted(ToolCalled(tool="T", parameters_json=text))
    assert "b.example" not in params(events[0])
    json.loads(params(events[0]))


def test_every_text_field_is_looked_at_and_identifiers_stay() -> None:
    mail = "a@b.example"
    asked = Message(role="user", content=mail)
    tool = ToolCall(call_id="c1", name="T", arguments_json=json.dumps({"to": mail}))
    events, counts = redacted(
        AgentStarted(root=True, goal=mail, constraints=(mail,), task_id=mail, inputs_json=json.dumps([mail])),
        ModelCalled(input_messages=(asked,), output=Message(role="assistant", tool_calls=(tool,))),
        StateChanged(variables_json=json.dumps({mail: mail})),
    )  # fmt: skip
    assert counts == {"EMAIL": 8}
    assert mail not in str(events)
    assert [event.event_id for event in events] == ["trace-1-0", "trace-1-1", "trace-1-2"]


@pytest.mark.parametrize(
    "secret", ["CorrectHorse", 'Correct"Horse', "Correct\\Horse", "Co/rrectHorse", "Körrekt✓Horse"]
)
def test_a_found_value_is_replaced_however_it_is_written(secret: str) -> None:
    quoted = json.dumps(secret)
    in_json = json.dumps({"x": json.dumps({"y": f"it is {secret}!"})})
    escaped = json.dumps("".join(f"\\u{ord(char):04x}" for char in secret)).replace("\\\\", "\\")
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json=f'{{"password": {quoted}}}'),
        UserMessage(content="nothing here"),
        UserMessage(content=f"x{secret}x"),
        ToolReturned(success=True, result_json=in_json),
        ToolReturned(success=True, result_json=escaped),
        ToolReturned(success=True, result_json=quoted.replace("/", "\\/")),
    )
    assert counts == {"SECRET": 5}
    assert "Horse" not in str(events)


def test_data_subjects_become_pseudonyms_that_can_be_looked_up() -> None:
    run = Run().hears("hi")
    consent = Consent(status="granted", basis="contract", data_subject_id="person 17")
    run.events = [Event(**{f: getattr(e, f) for f in e.__struct_fields__} | {"consent": consent}) for e in run.events]
    one = redact_events(run.events, Pseudonyms(KEY, "t1")).events[0].consent
    other = redact_events(run.events, Pseudonyms(KEY, "t2")).events[0].consent
    assert one == other
    assert one.data_subject_id == NAMES.subject("person 17")


def test_the_report_holds_kinds_and_counts_only() -> None:
    _, counts = redacted(UserMessage(content=f"a@b.example a@b.example {OPENAI} 203.0.113.7"))
    assert counts == {"API_KEY": 1, "EMAIL": 2, "IP": 1}


def test_thousands_of_values_are_replaced_and_a_data_base_of_them_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"person.{n}@host{n % 50}.example" for n in range(5_000))
    began = time.process_time()
    events, counts = redacted(UserMessage(content=text), UserMessage(content=text[::-1]))
    assert time.process_time() - began < 5
    assert counts == {"EMAIL": 5_000}
    assert "person" not in said(events[0])
    monkeypatch.setattr(redact_module, "MAX_FOUND", 4_999)
    with pytest.raises(InvalidRecord, match="more than 4999"):
        redacted(UserMessage(content=text))


def test_of_values_that_begin_alike_the_longest_is_replaced() -> None:
    events, counts = redacted(
        UserMessage(content="ann@host.example, ann@host.example.org"),
        UserMessage(content="password=ann@host.exam"),
    )
    assert counts == {"EMAIL": 3}
    assert "host" not in str(events)


HOSTILE = {
    "base64": base64.b64encode(random.Random(1).randbytes(1_500_000)).decode(),
    "one letter": "a" * 100_000 + "@",
    "digits": "1" * 1_000_000,
    "cards": "4111 1111 " * 100_000,
    "colons": ":" * 1_000_000,
    "hex groups": "1:2:" + "a" * 500_000,
    "at signs": "@" * 1_000_000,
    "labels": "a@" + "a." * 400_000,
    "keys": "-----BEGIN PRIVATE KEY-----" * 30_000,
    "tokens": "eyJaaaaaaaa-" * 80_000,
    "token words": "token " * 150_000,
    "spaces": "password" + " " * 1_000_000,
    "urls": "a://b:" * 150_000,
    "plus": "+1 " * 300_000,
    "dots": "1." * 500_000,
    "escapes": "\\u0040" * 100_000,
    "quotes": '["' * 300_000,
    "emails": " ".join(f"u{n}@x.example" for n in range(15_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_whatever_the_text(name: str) -> None:
    text = HOSTILE[name]
    run = Run().add(UserMessage(content=text)).add(ToolReturned(success=True, result_json=json.dumps({"r": text})))
    began = time.process_time()
    redact_events(run.events, NAMES)
    assert time.process_time() - began < 5  # quadratic would take minutes


def test_the_filter_redacts_lines_of_text_and_of_json() -> None:
    line = redact_line('{"to": "a\\u0040b.example", "n": 1.50}\n', NAMES)
    assert line.endswith(', "n": 1.50}\n')
    assert json.loads(line)["to"].endswith("@redacted.invalid")
    assert redact_line("plain a@b.example\n", NAMES).startswith("plain user-")
    assert redact_line("\udcff nothing\n", NAMES) == "\udcff nothing\n"
    assert line_spans("x a@b.example") == [{"kind": "EMAIL", "start": 2, "end": 13}]


def test_hints_never_hide_what_a_pattern_would_find(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(5)
    pieces = [text for _, text, _ in FOUND] + NOT_FOUND
    texts = list(pieces)
    for _ in range(4_000):  # findings cut, joined and changed by a character
        text = "".join(piece[rng.randrange(min(4, len(piece) + 1)) :] for piece in rng.sample(pieces, 2))
        at = rng.randrange(len(text) + 1)
        texts.append(text[:at] + rng.choice("0123456789 .-+@:=()xA") + text[at + rng.randrange(2) :])
    hinted = [find(text) for text in texts]
    monkeypatch.setattr(find_module, "hinted", lambda _: RULES)
    assert hinted == [find(text) for text in texts]
    assert sum(map(len, hinted)) > 2_000


@pytest.mark.recordings
def test_recorded_runs_give_few_false_alarms() -> None:
    """What was looked through by hand: ids, hashes, times, code and versions of real runs are not findings."""
    if not DATA.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    found: dict[str, set[str]] = defaultdict(set)
    folders = ("tau-bench", "tau2-bench", "mini-swe-agent", "swe-agent", "reflexion")
    for path in sorted(path for folder in folders for path in (DATA / folder).glob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines():
            search = Search()
            map_text(line, search)
            for value, kind in search.found.items():
                found[kind].add(value)
    assert len(found.pop("EMAIL")) > 50  # authors in git logs, users of tau-bench
    assert {kind: len(values) for kind, values in found.items()} == {"IP": 1}  # a test case of an exercise
