"""The disk spool: order, bounds, torn tails, owners that are gone."""

import os
import shutil
from pathlib import Path

import pytest

from training_data_producer._encoding import SCHEMA_TEXT, Encoded
from training_data_producer._segments import Segment
from training_data_producer._settings import destination_directory
from training_data_producer._spool import SEGMENT_BYTES, Spool

MEGABYTE = 2**20


def batch(number: int, size: int = 10) -> Encoded:
    return Encoded(f"00-{number:032x}-{1:016x}-01".encode(), number, b"p" * size)


def spool(directory: Path, instance: str = "one", max_bytes: int = 64 * MEGABYTE) -> Spool:
    return Spool(directory, instance, max_bytes)


def drained(where: Spool) -> list[int]:
    found = []
    while taken := where.take():
        found.append(taken[1].event_count)
        where.acknowledge(taken[0])
    return found


def files(directory: Path) -> list[str]:
    return sorted(path.suffix for path in directory.iterdir())


def test_first_in_first_out_over_many_segments_then_nothing_is_left(tmp_path: Path) -> None:
    where = spool(tmp_path)
    for number in range(40):
        assert where.append(batch(number, MEGABYTE // 2))
    assert len(list(tmp_path.glob("*.seg"))) > 4
    assert drained(where) == list(range(40))
    assert not list(tmp_path.glob("*.seg"))
    where.close()
    assert files(tmp_path) == []


def test_a_batch_stays_on_disk_until_it_is_acknowledged(tmp_path: Path) -> None:
    where = spool(tmp_path)
    where.append(batch(1))
    taken = where.take()
    assert taken is not None
    assert where.take() is None
    assert where.holds_own
    where.acknowledge(taken[0])
    assert not where.holds_own


def test_a_batch_on_its_way_already_is_kept_but_not_taken_again(tmp_path: Path) -> None:
    where = spool(tmp_path)
    segment = where.append(batch(1), taken=True)
    where.append(batch(2))
    assert segment is not None
    later = where.append(batch(3), taken=True)
    assert later is not None
    assert later is not segment, "what was read to its end stays apart from what was not"
    assert drained(where) == [2]
    where.close()
    heir = spool(tmp_path, "two")
    assert heir.adopt() == 2
    assert drained(heir) == [1, 2, 3]


def test_the_bound_refuses_the_newest(tmp_path: Path) -> None:
    where = spool(tmp_path, max_bytes=100_000)
    accepted = [number for number in range(30) if where.append(batch(number, 10_000))]
    assert accepted == list(range(len(accepted)))
    assert 5 < len(accepted) < 10
    assert where.bytes <= 100_000
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) == where.bytes
    assert "bound" in (where.problem or "")
    assert drained(where) == accepted
    assert where.append(batch(99, 10_000))


def test_leftovers_of_others_count_against_the_bound(tmp_path: Path) -> None:
    first = spool(tmp_path)
    first.append(batch(1, 60_000))
    second = spool(tmp_path, "two", max_bytes=100_000)
    second.adopt()
    assert second.append(batch(2, 60_000)) is None


def test_only_leftovers_of_the_dead_are_taken_over(tmp_path: Path) -> None:
    alive = spool(tmp_path, "alive")
    alive.append(batch(1))
    heir = spool(tmp_path, "heir")
    assert heir.adopt() == 0
    alive.close()
    assert heir.adopt() == 1
    assert spool(tmp_path, "third").adopt() == 0
    assert drained(heir) == [1]
    heir.close()
    assert files(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 7, 9, 60, 100])
def test_a_torn_tail_ends_the_segment_and_everything_before_it_counts(tmp_path: Path, cut: int) -> None:
    where = spool(tmp_path)
    for number in range(5):
        where.append(batch(number, 50))
    where.close()
    (path,) = tmp_path.glob("*.seg")
    os.truncate(path, path.stat().st_size - cut)
    heir = spool(tmp_path, "two")
    heir.adopt()
    assert drained(heir) == [0, 1, 2, 3]
    assert not list(tmp_path.glob("*.seg"))


def test_a_damaged_frame_is_skipped_and_the_file_kept_aside(tmp_path: Path) -> None:
    where = spool(tmp_path)
    for number in range(3):
        where.append(batch(number, 50))
    where.close()
    (path,) = tmp_path.glob("*.seg")
    content = bytearray(path.read_bytes())
    content[-60 - 117] ^= 0xFF
    path.write_bytes(content)
    heir = spool(tmp_path, "two")
    heir.adopt()
    assert drained(heir) == [0, 2]
    assert files(tmp_path) == [".damaged"]


def test_a_segment_without_a_whole_head_is_nothing(tmp_path: Path) -> None:
    where = spool(tmp_path)
    where.append(batch(1))
    where.close()
    (path,) = tmp_path.glob("*.seg")
    for size in (0, 5, 100):
        os.truncate(path, size)
        assert Segment.reopen(path) is None


def test_batches_carry_the_schema_they_were_written_with(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "old.seg", '"an older schema"')
    segment.append(batch(1))
    segment.close()
    found = Segment.reopen(tmp_path / "old.seg")
    assert found is not None
    assert found.schema_text == '"an older schema"' != SCHEMA_TEXT
    found.close()


def test_content_is_for_its_owner_only(tmp_path: Path) -> None:
    where = spool(tmp_path / "new" / "spool")
    where.append(batch(1))
    assert (tmp_path / "new" / "spool").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "new" / "spool").iterdir()} == {0o600}


def test_a_directory_that_cannot_be_made_is_a_problem_not_an_exception(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    where = spool(tmp_path / "file" / "spool")
    assert where.append(batch(1)) is None
    assert where.take() is None
    assert where.adopt() == 0
    assert "cannot be used" in (where.problem or "")


def test_destinations_have_spools_of_their_own(tmp_path: Path) -> None:
    first = destination_directory(tmp_path, "a:1, b:2", "t")
    assert first == destination_directory(tmp_path, "b:2,a:1", "t")
    assert first != destination_directory(tmp_path, "a:1,c:2", "t")
    assert SEGMENT_BYTES < 2**24


def test_a_file_with_a_damaged_head_is_kept_for_people_and_one_that_never_had_a_head_is_not(tmp_path: Path) -> None:
    where = spool(tmp_path)
    where.append(batch(1, 5_000))
    where.close()
    (path,) = tmp_path.glob("*.seg")
    raw = bytearray(path.read_bytes())
    raw[40] ^= 1
    path.write_bytes(raw)
    torn = path.with_name(path.name.replace("000001", "000002"))
    torn.write_bytes(raw[:30])
    heir = spool(tmp_path, "two")
    assert heir.adopt() == 0
    heir.close()
    assert files(tmp_path) == [".damaged"]


def test_a_directory_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    where = spool(tmp_path / "spool")
    where.append(batch(1, SEGMENT_BYTES))
    shutil.rmtree(tmp_path / "spool")
    assert where.append(batch(2))
    assert spool(tmp_path / "spool", "two").adopt() == 0, "its owner lives"
    where.close()
    heir = spool(tmp_path / "spool", "three")
    assert heir.adopt() == 1
    assert drained(heir) == [2]


def test_many_dead_processes_are_taken_over_some_at_a_time(tmp_path: Path) -> None:
    for number in range(150):
        dead = spool(tmp_path, f"dead{number:03}")
        dead.append(batch(number))
        dead.close()
    heir = spool(tmp_path, "heir")
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    found: list[int] = []
    while heir.adopt() or heir.more_left:
        if before:
            assert len(os.listdir("/proc/self/fd")) - before < 150
        found += drained(heir)
    assert sorted(found) == list(range(150))
    heir.close()
    assert files(tmp_path) == []
