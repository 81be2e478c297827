"""Which of the dataset packages an example belongs in, most telling first.

The type of an example implies its package, see `type_packages`; the examples that show whole turns and runs
(`agent_execution`, `conversation`) belong wherever something in them does. `domain_specific` packages are cut by
scenario when a package is built.
"""

from typing import Literal

from schemas.steps import Action, Step, Turn

Package = Literal[
    "decision_making",
    "tool_selection",
    "error_handling",
    "workflow_optimization",
    "multi_agent_coordination",
    "performance_optimization",
    "quality_improvement",
    "user_interaction",
]
"""The standard packages of the original description, then its specialised ones that a single run can tell."""

PackagedType = Literal[
    "decision_making",
    "tool_selection",
    "error_handling",
    "workflow_optimization",
    "multi_agent_coordination",
    "user_interaction",
]
"""Types of examples that have a package of their own name."""


def failed(action: Action) -> bool:
    """Whether a tool call came back as an error."""
    return action.success is False


def type_packages(type_: PackagedType, *, cheaper: bool = False, corrected: bool = False) -> tuple[Package, ...]:
    """Packages of an example of a type of its own.

    `cheaper`: it shows how time or money was saved. `corrected`: a person said what would have been better.
    """
    labels: list[Package] = [type_]
    if cheaper:
        labels.append("performance_optimization")
    if corrected:
        labels.append("quality_improvement")
    return tuple(labels)


def step_packages(step: Step, turn: Turn, after_error: bool, spawns_agent: bool) -> tuple[Package, ...]:
    """Packages of one acting turn. `after_error`: the turn answers an error of the same agent."""
    labels: list[Package] = []
    if step.decisions or (turn.reasoning or step.reasoning or "").strip():
        labels.append("decision_making")
    labels.append("tool_selection")
    if after_error or step.recoveries:
        labels.append("error_handling")
    if spawns_agent:
        labels.append("multi_agent_coordination")
    return tuple(labels)


def trace_packages(steps: tuple[Step, ...], agent_count: int) -> tuple[Package, ...]:
    """Packages of a whole run."""
    labels: list[Package] = []
    if any(step.decisions for step in steps) or any(step.reasoning for step in steps):
        labels.append("decision_making")
    if any(turn.agent_actions for step in steps for turn in step.turns):
        labels.append("tool_selection")
    if any(failed(action) for step in steps for action in step.actions) or any(step.errors for step in steps):
        labels.append("error_handling")
    if agent_count > 1:
        labels.append("multi_agent_coordination")
    said = sum(len(step.user_messages) for step in steps)
    if said > 1 or (said and not labels):
        labels.append("user_interaction")
    return tuple(labels)
