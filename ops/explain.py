"""`tdc explain`: fetches the rows of a trace and shows why it got its verdict."""

import json
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from schemas.errors import UsageError
from schemas.settings import Settings
from sinks.query import query
from streams.core.explain import Explanation, as_json, decision_of_row, explain, facts_of_row


def explain_trace(settings: Settings, trace_id: str) -> Explanation:
    """The explanation of a trace. Raises UsageError when no decision about it is stored."""
    if not trace_id or "\x00" in trace_id:
        raise UsageError("a trace id is not empty")
    quoted = "'" + trace_id.replace("'", "''") + "'"
    decisions = query(settings, f"SELECT * FROM decisions WHERE trace_id = {quoted}").to_pylist()
    if not decisions:
        raise UsageError(f"no decision about {trace_id} is stored: `tdc status` shows what is still on its way")
    traces = query(settings, f"SELECT * FROM traces WHERE trace_id = {quoted}").to_pylist()
    examples = query(
        settings,
        f"SELECT type, count(*) AS n FROM examples WHERE trace_id = {quoted} GROUP BY type",
    ).to_pylist()
    return explain(
        decision_of_row(decisions[0]),
        facts_of_row(traces[0]) if traces else None,
        {row["type"]: row["n"] for row in examples},
    )


def to_json(explanation: Explanation) -> Any:
    """Plain values for `--json`."""
    return json.loads(as_json(explanation))


def render(explanation: Explanation) -> Group:
    """The explanation for people."""
    parts: list[Any] = [Text(explanation.headline, style="bold")]
    for section in explanation.sections:
        grid = Table(title=section.title, title_justify="left", show_header=False, box=None, padding=(0, 2))
        for _ in range(4):
            grid.add_column(overflow="fold")  # ids are to be copied: never cut
        for line in section.lines:
            mark = "" if line.ok is None else ("[green]ok[/green]" if line.ok else "[red]no[/red]")
            # Names of scenarios and ids are foreign text: "[/red]" in one is no markup.
            grid.add_row(Text(line.label), Text(line.value), Text(line.asked), mark)
        parts += ["", grid]
    return Group(*parts)
