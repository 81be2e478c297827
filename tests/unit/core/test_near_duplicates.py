"""Canonical forms and fingerprints of traces."""

import base64
import json
import os
import random
import re
import uuid
from typing import Any

import pytest

from schemas.records import DecisionMade, DecisionOption, Trace
from streams.core.near_duplicates.document import Document, document_of, twin_summary
from streams.core.near_duplicates.fingerprint import BAND_BYTES, BANDS, VERSION, fingerprints
from streams.core.near_duplicates.records import MAX_SUMMARY_BYTES, Fingerprint, TwinSummary, estimate
from streams.core.near_duplicates.words import canonical_word, shingles, word_hashes
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.view import view_of
from tests.unit.core.build import Run
from tests.unit.core.test_recordings import recorded


def printed(trace: Trace) -> Fingerprint:
    return fingerprints([document_of(view_of(trace))])[0]


def travel(
    trace_id: str = "one",
    *,
    goal: str = "Book the cheapest flight to Rome for two people",
    arguments: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    said: str = "I found three flights. The cheapest one leaves in the morning and costs 240 dollars, so I book it.",
    tool: str = "search",
    extra_call: bool = False,
    at: int | None = None,
) -> Trace:
    run = Run(trace_id)
    if at is not None:
        run.clock = at
    run.starts(goal=goal, system="You are a travel agent.")
    run.says(said).calls(tool, arguments or {"to": "Rome", "people": 2}, call_id=f"call_{trace_id}")
    run.returns(result or {"flights": [{"code": "HAT069", "price": 240}]})
    if extra_call:
        run.calls("search", {"to": "Milan"}).returns({"flights": []})
    return run.says("Your flight is booked. Have a nice trip!").ends().trace()


def test_the_same_run_with_new_ids_times_and_counters_is_the_same() -> None:
    def run(number: int) -> Trace:
        made = random.Random(number)
        some_id = str(uuid.UUID(int=made.getrandbits(128)))
        return travel(
            f"{made.getrandbits(128):032x}",
            at=1_700_000_000_000_000 + number * 10**9,
            arguments={"to": "Rome", "people": 2, "request_id": some_id, "timestamp": f"2024-05-0{number}T10:00:00Z"},
            result={
                "flights": [{"code": "HAT069", "price": 240, "createdAt": 1_700_000_000 + number}],
                "sequence": number,
                "latency_ms": 3 * number,
                "log": f"/tmp/tmp{made.getrandbits(32):x}/out {some_id} sha {made.getrandbits(160):040x}"
                f" took {made.random():.3f}s at 2024-05-0{number}T10:00:00Z",
            },
        )

    assert printed(run(1)) == printed(run(2))


def test_pseudonyms_differ_from_trace_to_trace_and_do_not_count() -> None:
    def run(scope: str) -> Trace:
        names = Pseudonyms(b"key", scope)
        user, phone = names.of("USERNAME", "mia_li_3668"), names.of("PHONE", "+1 555-123-4567")
        person, secret = names.of("PERSON", "Mia Li-Fontane"), names.of("API_KEY", "sk-12345")
        email, card = names.of("EMAIL", "mia@example.com"), names.of("CARD", "4111-1111-1111-1111")
        return travel(
            goal=f"Book a flight for {person} ({user}), reachable at {email}",
            arguments={"user_id": user, "email": email, "to": "Rome"},
            result={"name": {"first_name": person}, "card": card, "key": secret, "contact": phone.replace(" ", "")},
            said=f"I book it for {user} and send it to {email}.",
        )

    first, second = run("a"), run("b")
    assert first.events != second.events
    assert printed(first) == printed(second)


@pytest.mark.parametrize(
    "other",
    [
        {"arguments": {"to": "Rome", "people": 3}},
        {"arguments": {"to": "Paris", "people": 2}},
        {"arguments": {"to": "Rome", "people": 2, "reservation_id": "JG7FMM"}},
        {"arguments": {"to": "Rome", "people": 2, "start_time": "2024-05-20T10:00:00"}},
        {"arguments": {"to": "Rome", "people": "2", "max": None}},
        {"extra_call": True},
        {"tool": "find"},
        {"goal": "Book the cheapest flight to Rome for three people"},
    ],
)
def test_another_task_or_call_has_other_particulars(other: dict[str, Any]) -> None:
    assert printed(travel()).particulars != printed(travel(**other)).particulars


def test_other_times_asked_for_are_other_calls() -> None:
    morning = travel(arguments={"start_time": "2024-05-20T10:00:00"})
    evening = travel(arguments={"start_time": "2024-05-20T19:00:00"})
    assert printed(morning).particulars != printed(evening).particulars


def test_what_was_said_and_returned_is_compared_by_its_words() -> None:
    plain = printed(travel())
    other = printed(
        travel(said="No idea what to do here, honestly. Let me try whatever comes to my mind first, then see.")
    )
    assert plain.particulars == other.particulars
    assert plain.exact != other.exact
    assert estimate(plain.signature, other.signature) < 0.8
    longer = "I found three flights. The cheapest one leaves in the morning and costs 240 dollars, so I book it today."
    assert 0.8 < estimate(plain.signature, printed(travel(said=longer)).signature) < 1


def test_a_long_text_among_the_arguments_is_compared_by_its_words() -> None:
    text = "A report on the market of electric cars, with many words in it. " * 10
    first = printed(travel(arguments={"path": "report.md", "content": text}))
    second = printed(travel(arguments={"path": "report.md", "content": text + "The end."}))
    assert first.particulars == second.particulars
    assert first.exact != second.exact
    assert first.particulars != printed(travel(arguments={"path": "other.md", "content": text})).particulars


def test_order_of_keys_and_json_inside_a_text_do_not_matter() -> None:
    first = printed(travel(arguments={"a": 1, "b": {"c": [1, 2], "requestId": "x"}}))
    second = printed(travel(arguments={"b": '{"requestId": "y", "c": [1, 2]}', "a": 1}))
    assert first == second


def test_decisions_count() -> None:
    def run(choice: str) -> Trace:
        made = DecisionMade(
            decision_id="d1",
            context='{"budget": 100, "decision_id": "zzz"}',
            options=(DecisionOption(option="train"), DecisionOption(option="plane")),
            choice=choice,
            reasoning="it is cheaper",
        )
        return Run().starts(goal="Travel").add(made).ends().trace()

    assert printed(run("train")).exact != printed(run("plane")).exact
    assert "budget" in document_of(view_of(run("train"))).text
    assert "zzz" not in document_of(view_of(run("train"))).text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("Rome", "rome"),
        ("7f3c1c9e-0b5a-4c1e-9d57-0a8f5f0f2b11", "*uuid"),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "*hash"),
        ("call_AbC123def456", "*id"),
        ("toolu_01Xyz9abcdef", "*id"),
        ("/tmp/tmpamdu7ye8/src/a.py", "*temporary/src/a.py"),
        ("0x7f3c1c9e", "*address"),
        ("person-ab12cd34ef", "*person"),
        ("user-ab12cd34ef@redacted.invalid", "*email"),
        ("2024-05-20T10:00:00.123Z", "*time"),
        ("10:15:01", "*time"),
        ("1700000000123", "*time"),
        ("0.12s", "*duration"),
        # Content.
        ("2024-05-20", "2024-05-20"),
        ("JG7FMM", "jg7fmm"),
        ("HAT069", "hat069"),
        ("240", "240"),
        ("12.5", "12.5"),
        ("3.11.7", "3.11.7"),
        ("src/utils.py", "src/utils.py"),
        ("run-in", "run-in"),
        ("123456789012", "123456789012"),
        ("deadbeef", "deadbeef"),
        ("192.168.0.1", "192.168.0.1"),
    ],
)
def test_a_word_that_identifies_nothing_is_its_kind(word: str, expected: str) -> None:
    assert canonical_word(word, keep_times=False) == expected


def test_times_stay_where_they_are_asked_to() -> None:
    assert canonical_word("2024-05-20T10:00:00Z", keep_times=True) == "2024-05-20t10:00:00z"
    assert word_hashes("at 10:15:01") == word_hashes("at 11:16:02")
    assert word_hashes("at 10:15:01", keep_times=True) != word_hashes("at 11:16:02", keep_times=True)


def test_punctuation_and_case_do_not_matter_and_order_does() -> None:
    assert word_hashes('"Hello, World!"') == word_hashes("hello world") != word_hashes("world hello")
    assert word_hashes("") == word_hashes(" ,;. - ") == b""


def test_a_shingle_hangs_on_three_words_and_their_order() -> None:
    def lanes(text: str) -> list[bytes]:
        found = shingles(word_hashes(text))
        return [found[at : at + 8] for at in range(0, len(found), 8)]

    text = "a b c d e f g h i j"
    assert len(lanes(text)) == 10
    assert len(set(lanes(text))) == 10
    for place in range(10):
        other = text.split()
        other[place] = "z"
        differ = [
            at for at, (one, two) in enumerate(zip(lanes(text), lanes(" ".join(other)), strict=True)) if one != two
        ]
        assert differ == [at for at in range(place - 2, place + 1) if at >= 0]
    assert lanes("a b c")[0] not in {lanes(other)[0] for other in ("a c b", "b a c", "b c a", "c a b", "c b a")}
    assert lanes("a a a")[0] != lanes("b b b")[0] != bytes(8)


def test_a_fingerprint_does_not_depend_on_the_batch() -> None:
    made = random.Random(1)
    documents = [Document(b"12345678", " ".join(f"w{made.randrange(500)}" for _ in range(n))) for n in range(0, 400, 2)]
    together = fingerprints(documents)
    assert together == [fingerprints([document])[0] for document in documents]
    assert {len(one.signature) for one in together} == {128}
    assert {len(one.bands) for one in together} == {BANDS * BAND_BYTES}
    assert {len(one.exact) for one in together} == {16}
    assert fingerprints([]) == []


def test_a_fingerprint_is_the_same_for_ever() -> None:
    """A change of fingerprints needs another VERSION: an index must not mix two."""
    found = fingerprints([Document(b"12345678", "the quick brown fox jumps over the lazy dog")])[0]
    assert found.exact.hex() == "baf6cfae801afaecd4dd7a27d0c7aad9"
    assert found.bands[:8].hex() == "6ae930e551a31dcb"
    assert VERSION == "2-2"
    assert found.signature[:8].hex() == "dda7b91fe48e7c74"


def test_hostile_traces_have_a_fingerprint() -> None:
    deep = "[" * 500 + "]" * 500
    blob = base64.b64encode(os.urandom(2 * 2**20)).decode()
    surrogate = '{"a": "\\ud800"}'
    for content in (deep, blob, surrogate, "{", "null", "", '{"a": NaN}', json.dumps({"a": deep, "b": [blob]})):
        run = Run().starts(goal=content).hears(content).says(content).calls("t", content).returns(content)
        assert len(printed(run.trace()).exact) == 16
    lone = Run().starts(goal="\ud800").says("\udfff x").ends().trace()
    assert printed(lone) == printed(lone)
    assert printed(Run().says(None).trace()).exact


def test_a_summary_of_a_run_is_small() -> None:
    run = Run().starts()
    for number in range(80):
        run.calls(f"tool_{number}_" + "ä" * 100).returns()
    found = twin_summary(view_of(run.ends().trace(cost_usd=0.5, input_tokens=10, output_tokens=5)))
    assert (found.call_count, found.cost_usd, found.total_tokens, len(found.tools)) == (80, 0.5, 15, 50)
    assert found.duration_seconds > 0
    assert len(found.packed()) <= MAX_SUMMARY_BYTES
    assert TwinSummary(1.0).packed()


RECORDINGS = [
    ("tau-bench", "tau-bench", "*.jsonl.gz"),
    ("tau2", "tau2-bench", "azure*.json.gz"),
    ("mini-swe", "mini-swe-agent", "*.jsonl.gz"),
    ("claude-code", "claude-code-transcripts", "*.jsonl"),
]


@pytest.mark.recordings
@pytest.mark.parametrize(("format_name", "folder", "pattern"), RECORDINGS)
def test_recorded_runs_that_called_other_tools_are_never_duplicates(
    format_name: str, folder: str, pattern: str
) -> None:
    views = [view_of(trace) for trace in recorded(format_name, folder, pattern)]
    prints = fingerprints([document_of(view) for view in views])
    calls = [
        [(action.tool, re.sub(r"/tmp/\w+", "/tmp/a", action.parameters_json)) for action in view.actions]
        for view in views
    ]
    for one, (mine, found) in enumerate(zip(calls, prints, strict=True)):
        for two in range(one):
            alike = estimate(found.signature, prints[two].signature)
            assert not (mine != calls[two] and found.particulars == prints[two].particulars)
            assert alike < 0.76
