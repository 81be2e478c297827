"""Every recording through the whole line: what is in the file is in the table, and a second import adds nothing."""

from collections import Counter
from pathlib import Path

import pytest

from ops.status import gather_status
from schemas.records import Event
from sinks.query import query
from streams.adapters.base import ImportOptions
from streams.adapters.catalogue import format_named
from streams.adapters.files import find_recordings
from tests.integration.line import Line
from tests.integration.recorded import DATA, RECORDINGS


def expected(name: str, paths: list[str]) -> tuple[int, int, int, int]:
    """Runs, events, tool calls and failed results that the importer finds, each event id once.

    That the importer finds what is in the file is tested against independent counts in its own tests.
    """
    found = format_named(name)
    unique: dict[str, Event] = {}
    for source in find_recordings(paths, found.suffixes):
        for item in found.importer()(source, ImportOptions()):
            if isinstance(item, Event):
                unique.setdefault(item.event_id, item)
    kinds = Counter(event.kind for event in unique.values())
    failed = sum(1 for e in unique.values() if e.tool_returned and not e.tool_returned.success)
    return len({event.trace_id for event in unique.values()}), len(unique), kinds["tool_called"], failed


@pytest.mark.integration
@pytest.mark.recordings
@pytest.mark.timeout(900)
def test_what_is_recorded_is_in_the_tables(line: Line, tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip("the recorded runs are not here (../shared/data)")
    wanted: dict[str, tuple[int, int, int, int]] = {}
    pipeline = line.start()
    for name, patterns in RECORDINGS:
        paths = [str(path) for pattern in patterns for path in sorted(DATA.glob(pattern))]
        done = line.tdc("import", name, *paths, "--consent", "granted", seconds=240)
        assert done.returncode in (0, 1), done.stderr  # 1: some recordings hold broken records on purpose
        wanted[name] = expected(name, paths)
    status = pipeline.wait_until_idle(timeout_seconds=240)
    assert status.balanced, status.faults
    rows = query(
        line.settings,
        "SELECT source_format, count(*), sum(event_count), sum(tool_call_count), sum(tool_error_count) "
        "FROM traces GROUP BY 1",
    )
    stored = {
        str(row[0]): tuple(int(number) for number in row[1:]) for row in zip(*rows.to_pydict().values(), strict=True)
    }
    assert stored == wanted
    assert status.close_reasons == {"ended": sum(runs for runs, _, _, _ in wanted.values())}

    again = line.tdc("import", "tau-bench", str(DATA / "tau-bench/*.gz"), "--consent", "granted")
    assert again.returncode == 0, again.stderr
    after = pipeline.wait_until_idle(timeout_seconds=60)
    assert after.events.duplicate == status.events.duplicate + wanted["tau-bench"][1]
    assert after.traces == status.traces
    assert gather_status(line.settings).events.assembled == status.events.assembled
