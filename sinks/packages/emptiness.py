"""Why a package has no rows: which condition of its recipe leaves none, and what became of runs that could fill it."""

from collections.abc import Mapping

from schemas.errors import TdcError
from schemas.settings import Settings
from sinks.packages.errors import EmptyPackage
from sinks.packages.kinds import KINDS
from sinks.packages.recipe import Recipe
from sinks.query import query

_COULD: Mapping[str, tuple[str, str]] = {
    "tool_selection": ("called a tool", "tool_call_count > 0"),
    "error_handling": ("met an error", "tool_error_count + error_count > 0"),
    "multi_agent_coordination": ("had more than one agent", "len(agents) > 1"),
    "user_interaction": ("heard their user more than once", "user_message_count > 1"),
    "workflow_optimization": ("did what another run did too", "(scenario, task_id) IN (FROM repeated)"),
    "performance_optimization": ("did what another run did too", "(scenario, task_id) IN (FROM repeated)"),
}
"""By label: what a run needs to give rows that have it, in words and as SQL over `traces`."""
_REPEATED = """WITH repeated AS (
    SELECT scenario, task_id FROM traces WHERE task_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1)"""
_REASONS = 4
"""Reasons named of each verdict."""


def why_empty(settings: Settings, recipe: Recipe) -> tuple[str, ...]:
    """Sentences for people; counts, names of labels and codes only. None where the tables do not answer."""
    try:
        return tuple(_told(settings, recipe))
    except TdcError:
        return ()  # the emptiness itself is what has to be said


def explained(settings: Settings, recipe: Recipe, error: EmptyPackage) -> EmptyPackage:
    """The error with what the tables say about it."""
    return EmptyPackage("\n  ".join((str(error), *why_empty(settings, recipe))))


def _told(settings: Settings, recipe: Recipe) -> list[str]:
    if recipe.kind == "preference_pairs":
        return _pairs(settings)
    table = KINDS[recipe.kind].table
    total = _number(settings, f"SELECT count(*) FROM {table}")
    if not total:
        stored = _number(settings, "SELECT count(*) FROM traces")
        return [f"the table {table} is empty" + (f", though {stored:,} runs are stored" if stored else "")]
    lines = [f"the table {table} has {total:,} rows"]
    for words, condition, names in _conditions(recipe):
        fits = _number(settings, f"SELECT count(*) FROM {table} WHERE {condition}")
        there = "" if fits or names is None else f"; there are {_names(settings, names, table)}"
        lines.append(f"{fits:,} of them {words}{there}")
    if recipe.domains or recipe.domain_rules:
        lines.append(f"a row has to be of a scenario that {recipe.domain_rules} gives to a domain")
    for label in recipe.packages:
        if label in _COULD:
            lines.append(_runs(settings, *_COULD[label]))
    return lines


def _conditions(recipe: Recipe) -> list[tuple[str, str, str | None]]:
    """What a row must be, in words and as SQL, and the SQL of the names that would do."""
    found: list[tuple[str, str, str | None]] = []
    if recipe.types:
        words = f"are of the type {' or '.join(recipe.types)}"
        found.append((words, f"list_contains({_list(recipe.types)}, type)", "type"))
    if recipe.packages:
        words = f"are labelled {' or '.join(recipe.packages)}"
        found.append((words, f"list_has_any({_list(recipe.packages)}, packages)", "unnest(packages)"))
    if recipe.filter:
        found.append(("fit the filter", f"({recipe.filter}\n)", None))
    return found


def _list(names: tuple[str, ...]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"[{quoted}]::VARCHAR[]"


def _names(settings: Settings, sql: str, table: str) -> str:
    rows = query(settings, f"SELECT DISTINCT {sql} AS name FROM {table} ORDER BY name").column(0).to_pylist()
    return ", ".join(str(row) for row in rows) or "none"


def _pairs(settings: Settings) -> list[str]:
    found = query(
        settings,
        "SELECT coalesce(sum(runs), 0)::BIGINT AS runs, count(*) FILTER (runs > 1) AS tasks "
        "FROM (SELECT count(*) AS runs FROM traces WHERE task_id IS NOT NULL GROUP BY scenario, task_id)",
    ).to_pylist()[0]
    return [
        f"{found['runs']:,} runs name their task, and {found['tasks']:,} tasks were run more than once",
        "a pair needs a run that reached the aim and one that failed it, which begin with the same messages and tools",
    ]


def _runs(settings: Settings, words: str, condition: str) -> str:
    rows = query(
        settings,
        f"""{_REPEATED}, able AS (SELECT trace_id FROM traces WHERE {condition}),
        decided AS (SELECT d.verdict, d.reasons FROM able JOIN decisions d USING (trace_id)),
        told AS (SELECT verdict, unnest(reasons) AS reason FROM decided)
        SELECT verdict, NULL AS reason, count(*) AS runs FROM decided GROUP BY ALL
        UNION ALL SELECT verdict, reason, count(*) AS runs FROM told GROUP BY ALL
        ORDER BY runs DESC, verdict, reason""",
    ).to_pylist()
    verdicts = [row for row in rows if row["reason"] is None]
    total = sum(row["runs"] for row in verdicts)
    if not total:
        return f"no run {words}"
    parts = []
    for verdict in verdicts:
        why = [
            f"{row['reason']} {row['runs']:,}" for row in rows if row["reason"] and row["verdict"] == verdict["verdict"]
        ]
        parts.append(f"{verdict['runs']:,} {verdict['verdict']}" + (f" ({', '.join(why[:_REASONS])})" if why else ""))
    return f"{total:,} runs {words}: {', '.join(parts)}"


def _number(settings: Settings, sql: str) -> int:
    return int(query(settings, sql).column(0)[0].as_py())
