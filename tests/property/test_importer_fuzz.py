"""Damaged recordings: whatever is dropped, retyped or cut off, an importer gives valid events or reports."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.catalogue import FORMATS
from tests.contract.importer_samples import SAMPLES, Sample
from tests.contract.test_importers import check_contract

MINE = ("tau-bench", "tau2", "openai-messages", "atif")
FUZZED = [sample for sample in SAMPLES if sample.format in MINE]
STRANGE: tuple[object, ...] = (
    None,
    True,
    -1,
    2**70,
    1e308,
    float("nan"),
    "",
    "x\x00y",
    "\ud800",
    "Error: bad",
    [],
    {},
    [[]],
    [None],
    {"role": "user"},
    {"function": 1},
    [{"type": "text"}, 5],
    "9999-12-31T00:00:00",
)


def damage(node: object, chance: random.Random, rate: float) -> object:
    """The value with fields dropped, replaced and repeated."""
    if chance.random() < rate:
        return chance.choice(STRANGE)
    if isinstance(node, dict):
        return {key: damage(value, chance, rate) for key, value in node.items() if chance.random() >= rate}
    if isinstance(node, list):
        kept = [damage(item, chance, rate) for item in node if chance.random() >= rate]
        return kept + kept[: chance.randrange(2)]
    return node


def documents(sample: Sample) -> list[object]:
    content = sample.make(3)
    try:
        return [json.loads(content)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize("sample", FUZZED, ids=str)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.01, 0.05, 0.2]), cut=st.floats(0.3, 1.5))
def test_damage_never_raises(
    sample: Sample, tmp_path_factory: pytest.TempPathFactory, seed: int, rate: float, cut: float
) -> None:
    chance = random.Random(seed)
    damaged = [damage(document, chance, rate) for document in documents(sample)]
    content = "\n".join(json.dumps(document) for document in damaged).encode()
    path = tmp_path_factory.mktemp("fuzz") / sample.file_name
    path.write_bytes(content[: int(len(content) * cut)])
    events: dict[str, Event] = {}
    for item in FORMATS[sample.format].importer()(RecordingFile(path), ImportOptions()):
        if not isinstance(item, BrokenRecord):
            # A run that stands in the file twice is the same run: the same events once more.
            assert events.setdefault(item.event_id, item) == item
    check_contract(list(events.values()), joined=False)
