"""Counting the rows of a package while they are written: bounded memory, one pass, no row touched in Python."""

from collections.abc import Iterable

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from sinks.packages.facts import Acceptance, BuildFacts, PackageFacts, SplitFacts, Tally
from sinks.packages.report.figures import representation
from sinks.packages.report.history import history
from sinks.packages.report.tallies import Magnitudes, Names, Pairs, Shares
from sinks.packages.report.texts import called_tools, characters, message_counts, scripts

_NAMES = 2_000
_TASKS = 50_000
_PAIRS = 500
_SHOWN = 200
_OUTCOMES = ("success", "recovered", "partial", "failure", "unknown")

_TEXTS = (
    "messages",
    "tools",
    "context",
    "expected_output",
    "rejected",
    "enrichment",
    "execution_trace",
    "signals",
    "sequence",
)
_SPOKEN = ("messages", "execution_trace")
_ALSO = {"type": ("pattern_type", "verdict"), "outcome": ("completion_status",), "packages": ()}
"""Columns that stand for another one in rows that are no examples."""

_COUNTED = (
    "type",
    "packages",
    "scenario",
    "model",
    "provider",
    "execution_mode",
    "outcome",
    "human_validated",
    "execution_successful",
    "policy_hash",
    "consent_basis",
)


class FactsCollector:
    """Counts rows batch by batch, then puts the facts together. Columns that a kind lacks are not counted."""

    def __init__(self) -> None:
        self._names = {column: Names(_NAMES) for column in _COUNTED}
        self._tools = Names(_NAMES)
        self._tasks = Names(_TASKS)
        self._scripts = Names(_NAMES)
        self._scores = Shares()
        self._weights = Shares()
        self._characters = Magnitudes()
        self._messages = Magnitudes()
        self._scenarios = Pairs(_PAIRS)
        self._models = Pairs(_PAIRS)
        self._run_pairs = 0
        self._splits: dict[str, _Split] = {}

    def add(self, batch: pa.RecordBatch, split: str) -> None:
        """Count the rows of one batch. Columns: those of the package's rows, and any others of its table."""
        rows = _Columns(batch)
        for name, names in self._names.items():
            column = rows.get(name)
            if column is not None:
                names.add(_flat(column))
        self._splits.setdefault(split, _Split()).add(batch.num_rows, rows)
        scores = rows.get("quality_score")
        if scores is not None:
            self._scores.add(scores)
        weights = rows.get("training_weight")
        if weights is not None:
            self._weights.add(weights)
        prompts = rows.get("prompt_messages")
        if prompts is not None:
            self._run_pairs += len(prompts) - prompts.null_count
        scenario, outcome = rows.get("scenario"), rows.get("outcome")
        if scenario is not None:
            self._add_scenarios(scenario, outcome, scores, rows.get("task_id"))
        model = rows.get("model")
        if model is not None and outcome is not None:
            self._models.add(model, outcome)
        self._add_texts(rows)

    def facts(self, build: BuildFacts) -> PackageFacts:
        """Everything counted so far, with what the builder knows."""
        names = {column: names.tally(_SHOWN) for column, names in self._names.items()}
        scenario_outcomes = self._scenarios.cross(_OUTCOMES, _SHOWN)
        tools, tasks = self._tools.tally(_SHOWN), self._tasks.tally()
        order = (*build.splits, *sorted(set(self._splits) - set(build.splits)))
        facts = PackageFacts(
            name=build.name,
            version=build.version,
            parent_version=build.parent_version,
            title=build.title,
            description=build.description,
            license=build.license,
            purpose=build.purpose,
            created_at=build.created_at,
            recipe=build.recipe,
            tables=tuple(sorted(build.tables, key=lambda table: table.table)),
            offsets=tuple(sorted(build.offsets, key=lambda range_: (range_.topic, range_.partition))),
            columns=build.columns,
            files=tuple(sorted(build.files, key=lambda file: file.path)),
            rows=sum(split.rows for split in self._splits.values()),
            traces=build.traces,
            splits=tuple(self._splits.get(name, _Split()).facts(name) for name in order),
            types=names["type"],
            packages=names["packages"],
            scenarios=names["scenario"],
            tools=tools,
            models=names["model"],
            providers=names["provider"],
            execution_modes=names["execution_mode"],
            outcomes=names["outcome"],
            human_validated=names["human_validated"],
            execution_successful=names["execution_successful"],
            policies=names["policy_hash"],
            consent_bases=names["consent_basis"] if build.consent_bases is None else build.consent_bases,
            scripts=self._scripts.tally(),
            scores=self._scores.distribution(),
            weights=self._weights.distribution(),
            run_pairs=self._run_pairs,
            characters=self._characters.distribution(),
            messages=self._messages.distribution(),
            scenario_outcomes=scenario_outcomes,
            scenario_scores=self._scenarios.means(scenario_outcomes.rows),
            model_outcomes=self._models.cross(_OUTCOMES, _SHOWN),
            acceptance=build.acceptance,
            left_out=build.left_out,
            duplicates_removed=build.duplicates_removed,
            redactions=build.redactions,
            leaks=build.leaks,
            representation=(
                representation("scenario", self._names["scenario"].tally()),
                representation("model", self._names["model"].tally()),
                representation("tool", self._tools.tally()),
                representation("task", tasks, named=False),
            ),
            terms=build.terms,
            history=(),
        )
        return msgspec.structs.replace(facts, history=history(facts, build))

    def _add_scenarios(
        self, scenario: pa.Array, outcome: pa.Array | None, scores: pa.Array | None, task: pa.Array | None
    ) -> None:
        if outcome is not None:
            self._scenarios.add(scenario, outcome, scores)
        if task is not None:
            self._tasks.add(pc.binary_join_element_wise(pc.fill_null(scenario, ""), task, "\x1f"))

    def _add_texts(self, rows: "_Columns") -> None:
        for name in _SPOKEN:
            spoken = rows.text(name)
            if spoken is not None:
                for script, count in scripts(spoken).items():
                    self._scripts.add_name(script, count)
                break
        chats = rows.text("messages")
        if chats is not None:
            self._messages.add(message_counts(chats))
        for tool, count in called_tools(chats, rows.text("expected_output")):
            self._tools.add_name(tool, count)
        tools = rows.get("tools")  # a list of names in patterns, JSON text in examples
        if tools is not None and _is_list(tools):
            self._tools.add(_flat(tools))
        texts = [column for name in _TEXTS if (column := rows.text(name)) is not None]
        if texts:
            self._characters.add(characters(texts))


def acceptance_of(decisions: Iterable[pa.RecordBatch]) -> Acceptance:
    """Verdicts and reasons of batches with the columns `verdict` and `reasons` of the table `decisions`."""
    verdicts, reasons = Names(_NAMES), Names(_NAMES)
    for batch in decisions:
        verdicts.add(batch.column("verdict"))
        reasons.add(pc.list_flatten(batch.column("reasons")))
    return Acceptance(verdicts=verdicts.tally(), reasons=reasons.tally())


def redactions_of(traces: Iterable[pa.RecordBatch]) -> Tally:
    """Replacements by kind of batches with the column `redaction_counts` of the table `traces`."""
    kinds = Names(_NAMES)
    for batch in traces:
        for pair in pc.value_counts(batch.column("redaction_counts").drop_null()).to_pylist():
            for kind, count in msgspec.json.decode(pair["values"], type=dict[str, int]).items():
                kinds.add_name(kind, count * pair["counts"])
    return kinds.tally()


class _Columns:
    """Columns of a batch by name, without encodings, with those that stand for another."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._known: dict[str, pa.Array | None] = {}

    def get(self, name: str) -> pa.Array | None:
        """The column, or None."""
        if name not in self._known:
            held = (other for other in (name, *_ALSO.get(name, ())) if other in self._batch.schema.names)
            found = next(held, None)
            self._known[name] = None if found is None else _plain(self._batch.column(found))
        return self._known[name]

    def text(self, name: str) -> pa.Array | None:
        """The column, if it holds text."""
        column = self.get(name)
        is_text = column is not None and (pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
        return column if is_text else None


class _Split:
    def __init__(self) -> None:
        self.rows = 0
        self._types, self._scenarios, self._outcomes = Names(_NAMES), Names(_NAMES), Names(_NAMES)

    def add(self, count: int, rows: _Columns) -> None:
        self.rows += count
        for name, names in (("type", self._types), ("scenario", self._scenarios), ("outcome", self._outcomes)):
            column = rows.get(name)
            if column is not None:
                names.add(column)

    def facts(self, name: str) -> SplitFacts:
        return SplitFacts(
            name=name,
            rows=self.rows,
            types=self._types.tally(_SHOWN),
            scenarios=self._scenarios.tally(_SHOWN),
            outcomes=self._outcomes.tally(_SHOWN),
        )


def _plain(column: pa.Array) -> pa.Array:
    """Without dictionary or view."""
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    return column


def _is_list(column: pa.Array) -> bool:
    return bool(pa.types.is_list(column.type) or pa.types.is_large_list(column.type))


def _flat(column: pa.Array) -> pa.Array:
    """Elements of lists; any other column as it is."""
    return _plain(pc.list_flatten(column)) if _is_list(column) else column
