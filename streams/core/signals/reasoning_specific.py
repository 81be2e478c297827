"""Whether reasoning speaks of the situation at hand, or would fit any."""

import re
from collections.abc import Iterable

from schemas.records import DecisionMade
from streams.core.signals.base import Context, SignalKind, share
from streams.core.signals.wording import excerpt, reasoned_turns
from streams.core.view import TraceView

MIN_WORDS = 4
"""Shorter reasoning ("I search.", "Let me check.") says nothing that any run could not say."""
MIN_CHARS = 8
"""The same for scripts that write no spaces."""
SITUATION_CHARS = 500
_NAME = re.compile(r"[\w-]{4,}|[^\x00-\x7f]{2,}")
_PART = re.compile(r"[^\W_]{4,}")
_COMMON = """that this with from have will would should could need needs then them they what when where which into
about just also more most some only over like want make made call calls tool tools user using used true false null none
text name value values data type list item items query input output result results command action content"""
COMMON = frozenset(_COMMON.split())
"""Words that occur in many arguments and many sentences, and so name nothing."""


def _specific(reasoning: str, situation: Iterable[str]) -> bool:
    """Whether some name of the situation occurs in reasoning of some length; of `a_tool_name` its parts count too."""
    said = excerpt(reasoning).lower()
    if len(said.split(None, MIN_WORDS)) < MIN_WORDS and (said.isascii() or len(said) < MIN_CHARS):
        return False
    for text in situation:
        for match in _NAME.finditer(text[:SITUATION_CHARS].lower()):
            name = match.group()
            if name not in COMMON and name in said:
                return True
            if ("_" in name or "-" in name) and any(part in said for part in _PART.findall(name) if part not in COMMON):
                return True
    return False


def _situation(decision: DecisionMade) -> list[str]:
    options = [text for option in decision.options[:16] for text in (option.option, *option.pros, *option.cons)]
    return [decision.choice, decision.context or "", *options]


def measure(view: TraceView, _: Context) -> float | None:
    """Share of the reasoned turns and decisions whose reasoning is specific; None where nothing is reasoned.

    Specific is reasoning of some words that names the tool called, an argument or a value of it; of a decision: the
    choice, an option with its pros and cons, or the context.
    """
    reasoned = specific = 0
    for turn, reasoning in reasoned_turns(view):
        reasoned += 1
        first = turn.agent_actions[:4]
        specific += _specific(reasoning, [text for action in first for text in (action.tool, action.parameters_json)])
    for step in view.steps:
        for event in step.decisions:
            decision = event.decision_made
            if decision and decision.reasoning:
                reasoned += 1
                specific += _specific(decision.reasoning, _situation(decision))
    return share(specific, reasoned)


SIGNAL = SignalKind("reasoning_specific", 1, "share of reasoning that names what it is about", measure)
