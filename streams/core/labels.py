"""Which of the standard dataset packages an example belongs in, most telling first."""

from schemas.steps import Action, Step, Turn


def failed(action: Action) -> bool:
    """Whether a tool call came back as an error."""
    return action.success is False


def step_packages(step: Step, turn: Turn, after_error: bool, spawns_agent: bool) -> tuple[str, ...]:
    """Packages of one acting turn. `after_error`: the turn answers an error of the same agent."""
    labels = []
    if step.decisions or (turn.reasoning or step.reasoning or "").strip():
        labels.append("decision_making")
    labels.append("tool_selection")
    if after_error or step.recoveries:
        labels.append("error_handling")
    if spawns_agent:
        labels.append("multi_agent_coordination")
    return tuple(labels)


def trace_packages(steps: tuple[Step, ...], agent_count: int) -> tuple[str, ...]:
    """Packages of a whole run."""
    labels = []
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
