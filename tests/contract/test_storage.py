"""What the tables promise, on every store: a local directory and a real S3 service with conditional writes."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from ops.stack import UnavailableError
from ops.supervisor import settings_environment
from schemas.errors import LeaseLost, StorageUnavailable
from schemas.settings import Settings, SinkSettings, StorageSettings
from sinks import maintenance
from sinks.delta import SinkTable, client_options
from sinks.query import query, resume_points, stored_counts, through
from sinks.rows import arrow_table, pattern_row
from sinks.tables import TABLES
from tests.unit.sinks.driving import batch_of, opened, stored
from tests.unit.sinks.samples import decision, example, pattern, trace
from tests.unit.sinks.servers import Fault, FaultyProxy, s3_service


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    try:
        with s3_service(tmp_path_factory.mktemp("s3")) as service:
            yield service
    except UnavailableError as error:
        pytest.skip(f"no S3 service on this machine: {error}")


def s3_settings(service: dict[str, str], root: str, port: int | None = None) -> Settings:
    return Settings(
        storage=StorageSettings.model_validate(
            {
                "root": f"s3://tdc/{root}",
                "endpoint_url": f"http://127.0.0.1:{port or service['port']}",
                "access_key_id": service["access_key"],
                "secret_access_key": service["secret_key"],
            }
        )
    )


@pytest.fixture(params=["directory", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    if request.param == "directory":
        return Settings(storage=StorageSettings.model_validate({"root": str(tmp_path / "tables")}))
    return s3_settings(request.getfixturevalue("s3"), tmp_path.name)


def handle(settings: Settings, name: str) -> DeltaTable:
    uri = f"{settings.storage_root()}/{name}"
    return DeltaTable(uri, storage_options=client_options(settings.storage_options()))


def test_before_anything_is_stored_tables_are_empty_with_their_columns(settings: Settings) -> None:
    assert query(settings, "SELECT trace_id, execution_trace FROM traces").num_rows == 0
    assert stored_counts(settings).rows == {"traces": 0, "decisions": 0, "examples": 0, "patterns": 0}
    assert resume_points(settings, 1)["traces"] == {"traces-0": -1}


def test_what_is_flushed_can_be_queried_and_is_counted(settings: Settings) -> None:
    result = opened(settings).flush(batch_of(trace("t1"), trace("t2"), decision("t1"), example("t1")))
    assert result.rows == {"traces": 2, "decisions": 1, "examples": 1}
    assert stored(settings)["traces"] == [("t1", 1), ("t2", 1)]
    counts = stored_counts(settings)
    assert counts.rows == {"traces": 2, "decisions": 1, "examples": 1, "patterns": 0}
    assert counts.trace_events == 4
    assert through(resume_points(settings, 1)) == {"traces-0": 1, "decisions-0": 0, "examples-0": 0, "patterns-0": -1}


def test_the_highest_revision_of_a_pattern_is_its_row(settings: Settings) -> None:
    sink = opened(settings)
    result = sink.flush(batch_of(pattern("p1", 5), pattern("p2", 5), pattern("p1", 4)))
    assert result.rows == {"patterns": 2}
    sink.flush(batch_of(pattern("p1", 2**40, traces=9), pattern("p2", 3), first=3))
    opened(settings).flush(batch_of(pattern("p1", 2**40, traces=9), pattern("p2", 3), first=3))  # once more
    found = query(settings, "SELECT pattern_id, revision, trace_count, tools[2] FROM patterns ORDER BY 1").to_pylist()
    assert [tuple(row.values()) for row in found] == [("p1", 2**40, 9, "read"), ("p2", 5, 4, "read")]
    assert through(resume_points(settings, 1))["patterns-0"] == 4


def test_a_table_of_an_earlier_release_gets_the_columns_it_lacks(settings: Settings) -> None:
    """And rows that it holds stay when one beside them is replaced."""
    spec = TABLES["patterns"]
    added = ("support", "tools", "tool_execution_pattern")
    older = pa.schema([field for field in spec.schema if field.name not in added])
    rows = arrow_table("patterns", [pattern_row(pattern("old")), pattern_row(pattern("p1"))]).drop_columns(added)
    uri = f"{settings.storage_root()}/patterns"
    options = client_options(settings.storage_options())
    write_deltalake(DeltaTable.create(uri, older, storage_options=options), rows, mode="append")
    assert query(settings, "SELECT pattern_id FROM patterns WHERE support IS NULL").num_rows == 2
    opened(settings).flush(batch_of(pattern("p1", 1_800_000_000)))
    maintenance.compact(settings, "patterns")
    opened(settings).flush(batch_of(pattern("p2"), first=1))
    found = query(settings, "SELECT pattern_id, tools, support, trace_count FROM patterns ORDER BY 1").to_pylist()
    new = ["search", "read"]
    assert [tuple(row.values()) for row in found] == [("old", None, None, 4), ("p1", new, 0.5, 4), ("p2", new, 0.5, 4)]


def test_a_statement_that_stops_early_ends_its_process_cleanly(settings: Settings) -> None:
    """`tdc query "... LIMIT 1"`: read-ahead that is left behind must not abort the interpreter when it ends."""
    sink = opened(settings)
    for first in range(12):
        sink.flush(batch_of(*(trace(f"t{first}-{n}") for n in range(40)), first=first * 40))
    sql = "SELECT execution_trace FROM traces WHERE trace_id LIKE 't%' LIMIT 1"
    script = (
        "from schemas.settings import load_settings\nfrom sinks.query import query\n"
        f"print(query(load_settings(), {sql!r}).num_rows)"
    )
    environment = {**os.environ, **settings_environment(settings)}
    for _ in range(4):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr


def test_a_replay_changes_nothing(settings: Settings) -> None:
    batch = batch_of(trace("t1"), decision("t1"), example("t1"))
    opened(settings).flush(batch)
    before = stored(settings)
    again = opened(settings)
    assert again.resume_offset("traces", 0) == 1
    assert again.flush(batch).committed == ()
    assert stored(settings) == before


def test_a_stale_writer_of_a_partition_is_refused(settings: Settings) -> None:
    zombie, owner = opened(settings), opened(settings)
    owner.flush(batch_of(trace("t1"), trace("t2"), decision("t1"), example("t1")))
    for late in (batch_of(trace("t1")), batch_of(decision("t1"), decision("t2")), batch_of(example("t1", number=7))):
        with pytest.raises(LeaseLost, match="another writer"):
            zombie.flush(late)
    owner.flush(batch_of(trace("t3"), first=2))
    assert stored(settings)["traces"] == [("t1", 1), ("t2", 1), ("t3", 1)]
    assert stored(settings)["examples"] == [("t1-r1-0", 1)]


def test_a_stale_writer_of_examples_is_refused_when_only_the_decisions_moved(settings: Settings) -> None:
    zombie, owner = opened(settings), opened(settings)
    owner.flush(batch_of(decision("t1", 2)))
    with pytest.raises(LeaseLost):
        zombie.flush(batch_of(example("t1", 1)))
    assert stored(settings)["examples"] == []


def test_writers_of_different_partitions_do_not_disturb_each_other(settings: Settings) -> None:
    sinks = [opened(settings, [lane]) for lane in range(3)]
    failures: list[Exception] = []

    def write(lane: int) -> None:
        try:
            for number in range(5):
                again = decision(f"{lane}-{number}", redelivered=True)
                sinks[lane].flush(batch_of(trace(f"{lane}-{number}"), again, first=number, partition=lane))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(lane,)) for lane in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert stored_counts(settings).rows["traces"] == 15
    assert stored_counts(settings).rows["decisions"] == 15


def test_redelivered_rows_replace_themselves(settings: Settings) -> None:
    sink = opened(settings)
    sink.flush(batch_of(trace("t1"), trace("t2"), decision("t1"), example("t1"), example("t2")))
    again = batch_of(
        trace("t1", redelivered=True), decision("t1", redelivered=True), example("t1", redelivered=True), first=2
    )
    sink.flush(again)
    assert stored(settings)["traces"] == [("t1", 1), ("t2", 1)]
    assert stored(settings)["decisions"] == [("t1", 1)]
    assert stored(settings)["examples"] == [("t1-r1-0", 1), ("t2-r1-0", 1)]


def test_a_message_repeated_without_a_mark_is_recognised_while_it_is_fresh(settings: Settings) -> None:
    sink = opened(settings)
    sink.flush(batch_of(trace("t1"), example("t1")))
    sink.flush(batch_of(trace("t1"), example("t1"), first=1))
    assert stored(settings)["traces"] == [("t1", 1)]
    assert stored(settings)["examples"] == [("t1-r1-0", 1)]


def test_a_later_revision_replaces_rows_and_takes_examples_out(settings: Settings) -> None:
    sink = opened(settings)
    sink.flush(
        batch_of(trace("t1"), trace("t2"), decision("t1"), example("t1"), example("t1", number=1), example("t2"))
    )
    sink.flush(batch_of(trace("t1", 2), decision("t1", 2), example("t1", 2), first=5))
    assert stored(settings)["traces"] == [("t1", 2), ("t2", 1)]
    assert stored(settings)["decisions"] == [("t1", 2)]
    assert stored(settings)["examples"] == [("t1-r2-0", 2), ("t2-r1-0", 1)]


def test_consent_that_is_withdrawn_takes_the_trace_out(settings: Settings) -> None:
    sink = opened(settings)
    sink.flush(batch_of(trace("t1"), trace("t2", withheld=True)))
    sink.flush(batch_of(trace("t1", 2, withheld=True), first=2))
    assert stored(settings)["traces"] == []


def test_a_change_planned_before_a_compaction_does_not_bring_rows_back(settings: Settings) -> None:
    sink = opened(settings)
    for number in range(4):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    plan = sink._plan_traces
    interfered: list[maintenance.Upkeep] = []

    def plan_then_compact(batch: Any) -> Any:
        change = plan(batch)
        if not interfered:
            interfered.append(maintenance.compact(settings, "traces"))
        return change

    sink._plan_traces = plan_then_compact  # type: ignore[method-assign]
    sink.flush(batch_of(trace("t1", 2), first=4))
    assert interfered[0].files_removed == 4
    assert stored(settings)["traces"] == [("t0", 1), ("t1", 2), ("t2", 1), ("t3", 1)]


def test_rows_appended_during_a_compaction_do_not_disturb_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = opened(settings)
    for number in range(3):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    early = handle(settings, "traces")
    monkeypatch.setattr(maintenance, "open_handle", lambda *_: early)
    sink.flush(batch_of(trace("t3"), first=3))
    assert maintenance.compact(settings, "traces").files_removed == 3
    assert stored(settings)["traces"] == [(f"t{number}", 1) for number in range(4)]


def test_a_compaction_of_files_that_lost_rows_meanwhile_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = opened(settings)
    for number in range(3):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    early = handle(settings, "traces")
    sink.flush(batch_of(trace("t1", 2), first=3))
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "open_handle", lambda *_: early)
        assert maintenance.compact(settings, "traces").overtaken
    assert stored(settings)["traces"] == [("t0", 1), ("t1", 2), ("t2", 1)]


def test_of_two_compactions_at_once_one_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(settings)
    for number in range(4):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    early = handle(settings, "traces")
    assert maintenance.compact(settings, "traces").files_removed == 4
    sink.flush(batch_of(trace("t4"), first=4))
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "open_handle", lambda *_: early)
        assert maintenance.compact(settings, "traces") == maintenance.Upkeep("traces", overtaken=True)
    assert stored(settings)["traces"] == [(f"t{number}", 1) for number in range(5)]


def test_compactions_of_two_sinks_double_no_row(settings: Settings) -> None:
    sink = opened(settings)
    for number in range(12):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    rounds: list[maintenance.Upkeep] = []
    threads = [
        threading.Thread(target=lambda: rounds.append(maintenance.compact(settings, "traces"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round_.files_removed for round_ in rounds) == [0, 0, 12]
    assert stored_counts(settings).rows["traces"] == 12
    assert pa.table(handle(settings, "traces").get_add_actions()).num_rows == 1


def test_merged_rows_are_put_into_groups_of_full_size(settings: Settings) -> None:
    sink = opened(settings)
    for number in range(5):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    maintenance.compact(settings, "traces")
    [uri] = handle(settings, "traces").file_uris()
    if not uri.startswith("s3:"):
        assert pq.ParquetFile(uri.removeprefix("file://")).metadata.num_row_groups == 1


def test_upkeep_while_writing_and_reading_loses_nothing(settings: Settings) -> None:
    sink = opened(settings)
    done = threading.Event()
    failures: list[Exception] = []
    rounds: list[maintenance.Upkeep] = []

    def beside(action: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            while not done.is_set():
                try:
                    action()
                except Exception as error:
                    failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    seen: list[int] = []

    def read() -> None:
        seen.append(query(settings, "SELECT count(*) AS n FROM traces").to_pylist()[0]["n"])

    threads = [beside(lambda: rounds.append(maintenance.compact(settings, "traces"))), beside(read)]
    for number in range(25):
        revision = 2 if number % 5 == 4 else 1
        sink.flush(batch_of(trace(f"t{number - revision + 1}", revision), first=number))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == sorted(seen)
    assert any(round_.files_removed for round_ in rounds)
    expected = sorted((f"t{n}", 2 if n % 5 == 3 else 1) for n in range(25) if n % 5 != 4)
    assert stored(settings)["traces"] == expected


def test_offsets_survive_checkpoints_and_clean_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(settings)
    for number in range(3):
        sink.flush(batch_of(trace(f"t{number}"), first=number))
    maintenance.compact(settings, "traces")
    short = settings.model_copy(update={"sink": SinkSettings.model_validate({"history_hours": 0})})
    assert maintenance.clean(short, "traces").files_deleted == 3
    assert resume_points(settings, 1)["traces"] == {"traces-0": 2}
    sink.flush(batch_of(trace("t3"), first=3))
    assert stored_counts(settings).rows["traces"] == 4


def test_a_crash_between_files_and_commit_leaves_no_row_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    sink = opened(settings)
    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", crash)
        with pytest.raises(KeyboardInterrupt):
            sink.flush(batch_of(trace("t1"), decision("t1")))
    assert stored(settings)["traces"] == []
    after = opened(settings)
    assert after.resume_offset("traces", 0) == 0
    after.flush(batch_of(trace("t1"), decision("t1")))
    assert stored(settings)["traces"] == [("t1", 1)]


@pytest.mark.parametrize("table", ["decisions", "examples"])
def test_a_crash_between_the_commits_of_two_tables_is_healed_by_the_replay(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    opened(settings).flush(batch_of(trace("t1"), decision("t1"), example("t1")))
    batch = batch_of(trace("t1", 2), decision("t1", 2), example("t1", 2), first=1)
    commit = SinkTable.commit

    def crash(self: SinkTable, change: Any, fence: Any) -> int:
        if self.spec.name == table:
            raise KeyboardInterrupt
        return commit(self, change, fence)

    with monkeypatch.context() as patch:
        patch.setattr(SinkTable, "commit", crash)
        with pytest.raises(KeyboardInterrupt):
            opened(settings).flush(batch)
    after = opened(settings)
    assert after.resume_offset("decisions", 0) == 1
    after.flush(batch)
    assert stored(settings) == {"traces": [("t1", 2)], "decisions": [("t1", 2)], "examples": [("t1-r2-0", 2)]}


def test_an_answer_lost_after_the_commit_is_recognised(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(settings)
    real = DeltaTable.create_write_transaction
    lost: list[int] = []

    def lose(self: DeltaTable, *arguments: Any, **named: Any) -> None:
        real(self, *arguments, **named)
        if not lost:
            lost.append(1)
            raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", lose)
    batch = batch_of(trace("t1"), decision("t1"))
    with pytest.raises(StorageUnavailable):
        sink.flush(batch)
    sink.flush(batch)
    assert stored(settings)["traces"] == [("t1", 1)]
    assert stored(settings)["decisions"] == [("t1", 1)]


def test_files_are_compressed_and_the_log_holds_no_content(settings: Settings) -> None:
    sink = opened(settings)
    for number in range(2):
        sink.flush(batch_of(trace(f"t{number}", text="SENTINEL"), example(f"t{number}"), first=number))
    maintenance.compact(settings, "traces")
    table = handle(settings, "traces")
    assert "SENTINEL" not in str(pa.table(table.get_add_actions()).to_pylist())
    assert all(".zstd." in uri for uri in table.file_uris())
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    assert [action["num_records"] for action in actions] == [2]
    assert actions[0]["max.revision"] == 1


def test_faults_of_the_store_are_waited_out(s3: dict[str, str], tmp_path: Path) -> None:
    proxy = FaultyProxy(int(s3["port"]))
    faults: tuple[Fault, ...] = ("reset", "unavailable")
    try:
        settings = s3_settings(s3, tmp_path.name, proxy.port)
        sink = opened(settings)
        sink.flush(batch_of(trace("t1")))
        batch = batch_of(trace("t2"), trace("t1", 2), decision("t2"), first=1)
        for fault in faults:
            proxy.set(fault)
            with pytest.raises(StorageUnavailable, match="traces"):
                sink.flush(batch)
        proxy.set("none")
        sink.flush(batch)
        assert stored(settings)["traces"] == [("t1", 2), ("t2", 1)]
    finally:
        proxy.close()


def test_a_commit_whose_answer_is_lost_on_the_way_is_made_once(s3: dict[str, str], tmp_path: Path) -> None:
    proxy = FaultyProxy(int(s3["port"]))
    try:
        settings = s3_settings(s3, tmp_path.name, proxy.port)
        sink = opened(settings)
        proxy.set("lost_answer", "_delta_log/00000000000000000001.json")
        batch = batch_of(trace("t1"))
        try:
            sink.flush(batch)
        except StorageUnavailable:
            sink.flush(batch)
        assert proxy.lost() >= 1
        assert stored(settings)["traces"] == [("t1", 1)]
        assert handle(settings, "traces").version() == 1
    finally:
        proxy.close()


def test_a_table_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    settings = Settings(storage=StorageSettings.model_validate({"root": str(tmp_path)}))
    opened(settings).flush(batch_of(trace("t1")))
    for path in (tmp_path / "traces").glob("*.parquet"):
        path.unlink()
    with pytest.raises(StorageUnavailable):
        query(settings, "SELECT model FROM traces")
    shutil.rmtree(tmp_path / "traces")
    assert query(settings, "SELECT model FROM traces").num_rows == 0
