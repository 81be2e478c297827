"""Every shipped package out of recorded runs that went through the whole line, loaded by readers of other people.

A part of the recordings of every format goes through the real line once, under the default policy, with consent on a
stated basis; then all packages are built from its tables, and every check here looks at those.
"""

import gzip
import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.stack import up
from sinks.packages.build_all import Empty, build_all
from sinks.packages.manifest import Manifest
from sinks.packages.place import open_place
from sinks.packages.plan import Built, Plan
from sinks.packages.rebuild import rebuild
from sinks.packages.recipe import load_recipe, shipped_names
from sinks.packages.terms import read_terms
from sinks.packages.verify import verify
from sinks.query import query
from tests.integration.line import Line, fresh_topics, quick_settings, registered
from tests.integration.recorded import DATA
from tests.integration.recorded_readers import READERS, arguments, loaded
from tests.unit.sinks.packages_formats.test_trainers import arguments_in
from tests.unit.sinks.packages_formats.trainers import CHECKS

pytestmark = [pytest.mark.integration, pytest.mark.recordings, pytest.mark.timeout(600)]

BASIS = "licence of the recording"
PART: Mapping[str, tuple[str, ...]] = {
    "tau-bench": ("tau-bench/*.gz",),
    "tau2": ("tau2-bench/azure-gpt-4o_airline*.gz", "tau2-bench/gpt-4.1_airline*.gz"),
    "mini-swe": ("mini-swe-agent/deepseek_chat_dev.jsonl.gz",),
    "swe-agent": ("swe-agent/function_calling_simple*.gz",),
    "claude-code": ("claude-code-transcripts/hello*.jsonl",),
    "atif": ("atif-harbor/*.json",),
    "otlp": ("otel-genai-strands-evals/*spans.json",),
    "codex": ("otel-genai-strands-evals/codex*.json",),
    "inspect": ("inspect-ai-logs/*.json.gz",),
    "toolbench": ("toolbench/answer/*.json.gz",),
    "who-and-when": ("who-and-when/Algorithm*.jsonl.gz",),
    "reflexion": ("reflexion/programming*.gz",),
    "llmunix": ("llmunix/traces/*.md",),
}
"""What is imported: every format, the files that give each package rows."""

WITH_ROWS = frozenset(
    {
        "decision_making", "tool_selection", "error_handling", "workflow_optimization", "domain_specific",
        "performance_optimization", "quality_improvement", "user_interaction", "traces", "decisions", "tool_patterns",
        "preference_pairs",
    }
)  # fmt: skip
WITHOUT = {"multi_agent_coordination"}
"""Recorded runs of several agents failed, or nobody knows how they ended: the default policy accepts none of them."""
OF_CHATS = sorted(WITH_ROWS - {"traces", "decisions", "tool_patterns"})
CONTAINERS = ("parquet", "jsonl", "csv", "tfrecord", "huggingface")
FORMATS = (*CONTAINERS, *sorted(CHECKS), "huggingface/trl")


@dataclass(frozen=True)
class Packages:
    """What came of the recordings."""

    line: Line
    built: Mapping[str, Manifest]
    empty: Mapping[str, Empty]
    stored: Mapping[str, str]
    """Messages of the table `examples` by their id."""

    def root(self, name: str) -> Path:
        return Path(open_place(self.line.settings).uri) / name / "1.0.0"


@pytest.fixture(scope="module")
def packages(line_stack: tuple[Path, int], tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """All shipped packages of the recordings: made once."""
    if not DATA.is_dir():
        pytest.skip("the recorded runs are not here (../shared/data)")
    folder = tmp_path_factory.mktemp("recorded")
    home, port_base = line_stack
    up(home, port_base)  # a test before may have killed a part
    settings = quick_settings(home, port_base, "recorded", {"root": str(folder / "tables")})
    settings = settings.model_copy(update={"policy": None})  # the default policy
    fresh_topics(settings)
    line = Line(home, settings, registered(settings), folder)
    try:
        pipeline = line.start()
        with ThreadPoolExecutor(3) as pool:
            done = list(pool.map(lambda name: _imported(line, name), PART))
        assert {result for result in done if result not in (0, 1)} == set()
        status = pipeline.wait_until_idle(timeout_seconds=240)
        assert status.balanced, status.faults
    finally:
        line.stop()
    return _built(line)


def _imported(line: Line, name: str) -> int:
    paths = [str(path) for pattern in PART[name] for path in sorted(DATA.glob(pattern))]
    assert paths, name
    return line.tdc("import", name, *paths, "--consent", "granted", "--basis", BASIS, seconds=240).returncode


def _built(line: Line) -> Packages:
    terms, text = read_terms()
    plans = [
        Plan(load_recipe(name), terms, text, "internal-research", formats=FORMATS, memory_mb=512)
        for name in shipped_names()
    ]
    built: list[Built] = []
    empty = build_all(line.settings, open_place(line.settings), plans, lambda *_: None, built.append)
    stored = query(line.settings, "SELECT example_id, messages FROM examples").to_pylist()
    return Packages(
        line,
        {one.manifest.name: one.manifest for one in built},
        {one.name: one for one in empty},
        {row["example_id"]: row["messages"] for row in stored},
    )


def test_every_package_that_the_recordings_can_fill_has_rows(packages: Packages) -> None:
    assert {name for name, manifest in packages.built.items() if manifest.rows > 0} == WITH_ROWS
    assert set(packages.empty) == WITHOUT
    simulated = query(
        packages.line.settings, "SELECT DISTINCT source_format FROM traces WHERE execution_mode = 'SIMULATION'"
    )
    assert {"tau-bench", "tau2"} <= set(simulated.column(0).to_pylist())


def test_a_package_without_rows_says_what_became_of_the_runs_that_could_fill_it(packages: Packages) -> None:
    told = " ".join(packages.empty["multi_agent_coordination"].because)
    assert "0 of them are labelled multi_agent_coordination" in told
    assert "runs had more than one agent" in told
    assert "outcome_unknown" in told
    assert "negative_outcome" in told


@pytest.mark.parametrize("name", sorted(WITH_ROWS))
def test_a_package_is_sound(name: str, packages: Packages) -> None:
    manifest = packages.built[name]
    assert verify(open_place(packages.line.settings), manifest).faults == ()
    for format_name in manifest.source.formats:
        written = sum(file.rows for file in manifest.files if file.format == format_name)
        skipped = sum(entry.rows for entry in manifest.skipped if entry.format == format_name)
        if format_name.endswith("/kto"):
            assert manifest.rows - skipped <= written <= 2 * (manifest.rows - skipped)
        else:
            assert written == manifest.rows - skipped, format_name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", sorted(READERS))
@pytest.mark.parametrize("name", OF_CHATS)
def test_other_readers_find_the_same_rows_and_tool_arguments(name: str, reader: str, packages: Packages) -> None:
    manifest = packages.built[name]
    found = READERS[reader](packages.root(name))
    assert len(found) == manifest.rows
    if name == "preference_pairs":
        expected = READERS["pyarrow"](packages.root(name))
    else:
        expected = {key: packages.stored[key] for key in found}
    assert {key: arguments(text) for key, text in found.items()} == {
        key: arguments(text) for key, text in expected.items()
    }
    assert found == expected


@pytest.mark.parametrize("name", OF_CHATS)
def test_rows_for_trainers_are_what_their_documentation_asks_for(name: str, packages: Packages) -> None:
    manifest, root = packages.built[name], packages.root(name)
    plain = READERS["pyarrow"](root)
    known = Counter(_sorted(text) for messages in plain.values() for text in arguments(messages))
    for format_name, check in CHECKS.items():
        rows = _objects(root, manifest, format_name)
        assert len(rows) == sum(file.rows for file in manifest.files if file.format == format_name)
        for row in rows:
            check(row)
        told = Counter(text for row in rows for text in arguments_in(format_name, row))
        if format_name in ("jsonl/trl", "jsonl/axolotl", "jsonl/openai", "jsonl/atif"):
            assert not told - known, format_name
            if all(entry.format != format_name for entry in manifest.skipped):
                assert told == known, format_name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["tool_selection", "preference_pairs"])
def test_the_hub_reader_gives_arguments_as_objects_without_keys_of_other_rows(name: str, packages: Packages) -> None:
    manifest, root = packages.built[name], packages.root(name)
    found = loaded(root, "huggingface-trl")
    told = Counter(text for row in found for text in arguments_in("jsonl/trl", _present(row)))
    rows = _objects(root, manifest, "jsonl/trl")
    assert len(found) == len(rows)
    assert told == Counter(text for row in rows for text in arguments_in("jsonl/trl", row))


def test_pairs_of_runs_reach_every_preference_trainer(packages: Packages) -> None:
    manifest, root = packages.built["preference_pairs"], packages.root("preference_pairs")
    assert len(_objects(root, manifest, "jsonl/trl-reward")) == manifest.rows
    assert len(_objects(root, manifest, "jsonl/kto")) == 2 * manifest.rows
    pairs = _objects(root, manifest, "jsonl/trl-preference")
    begins = Counter(row["chosen"][0]["role"] for row in pairs)  # type: ignore[index]
    assert begins["user"], "runs that part where their users said something else"
    refused = {entry.reason for entry in manifest.skipped if entry.format == "jsonl/trl-preference"}
    assert refused == {"prompt_ends_with_the_system"}


@pytest.mark.parametrize("name", ["preference_pairs", "quality_improvement", "tool_patterns"])
def test_a_rebuild_is_byte_for_byte_the_same(name: str, packages: Packages) -> None:
    found = rebuild(packages.line.settings, open_place(packages.line.settings), name, "1.0.0", memory_mb=512)
    assert found.identical


def _objects(root: Path, manifest: Manifest, format_name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for file in manifest.files:
        if file.format == format_name:
            content = (root / file.path).read_bytes()
            text = (gzip.decompress(content) if file.path.endswith(".gz") else content).decode()
            found += [json.loads(line) for line in text.split("\n") if line]
    return found


def _present(row: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in row.items() if value is not None}


def _sorted(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text
