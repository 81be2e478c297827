"""Tool sequences of recorded runs: every larger source has some, and nothing that stood in an argument is told."""

import pytest

from schemas.seed_text import json_value
from streams.core.patterns import inputs
from streams.core.patterns.counters import Bucket, Counted, Group, Window, batched
from streams.core.patterns.mine import PatternRules, mine
from streams.core.patterns.observe import counts_of
from streams.core.view import view_of
from tests.unit.core.test_recordings import SOURCES, recorded

pytestmark = pytest.mark.recordings

TOLD_BY_LIST = {*inputs.OPTION_WORDS, *inputs.PROGRAMS, *inputs._FORMATS.values(), *inputs._PLACES.values()}


@pytest.mark.parametrize(("format_name", "folder", "pattern"), SOURCES)
def test_recorded_runs_have_patterns_that_tell_no_value(format_name: str, folder: str, pattern: str) -> None:
    values: set[str] = set()
    declared: set[str] = set()
    items = []
    for number, trace in enumerate(recorded(format_name, folder, pattern)):
        view = view_of(trace)
        items.append(Counted(number, trace.trace_id, Group("recorded"), trace.closed_at, counts_of(view, None)))
        for tool in view.tools:
            declared |= _texts(json_value(tool.parameters_json))
        for action in view.actions:
            values |= _texts(json_value(action.parameters_json))
    buckets = tuple(Bucket(number, cells) for number, cells in batched(items, 3_600_000_000).items())
    found = mine(
        Window(Group("recorded"), 1, 1, 0, buckets[-1].number, buckets, frozenset()), PatternRules(min_traces=2)
    )
    assert found or len(items) < 5
    told = {word for one in found for tool in one.sequence for words in tool.typical_inputs.values() for word in words}
    assert not (told & values) - TOLD_BY_LIST - declared


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for child in children for text in _texts(child)}
