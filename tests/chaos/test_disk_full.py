"""Tables in a directory whose disk is full for a while: the sink waits, and goes on by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.disks import filled, mounted, unmount
from tests.chaos.verdict import Verdict
from tests.integration.line import Line, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if not mounted(place, 16 * 2**20):
        pytest.skip("only root may mount a disk")
    yield place
    unmount(place)


def test_tables_on_a_full_disk_lose_and_double_nothing(line: Line, disk: Path) -> None:
    world = line.having(storage={"root": str(disk / "tables")}).world(61)
    supervisor = line.start()
    log = line.directory / "logs" / "sink.log"
    world.send(world.messages([world.mixed_run() for _ in range(10)]))
    wait_for(lambda: list(disk.glob("tables/traces/*.parquet")))
    before = supervisor.pids()
    with filled(disk):
        world.send(world.messages([world.mixed_run() for _ in range(20)]))
        wait_for(lambda: "intake pauses until it answers" in log.read_text())
    world.send(world.messages([world.mixed_run() for _ in range(5)]))
    verdict = Verdict(line.settings, world)
    verdict.settle(90, supervisor.look_after)
    assert verdict.look([log]) == []
    assert supervisor.pids() == before, "nobody had to be started again"
