"""The statement that reads a table for a package: its rows, what is known of their runs, why they stay out. Pure.

It reads `source` (the table), `gates` (runs with their verdicts), `models` (what the purpose allows) and, for patterns,
`pattern_gates`.
"""

import pyarrow as pa

from sinks.packages.kinds import PAIR_TYPE, Kind
from sinks.packages.recipe import Recipe

NARROW_ROWS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("trace_id", "cluster", "scenario", "task_id", "type", "provider")),
        *(pa.field(name, pa.string()) for name in ("model", "execution_mode", "policy_hash", "variant")),
        pa.field("quality_score", pa.float64()),
        pa.field("data_time", pa.timestamp("us", "UTC")),
        pa.field("trace", pa.int64()),
    ]
)
"""What splits and caps look at. `trace` numbers traces in the order of their ids; it is null where rows have none."""
_OF_THE_RUN = ("scenario", "task_id", "provider", "model", "execution_mode", "quality_score")
"""What a row need not say itself."""


def statement(recipe: Recipe, kind: Kind, conditions: list[str]) -> str:
    """SQL that gives the columns of package rows, those of `NARROW_ROWS` as `n_<name>`, and `reason`: null where the
    row passes. Rows that do not meet the conditions are not given at all."""
    narrow = ", ".join(f"{sql} AS n_{name}" for name, sql in kind.narrow.items() if name not in ("key", "content"))
    said = {name: f"t.n_{name}" for name in NARROW_ROWS.names}
    said |= {name: f"coalesce(t.n_{name}, g.{name})" for name in _OF_THE_RUN}
    said |= {"variant": "t.n_variant::VARCHAR", "trace": "g.number"}
    if kind.table == "traces":
        said["cluster"] = "coalesce(g.duplicate_of, t.n_cluster)"
    cases = " ".join(f"WHEN {condition} THEN {reason}" for condition, reason in _reasons(recipe, kind))
    columns = [*(f"t.{name}" for name in kind.schema.names), *(f"{sql} AS n_{name}" for name, sql in said.items())]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    patterns = "" if kind.of_traces else "LEFT JOIN pattern_gates p ON p.key = t.pattern_id"
    return f"""SELECT {", ".join(columns)}, CASE {cases} END AS reason
        FROM (SELECT {", ".join(kind.schema.names)}, {narrow} FROM source AS {kind.table} {where}) t
        LEFT JOIN gates g ON g.trace_id = t.n_trace_id
        LEFT JOIN models m ON m.provider IS NOT DISTINCT FROM coalesce(t.n_provider, g.provider)
            AND m.model IS NOT DISTINCT FROM coalesce(t.n_model, g.model) {patterns}"""


def _reasons(recipe: Recipe, kind: Kind) -> list[tuple[str, str]]:
    """Conditions on a row and its run, and why the row stays out where one holds: the first of them."""
    reasons: list[tuple[str, str]] = []
    if kind.of_traces:
        reasons += [
            ("g.trace_id IS NULL", "'trace_not_stored'"),
            ("g.consent_status <> 'granted'", "'consent_' || g.consent_status"),
        ]
    else:
        reasons += [("p.consent", "'consent_not_granted'"), ("p.terms", "'provider_terms'")]
    if kind.accepted_only:
        verdict = f"(g.verdict = 'accepted' OR (g.verdict = 'duplicate' AND t.n_type = '{PAIR_TYPE}'))"
        reasons += [
            (f"NOT coalesce({verdict}, false)", "'no_longer_accepted'"),
            ("g.decided > t.n_revision", "'superseded'"),
        ]
    if kind.of_traces:
        reasons.append(("NOT coalesce(m.allowed, false)", "'provider_terms'"))
    if recipe.max_simulation_share == 0:
        reasons.append(("coalesce(t.n_execution_mode, g.execution_mode) = 'SIMULATION'", "'simulation'"))
    reasons.append((f"coalesce(t.n_quality_score, g.quality_score) < {recipe.min_quality_score!r}", "'low_score'"))
    return reasons


def sql_list(names: tuple[str, ...] | list[str]) -> str:
    """Names as an SQL list of texts."""
    return "[" + ", ".join("'" + name.replace("'", "''") + "'" for name in names) + "]::VARCHAR[]"
