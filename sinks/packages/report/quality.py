"""quality_report.html, one file that needs nothing else, with the numbers of every plot in a table; and its JSON."""

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from sinks.packages.facts import Count, Cross, Distribution, PackageFacts, Tally
from sinks.packages.reasons import LEFT_OUT
from sinks.packages.report.advice import biases, limits, success_share
from sinks.packages.report.figures import number, percent, share
from sinks.packages.report.loading import formats
from sinks.packages.report.plots import bar, histogram, stack
from sinks.packages.report.render import html_page

_SHOWN = 25
_OUTCOMES = {
    "success": "good",
    "successful": "good",
    "recovered": "recovered",
    "partial": "partial",
    "interrupted": "partial",
    "failure": "bad",
    "failed": "bad",
}


class _Bars(msgspec.Struct, frozen=True):
    """A tally as a table whose rows have bars."""

    title: str
    what: str
    rows: tuple[tuple[str, Markup, str, str], ...]
    """Name, bar, count, share."""
    rest: tuple[tuple[str, str, str], ...]
    """Others and not stated: name, count, share."""
    counted: str = "Rows"
    note: str = ""


class _Plot(msgspec.Struct, frozen=True):
    """A histogram and its figures."""

    title: str
    svg: Markup
    rows: tuple[tuple[str, str], ...]
    note: str


class _Stacks(msgspec.Struct, frozen=True):
    """Outcomes by a name."""

    title: str
    what: str
    columns: tuple[tuple[str, str], ...]
    """Outcome and its class."""
    rows: tuple[tuple[str, Markup, tuple[str, ...], str, str], ...]
    """Name, bar, counts, rows, share of known outcomes that is good or mean score."""
    last: str
    other: str | None = None


def quality_report(facts: PackageFacts) -> bytes:
    """The page."""
    return html_page(
        "quality.html",
        facts=facts,
        tiles=_tiles(facts),
        warnings=[*limits(facts), *biases(facts)],
        plots=_plots(facts),
        coverage=_coverage(facts),
        stacks=[stacks for stacks in (_scenarios(facts), _models(facts)) if stacks.rows],
        acceptance=[bars for bars in _acceptance(facts) if bars.rows],
        privacy=[bars for bars in _privacy(facts) if bars.rows],
        splits=[(split.name, number(split.rows), percent(share(split.rows, facts.rows))) for split in facts.splits],
        leaks=_leaks(facts),
        formats=formats(facts),
        policies=_bars("Policies", "Policy hash", facts.policies, facts.rows),
    )


class _Figures(msgspec.Struct, frozen=True):
    """What the page works out from the facts, and the facts."""

    simulation_share: float
    success_share: float | None
    leak_free: bool
    limits: list[str]
    biases: list[str]
    facts: PackageFacts


def quality_figures(facts: PackageFacts) -> bytes:
    """quality_report.json: indented, with a final newline."""
    good = success_share(facts)
    figures = _Figures(
        simulation_share=round(facts.simulation_share, 6),
        success_share=None if good is None else round(good, 6),
        leak_free=facts.leaks.clean,
        limits=limits(facts),
        biases=biases(facts),
        facts=facts,
    )
    return msgspec.json.format(msgspec.json.encode(figures), indent=2) + b"\n"


def _tiles(facts: PackageFacts) -> list[tuple[str, str, str]]:
    """Headline numbers: figure, what it is, what to hold it against."""
    good, score = success_share(facts), facts.scores.median
    found = facts.leaks.clusters_in_two_splits + facts.leaks.tasks_in_two_splits + facts.leaks.contents_in_two_splits
    runs = f"from {number(facts.traces)} runs" if facts.traces is not None else "in all splits"
    more = " and more" if facts.scenarios.other else ""
    tiles = [("rows", number(facts.rows), runs)]
    if facts.scenarios.counts:
        varied = next(figure for figure in facts.representation if figure.what == "scenario")
        words = f"as varied as {number(varied.effective_number, 1)} of equal size"
        tiles.append(("scenarios", f"{len(facts.scenarios.counts)}{more}", words))
    if score is not None:
        tiles.append(("median score", f"{score:.2f}", "ranks rows, proves nothing"))
    if good is not None:
        tiles.append(("ended well", percent(good), "of rows with a known outcome"))
    if facts.execution_modes.named:
        tiles.append(("simulated", percent(facts.simulation_share), "of rows come from SIMULATION runs"))
    checked = facts.leaks.clusters + facts.leaks.tasks + facts.leaks.contents
    tiles.append(("leaks", number(found), f"between splits, {number(checked)} things checked"))
    return tiles


def _plots(facts: PackageFacts) -> list[_Plot]:
    plots = [
        _plot("Quality score", facts.scores, "score, 0 to 1", False, "Scores rank rows; they are no proof of quality."),
        _plot("Training weight", facts.weights, "suggested weight", False, "How often to draw a row, relative to 1."),
        _plot(
            "Length", facts.characters, "characters", True, "All texts of a row; four characters are about one token."
        ),
        _plot("Messages", facts.messages, "messages", True, "Messages of a row's chat, the system prompt included."),
    ]
    return [plot for plot in plots if plot is not None]


def _plot(title: str, distribution: Distribution, unit: str, logarithmic: bool, note: str) -> _Plot | None:
    if not distribution.count:
        return None
    digits = 0 if logarithmic else 3
    rows = [
        ("least", distribution.minimum),
        ("5 %", distribution.p05),
        ("25 %", distribution.p25),
        ("median", distribution.median),
        ("75 %", distribution.p75),
        ("95 %", distribution.p95),
        ("most", distribution.maximum),
        ("mean", distribution.mean),
    ]
    figures = [(name, number(None if value is None else round(value, digits), digits)) for name, value in rows]
    if distribution.histogram.missing:
        figures.append(("not stated", number(distribution.histogram.missing)))
    if distribution.histogram.above:
        figures.append((f"above {number(distribution.histogram.edges[-1])}", number(distribution.histogram.above)))
    svg = histogram(distribution, title, unit, logarithmic)
    return _Plot(title, svg, tuple(figures), f"{note} Quantiles are exact to {distribution.resolution}.")


def _bars(
    title: str, what: str, tally: Tally, whole: int, counted: str = "Rows", note: str = "", shown: int = _SHOWN
) -> _Bars:
    kept, hidden = tally.counts[:shown], tally.counts[shown:]
    most = max((count.count for count in kept), default=0)
    rest = []
    others = tally.other + sum(count.count for count in hidden)
    if others:
        rest.append((_others(hidden, tally), number(others), percent(share(others, whole))))
    if tally.missing:
        rest.append(("not stated", number(tally.missing), percent(share(tally.missing, whole))))
    rows = tuple(
        (count.name, bar(count.count, most), number(count.count), percent(share(count.count, whole))) for count in kept
    )
    return _Bars(title, what, rows, tuple(rest), counted, note)


def _others(hidden: Sequence[Count], tally: Tally) -> str:
    return f"{len(hidden)} others" + (" and more" if tally.other else "") if hidden else "others"


def _coverage(facts: PackageFacts) -> list[_Bars]:
    calls = "A row that calls several tools counts for each."
    letters = "By letters; plain ASCII counts as Latin."
    found = [
        _bars("Scenarios", "Scenario", facts.scenarios, facts.rows),
        _bars("Tools called", "Tool", facts.tools, facts.rows, note=calls),
        _bars("Models", "Model", facts.models, facts.rows),
        _bars("Execution modes", "Mode", facts.execution_modes, facts.rows),
        _bars("Kinds of rows", "Type", facts.types, facts.rows),
        _bars("Outcomes", "Outcome", facts.outcomes, facts.rows),
        _bars("Writing systems", "Writing system", facts.scripts, facts.rows, note=letters),
        _bars("Vouched for by a person", "Validated", facts.human_validated, facts.rows),
    ]
    return [bars for bars in found if bars.rows]


def _scenarios(facts: PackageFacts) -> _Stacks:
    scores = dict(facts.scenario_scores)
    last = [f"{scores[name]:.2f}" if name in scores else "–" for name in facts.scenario_outcomes.rows]
    return _stacks("Outcomes by scenario", "Scenario", facts.scenario_outcomes, last, "Mean score")


def _models(facts: PackageFacts) -> _Stacks:
    cross = facts.model_outcomes
    last = []
    for counts in cross.counts:
        known = [(name, count) for name, count in zip(cross.columns, counts, strict=True) if name != "unknown"]
        good = sum(count for name, count in known if _OUTCOMES.get(name) in ("good", "recovered"))
        whole = sum(count for _, count in known)
        last.append(percent(good / whole) if whole else "–")
    return _stacks("Outcomes by model", "Model", cross, last, "Ended well, of known")


def _stacks(title: str, what: str, cross: Cross, last: Sequence[str], named: str) -> _Stacks:
    classes = tuple((name, _OUTCOMES.get(name, "unknown")) for name in cross.columns)
    rows = tuple(
        (
            name,
            stack(counts, [class_ for _, class_ in classes]),
            tuple(number(count) for count in counts),
            number(sum(counts)),
            figure,
        )
        for name, counts, figure in list(zip(cross.rows, cross.counts, last, strict=True))[:_SHOWN]
    )
    hidden = sum(sum(counts) for counts in cross.counts[_SHOWN:]) + cross.other
    return _Stacks(title, what, classes, rows, named, number(hidden) if hidden else None)


def _acceptance(facts: PackageFacts) -> list[_Bars]:
    verdicts, reasons = facts.acceptance.verdicts, facts.acceptance.reasons
    out = "Rows of the snapshot that fit the recipe's filter and are not in the package."
    counts = tuple(Count(name=LEFT_OUT.get(one.name, one.name), count=one.count) for one in facts.left_out.counts)
    told = msgspec.structs.replace(facts.left_out, counts=counts)
    several = "A run may have several reasons; shares are of all runs."
    return [
        _bars("Verdicts on the snapshot's runs", "Verdict", verdicts, verdicts.named, "Runs"),
        _bars("Reasons", "Reason", reasons, verdicts.named, "Runs", several),
        _bars("Left out", "Rows", told, facts.rows + told.named, "Rows", out),
    ]


def _privacy(facts: PackageFacts) -> list[_Bars]:
    bases = facts.consent_bases
    kinds = "What was replaced in the runs behind the rows. Counts only: values were never kept."
    return [
        _bars("Replaced before storage", "Kind", facts.redactions, facts.redactions.named, "Times", kinds),
        _bars(
            "Basis of consent", "Basis", bases, bases.named + bases.missing, "Rows" if facts.traces is None else "Runs"
        ),
    ]


def _leaks(facts: PackageFacts) -> list[tuple[str, str, str, bool]]:
    """What was checked, how many, how many stand in two splits, whether that is right."""
    leaks = facts.leaks
    rows = (
        ("Near-duplicate clusters", leaks.clusters, leaks.clusters_in_two_splits),
        ("Tasks", leaks.tasks, leaks.tasks_in_two_splits),
        ("Distinct contents", leaks.contents, leaks.contents_in_two_splits),
    )
    return [(name, number(checked), number(found), found == 0) for name, checked, found in rows]
