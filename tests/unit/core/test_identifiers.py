"""Identifiers stay as they are, so one that shows a person or a secret is told."""

import uuid

import msgspec
import pytest

from schemas.records import Event, FeedbackGiven
from streams.core.identifiers import ids_of, mail_in, shown_in
from streams.core.redact.policy import RedactionPolicy
from tests.unit.core.build import Run
from tests.unit.streams.redact.samples import GITHUB, JWT, OPENAI

REPLACED = RedactionPolicy().replaced


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("conv-anna@host.example-1", "EMAIL"),
        ("conv-anna%40host.example", "EMAIL"),
        (f"run {OPENAI}", "API_KEY"),
        (GITHUB, "API_KEY"),
        (JWT, "TOKEN"),
        ("postgres://anna:pa55word@db/1", "URL_CREDENTIALS"),
    ],
)
def test_an_id_that_shows_a_person_or_a_secret_is_told(text: str, kind: str) -> None:
    assert shown_in(["trace-1", text, "trace-2"], REPLACED) == kind
    assert mail_in(text, REPLACED) == (kind == "EMAIL")


@pytest.mark.parametrize(
    "text",
    [
        str(uuid.UUID(int=7)), "0af7651916cd43dd8448eb211c80319c", "4111111111111111", "toolu_01A09q90qw90lq917835lq9",
        "call_9xYz0123456789abcdefABCD", "git@github.com:org/repo", "agent@3", "Anna Berg 3", "image@sha256:0af7",
        "2024-01-15T10:00:00Z", "+49 30 5550 1234",
    ],
)  # fmt: skip
def test_ids_of_machines_and_numbers_are_let_through(text: str) -> None:
    assert shown_in([text], REPLACED) is None
    assert not mail_in(text, REPLACED)


def test_what_the_policy_keeps_may_stand_in_an_id() -> None:
    assert shown_in(["anna@host.example"], REPLACED - {"EMAIL"}) is None
    assert not mail_in("anna@host.example", REPLACED - {"EMAIL"})


def test_every_identifier_of_an_event_is_looked_at_once() -> None:
    event = Run().add(FeedbackGiven(target_span_id="x-target")).events[0]
    names = [name for name in Event.__struct_fields__ if name.endswith("_id")]
    assert len(names) == 5
    event = msgspec.structs.replace(event, **{name: f"x-{name}" for name in names})
    assert set(ids_of([event, event])) == {f"x-{name}" for name in names} | {"x-target"}
