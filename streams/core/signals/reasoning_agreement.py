"""Whether what was done is what the reasoning argued for."""

from collections.abc import Sequence

from schemas.records import DecisionMade
from streams.core.signals.base import Context, SignalKind, share
from streams.core.signals.wording import NEGATION_REACH, NEGATIONS, STOPS, excerpt, reasoned_turns, words
from streams.core.view import TraceView

MAX_OPTIONS = 32


def _standing(said: Sequence[str], name: Sequence[str]) -> bool | None:
    """Whether a text names something and never takes it back; False where each mention is negated, None where none."""
    mentioned = False
    for at in range(len(said) - len(name) + 1):
        if said[at] == name[0] and said[at : at + len(name)] == name:
            if not _negated(said[max(0, at - NEGATION_REACH) : at]):
                return True
            mentioned = True
    return False if mentioned else None


def _negated(before: Sequence[str]) -> bool:
    """Whether the last words before a name take it back; what stands before a stop is another clause."""
    for word in reversed(before):
        if word in STOPS:
            return False
        if word in NEGATIONS or word.endswith(("n't", "n’t")):
            return True
    return False


def _turn_agrees(reasoning: str, called: Sequence[str], tools: frozenset[str]) -> bool | None:
    """Exact names only: "write" is a word, `Write` is a tool."""
    text = excerpt(reasoning)
    if len(tools) <= MAX_OPTIONS and not any(tool in text for tool in tools):
        return None  # the usual case, at a fraction of the price of finding all words
    said = words(text)
    named = tools.intersection(said)
    if not named:
        return None
    if named.isdisjoint(called):
        plain = [word.lower() for word in said]
        return False if any(_standing(plain, [name.lower()]) for name in named) else None
    lowered = [word.lower() for word in said]
    return any(_standing(lowered, [name.lower()]) for name in named.intersection(called))


def _plain(text: str) -> list[str]:
    return words(excerpt(text).lower().replace("_", " ").replace("-", " "))


def _decision_agrees(decision: DecisionMade) -> bool | None:
    said, choice = _plain(decision.reasoning or ""), _plain(decision.choice)
    if not said or not choice:
        return None
    chosen = _standing(said, choice)
    if chosen is not None:
        return chosen
    others = (name for option in decision.options[:MAX_OPTIONS] if (name := _plain(option.option)) and name != choice)
    return False if any(_standing(said, name) for name in others) else None


def measure(view: TraceView, _: Context) -> float | None:
    """Share of agreement among the reasoned turns and decisions that name a tool or an option.

    It agrees where the tool called or the option chosen is named and not negated; it does not where it is only
    negated, or where only others are named. Reasoning that names none says nothing either way and is left out.
    """
    tools = frozenset(tool.name for tool in view.tools) or frozenset(action.tool for action in view.actions)
    found: list[bool] = []
    for turn, reasoning in reasoned_turns(view):
        agrees = _turn_agrees(reasoning, [action.tool for action in turn.agent_actions], tools)
        if agrees is not None:
            found.append(agrees)
    for step in view.steps:
        for event in step.decisions:
            agrees = _decision_agrees(event.decision_made) if event.decision_made else None
            if agrees is not None:
                found.append(agrees)
    return share(sum(found), len(found))


SIGNAL = SignalKind("reasoning_agreement", 1, "share of reasoning that argues for what was then done", measure)
