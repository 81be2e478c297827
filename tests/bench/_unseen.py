"""Labelled sentences that no rule was written against, made by a seeded generator in the shape of presidio-research.

Templates are those of `_unseen_templates`, values those of `_unseen_values`. Some sentences are in lower case, as
people type: so are some of presidio-research.
"""

import random
import re
from typing import Any

from tests.bench._unseen_templates import TEMPLATES
from tests.bench._unseen_values import MAKERS

_SLOT = re.compile(r"\{(\w+)\}")
_LOWER_SHARE = 0.06


def unseen(count: int, seed: int = 7, half: int | None = None) -> list[dict[str, Any]]:
    """As many records; the same for the same seed. `half` 0 or 1: only templates at even or at odd places."""
    rng = random.Random(seed)
    numbers = [number for number in range(len(TEMPLATES)) if half is None or number % 2 == half]
    return [_record(numbers[place % len(numbers)], rng) for place in range(count)]


def _record(number: int, rng: random.Random) -> dict[str, Any]:
    template = TEMPLATES[number]
    lower = rng.random() < _LOWER_SHARE
    text, at, spans = "", 0, []
    for match in _SLOT.finditer(template):
        text += template[at : match.start()]
        kind, make = MAKERS[match.group(1)]
        value = make(rng)
        spans.append({"entity_type": kind, "start_position": len(text), "end_position": len(text) + len(value)})
        text += value
        at = match.end()
    text += template[at:]
    if lower and len(text.lower()) == len(text):
        text = text.lower()
    return {"full_text": text, "spans": spans, "template_id": number}
