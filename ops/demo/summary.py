"""The demo's report as a picture for people. Pure: plain values in, rich renderables out.

Content of runs is shown as text, never as markup: a run may well write square brackets.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ops.demo.planted import PLANTED
from ops.demo.report import Report, close_reasons, first_reasons, verdicts, words_of
from streams.core.score import PROCESS_WEIGHTS

_LONGEST_CHARS = 110
_LONGEST_MESSAGE_CHARS = 220
_MESSAGES_SHOWN = 4
_VERDICT_STYLES = {"accepted": "green", "rejected": "red", "quarantined": "yellow", "duplicate": "cyan"}


def render(report: Report) -> RenderableType:
    """The whole summary."""
    return Group(*_parts(report))


def _parts(report: Report) -> Iterator[RenderableType]:
    found = report.collected
    yield Columns([_balance(report.status), _agents(report)], padding=(0, 4))
    counts = [
        _counts("this demo's runs closed as", close_reasons(found)),
        _counts("verdicts", verdicts(found), _VERDICT_STYLES),
        _counts("examples stored", found.examples_by_type),
    ]
    yield Columns(counts, padding=(0, 4))
    yield _reasons(first_reasons(found))
    if found.shown_trace:
        yield Panel(
            trace_tree(found.shown_trace), title="one run, as it is stored (execution_trace)", title_align="left"
        )
    if found.accepted:
        yield Panel(_example(found.accepted), title="an accepted example of that run", title_align="left",
                    border_style="green")  # fmt: skip
    if found.rejected:
        yield Panel(_rejected(found.rejected), title="a rejected run", title_align="left", border_style="red")
    yield _redactions(report)
    yield _places(report)
    for fault in report.faults:
        yield Text(f"not as it should be: {fault}", style="bold red")
    yield _last_line(report)


def _balance(status: Mapping[str, Any]) -> Group:
    title = "balance (everything in this TDC_HOME)"
    table = _plain_table("what", "fate", "number")
    for group in ("events", "traces", "examples"):
        for place, (name, number) in enumerate(status[group].items()):
            table.add_row(group if place == 0 else "", name.replace("_", "-"), f"{number:,}")
    held = status["balanced"]
    table.add_row("", Text("balanced" if held else "NOT balanced", style="bold green" if held else "bold red"), "")
    return _titled(title, table)


def _agents(report: Report) -> Group:
    title = "sample agents"
    table = _plain_table("agent", "runs", "killed", "with a verdict")
    for tally in report.agents:
        table.add_row(tally.kind, str(tally.runs), str(tally.killed), str(tally.arrived))
    for phase, seconds in report.seconds.items():
        table.add_row(Text(phase, style="dim"), "", "", Text(f"{seconds:.1f} s", style="dim"))
    return _titled(title, table)


def _counts(title: str, counts: Mapping[str, int], styles: Mapping[str, str] | None = None) -> Group:
    table = _plain_table("", "")
    for name, number in counts.items():
        table.add_row(Text(name, style=(styles or {}).get(name, "")), f"{number:,}")
    return _titled(title, table)


def _reasons(counts: Mapping[str, int]) -> Group:
    title = "why runs gave no example"
    table = _plain_table("reason", "runs", "in words")
    for code, number in counts.items():
        table.add_row(code, str(number), Text(words_of(code), style="dim"))
    return _titled(title, table)


def trace_tree(trace: Mapping[str, Any]) -> Tree:
    """An `execution_trace` as a compact tree: steps, actions with their results, state."""
    tree = Tree(_line(
        (trace["scenario"], "bold"), (f"  {trace['completion_status']}", "green"),
        (f"  {trace['execution_mode']}  {trace['trace_id']}", "dim"),
    ))  # fmt: skip
    for step in trace["steps"]:
        branch = tree.add(_line((step["step_id"], "dim"), (f"  {step['step_name']}", "bold"),
                                (f"  {step['agent']}", "cyan")))  # fmt: skip
        if step.get("reasoning"):
            branch.add(_line(("because ", "dim"), (shortened(step["reasoning"]), "italic")))
        for action in step["actions"]:
            branch.add(_action(action))
        state = step.get("state_changes") or {}
        if state.get("progress_percentage") is not None:
            branch.add(_line((f"state {state['progress_percentage']}%  ", "dim"),
                             (shortened(_json(state["variables"])), "dim")))  # fmt: skip
    return tree


def _action(action: Mapping[str, Any]) -> Text:
    result = dict(action["result"] or {})
    ok = result.pop("success", None)
    mark, style = {True: ("ok", "green"), False: ("failed", "red")}.get(ok, ("no result", "yellow"))
    mapping = action.get("claude_code_mapping") or {}
    return _line(
        (f"{action['tool']} ", "bold"), (shortened(_json(action["parameters"])), ""),
        (f"  {mapping.get('execution_time') or ''} ", "dim"), (mark, style),
        (f"  {shortened(_json(result))}" if result else "", "dim"),
    )  # fmt: skip


def _example(example: Mapping[str, Any]) -> Group:
    expected = json.loads(example["expected_output"])
    messages = json.loads(example["messages"])
    parts: list[RenderableType] = [
        _line(("score ", "dim"), (f"{example['quality_score']:.3f}", "green"),
              (f"   weight {example['training_weight']:.3f}   packages {', '.join(example['packages'])}", "dim")),
    ]  # fmt: skip
    if len(messages) > _MESSAGES_SHOWN + 1:
        parts.append(Text(f"... {len(messages) - 1 - _MESSAGES_SHOWN} earlier messages", style="dim"))
    for message in messages[:-1][-_MESSAGES_SHOWN:]:
        said = message.get("content") or _json([call["function"] for call in message.get("tool_calls") or ()])
        parts.append(_line((f"{message['role']:>9}  ", "cyan"), (shortened(said, _LONGEST_MESSAGE_CHARS), "")))
    for name in ("tool", "parameters", "reasoning"):
        value = expected.get(name)
        shown = value if isinstance(value, str) else _json(value)
        parts.append(_line((f"{name:>10}  ", "bold green"), (shortened(shown, _LONGEST_MESSAGE_CHARS), "")))
    return Group(*parts)


def _rejected(row: Mapping[str, Any]) -> Group:
    parts: list[RenderableType] = [
        _line((row.get("scenario") or "content withheld", "bold"), (f"  {row['trace_id']}", "dim"))
    ]
    if row.get("tool_call_count") is not None:
        parts.append(Text(
            f"claims {row['completion_status']}, closed as {row['close_reason']}; {row['tool_call_count']} tool calls, "
            f"{row['tool_error_count']} failed", style="dim",
        ))  # fmt: skip
    parts += [_line((f"{code}: ", "red"), (words_of(code), "")) for code in row["reasons"]]
    signals = {signal["name"]: signal.get("value") for signal in json.loads(row.get("signals") or "[]")}
    measured = [f"{name} {signals[name]:g}" for name in _TELLING if signals.get(name) is not None]
    if row.get("quality_score") is not None:
        parts.append(Text(f"score {row['quality_score']:.3f}; {', '.join(measured)}", style="dim"))
    return Group(*parts)


_TELLING = ("outcome", *PROCESS_WEIGHTS, "recovery_credit", "reasoning_clarity", "efficiency")
"""Of all signals those that a reader wants first; `tdc explain` shows the rest."""


def _redactions(report: Report) -> Group:
    found = report.collected
    title = "redacted before anything was stored (kinds and places, never values)"
    table = _plain_table("kind", "places")
    for kind, number in found.redactions.items():
        table.add_row(kind, f"{number:,}")
    hits = sum(found.planted_found.values())
    planted = f"planted values found in tables: {hits}"
    return Group(
        _titled(title, table),
        Text(f"{planted}  ({len(PLANTED)} were planted)", style="bold red" if hits else "bold green"),
    )


def _places(report: Report) -> Group:
    title = "where it all is"
    table = _plain_table("", "")
    for name, place in report.places.items():
        table.add_row(name, Text(place, overflow="fold"))
    commands = Text("try next:", style="bold")
    for command in report.next_commands:
        commands.append(f"\n  {command}", style="not bold")
    return Group(Text(""), _titled(title, table), commands, Text(""))


def _last_line(report: Report) -> Text:
    total = f"{sum(tally.runs for tally in report.agents)} runs, {sum(report.seconds.values()):.0f} s"
    if report.ok:
        return Text(f"The demo went well: {total}; nothing lost, nothing twice.", style="bold green")
    return Text(f"The demo did not go well: {total}; {len(report.faults)} things are not as they should be.",
                style="bold red")  # fmt: skip


def shortened(text: str, limit: int = _LONGEST_CHARS) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _line(*pieces: tuple[str, str]) -> Text:
    return Text.assemble(*pieces, overflow="fold")


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=any(columns), header_style="dim")
    for column in columns:
        numeric = column in ("number", "runs", "killed", "with a verdict", "places")
        table.add_column(column, justify="right" if numeric else "left")
    return table


def _titled(title: str, content: RenderableType) -> Group:
    # Not the table's own title: that is wrapped at the width of the table.
    return Group(Text(title, style="bold"), content, Text(""))
