"""What the kinds of examples are made from: a trace's turns, chats, errors and figures, computed once."""

from dataclasses import dataclass

import msgspec

from schemas.chat_text import beginning_and_end, json_text, tools_text
from schemas.conversation import chats
from schemas.records import AgentStarted, Event, Message, Outcome, ToolDefinition
from schemas.seed_text import whole_if_whole
from schemas.steps import Step
from streams.core.labels import failed
from streams.core.policy import Policy
from streams.core.shape.failures import Failure, failures_of
from streams.core.shape.judgement import Judgement
from streams.core.shape.measures import Measures
from streams.core.shape.moments import Moment, State, moments_of
from streams.core.shape.notes import ContextNote, OutcomeNote, ReasoningNote, words
from streams.core.shape.transcript import Excerpt, Transcript
from streams.core.view import TraceView

MAX_TEXT_CHARS = 1_000
"""Of a request or result that is quoted in a state."""


@dataclass(frozen=True)
class Choice:
    """Names of tools that an agent can choose from."""

    names: tuple[str, ...]
    source: str
    """`declared`, or `seen` where the source declares none: those called in this run. `none` where there are none."""
    schemas: int
    """How many have a JSON schema."""


class Material:
    """One trace, ready to be shaped."""

    def __init__(self, view: TraceView, policy: Policy, judgement: Judgement) -> None:
        self.view = view
        self.policy = policy
        self.rules = policy.examples
        self.judgement = judgement
        self.moments = moments_of(view)
        self.measures = Measures(view)
        self.failures = failures_of(view, self.moments, reached_aim=judgement.successful is True)
        self._failure_at: dict[tuple[int, int], Failure] = {
            failure.moment.place: failure for failure in self.failures if failure.moment
        }
        for failure in self.failures:
            for retry in failure.retries:
                self._failure_at.setdefault(retry.place, failure)
        self._chats = chats(view.trace.events, view.steps)
        self._transcripts: dict[str | None, Transcript] = {}
        self._tools: dict[str | None, str] = {}
        self._choices: dict[str | None, Choice] = {}
        self.started = tuple(event for event in view.trace.events if event.agent_started)
        self._starts = {event.span_id: event.agent_started for event in reversed(self.started)}
        self.spawning = {event.parent_span_id for event in self.started}
        self.ends = {event.span_id: event for event in view.trace.events if event.agent_ended}
        self._root_end = next((e for e in reversed(view.trace.events) if e.agent_ended and e.agent_ended.root), None)
        self.feedback = tuple(event for event in view.trace.events if event.feedback_given)
        given = (event.feedback_given for event in self.feedback)
        said = {
            word.target_span_id: word.human_validated for word in given if word and word.human_validated is not None
        }
        self._validated = {span: word for span, word in said.items() if span is not None}

    def start(self, thread: str | None) -> AgentStarted | None:
        """How an agent began."""
        found = self._starts.get(thread) if thread else None
        return found or self.view.root_start

    def goal(self, thread: str | None) -> str | None:
        """Aim of a sub-agent, else that of the trace."""
        own = self._starts.get(thread) if thread else None
        root = self.view.root_start
        return (own.goal if own else None) or (root.goal if root else None)

    def constraints(self, thread: str | None) -> tuple[str, ...]:
        """What an agent had to keep to."""
        start, root = self.start(thread), self.view.root_start
        return (start.constraints if start else ()) or (root.constraints if root else ())

    def _definitions(self, thread: str | None) -> tuple[ToolDefinition, ...]:
        start = self._starts.get(thread) if thread else None
        return (start.tools if start else ()) or self.view.tools

    def tools(self, thread: str | None) -> str:
        """Tool definitions of an agent, JSON text."""
        if thread not in self._tools:
            self._tools[thread] = tools_text(self._definitions(thread))
        return self._tools[thread]

    def choice(self, thread: str | None) -> Choice:
        """Tools that an agent can choose from."""
        if thread not in self._choices:
            definitions = self._definitions(thread)
            names = tuple(dict.fromkeys(tool.name for tool in definitions))
            source = "declared"
            if not names:
                own = self.moments.threads.get(thread, ())
                called = (action.tool for moment in own for action in moment.turn.agent_actions)
                names, source = tuple(sorted(set(called))), "seen"
            schemas = sum(tool.parameters_json is not None for tool in definitions)
            self._choices[thread] = Choice(names, source if names else "none", schemas)
        return self._choices[thread]

    def has_chat(self, thread: str | None) -> bool:
        """Whether an agent said anything."""
        return thread in self._chats

    def transcript(self, thread: str | None) -> Transcript:
        """Chat of an agent."""
        if thread not in self._transcripts:
            self._transcripts[thread] = Transcript(self._chats[thread])
        return self._transcripts[thread]

    def answer_at(self, moment: Moment) -> int | None:
        """Position of a turn's assistant message in its agent's chat; None where a trainer could not take it."""
        if moment.step.thread not in self._chats:
            return None
        position = self._chats[moment.step.thread].assistant_at.get(moment.place)
        return position if position is not None and self.transcript(moment.step.thread).text(position) else None

    def word(self, moment: Moment) -> bool | None:
        """What a person said of this turn, or of the step around it."""
        spans = [action.call.span_id for action in moment.turn.agent_actions]
        if moment.step.explicit:
            spans.append(moment.step.span_id)
        if moment.turn.model_call:
            spans.append(moment.turn.model_call.span_id)
        return self.word_on(*spans)

    def word_on(self, *spans: str) -> bool | None:
        """What a person said of these spans; one rejection counts."""
        said = [self._validated[span] for span in spans if span in self._validated]
        return None if not said else all(said)

    def context(self, step: Step, state: State, data: tuple[str, ...]) -> dict[str, object]:
        """The column `context` of what happened in a step, in the keys of the original description."""
        start = self.start(step.thread)
        # Never the name of an implicit step: it is the tool that the example asks for.
        name = state.current_step or (step.step_name if step.explicit else step.step_id)
        return {
            "scenario": self.view.trace.scenario,
            "goal": self.goal(step.thread),
            "current_state": {"step": name, "available_data": data, "constraints": self.constraints(step.thread)},
            "available_tools": [tool.name for tool in (start.tools if start else ()) or self.view.tools],
        }

    def state_message(self, step: Step, state: State, more: dict[str, object] | None = None) -> Message:
        """Where no user speaks, the state speaks, the way the original description has it."""
        context = self.context(step, state, ())
        progress = whole_if_whole(state.progress)
        shown = {
            "goal": context["goal"],
            "step": msgspec.to_builtins(context["current_state"])["step"],
            "progress": None if progress is None else f"{progress}%",
            "available_tools": context["available_tools"],
        } | (more or {})
        return Message(
            role="user",
            content="Current state: " + json_text({k: v for k, v in shown.items() if v not in (None, [], ())}),
        )

    def excerpt(
        self,
        moment: Moment,
        position: int,
        room: int,
        *,
        answer: str | None = None,
        inserted: tuple[int, Message] | None = None,
    ) -> Excerpt:
        """The chat of a turn's agent up to a message, see `Transcript.until`."""

        def opening(request: str | None) -> Message:
            goal = self.goal(moment.step.thread)
            said = None if goal or not request else beginning_and_end(request, MAX_TEXT_CHARS)
            return self.state_message(moment.step, moment.state, {"request": said})

        return self.transcript(moment.step.thread).until(position, room, opening, answer=answer, inserted=inserted)

    def outcome(self, moment: Moment) -> OutcomeNote:
        """What came of a turn, seen from the end of its run; the first rule that holds:

        1. a tool call of it failed: what became of that error (`recovered` or `failure`, see `failures`)
        2. its explicit step says that it failed: `failure` (`step_failed`)
        3. the run reached its aim: `success` (`on_the_way_to_success`)
        4. whether the run did is not known: `unknown` (`run_unknown`)
        5. its tool calls all worked, the run failed: `partial` (`worked_in_a_failed_run`)
        6. `unknown` (`not_known_in_a_failed_run`)
        """
        failure = self._failure_at.get(moment.place)
        actions = moment.turn.agent_actions
        results = tuple(action.returned.event_id for action in actions if action.returned)[:3]
        end = (self._root_end.event_id,) if self._root_end else ()
        if failure and any(failed(action) for action in actions):
            own = next(action.returned.event_id for action in actions if failed(action) and action.returned)
            return self.note(failure.outcome, failure.why, (own, *([failure.proof] if failure.proof else [])))
        if moment.step.explicit and moment.step.success is False:
            return self.note("failure", "step_failed", (*results, *end))
        return self._on_the_way(bool(actions) and all(action.success for action in actions), (*results, *end))

    def _on_the_way(self, worked: bool, chain: tuple[str, ...]) -> OutcomeNote:
        if self.judgement.successful:
            return self.note("success", "on_the_way_to_success", chain)
        if self.judgement.successful is None:
            return self.note("unknown", "run_unknown", chain)
        if worked:
            return self.note("partial", "worked_in_a_failed_run", chain)
        return self.note("unknown", "not_known_in_a_failed_run", chain)

    def run_outcome(self) -> OutcomeNote:
        """What came of the whole run."""
        end = (self._root_end.event_id,) if self._root_end else ()
        return self.note(self._run, "end_of_run", end)

    def untold_outcome(self, chain: tuple[str, ...]) -> OutcomeNote:
        """What came of something whose own result the record does not tell."""
        end = (self._root_end.event_id,) if self._root_end else ()
        return self._on_the_way(False, (*chain, *end))

    @property
    def _run(self) -> Outcome:
        if self.judgement.successful:
            return "success"
        if self.view.trace.completion_status == "partial":
            return "partial"
        return "unknown" if self.judgement.successful is None else "failure"

    def note(self, step: Outcome, why: str, chain: tuple[str, ...]) -> OutcomeNote:
        """An outcome beside that of the run."""
        return OutcomeNote(step=step, run=self._run, why=why, chain=tuple(dict.fromkeys(chain)))

    def circumstances(
        self, step: Step | None, state: State | None, excerpt: Excerpt | None, *, shown: bool | None = None
    ) -> ContextNote:
        """Notes on the context of a step, or of the whole run. `shown`: whether the system prompt is, without an
        excerpt that tells."""
        thread = step.thread if step else None
        choice = self.choice(thread)
        messages = self._chats[thread].messages if thread in self._chats else ()
        recorded = bool(messages) and messages[0].role == "system"
        visible = excerpt.system_prompt if excerpt else bool(shown)
        return ContextNote(
            system_prompt=("shown" if visible else "left_out") if recorded else "none",
            agent=step.agent if step else None,
            step_id=step.step_id if step else None,
            step_name=step.step_name if step and step.explicit else None,
            progress_percentage=whole_if_whole(state.progress) if state else None,
            variables=dict(state.variables) if state and state.variables else None,
            constraints=() if step else self.constraints(None),
            tools=len(choice.names),
            tools_from=choice.source,
            tool_schemas=choice.schemas,
            messages_left_out=excerpt.left_out if excerpt else 0,
        )

    def reasons(self, moment: Moment, chosen: str | None = None) -> ReasoningNote:
        """Why a turn did what it did, in its own words, and what that rests on."""
        said = words(moment.reasoning)
        source: Event | None = moment.turn.model_call if moment.turn.reasoning else None
        return ReasoningNote(
            words=said,
            said_in=source.event_id if source and said else None,
            evidence=moment.evidence,
            chosen=chosen,
        )
