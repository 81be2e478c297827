"""What the figures mean for whoever trains on a package: plain sentences, each with the number it stands on.

Thresholds are conventions of this project, chosen so that a reader is told early rather than late.
"""

from sinks.packages.facts import PackageFacts, Representation
from sinks.packages.report.figures import number, percent, share

_DOMINANT = 0.5
_FEW_ROWS = 100
_FEW_TASKS = 20.0
_LOW_SUCCESS = 0.2
_SCENARIO_ROWS = 30
_NAMED = 5
CHARACTERS_PER_TOKEN = 4
"""A rule of thumb for English text; JSON and code take more tokens, other scripts far more."""


def biases(facts: PackageFacts) -> list[str]:
    """Where the rows lean to one side."""
    found = [_dominant(figure) for figure in facts.representation if figure.largest_share > _DOMINANT]
    tasks = next((figure for figure in facts.representation if figure.what == "task"), None)
    if tasks is not None and 0 < tasks.effective_number < _FEW_TASKS:
        found.append(
            f"Few tasks: rows are spread as if over {number(tasks.effective_number, 1)} tasks of equal size. "
            "A model may learn these tasks rather than the skill."
        )
    lopsided = [
        (name, share(_good(facts, row), sum(counts)), sum(counts))
        for row, (name, counts) in enumerate(
            zip(facts.scenario_outcomes.rows, facts.scenario_outcomes.counts, strict=True)
        )
    ]
    poor = [(name, part) for name, part, rows in lopsided if rows >= _SCENARIO_ROWS and part < _LOW_SUCCESS]
    if poor:
        listed = ", ".join(f"{name} ({percent(part)})" for name, part in poor[:_NAMED])
        rest = f" and {len(poor) - _NAMED} more" if len(poor) > _NAMED else ""
        found.append(f"Scenarios where few rows end well: {listed}{rest}.")
    foreign = [count for count in facts.scripts.counts if count.name != "Latin"]
    if facts.scripts.named and not foreign:
        found.append("All texts are written in Latin letters: nothing is shown of other writing systems.")
    return found


def limits(facts: PackageFacts) -> list[str]:
    """What the rows cannot tell, or cannot be used for."""
    if not facts.rows:
        return ["The package is empty: no row of the snapshot fits its recipe."]
    found = []
    for split in facts.splits:
        if not split.rows:
            found.append(f"The split {split.name} is empty.")
        elif split.rows < _FEW_ROWS and split.name != "train":
            found.append(f"The split {split.name} has {number(split.rows)} rows: figures on it vary widely by chance.")
    if facts.scores.count:
        found.append("Quality scores rank rows; they are not a measure of correctness.")
    unknown = share(facts.outcomes.of("unknown") + facts.outcomes.missing, facts.rows)
    if facts.outcomes.named and unknown:
        found.append(f"Of {percent(unknown)} of the rows nobody knows how the step ended.")
    if facts.simulation_share:
        found.append(
            f"{percent(facts.simulation_share)} of the rows come from SIMULATION runs: users, tools or both were "
            "played by a program or a model."
        )
    validated = share(facts.human_validated.of("true"), facts.human_validated.named)
    if facts.human_validated.named:
        others = "" if validated >= 1 else "; the others were accepted by rule"
        found.append(f"A person vouched for {percent(validated)} of the rows{others}.")
    if not facts.license:
        found.append("No licence is stated. Without one, treat the package as not to be passed on.")
    found.append("Personal data was removed by rules and models that miss some of it: see the privacy section.")
    return found


def lengths(facts: PackageFacts) -> str | None:
    """Which context a model needs, in tokens by rule of thumb."""
    p95, most = facts.characters.p95, facts.characters.maximum
    if p95 is None or most is None:
        return None
    rule = (
        "drop rows that are too long, since all that follows the prompt is learned"
        if facts.run_pairs
        else "cut from the front of the chat: the last message is learned"
    )
    return (
        f"95 % of the rows have at most about {number(round(p95 / CHARACTERS_PER_TOKEN, -2))} tokens and the longest "
        f"about {number(round(most / CHARACTERS_PER_TOKEN, -2))}, at {CHARACTERS_PER_TOKEN} characters a token. "
        f"Measure with the tokenizer you train with, and {rule}."
    )


def success_share(facts: PackageFacts) -> float | None:
    """Rows that succeeded, or recovered, over rows with a known outcome; None where no row has one."""
    good = facts.outcomes.of("success") + facts.outcomes.of("recovered") + facts.outcomes.of("successful")
    known = facts.outcomes.named - facts.outcomes.of("unknown")
    return good / known if known else None


def _good(facts: PackageFacts, row: int) -> int:
    cross = facts.scenario_outcomes
    good = {"success", "recovered", "successful"}
    return sum(count for name, count in zip(cross.columns, cross.counts[row], strict=True) if name in good)


def _dominant(figure: Representation) -> str:
    part = percent(figure.largest_share)
    if figure.largest is None:
        return f"One {figure.what} makes up {part} of the rows."
    return f"One {figure.what} makes up {part} of the rows: {figure.largest}."
