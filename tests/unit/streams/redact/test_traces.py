"""Traces: every leaf is searched, every found value replaced everywhere, and nothing else changes."""

import json
import time

import pytest

from schemas.errors import InvalidRecord
from schemas.records import (
    AgentStarted,
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
from streams.core.redact import search as search_module
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from tests.unit.core.build import Run
from tests.unit.streams.redact.samples import KEY, NAMES, OPENAI, params, redacted, said


def test_a_value_found_once_goes_everywhere_in_the_trace() -> None:
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json='{"password": "Summer24!"}'),
        UserMessage(content='It is "Summer24!" or xSummer24!x'),
    )
    assert "Summer24" not in str(events)
    assert counts == {"SECRET": 3}


def test_the_roles_of_a_chat_stay_and_anything_else_in_their_place_is_redacted() -> None:
    spoken = (Message(role="user", content="I am user"), Message(role="a@b.example", content="Hello"))
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json='{"password": "user"}'), ModelCalled(input_messages=spoken)
    )
    assert events[1].model_called is not None
    first, second = events[1].model_called.input_messages
    assert first.role == "user"
    assert "@redacted.invalid" in second.role
    assert counts["EMAIL"] == 1


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
    ('{"password": 12345678, "other": "x1y2z3a4"}', True),
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
    monkeypatch.setattr(search_module, "MAX_FOUND", 4_999)
    with pytest.raises(InvalidRecord, match="more than 4999"):
        redacted(UserMessage(content=text))


def test_of_values_that_begin_alike_the_longest_is_replaced() -> None:
    events, counts = redacted(
        UserMessage(content="ann@host.example, ann@host.example.org"),
        UserMessage(content="password=ann@host.exam"),
    )
    assert counts == {"EMAIL": 3}
    assert "host" not in str(events)


def test_what_was_read_as_text_deep_down_is_read_as_json_higher_up() -> None:
    inner = json.dumps({"first_name": "Ottokar", "to": "a@b.example"})
    deep = inner
    for _ in range(8):
        deep = json.dumps([deep])
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json=deep), ToolCalled(tool="T", parameters_json=json.dumps([inner]))
    )
    assert counts["PERSON"] == 2
    assert "Ottokar" not in str(events)


def test_a_value_that_is_personal_by_its_key_alone_goes_where_that_key_is_and_nowhere_else() -> None:
    inner = json.dumps({"first_name": "Will", "x": "Will"})
    text = json.dumps({"age": 34, "first_name": "Will", "n": 34, "s": inner, "w": "Will"})
    (event, other), counts = redacted(ToolCalled(tool="T", parameters_json=text), UserMessage(content="Will you? 34"))
    made = json.loads(params(event))
    assert counts == {"PERSON": 2}
    assert made["w"] == "Will"
    assert json.loads(made["s"])["x"] == "Will"
    assert "Will" not in (made["first_name"], json.loads(made["s"])["first_name"])
    assert said(other) == "Will you? 34"


def test_a_name_is_found_in_any_case_whatever_letter_ends_it() -> None:
    events, _ = redacted(
        ToolCalled(tool="T", parameters_json='{"full_name": "Νίκος Παπάς"}'),
        UserMessage(content="ΝΊΚΟΣ ΠΑΠΆΣ was here, İ too"),
    )
    assert "ΠΑΠΆΣ" not in said(events[1])
