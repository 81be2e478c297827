"""Which rows of the pinned tables are in a package, and in which split. Only narrow rows are looked at here.

In this order, each step counted: the recipe's own conditions; consent as it is now, the current decision, provider
terms, execution mode, score; the best trace of each near-duplicate cluster; exact duplicates; caps. Groups for the
splits are made of all rows that passed the gates, before clusters and caps, so that a cap moves no row between splits.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from schemas.errors import UsageError
from sinks.packages.columns import SPLITS
from sinks.packages.engine import Engine, counts
from sinks.packages.facts import LeakProof, ProviderTerms, Tally, tally
from sinks.packages.grouping import assign_splits, leak_proof
from sinks.packages.kinds import KINDS, NARROW, PAIR_TYPE, Kind
from sinks.packages.recipe import LoadedRecipe
from sinks.packages.snapshot import Snapshot
from sinks.packages.spool import MAX_RANGES, RANGE_BYTES, in_order
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
    """Chooses rows in the engine. After `choose` its table `chosen` holds key, split and digest of each."""

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
        self._left_out: dict[str, int] = {}

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

    def choose(self, open_source: OpenSource) -> Chosen:
        """Choose. The figures of an empty choice say what was left out, and why."""
        self._take(open_source)
        self._judge()
        self._engine.run("CREATE TABLE kept AS SELECT * EXCLUDE (reason) FROM judged WHERE reason IS NULL")
        self._engine.run("DROP TABLE judged")
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
            "CREATE TABLE chosen AS SELECT k.*, s.split, s.grp FROM kept k JOIN grouped s ON s.trace_id = k.trace_id"
        )
        self._engine.run("DROP TABLE kept")
        return self._figures(duplicates)

    def rows(self, open_source: OpenSource, directory: Path) -> Iterator[pa.RecordBatch]:
        """The chosen rows in order of their keys: the columns of a package row, and `split` at the end."""
        schema, key = self._kind.schema, self._kind.key
        size = max(RANGE_BYTES, self._engine.number("SELECT sum(size) FROM chosen") // MAX_RANGES)
        self._engine.run(
            f"""CREATE TABLE places AS
            SELECT key, split, ((sum(size) OVER (ORDER BY key)) // {size})::INTEGER AS range FROM chosen"""
        )
        self._engine.register("source", open_source(tuple(schema.names)))
        columns = ", ".join(f"source.{name}" for name in schema.names)
        sql = f"SELECT {columns}, p.split, p.range FROM source JOIN places p ON p.key = source.{key}"
        target = schema.append(pa.field("split", pa.string())).append(pa.field("range", pa.int32()))
        found = (batch.cast(target) for batch in self._engine.stream(sql))
        return in_order(found, key, "range", directory)

    def _take(self, open_source: OpenSource) -> None:
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
            conditions.append(f"list_contains({_list(recipe.types)}, type)")
        if recipe.packages:
            conditions.append(f"list_has_any({_list(recipe.packages)}, packages)")
            columns["packages"] = None
        self._engine.register("source", open_source(tuple(columns)))
        narrow = ", ".join(f"{kind.narrow[name]} AS {name}" for name in NARROW)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        self._engine.run(
            f"CREATE TABLE taken AS SELECT {narrow}, {kind.digest} AS digest, {kind.size} AS size "
            f"FROM source AS {kind.table} {where}"
        )
        if self._loaded.domains is not None:
            self._only_domains()

    def _only_domains(self) -> None:
        domains, wanted = self._loaded.domains, self._recipe.domains
        assert domains is not None
        scenarios = [name for (name,) in self._engine.all("SELECT DISTINCT scenario FROM taken") if name is not None]
        inside = [name for name in scenarios if (of := domains.of(name)) is not None and (not wanted or of in wanted)]
        self._engine.run(f"DELETE FROM taken WHERE NOT coalesce(list_contains({_list(inside)}, scenario), false)")

    def _judge(self) -> None:
        recipe, kind = self._recipe, self._kind
        reasons: list[tuple[str, str]] = []
        if kind.of_traces:
            reasons += [
                ("r.trace_id IS NULL", "'trace_not_stored'"),
                ("r.consent_status <> 'granted'", "'consent_' || r.consent_status"),
            ]
        else:
            self._judge_patterns()
            reasons += [("p.consent", "'consent_not_granted'"), ("p.terms", "'provider_terms'")]
        if kind.accepted_only:
            verdict = f"(v.verdict = 'accepted' OR (v.verdict = 'duplicate' AND t.type = '{PAIR_TYPE}'))"
            reasons += [
                (f"NOT coalesce({verdict}, false)", "'no_longer_accepted'"),
                ("v.revision > t.revision", "'superseded'"),
            ]
        if kind.of_traces:
            reasons.append(("NOT coalesce(m.allowed, false)", "'provider_terms'"))
        if recipe.max_simulation_share == 0:
            reasons.append(("coalesce(t.execution_mode, r.execution_mode) = 'SIMULATION'", "'simulation'"))
        reasons.append((f"coalesce(t.quality_score, v.quality_score) < {recipe.min_quality_score!r}", "'low_score'"))
        cases = " ".join(f"WHEN {condition} THEN {reason}" for condition, reason in reasons)
        patterns = "" if kind.of_traces else "LEFT JOIN pattern_gates p ON p.key = t.key"
        filled = ", ".join(
            f"coalesce(t.{name}, r.{name}) AS {name}"
            for name in ("scenario", "task_id", "provider", "model", "execution_mode")
        )
        cluster = "coalesce(v.duplicate_of, t.cluster)" if kind.table == "traces" else "t.cluster"
        score = "coalesce(t.quality_score, v.quality_score)"
        self._engine.run(
            f"""CREATE TABLE judged AS
            SELECT t.* REPLACE ({filled}, {score} AS quality_score, {cluster} AS cluster), CASE {cases} END AS reason
            FROM taken t LEFT JOIN runs r ON r.trace_id = t.trace_id LEFT JOIN verdicts v ON v.trace_id = t.trace_id
            LEFT JOIN models m ON m.provider IS NOT DISTINCT FROM coalesce(t.provider, r.provider)
                AND m.model IS NOT DISTINCT FROM coalesce(t.model, r.model) {patterns}"""
        )
        self._engine.run("DROP TABLE taken")
        found = self._engine.all("SELECT reason, count(*) FROM judged WHERE reason IS NOT NULL GROUP BY ALL")
        self._left_out |= counts(found)

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
        best = """SELECT cluster, first(trace_id ORDER BY score DESC NULLS LAST, trace_id) AS best
            FROM (SELECT cluster, trace_id, max(quality_score) AS score FROM kept GROUP BY ALL)
            GROUP BY cluster HAVING count(*) > 1"""
        self._drop("near_duplicate", f"SELECT key FROM kept JOIN ({best}) USING (cluster) WHERE trace_id <> best")

    def _drop_exact_duplicates(self) -> int:
        """The same content is kept once for each type, and always of one trace: so it is in one split only."""
        return self._drop(
            "exact_duplicate",
            f"""SELECT key FROM (
                SELECT key, trace_id, first_value(trace_id) OVER (PARTITION BY content ORDER BY {_BEST}) AS home,
                    row_number() OVER (
                        PARTITION BY content, type, variant, trace_id ORDER BY {_BEST}) AS place
                FROM kept SEMI JOIN (SELECT content FROM kept GROUP BY content HAVING count(*) > 1) USING (content))
            WHERE trace_id <> home OR place > 1""",
        )

    def _cap(self, reason: str, columns: str, cap: int) -> None:
        full = f"SELECT {columns} FROM kept GROUP BY ALL HAVING count(*) > {cap}"
        same = " AND ".join(f"k.{name} IS NOT DISTINCT FROM f.{name}" for name in columns.split(", "))
        window = f"row_number() OVER (PARTITION BY {columns} ORDER BY {_BEST})"
        self._drop(reason, f"SELECT key FROM kept k SEMI JOIN ({full}) f ON {same} QUALIFY {window} > {cap}")

    def _limit_simulation(self) -> None:
        share = self._recipe.max_simulation_share
        if not 0 < share < 1:
            return
        others = self._engine.number("SELECT count(*) FROM kept WHERE execution_mode IS DISTINCT FROM 'SIMULATION'")
        most = int(others * share / (1 - share) + 1e-9)
        window = f"row_number() OVER (ORDER BY {_BEST})"
        self._drop("simulation", f"SELECT key FROM kept WHERE execution_mode = 'SIMULATION' QUALIFY {window} > {most}")

    def _drop(self, reason: str, keys: str) -> int:
        """Take the rows with these keys out of `kept`; how many they were."""
        before = self._engine.number("SELECT count(*) FROM kept")
        self._engine.run(f"DELETE FROM kept WHERE key IN ({keys})")
        gone = before - self._engine.number("SELECT count(*) FROM kept")
        if gone:
            self._left_out[reason] = self._left_out.get(reason, 0) + gone
        return gone

    def _figures(self, duplicates: int) -> Chosen:
        engine = self._engine
        rows, traces, newest = engine.all(
            "SELECT count(*), count(DISTINCT trace_id), coalesce(max(epoch_us(data_time)), 0) FROM chosen"
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


def _list(names: tuple[str, ...] | list[str]) -> str:
    """Names as an SQL list of texts."""
    return "[" + ", ".join("'" + name.replace("'", "''") + "'" for name in names) + "]::VARCHAR[]"
