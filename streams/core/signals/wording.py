"""Words of reasoning, looked at in bounded pieces: a text of megabytes costs no more than one of a page."""

import re
from collections.abc import Iterator

from schemas.steps import Step, Turn
from streams.core.view import TraceView

EXCERPT_CHARS = 2_000
_WORD = re.compile(r"[^\W\d](?:[\w'’-]*\w)?|\d(?:[\w.-]*\w)?|[.,;:!?]")
STOPS = frozenset(".,;:!?")
NEGATIONS = frozenset(
    ["not", "never", "no", "avoid", "avoiding", "instead", "rather", "without", "skip", "cannot", "can't", "don't"]
)
NEGATION_REACH = 3
"""How many words before a name a negation may stand, in the same clause: "rather than", "do not use the"."""


def excerpt(text: str) -> str:
    """A text of at most `EXCERPT_CHARS` characters: the beginning and the end of a longer one."""
    if len(text) <= EXCERPT_CHARS:
        return text
    half = EXCERPT_CHARS // 2
    return f"{text[:half]} {text[-half:]}"


def words(text: str) -> list[str]:
    """Words, names, numbers and stops of a short text, in order."""
    return _WORD.findall(text)


def reasoned_turns(view: TraceView) -> Iterator[tuple[Turn, str]]:
    """Acting turns with their reasoning: the model's own, or that of the step around them."""
    for step in view.steps:
        for turn in step.turns:
            if turn.agent_actions:
                reasoning = reasoning_of(step, turn)
                if reasoning:
                    yield turn, reasoning


def reasoning_of(step: Step, turn: Turn) -> str:
    """Why a turn acted as it did, without surrounding space; empty where it is not said."""
    return (turn.reasoning or step.reasoning or "").strip()
