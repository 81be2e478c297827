"""Errors of a trace and what became of them. Linear: each error looks at no more than `MAX_ANSWERS` turns after it.

An error is a turn of an agent with failed tool results, an `ErrorRaised`, or both. Looking at the turns of the same
agent after it, it is

- recovered, when a recorded recovery says that it worked, or one of the failed tools succeeds (after an error of no
  tool: any tool does) within `MAX_ANSWERS` turns;
- recovered as well when the run reached its aim and the agent went on: it found another way;
- a failure otherwise.

Failed retries of the same tools on the way, or among those turns, belong to the first error.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from schemas.records import Event
from schemas.steps import Action
from streams.core.labels import failed
from streams.core.shape.moments import Moment, Moments
from streams.core.view import TraceView

MAX_ANSWERS = 8
MAX_ANSWERS_OF_A_FAILURE = 3
"""Turns shown of an error that was never made good."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One error, from its first sign to its end."""

    thread: str | None
    moment: Moment | None
    """Turn in which it came up; None before the first turn."""
    failed: tuple[Action, ...]
    raised: tuple[Event, ...]
    recoveries: tuple[Event, ...]
    """Recorded recovery actions, in order."""
    answers: tuple[Moment, ...]
    """Turns after the error: up to the one that made it good, or the first few."""
    retries: tuple[Moment, ...]
    """Turns in which the same tools failed again before its end: they are no errors of their own."""
    outcome: Literal["recovered", "failure"]
    why: str
    """`same_tool_worked`, `next_tool_worked`, `recovery_recorded`, `run_reached_its_aim`, `never_made_good`."""
    proof: str | None
    """Event that shows the recovery."""

    @property
    def chain(self) -> tuple[str, ...]:
        """Events that tell the story: the error, and what made it good."""
        returned = [action.returned.event_id for action in self.failed if action.returned]
        first = returned[:1] or [event.event_id for event in self.raised[:1]]
        return (*first, *([self.proof] if self.proof else []))


@dataclass
class _Thread:
    moments: tuple[Moment, ...]
    raised: dict[int, list[Event]]
    """By number of the turn they came after; -1 before the first."""
    recoveries: dict[int, list[Event]]


def failures_of(view: TraceView, moments: Moments, *, reached_aim: bool) -> tuple[Failure, ...]:
    """All errors of the trace, agent by agent, in order."""
    ends = (event for event in reversed(view.trace.events) if event.agent_ended and event.agent_ended.root)
    end = next((event.event_id for event in ends), None)
    threads = {name: _Thread(own, defaultdict(list), defaultdict(list)) for name, own in moments.threads.items()}
    _place(view, moments, threads)
    found: list[Failure] = []
    for name, thread in threads.items():
        taken: set[int] = set()
        for number in range(-1, len(thread.moments)):
            moment = thread.moments[number] if number >= 0 else None
            broken = tuple(action for action in moment.turn.agent_actions if failed(action)) if moment else ()
            raised = tuple(thread.raised.get(number, ()))
            if number in taken or not (broken or raised):
                continue
            failure = _followed(name, thread, number, broken, raised, end if reached_aim else None)
            found.append(failure)
            taken |= {retry.number for retry in failure.retries}
    return tuple(found)


def _place(view: TraceView, moments: Moments, threads: dict[str | None, _Thread]) -> None:
    """Put errors and recoveries after the turn of their step that they followed; without one, after the step before."""
    order = {event.event_id: number for number, event in enumerate(view.trace.events)}
    turns: dict[int, list[Moment]] = defaultdict(list)
    for moment in moments.all:
        turns[moment.place[0]].append(moment)
    before: dict[str | None, int] = defaultdict(lambda: -1)
    for number, step in enumerate(view.steps):
        own = turns[number]
        starts = [order[(moment.turn.model_call or moment.turn.actions[0].call).event_id] for moment in own]
        thread = threads.get(step.thread)
        if thread is not None:
            for events, by_turn in ((step.errors, thread.raised), (step.recoveries, thread.recoveries)):
                for event in events:
                    by_turn[before[step.thread] + bisect_left(starts, order[event.event_id])].append(event)
        before[step.thread] += len(own)


def _followed(
    name: str | None,
    thread: _Thread,
    number: int,
    broken: tuple[Action, ...],
    raised: tuple[Event, ...],
    aim: str | None,
) -> Failure:
    """The error that came up in this turn, and its end. `aim`: end of a run that reached its aim."""
    after = thread.moments[number + 1 : number + 1 + MAX_ANSWERS]
    tools = {action.tool for action in broken}
    ids = {event.error_raised.error_id for event in raised if event.error_raised} - {None}
    tried: list[Event] = []

    def ended(answers: tuple[Moment, ...], why: str, proof: str | None, looked_at: tuple[Moment, ...]) -> Failure:
        again = ((turn, {action.tool for action in turn.turn.agent_actions if failed(action)}) for turn in looked_at)
        return Failure(
            thread=name,
            moment=thread.moments[number] if number >= 0 else None,
            failed=broken,
            raised=raised,
            recoveries=tuple(tried),
            answers=answers,
            retries=tuple(
                turn for turn, names in again if names and names <= tools and turn.number not in thread.raised
            ),
            outcome="failure" if why == "never_made_good" else "recovered",
            why=why,
            proof=proof,
        )

    for count in range(len(after) + 1):
        if count:
            for action in after[count - 1].turn.agent_actions:
                if action.success and action.returned and (action.tool in tools or not tools):
                    why = "same_tool_worked" if tools else "next_tool_worked"
                    return ended(after[:count], why, action.returned.event_id, after[:count])
        for event in thread.recoveries.get(number + count, ()):
            recovery = event.recovery_attempted
            if recovery is None or (recovery.error_id is not None and recovery.error_id not in ids):
                continue
            tried.append(event)
            if recovery.worked:
                return ended(after[: max(count, 1)], "recovery_recorded", event.event_id, after[:count])
    if aim is not None and after:
        worked = (n for n, answer in enumerate(after, 1) if any(a.success for a in answer.turn.agent_actions))
        return ended(after[: next(worked, 1)], "run_reached_its_aim", aim, after)
    return ended(after[:MAX_ANSWERS_OF_A_FAILURE], "never_made_good", None, after)
