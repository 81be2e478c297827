"""Input that would take forever, or all memory, or get through."""

import base64
import json
import random
import time
from collections import Counter

import pytest

from schemas.records import ToolCalled, ToolReturned, UserMessage
from streams.core.redact.events import redact_events
from streams.core.redact.redactor import RULES_ALONE
from streams.core.redact.replace import Replace
from tests.unit.core.build import Run
from tests.unit.streams.redact.samples import NAMES, params, redacted, said

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
    "passwords": "password='" * 100_000,
    "named": "first_name: Anna " * 60_000,
    "commands": "mysql curl redis-cli " * 50_000,
    "flags": "--token " * 120_000,
    "hashes": "$2b$" * 250_000,
    "code": "secret=" + "a1_" * 80 + "! " + "secret=" + "a.b1_" * 50 + "! ",
    "snakes": ("secret=" + "a_" * 100 + "1!b ") * 100,
    "units": ("address: '8 " + "A1" * 45 + "' ") * 1_000,
    "births": "born (" * 160_000,
    "homes": "/home/" * 160_000,
    "logins": "login x password " * 60_000,
    "heads": ("name    ,  mail    |  phone   , " * 12 + "9\n") * 1_000,
    "tables": "first_name,dob\n" * 40_000,
    "cells": "name,mail\n" + "a,b\n" * 100_000,
    "slashes": "secret=/" + "ab/" * 300_000,
    "escapes": "\\u0040" * 100_000,
    "quotes": '["' * 300_000,
    "house numbers": "12 " * 300_000,
    "capitals": "Anna " * 200_000,
    "names": "my name is " * 100_000,
    "streets": "1 A Street " * 60_000,
    "birthdays": "born on " * 120_000,
    "ids": "passport number is " * 60_000,
    "emails": " ".join(f"u{n}@x.example" for n in range(15_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_linear_whatever_the_text(name: str) -> None:
    text = HOSTILE[name]
    run = Run().add(UserMessage(content=text)).add(ToolReturned(success=True, result_json=json.dumps({"r": text})))
    began = time.process_time()
    redact_events(run.events, NAMES)
    assert time.process_time() - began < 5  # quadratic would take minutes


def test_a_trace_of_100_000_events_is_redacted() -> None:
    run = Run()
    for number in range(100_000):
        run.add(
            UserMessage(content=f"message {number} of anna.berg@example.org" if number % 50 == 0 else f"tick {number}")
        )
    began = time.process_time()
    result = redact_events(run.events, NAMES)
    assert time.process_time() - began < 30
    assert result.report.counts == {"EMAIL": 2_000}
    assert not any("anna" in said(event) for event in result.events)


def test_five_megabytes_of_base64_in_a_leaf_are_left_and_what_is_beside_them_is_found() -> None:
    blob = base64.b64encode(random.Random(2).randbytes(3_750_000)).decode()
    events, counts = redacted(ToolReturned(success=True, result_json=json.dumps({"data": blob, "to": "a@b.example"})))
    returned = events[0].tool_returned
    assert returned is not None
    assert returned.result_json is not None
    assert json.loads(returned.result_json)["data"] == blob
    assert counts == {"EMAIL": 1}


def test_json_500_deep_is_walked_to_its_ground() -> None:
    leaf = '{"first_name": "Ottokar", "to": "a@b.example"}'
    text = '{"a": [' * 250 + leaf + "]}" * 250
    events, counts = redacted(ToolCalled(tool="T", parameters_json=text))
    json.loads(params(events[0]))
    assert "Ottokar" not in params(events[0])
    assert counts == {"EMAIL": 1, "PERSON": 1}


def test_half_surrogate_pairs_hide_nothing() -> None:
    text = '{"x": "\\ud800", "name": {"first_name": "Ottokar\\udc00"}, "to": "a@b.example"}'
    events, _ = redacted(ToolCalled(tool="T", parameters_json=text), UserMessage(content="\ud800 a@b.example"))
    json.loads(params(events[0]))
    assert "b.example" not in str([params(events[0]), said(events[1])])


@pytest.mark.parametrize("part", ["mr Obiora slept. ", "Mr Bo Holm, Ann Lee. so ", "Ann Lee\nNurse\nAcme Foo\ntel x\n"])
def test_many_findings_side_by_side_take_time_in_proportion(part: str) -> None:
    finder = RULES_ALONE.finder
    sizes = {}
    for count in (1_000, 8_000):
        began = time.process_time()
        finder.find(part * count)
        sizes[count] = time.process_time() - began
    # Eight times the text: a square would take 64 times as long.
    assert sizes[8_000] < 24 * sizes[1_000] + 0.05


def test_many_long_values_that_begin_alike_are_told_apart_quickly() -> None:
    values = {"Ab3" * 60 + f"{number:06d}" + "x" * 150: "SECRET" for number in range(1_500)}
    replace = Replace(values, {}, {"SECRET": "mask"}, NAMES, Counter())
    began = time.process_time()
    text = replace("\n".join(values))
    assert time.process_time() - began < 30  # each compared with each it would take minutes; it takes a part of one
    assert text == "\n".join(["[SECRET]"] * len(values))
