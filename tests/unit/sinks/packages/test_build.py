"""What goes into a package, what stays out and why; on tables that the sink wrote."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.errors import UsageError
from schemas.records import Decision, Example, Trace
from schemas.settings import Settings
from sinks.packages.build import build
from sinks.packages.columns import EXAMPLE_ROWS, SPLITS
from sinks.packages.errors import PackageError
from sinks.packages.place import open_place
from sinks.packages.turns import DirectoryTurn
from tests.unit.sinks.packages.building import EVEN, RECIPE, built, left_out, plan
from tests.unit.sinks.packages.stocked import run, sample, settings_at, stock, store, verdict


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


def rows(
    settings: Settings, name: str = "pack", version: str = "1.0.0", split: str | None = None
) -> list[dict[str, Any]]:
    root = Path(open_place(settings).uri) / name / version
    found: list[dict[str, Any]] = []
    for path in sorted(root.glob(f"parquet/columns/{split or ''}*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def ids(settings: Settings, version: str = "1.0.0") -> set[str]:
    return {row["example_id"] for row in rows(settings, version=version)}


def test_rows_stand_in_order_with_their_exact_text_and_columns(settings: Settings) -> None:
    stock(settings, 10)
    done = built(settings)
    assert done.published
    assert done.manifest.version == "1.0.0"
    found = [row for split in SPLITS for row in rows(settings, split=split)]
    assert len(found) == done.manifest.rows == 20
    assert list(found[0]) == EXAMPLE_ROWS.names
    for split in SPLITS:
        keys = [row["example_id"] for row in rows(settings, split=split)]
        assert keys == sorted(keys)
    call = json.loads(found[0]["messages"])[1]["tool_calls"][0]
    assert call["function"]["arguments"] == '{"n": 9007199254740993}'


def test_the_manifest_says_where_everything_came_from(settings: Settings) -> None:
    stock(settings, 6)
    manifest = built(settings).manifest
    assert {table.table: table.version for table in manifest.source.tables} == {
        "traces": 1, "decisions": 1, "examples": 1, "patterns": 0,
    }  # fmt: skip
    stored = {(found.table, found.topic): found.offset for found in manifest.source.stored_offsets}
    assert stored == {
        ("traces", "traces"): 5,
        ("decisions", "decisions"): 5,
        ("examples", "examples"): 11,
        ("examples", "decisions"): 5,
    }
    assert [(found.topic, found.first_offset, found.last_offset) for found in manifest.offsets] == [
        ("agent-events", 1, 1)
    ]
    assert manifest.created_at == 1_700_000_000_000_005
    assert manifest.policy_hashes == ("h",)
    assert manifest.source.recipe == RECIPE
    assert sum(file.rows for file in manifest.files) == 12


def test_only_examples_of_granted_stored_and_accepted_runs_are_taken(settings: Settings) -> None:
    good, unsure, gone, rejected = (run(f"r{number}", task=f"k{number}") for number in range(4))
    store(
        settings,
        good, verdict(good), sample(good),
        run("r1", task="k1", consent="unknown"), verdict(unsure), sample(unsure),
        verdict(gone), sample(gone),
        rejected, verdict(rejected, "rejected"), sample(rejected),
    )  # fmt: skip
    done = built(settings)
    assert ids(settings) == {"r0-r1-0"}
    assert left_out(done) == {"consent_unknown": 1, "trace_not_stored": 1, "no_longer_accepted": 1}


def test_the_purpose_keeps_models_out_whose_terms_do_not_allow_it(settings: Settings) -> None:
    free, strict, unknown = (
        run("a", task="1"),
        run("b", task="2", provider="strict"),
        run("c", task="3", provider="who"),
    )
    for number, one in enumerate((free, strict, unknown)):
        store(settings, one, verdict(one), sample(one), first=number)
    assert built(settings, 'name = "wide"\n').manifest.rows == 3
    done = built(settings, 'name = "narrow"\n', purpose="commercial-model")
    assert done.manifest.rows == 1
    assert left_out(done) == {"provider_terms": 2}
    with pytest.raises(PackageError, match="no row is left for none; left out: provider_terms 3"):
        built(settings, 'name = "none"\n', purpose="competing-model")
    assert open_place(settings).versions("none") == []


def test_types_labels_filter_score_and_domain_choose(settings: Settings) -> None:
    court, shop = run("a", scenario="court_claims", task="1"), run("b", scenario="shop", task="2")
    store(
        settings,
        court, verdict(court), sample(court, 0), sample(court, 1, type_="conversation"), sample(court, 2, score=0.2),
        shop, verdict(shop), sample(shop, 0, packages=("error_handling",)),
    )  # fmt: skip
    domains = '[[domain]]\nname = "legal"\nscenarios = ["*court*"]\n'

    def chosen(text: str, domains: str | None = None) -> int:
        return built(settings, f'name = "p{abs(hash(text))}"\n{text}\n', domains=domains).manifest.rows

    assert chosen("") == 4
    assert chosen('types = ["conversation"]') == 1
    assert chosen('packages = ["error_handling", "other"]') == 1
    assert (
        chosen("filter = \"scenario = 'shop' OR trace_id IN (SELECT trace_id FROM traces WHERE task_id = '2')\"") == 1
    )
    assert chosen("min_quality_score = 0.5") == 3
    assert chosen('domain_rules = "d.toml"\ndomains = ["legal"]', domains) == 3


def test_of_near_duplicates_the_best_run_stays_whole(settings: Settings) -> None:
    runs = [run(f"r{number}", task="k") for number in range(3)]
    for number, (one, score) in enumerate(zip(runs, (0.8, 0.9, 0.9), strict=True)):
        store(
            settings, one, verdict(one, score=score), sample(one, 0, score=score, cluster="r0"),
            sample(one, 1, score=score, cluster="r0", type_="conversation"), first=number * 2,
        )  # fmt: skip
    done = built(settings)
    assert ids(settings) == {"r1-r1-0", "r1-r1-1"}
    assert left_out(done) == {"near_duplicate": 4}
    assert built(settings, 'name = "all"\nbest_of_cluster = false\n').manifest.rows == 6


def test_the_same_words_are_kept_once_and_in_one_split_only(settings: Settings) -> None:
    records: list[Trace | Decision | Example] = []
    for number in range(12):
        one = run(f"r{number:02d}", task=f"k{number}")
        records += [one, verdict(one), sample(one, 0, text="the very same"), sample(one, 1)]
    store(settings, *records)
    done = built(settings, RECIPE + EVEN)
    assert left_out(done) == {"exact_duplicate": 11}
    assert done.manifest.leaks.contents == 13
    assert done.manifest.leaks.clean


def test_caps_keep_the_best_scored(settings: Settings) -> None:
    one = run("r", task="k")
    store(settings, one, verdict(one), *(sample(one, number, score=number / 10) for number in range(6)))
    done = built(settings, RECIPE + "[balance]\nper_task = 2\n")
    assert ids(settings) == {"r-r1-5", "r-r1-4"}
    assert left_out(done) == {"cap_per_task": 4}


@pytest.mark.parametrize(("share", "simulated"), [(0.0, 0), (0.25, 2), (0.5, 6), (1.0, 10)])
def test_simulated_runs_come_in_up_to_the_share_of_the_recipe(settings: Settings, share: float, simulated: int) -> None:
    runs = [run(f"r{n:02d}", task=f"k{n}", mode="SIMULATION" if n < 10 else "EXECUTION") for n in range(16)]
    store(settings, *(record for one in runs for record in (one, verdict(one), sample(one))))
    done = built(settings, RECIPE + f"max_simulation_share = {share}\n")
    assert sum(row["execution_mode"] == "SIMULATION" for row in rows(settings)) == simulated
    assert left_out(done).get("simulation", 0) == 10 - simulated


def test_clusters_and_tasks_stay_in_one_split_even_where_they_are_chained(settings: Settings) -> None:
    """r0 and r1 are twins, r1 and r2 share a task, r2 and r3 are twins: all are one group."""
    records: list[Trace | Decision | Example] = []
    for number in range(40):
        chain = number < 4
        task = ("a", "b", "b", "c")[number] if chain else f"k{number // 2}"
        one = run(f"r{number:02d}", task=task)
        cluster = f"r{number // 2 * 2:02d}" if chain else None
        records += [one, verdict(one), sample(one, cluster=cluster)]
    store(settings, *records)
    done = built(settings, RECIPE + "best_of_cluster = false\n" + EVEN)
    assert all(done.manifest.split_rows.values())
    where = {row["trace_id"]: split for split in SPLITS for row in rows(settings, split=split)}
    assert len({where[f"r0{number}"] for number in range(4)}) == 1
    assert all(where[f"r{number:02d}"] == where[f"r{number + 1:02d}"] for number in range(4, 40, 2))
    assert done.manifest.leaks.clean
    assert done.manifest.leaks.tasks == 21


def test_rows_keep_their_split_when_rows_are_added(settings: Settings) -> None:
    stock(settings, 40)
    recipe = RECIPE + EVEN
    first = built(settings, recipe).manifest
    before = {row["example_id"]: split for split in SPLITS for row in rows(settings, split=split)}
    stock(settings, 40, first=40)
    second = built(settings, recipe).manifest
    after = {
        row["example_id"]: split for split in SPLITS for row in rows(settings, version=second.version, split=split)
    }
    assert second.rows == first.rows + 80
    assert {key: after[key] for key in before} == before


def test_versions_follow_from_what_changed(settings: Settings) -> None:
    traces = stock(settings, 10)
    assert built(settings).manifest.version == "1.0.0"
    again = built(settings)
    assert not again.published
    assert again.manifest.version == "1.0.0"
    assert built(settings, RECIPE + "# said differently\n").manifest.version == "1.0.1"
    stock(settings, 2, first=10)
    added = built(settings).manifest
    assert (added.version, added.parent_version) == ("1.1.0", "1.0.1")
    assert added.changes is not None
    assert (added.changes.added, added.changes.removed, added.changes.kept) == (4, 0, 20)
    store(
        settings,
        run(traces[0].trace_id, revision=2),
        verdict(run(traces[0].trace_id, revision=2), "rejected"),
        first=100,
    )
    removed = built(settings).manifest
    assert removed.version == "2.0.0"
    assert "2 rows are gone" in removed.bump_reasons
    assert built(settings, version="7.0.0").manifest.bump == "stated"
    with pytest.raises(UsageError, match=r"does not come after 7\.0\.0"):
        built(settings, version="6.9.9")
    with pytest.raises(UsageError, match="three numbers"):
        built(settings, version="8")
    assert open_place(settings).versions("pack") == ["1.0.0", "1.0.1", "1.1.0", "2.0.0", "7.0.0"]


def test_another_split_of_the_same_rows_is_a_major_version(settings: Settings) -> None:
    stock(settings, 20)
    built(settings, RECIPE + EVEN)
    manifest = built(settings, RECIPE + EVEN + "seed = 5\n").manifest
    assert manifest.version == "2.0.0"
    assert any("in another split" in reason for reason in manifest.bump_reasons)


def test_traces_and_decisions_come_without_private_columns(settings: Settings) -> None:
    stock(settings, 4)
    denied = run("no", consent="unknown")
    store(settings, denied, verdict(denied, "quarantined"), first=8)
    for kind in ("traces", "decisions"):
        done = built(settings, f'name = "{kind}"\nkind = "{kind}"\nformats = ["parquet", "jsonl", "csv"]\n')
        found = rows(settings, kind)
        assert {row["trace_id"] for row in found} == {f"t{number:04d}" for number in range(4)}
        assert not set(found[0]) & {"data_subject", "consent_basis", "events"}
        assert left_out(done) == {"consent_unknown": 1}
    assert "tool" not in str(built(settings, 'name = "d2"\nkind = "decisions"\n').manifest.offsets)


def test_empty_tables_and_empty_choices_are_told_in_words(settings: Settings) -> None:
    with pytest.raises(PackageError, match="no row of the tables fits the recipe pack; nothing was published"):
        built(settings)
    assert open_place(settings).names() == []
    assert not Path(open_place(settings).uri, "pack").exists()


def test_formats_given_with_the_build_stand_instead_of_the_recipes(settings: Settings) -> None:
    stock(settings, 4)
    wanted = plan()
    with pytest.raises(UsageError, match="there is no format 'xml'"):
        build(settings, open_place(settings), type(wanted)(**{**vars(wanted), "formats": ("xml",)}))
    done = build(settings, open_place(settings), type(wanted)(**{**vars(wanted), "formats": ("jsonl/trl", "csv")}))
    assert {file.format for file in done.manifest.files} == {"jsonl/trl", "csv"}


def test_a_package_can_be_published_elsewhere(settings: Settings, tmp_path: Path) -> None:
    stock(settings, 4)
    elsewhere = open_place(settings, str(tmp_path / "out"))
    assert built(settings, place=elsewhere).published
    assert (tmp_path / "out" / "pack" / "1.0.0" / "manifest.json").is_file()
    assert open_place(settings).names() == []


def test_what_is_committed_while_a_build_runs_is_for_the_next_one(settings: Settings) -> None:
    stock(settings, 10)

    def on_progress(what: str, done: int, total: int) -> None:
        if what == "choosing rows" and settings_rows == [10]:
            settings_rows.append(5)
            stock(settings, 5, first=10)

    settings_rows = [10]
    first = build(settings, open_place(settings), plan(), on_progress).manifest
    assert (first.rows, first.source.tables[0].version) == (20, 1)
    assert built(settings).manifest.rows == 30


def test_two_builders_of_one_package_take_turns(settings: Settings) -> None:
    stock(settings, 4)
    place = open_place(settings)
    with place.building("pack"):
        with pytest.raises(PackageError, match="another build of pack is running"):
            built(settings)
        assert built(settings, 'name = "other"\n').published
    assert built(settings).published


def test_a_turn_is_never_taken_on_a_file_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder that published nothing removes its folder; who opened the lock just before must not think it has it."""
    path = tmp_path / "pack" / ".building"
    leaving, coming, third = DirectoryTurn(path), DirectoryTurn(path), DirectoryTurn(path)
    leaving.take()
    real, opened = os.open, []

    def opening(file: Any, flags: int, mode: int) -> int:
        handle = real(file, flags, mode)
        opened.append(handle)
        if len(opened) == 1:
            leaving.give_back()
        return handle

    monkeypatch.setattr("sinks.packages.turns.os.open", opening)
    coming.take()
    assert len(opened) == 2
    assert path.exists()
    with pytest.raises(PackageError, match="another build of pack is running"):
        third.take()
    coming.give_back()
    assert not path.parent.exists()
