"""Two runs of one task, one that reached its aim and one that failed: where their chats part, and the pair this makes.

The prompt of a pair is what both chats share from the start, under the same tools. Where they part at the agent's turn
by what it calls, it is a *turn* pair: one turn against another, both answers to the same question. So it is where both
turns are the agent's last: the words are the whole answer there. Two turns in the middle that call the same, or
nothing, differ in wording alone, and that says nothing of why one run failed; and where a user or a tool said something
else first, single answers cannot be compared. Both make a *run* pair: all that followed in the good run against all
that followed in the failed one, as in tuning agents by trial and error (Song et al. 2024, ETO). What comes after the
last turn of the agent is left out: nobody answered it, so it teaches nothing.

Pure, and chosen by ids and lengths: the same runs in any order give the same pairs.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.records import Message, ToolDefinition

PairKind = Literal["turn", "run"]
"""One turn against another, or all that followed against all that followed."""
PAIR_KINDS: tuple[PairKind, ...] = ("turn", "run")
"""The cleaner signal first."""


@dataclass(frozen=True)
class Run:
    """One run of a task, with its chat."""

    trace_id: str
    revision: int
    scenario: str
    execution_mode: str
    task_id: str
    provider: str | None
    model: str | None
    cluster: str
    quality_score: float
    policy_hash: str
    offsets: str
    closed_at: object
    good: bool
    chat: tuple[Message, ...]
    tools: tuple[ToolDefinition, ...]


@dataclass(frozen=True)
class Pair:
    """A good and a failed run, and how many messages they share: the prompt."""

    kind: PairKind
    chosen: Run
    rejected: Run
    shared: int

    @property
    def same_calls(self) -> bool:
        """Whether the first messages after the prompt call the same: they differ in words alone."""
        return _calls(self.chosen.chat[self.shared]) == _calls(self.rejected.chat[self.shared])

    def side(self, run: Run) -> tuple[Message, ...]:
        """What this run has after the prompt, up to where the pair ends."""
        end = self.shared + 1 if self.kind == "turn" else _last_turn_end(run.chat)
        return run.chat[self.shared : end]


def pairs_of(runs: Sequence[Run], kinds: Sequence[PairKind], per_task: int) -> list[Pair]:
    """The pairs of one task, `per_task` at most: for each failed run the good one that suits it best.

    Turn pairs come before run pairs, longer prompts before shorter ones. Among equals the good run that stands in
    the fewest pairs is taken, so that the better side varies where several runs were good.
    """
    good = [run for run in runs if run.good]
    failed = sorted((run for run in runs if not run.good), key=lambda run: run.trace_id)
    used: Counter[str] = Counter()
    found = []
    for worse in failed:
        possible = [pair for better in good if (pair := pair_of(better, worse, kinds)) is not None]
        if possible:
            best = min(possible, key=lambda pair: (*_rank(pair), used[pair.chosen.trace_id], pair.chosen.trace_id))
            used[best.chosen.trace_id] += 1
            found.append(best)
    found.sort(key=lambda pair: (*_rank(pair), pair.rejected.trace_id))
    told = set()
    kept = []
    for pair in found:  # two failed runs that go wrong with the same words say it once
        words = (pair.chosen.trace_id, pair.shared, tuple(map(_said, pair.side(pair.rejected))))
        if words not in told:
            told.add(words)
            kept.append(pair)
    return kept[:per_task]


def pair_of(good: Run, failed: Run, kinds: Sequence[PairKind]) -> Pair | None:
    """The pair these two runs make; None where they share no prompt, or one has no turn of the agent after it."""
    shared = shared_messages(good.chat, failed.chat)
    if not shared or good.tools != failed.tools:
        return None
    ends = _last_turn_end(good.chat), _last_turn_end(failed.chat)
    if shared >= min(ends):
        return None
    at_turn = good.chat[shared].role == failed.chat[shared].role == "assistant"
    asked = any(message.role == "user" for message in good.chat[:shared])
    turn = Pair("turn", good, failed, shared)
    if at_turn and asked and "turn" in kinds and (not turn.same_calls or ends == (shared + 1, shared + 1)):
        return turn
    return Pair("run", good, failed, shared) if "run" in kinds else None


def shared_messages(one: Sequence[Message], other: Sequence[Message]) -> int:
    """How many messages two chats have in common from the start."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if _said(mine) != _said(theirs):
            break
        shared += 1
    return shared


def _rank(pair: Pair) -> tuple[int, int]:
    return PAIR_KINDS.index(pair.kind), -pair.shared


def _last_turn_end(chat: Sequence[Message]) -> int:
    """Place after the last turn of the agent; 0 where it has none."""
    return max((place + 1 for place, message in enumerate(chat) if message.role == "assistant"), default=0)


def _said(message: Message) -> tuple[object, ...]:
    """What a message says. Ids of calls are made up anew in each run, so they do not count."""
    return message.role, message.content, message.reasoning, message.name, _calls(message)


def _calls(message: Message) -> tuple[tuple[str, str], ...]:
    return tuple((call.name, call.arguments_json) for call in message.tool_calls)
