"""Which rows of the pinned tables are in a package, and in which split.

In this order, each step counted: the recipe's own conditions; consent as it is now, the current decision, provider
terms, execution mode, score; the best trace of each near-duplicate cluster; exact duplicates; caps. Groups for the
splits are made of all rows that passed the gates, before clusters and caps, so that a cap moves no row between splits.

The tables are read once: rows that pass the gates go to the disk as they come, and all that follows looks at narrow
rows, which say at which place the texts lie.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import UsageError
from sinks.packages import index
from sinks.packages.columns import SPLITS
from sinks.packages.engine import Engine
from sinks.packages.facts import LeakProof, ProviderTerms, Tally, tally
from sinks.packages.gates import NARROW_ROWS, sql_list, statement
from sinks.packages.grouping import assign_splits, leak_proof
from sinks.packages.kinds import KINDS, Kind
from sinks.packages.recipe import LoadedRecipe
from sinks.packages.snapshot import Snapshot
from sinks.packages.spool import Spool, bounds_of, in_order
from sinks.packages.terms import Purpose, Terms
from sinks.tables import TABLES

OpenSource = Callable[[tuple[str, ...]], pa.RecordBatchReader]
"""Opens the rows that may be taken, with these columns of their table."""

_CAPS = (
    ("per_cluster", "cluster"),
    ("per_task", "scenario, task_id"),
    ("per_scenario", "scenario"),
    ("per_model", "model"),
)
_BEST = "quality_score DESC NULLS LAST, data_time, key"
_SAMPLED = 16_384
"""Keys that say where the ranges of rows on the disk should end."""

_KEPT = pa.schema(
    [
        *NARROW_ROWS,
        *(pa.field(name, pa.string()) for name in ("key", "content", "digest")),
        pa.field("place", pa.int64()),
    ]
)
"""Rows of the table `kept`. `trace` numbers traces in the order of their ids; at `place` the row lies on the disk."""
_COMPACT = "* REPLACE (content::UUID AS content, digest::UUID AS digest)"
"""Fingerprints as the 16 bytes they are: their text takes three times as much."""


@dataclass(frozen=True)
class Chosen:
    """Figures of the chosen rows."""

    rows: int
    traces: int
    split_rows: dict[str, int]
    split_groups: dict[str, int]
    left_out: Tally
    duplicates_removed: int
    created_at: int
    """Newest time in the rows, microseconds since 1970 UTC."""
    policy_hashes: tuple[str, ...]
    leaks: LeakProof
    terms: tuple[ProviderTerms, ...]


class Selection:
    """Chooses rows in the engine. After `choose` its view `chosen` holds key, split and digest of each."""

    def __init__(
        self, engine: Engine, snapshot: Snapshot, loaded: LoadedRecipe, terms: Terms, purpose: Purpose
    ) -> None:
        self._engine = engine
        self._snapshot = snapshot
        self._loaded = loaded
        self._recipe = loaded.recipe
        self._terms = terms
        self._purpose = purpose
        self._kind: Kind = KINDS[loaded.recipe.kind]
        self._left_out: Counter[str] = Counter()
        self._spool: Spool | None = None

    def load_runs(self) -> None:
        """What the gates need to know of every trace, and which models the purpose allows."""
        read = self._snapshot.read
        traces = read("traces", ("trace_id", "revision", "consent_status", "scenario", "execution_mode", "task_id",
                                 "provider", "model"))  # fmt: skip
        self._engine.load("runs", traces.schema, traces)
        verdicts = read("decisions", ("trace_id", "revision", "verdict", "duplicate_of", "quality_score"))
        self._engine.load("verdicts", verdicts.schema, verdicts)
        found = {(provider, model) for provider, model in self._engine.all("SELECT DISTINCT provider, model FROM runs")}
        if self._kind.table == "examples":
            models = read("examples", ("provider", "model"))
            self._engine.register("incoming", models)
            found |= set(self._engine.all("SELECT DISTINCT provider, model FROM incoming"))
        allowed = sorted(found, key=lambda pair: (pair[0] or "", pair[1] or ""))
        schema = pa.schema([("provider", pa.string()), ("model", pa.string()), ("allowed", pa.bool_())])
        rows = [
            {"provider": provider, "model": model, "allowed": self._terms.allow(self._purpose, provider, model)}
            for provider, model in allowed
        ]
        self._engine.load("models", schema, [pa.RecordBatch.from_pylist(rows, schema)])
        self._engine.run(
            """CREATE TABLE gates AS
            SELECT r.*, row_number() OVER (ORDER BY r.trace_id) AS number, v.verdict, v.revision AS decided,
                v.duplicate_of, v.quality_score
            FROM runs r LEFT JOIN verdicts v ON v.trace_id = r.trace_id"""
        )

    def choose(self, open_source: OpenSource, directory: Path) -> Chosen:
        """Choose; what may be written lies in the directory then. The figures of an empty choice say what was left
        out, and why."""
        self._take(open_source, directory)
        assign_splits(self._engine, self._recipe.splits)
        if self._recipe.best_of_cluster and self._kind.of_traces and self._recipe.kind != "preference_pairs":
            self._best_of_cluster()
        duplicates = self._drop_exact_duplicates()
        for name, columns in _CAPS:
            cap = getattr(self._recipe.balance, name)
            if cap is not None:
                self._cap(f"cap_{name}", columns, cap)
        self._limit_simulation()
        self._engine.run(
            "CREATE VIEW chosen AS SELECT k.*, s.split, s.grp FROM kept k JOIN grouped s ON s.trace = k.trace"
        )
        return self._figures(duplicates)

    def rows(self, listed: Callable[[pa.RecordBatch], None]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Split and rows, in order of their keys, each once; `listed` is given the index of the rows meanwhile."""
        assert self._spool is not None
        ordered = "SELECT key, split, replace(digest::VARCHAR, '-', '') AS digest, place FROM chosen ORDER BY key"
        for batch in self._engine.stream(ordered, rows=index.GROUP_ROWS):
            listed(batch.select(index.SCHEMA.names).cast(index.SCHEMA))
            yield from self._spool.rows(batch.column("place"), batch.column("split"))

    def _take(self, open_source: OpenSource, directory: Path) -> None:
        """Make the table `kept` of the rows that pass, and put them on the disk."""
        kind = self._kind
        domains = self._domain_condition(open_source)
        rows, sample = self._sample(open_source)
        columns, conditions = self._conditions()
        conditions += domains
        if not kind.of_traces:
            self._judge_patterns()
        self._engine.register("source", open_source(tuple(columns)))
        stream = self._engine.stream(statement(self._recipe, kind, conditions))
        kept = self._kept(stream, rows, sample, directory)
        self._engine.load("kept", _KEPT, kept, columns=_COMPACT, beside=True)

    def _sample(self, open_source: OpenSource) -> tuple[int, list[str]]:
        """How many rows there are, and some of their keys in order."""
        source, key = open_source((self._kind.key,)), self._kind.key
        rows = 0

        def counted() -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for batch in source:
                rows += batch.num_rows
                yield batch

        self._engine.register("incoming", pa.RecordBatchReader.from_batches(source.schema, counted()))
        sampled = f"SELECT {key} AS key FROM incoming USING SAMPLE reservoir({_SAMPLED} ROWS) REPEATABLE (1)"
        found = [key for (key,) in self._engine.all(f"SELECT key FROM ({sampled}) ORDER BY key")]
        return rows, found

    def _conditions(self) -> tuple[dict[str, None], list[str]]:
        """Columns to read, and what the recipe wants of them."""
        recipe, kind = self._recipe, self._kind
        conditions = [f"({recipe.filter}\n)"] if recipe.filter else []
        columns = dict.fromkeys(kind.needed)
        if recipe.filter:
            spoken = set(re.findall(r"\w+", recipe.filter.lower()))
            columns |= dict.fromkeys(name for name in TABLES[kind.table].schema.names if name in spoken)
            for name in TABLES:
                if name in spoken:
                    self._engine.register(name, self._snapshot.dataset(name))
        if recipe.types:
            conditions.append(f"list_contains({sql_list(recipe.types)}, type)")
        if recipe.packages:
            conditions.append(f"list_has_any({sql_list(recipe.packages)}, packages)")
            columns["packages"] = None
        return columns, conditions

    def _domain_condition(self, open_source: OpenSource) -> list[str]:
        domains, wanted = self._loaded.domains, self._recipe.domains
        if domains is None:
            return []
        scenario = self._kind.narrow["scenario"]
        self._engine.register("incoming", open_source((self._kind.key, *(n for n in ("scenario",) if n == scenario))))
        found = [name for (name,) in self._engine.all(f"SELECT DISTINCT {scenario} FROM incoming") if name is not None]
        inside = [name for name in found if (of := domains.of(name)) is not None and (not wanted or of in wanted)]
        return [f"coalesce(list_contains({sql_list(inside)}, {scenario}), false)"]

    def _kept(
        self, stream: Iterator[pa.RecordBatch], total: int, sample: list[str], directory: Path
    ) -> Iterator[pa.RecordBatch]:
        """Put the rows that pass on the disk; narrow rows that say where they are."""
        kind = self._kind
        spool: Spool | None = None
        for rows in in_order(self._passing(stream), kind.key):
            if spool is None:
                texts = sum(rows.column(name).nbytes for name in kind.schema.names)
                bounds = bounds_of(sample, texts * total // rows.num_rows)
                self._spool = spool = Spool(directory, kind.schema, kind.key, bounds)
            wide = rows.select(kind.schema.names).cast(kind.schema)
            place = spool.add(wide)
            content, digest = kind.hashed(wide)
            columns = {name: rows.column(f"n_{name}") for name in NARROW_ROWS.names}
            columns |= {"key": wide.column(kind.key), "content": content, "digest": digest, "place": place}
            if not kind.of_traces:
                columns["trace"] = place
            yield pa.RecordBatch.from_arrays([columns[field.name].cast(field.type) for field in _KEPT], schema=_KEPT)

    def _passing(self, stream: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in stream:
            reasons = batch.column("reason")
            rows = batch.drop_columns("reason")
            if reasons.null_count < len(reasons):
                found = pc.value_counts(reasons.drop_null()).to_pylist()
                self._left_out.update({pair["values"]: pair["counts"] for pair in found})
                rows = rows.filter(reasons.is_null())
            if rows.num_rows:
                yield rows

    def _judge_patterns(self) -> None:
        """A pattern holds something of all its traces: one without consent, or under other terms, keeps it out."""
        self._engine.register("incoming", self._snapshot.read("patterns", ("pattern_id", "trace_ids")))
        self._engine.run(
            """CREATE TABLE pattern_gates AS
            SELECT p.pattern_id AS key, bool_or(coalesce(r.consent_status, 'unknown') <> 'granted') AS consent,
                bool_or(NOT coalesce(m.allowed, false)) AS terms
            FROM (SELECT pattern_id, unnest(trace_ids) AS trace_id FROM incoming) p
            LEFT JOIN runs r ON r.trace_id = p.trace_id
            LEFT JOIN models m ON m.provider IS NOT DISTINCT FROM r.provider AND m.model IS NOT DISTINCT FROM r.model
            GROUP BY ALL"""
        )

    def _best_of_cluster(self) -> None:
        best = """SELECT cluster, first(trace ORDER BY score DESC NULLS LAST, trace) AS best
            FROM (SELECT cluster, trace, max(quality_score) AS score FROM kept GROUP BY ALL)
            GROUP BY cluster HAVING count(*) > 1"""
        self._drop("near_duplicate", f"SELECT place FROM kept JOIN ({best}) USING (cluster) WHERE trace <> best")

    def _drop_exact_duplicates(self) -> int:
        """The same content is kept once for each type, and always of one trace: so it is in one split only."""
        return self._drop(
            "exact_duplicate",
            f"""SELECT place FROM (
                SELECT place, trace, first_value(trace) OVER (PARTITION BY content ORDER BY {_BEST}) AS home,
                    row_number() OVER (
                        PARTITION BY content, type, variant, trace ORDER BY {_BEST}) AS rank
                FROM kept SEMI JOIN (SELECT content FROM kept GROUP BY content HAVING count(*) > 1) USING (content))
            WHERE trace <> home OR rank > 1""",
        )

    def _cap(self, reason: str, columns: str, cap: int) -> None:
        full = f"SELECT {columns} FROM kept GROUP BY ALL HAVING count(*) > {cap}"
        same = " AND ".join(f"k.{name} IS NOT DISTINCT FROM f.{name}" for name in columns.split(", "))
        window = f"row_number() OVER (PARTITION BY {columns} ORDER BY {_BEST})"
        self._drop(reason, f"SELECT place FROM kept k SEMI JOIN ({full}) f ON {same} QUALIFY {window} > {cap}")

    def _limit_simulation(self) -> None:
        share = self._recipe.max_simulation_share
        if not 0 < share < 1:
            return
        others = self._engine.number("SELECT count(*) FROM kept WHERE execution_mode IS DISTINCT FROM 'SIMULATION'")
        most = int(others * share / (1 - share) + 1e-9)
        window = f"row_number() OVER (ORDER BY {_BEST})"
        self._drop(
            "simulation", f"SELECT place FROM kept WHERE execution_mode = 'SIMULATION' QUALIFY {window} > {most}"
        )

    def _drop(self, reason: str, places: str) -> int:
        """Take the rows at these places out of `kept`; how many they were."""
        before = self._engine.number("SELECT count(*) FROM kept")
        self._engine.run(f"DELETE FROM kept WHERE place IN ({places})")
        gone = before - self._engine.number("SELECT count(*) FROM kept")
        if gone:
            self._left_out[reason] += gone
        return gone

    def _figures(self, duplicates: int) -> Chosen:
        engine = self._engine
        rows, traces, newest = engine.all(
            "SELECT count(*), count(DISTINCT trace), coalesce(max(epoch_us(data_time)), 0) FROM chosen"
        )[0]
        per_split = dict.fromkeys(SPLITS, (0, 0))
        for split, count, groups in engine.all(
            "SELECT split, count(*), count(DISTINCT grp) FROM chosen GROUP BY split"
        ):
            per_split[split] = (count, groups)
        return Chosen(
            rows=rows,
            traces=traces if self._kind.of_traces else 0,
            split_rows={split: found[0] for split, found in per_split.items()},
            split_groups={split: found[1] for split, found in per_split.items()},
            left_out=tally(self._left_out),
            duplicates_removed=duplicates,
            created_at=newest,
            policy_hashes=tuple(
                name
                for (name,) in engine.all(
                    "SELECT DISTINCT policy_hash FROM chosen WHERE policy_hash IS NOT NULL ORDER BY ALL"
                )
            ),
            leaks=leak_proof(engine, "chosen"),
            terms=self._governing(),
        )

    def _governing(self) -> tuple[ProviderTerms, ...]:
        if not self._kind.of_traces:
            return ()
        rows: dict[str, int] = {}
        rules = {}
        for provider, model, count in self._engine.all("SELECT provider, model, count(*) FROM chosen GROUP BY ALL"):
            rule = self._terms.governing(provider, model)
            rules[rule.provider] = rule
            rows[rule.provider] = rows.get(rule.provider, 0) + count
        return tuple(
            ProviderTerms(
                provider=name,
                model=", ".join((*rule.providers, *rule.models)) or "*",
                summary=rule.summary,
                allows=rule.allows,
                restrictions=rule.restrictions,
                rows=rows[name],
                url=rule.url,
                reviewed=self._terms.reviewed,
            )
            for name, rule in sorted(rules.items())
        )


def check_purpose(purpose: str | None, known: tuple[Purpose, ...]) -> Purpose:
    """The purpose in words that terms know; the narrowest where none is given. Raises UsageError."""
    if purpose is None:
        return known[0]
    for name in known:
        if name == purpose:
            return name
    raise UsageError(f"there is no purpose {purpose!r}; from narrow to wide: {', '.join(known)}")
