"""Examples out of an accepted trace. Pure; the same trace and policy give the same bytes.

`agent_execution`: one for each agent turn that acts: what the agent knew (the system prompt, then as much of the
latest history as `max_context_chars` allows) and what it did. A turn is a model call with its tool calls, or a lone
tool call; with parallel calls `expected_output` names the first and the assistant message holds all.
`conversation`: one for each trace, the whole chat of the agent that owns it.

`training_weight` is the quality score (1 where a person vouches for the run), times `failed_action_weight` where the
turn's own tool call failed: what led to an error is worth less as something to imitate.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from schemas.conversation import Chat, chats
from schemas.records import Example, Message, Trace
from schemas.seed_text import json_object, whole_if_whole
from schemas.steps import Step, Turn
from streams.core.chat_text import json_text, message_text, messages_text, raw_json, shortened, tools_text
from streams.core.labels import failed, step_packages, trace_packages
from streams.core.policy import Policy
from streams.core.view import TraceView

MAX_AVAILABLE_DATA = 100
"""Names listed in `current_state.available_data`."""
_MIN_SHORTENED_CHARS = 200


@dataclass(frozen=True)
class Judgement:
    """What curation found out about the trace that every example of it carries."""

    quality_score: float
    human_validated: bool
    successful: bool | None
    """Whether the run reached its aim; None where nothing says so."""


@dataclass(frozen=True)
class Shaped:
    """Examples in order, and whether some were left out."""

    examples: tuple[Example, ...]
    too_large: bool
    thinned: bool


def shape(view: TraceView, policy: Policy, judgement: Judgement) -> Shaped:
    """All examples that the policy wants of an accepted trace. Linear in the trace's size."""
    rules = policy.examples
    shaper = _Shaper(view, policy, judgement)
    made: list[Example] = []
    room = rules.max_trace_bytes
    too_large = False
    acting = shaper.acting() if "agent_execution" in rules.types else []
    chosen = _thinned(acting, rules.max_step_examples)
    candidates: list[Iterator[Example]] = []
    if "conversation" in rules.types:
        candidates.append(shaper.conversations())
    candidates.append(shaper.executions(chosen))
    for example in (example for source in candidates for example in source):
        size = sum(len(text.encode()) for text in (example.messages, example.tools, example.context))
        size += len(example.expected_output.encode())
        if size > min(rules.max_example_bytes, room):
            too_large = True
            continue
        room -= size
        made.append(example)
    return Shaped(tuple(made), too_large, len(chosen) < len(acting))


def example_id(trace: Trace, type_: str, position: str) -> str:
    """32 hex digits, the same for the same trace, revision, type and position."""
    parts = "\x1f".join((trace.trace_id, str(trace.revision), type_, position))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Acting:
    """A turn that acts, with the state it acted in."""

    place: tuple[int, int]
    """Position of the step in the trace, and of the turn in the step."""
    step: Step
    turn: Turn
    after_error: bool
    current_step: str | None
    progress: float | None
    data: tuple[str, ...]


def _thinned(acting: list[_Acting], limit: int) -> list[_Acting]:
    if len(acting) <= limit:
        return acting
    return [acting[number * len(acting) // limit] for number in range(limit)]


class _Shaper:
    def __init__(self, view: TraceView, policy: Policy, judgement: Judgement) -> None:
        self._view = view
        self._policy = policy
        self._judgement = judgement
        self._chats = chats(view.trace.events, view.steps)
        self._texts: dict[str | None, list[str]] = {}
        self._tools = tools_text(view.tools)
        started = [event for event in view.trace.events if event.agent_started]
        self._starts = {event.span_id: event.agent_started for event in reversed(started) if event.agent_started}
        self._spawning = {event.parent_span_id for event in started}
        words = {
            given.target_span_id: given.human_validated for given in view.feedback if given.human_validated is not None
        }
        self._validated = {span: word for span, word in words.items() if span is not None}

    def acting(self) -> list[_Acting]:
        """Turns that act and that no person rejected, with the state before them."""
        found: list[_Acting] = []
        broken: dict[str | None, bool] = {}
        current_step: str | None = None
        progress: float | None = None
        data: dict[str, None] = {}
        names: tuple[str, ...] = ()
        for number, step in enumerate(self._view.steps):
            inputs = tuple(json_object(step.inputs_json))
            for position, turn in enumerate(step.turns):
                if not turn.agent_actions:
                    continue
                if self._word(step, turn) is not False:
                    known = tuple(dict.fromkeys(names + inputs))[:MAX_AVAILABLE_DATA]
                    error = broken.get(step.thread, False)
                    found.append(_Acting((number, position), step, turn, error, current_step, progress, known))
                broken[step.thread] = failed(turn.agent_actions[-1])
            if step.errors:
                broken[step.thread] = True
            for event in step.state_changes:
                state = event.state_changed
                if state is None:
                    continue
                current_step = state.current_step or current_step
                progress = state.progress_percentage if state.progress_percentage is not None else progress
                data |= dict.fromkeys(json_object(state.variables_json))
                names = tuple(data)[:MAX_AVAILABLE_DATA]
        return found

    def _word(self, step: Step, turn: Turn) -> bool | None:
        """What a person said of this turn, or of the step around it."""
        spans = [action.call.span_id for action in turn.agent_actions]
        if step.explicit:
            spans.append(step.span_id)
        if turn.model_call:
            spans.append(turn.model_call.span_id)
        said = [self._validated[span] for span in spans if span in self._validated]
        return None if not said else all(said)

    def executions(self, chosen: list[_Acting]) -> Iterator[Example]:
        """One example for each of these turns."""
        for acting in chosen:
            step, turn = acting.step, acting.turn
            chat = self._chats[step.thread]
            position = chat.assistant_at.get(acting.place)
            if position is None:
                continue
            first = turn.agent_actions[0]
            reasoning = turn.reasoning or step.reasoning
            expected = {
                "action": "tool_request",
                "tool": first.tool,
                "parameters": raw_json(first.parameters_json, "{}"),
                "reasoning": reasoning,
            }
            context = self._context(acting)
            broken = any(failed(action) for action in turn.agent_actions)
            worked = all(action.success for action in turn.agent_actions)
            made_from = [*turn.user_messages, *([turn.model_call] if turn.model_call else [])]
            for action in turn.actions:
                made_from += [action.call, *([action.returned] if action.returned else [])]
            model = turn.model_call.model if turn.model_call else first.call.model
            yield self._example(
                "agent_execution",
                f"{acting.place[0]}.{acting.place[1]}",
                packages=step_packages(step, turn, acting.after_error, self._spawns(turn)),
                messages=self._messages(chat, position, acting),
                context=json_text(context),
                expected_output=json_text(expected),
                event_ids=tuple(event.event_id for event in made_from),
                successful=worked if self._judgement.successful is None else self._judgement.successful and not broken,
                validated=self._judgement.human_validated or self._word(step, turn) is True,
                weight=self._policy.examples.failed_action_weight if broken else 1.0,
                provider=model.provider if model else None,
                model=model.name if model else None,
            )

    def conversations(self) -> Iterator[Example]:
        """The chat of the agent that owns the trace, where that agent said anything."""
        chat = self._chats[None]
        if not any(message.role == "assistant" for message in chat.messages):
            return
        trace = self._view.trace
        context = {"scenario": trace.scenario, "goal": self._goal(None)}
        own = ("agent_started", "user_message", "model_called", "tool_called", "tool_returned")
        yield self._example(
            "conversation",
            "0",
            packages=trace_packages(self._view.steps, len(trace.agents)),
            messages=messages_text(self._thread_texts(chat)),
            context=json_text(context),
            expected_output="{}",
            event_ids=tuple(event.event_id for event in trace.events if event.kind in own),
            successful=self._judgement.successful is True,
            validated=self._judgement.human_validated,
            weight=1.0,
            provider=None,
            model=None,
        )

    def _spawns(self, turn: Turn) -> bool:
        return any(action.call.span_id in self._spawning for action in turn.agent_actions)

    def _goal(self, thread: str | None) -> str | None:
        start = self._starts.get(thread) if thread else self._view.root_start
        return start.goal if start else None

    def _context(self, acting: _Acting) -> dict[str, object]:
        thread = acting.step.thread
        start = (self._starts.get(thread) if thread else None) or self._view.root_start
        root = self._view.root_start
        # Never the name of an implicit step: it is the tool that the example asks for.
        step = acting.current_step or (acting.step.step_name if acting.step.explicit else acting.step.step_id)
        return {
            "scenario": self._view.trace.scenario,
            "goal": self._goal(thread) or self._goal(None),
            "current_state": {
                "step": step,
                "available_data": acting.data,
                "constraints": (start.constraints if start else ()) or (root.constraints if root else ()),
            },
            "available_tools": [tool.name for tool in (start.tools if start else ()) or self._view.tools],
        }

    def _thread_texts(self, chat: Chat) -> list[str]:
        texts = self._texts.get(chat.thread)
        if texts is None:
            texts = self._texts[chat.thread] = [message_text(message) for message in chat.messages]
        return texts

    def _messages(self, chat: Chat, position: int, acting: _Acting) -> str:
        """System prompt, the latest history that fits, and the assistant's turn."""
        texts = self._thread_texts(chat)
        start = 1 if position and chat.messages[0].role == "system" else 0
        room = self._policy.examples.max_context_chars
        first = position
        while first > start:
            # An assistant message and the results it got stay together: one without the other is no valid chat.
            block = first - 1
            while block > start and chat.messages[block].role == "tool":
                block -= 1
            size = sum(map(len, texts[block:first]))
            if size > room:
                break
            room -= size
            first = block
        history = texts[first:position]
        if first == position > start:
            history, first = self._shortened(chat, block, position, room)
        if not any(message.role == "user" for message in chat.messages[first:position]):
            history.insert(0, message_text(self._state_message(acting)))
        return messages_text([*texts[:start], *history, texts[position]])

    def _shortened(self, chat: Chat, block: int, position: int, room: int) -> tuple[list[str], int]:
        """The latest block where even that is too long: beginnings and ends of its texts, if they fit at all."""
        each = room // (position - block)
        if each >= _MIN_SHORTENED_CHARS:
            texts = [message_text(shortened(message, each)) for message in chat.messages[block:position]]
            if sum(map(len, texts)) <= 2 * room:  # arguments of calls are never shortened, and JSON escapes add up
                return texts, block
        return [], position

    def _state_message(self, acting: _Acting) -> Message:
        """Where no user speaks, the state speaks, the way the original description has it."""
        context = self._context(acting)
        progress = whole_if_whole(acting.progress)
        state = {
            "goal": context["goal"],
            "step": msgspec.to_builtins(context["current_state"])["step"],
            "progress": None if progress is None else f"{progress}%",
            "available_tools": context["available_tools"],
        }
        shown = {key: value for key, value in state.items() if value not in (None, [])}
        return Message(role="user", content="Current state: " + json_text(shown))

    def _example(
        self,
        type_: str,
        position: str,
        *,
        packages: tuple[str, ...],
        messages: str,
        context: str,
        expected_output: str,
        event_ids: tuple[str, ...],
        successful: bool,
        validated: bool,
        weight: float,
        provider: str | None,
        model: str | None,
    ) -> Example:
        trace = self._view.trace
        score = self._judgement.quality_score
        return Example(
            example_id=example_id(trace, type_, position),
            trace_id=trace.trace_id,
            revision=trace.revision,
            redelivered=trace.redelivered,
            type=type_,
            packages=packages,
            scenario=trace.scenario,
            execution_mode=trace.execution_mode,
            task_id=trace.task_id,
            quality_score=score,
            human_validated=validated,
            execution_successful=successful,
            training_weight=round((1.0 if validated else score) * weight, 6),
            provider=provider or trace.provider,
            model=model or trace.model,
            data_subject=trace.consent.data_subject_id,
            consent_basis=trace.consent.basis,
            messages=messages,
            tools=self._tools,
            context=context,
            expected_output=expected_output,
            policy_hash=self._policy.hash,
            event_ids=event_ids,
            source_offsets=trace.offsets,
            created_at=trace.closed_at,
        )
