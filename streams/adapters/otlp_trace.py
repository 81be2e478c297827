"""The spans of one trace as events: agents, model calls, tool calls, steps, errors, in order of time.

A prompt repeats the conversation so far; only what is new in it becomes an event or an input message. Every agent
has a conversation of its own. What a person said to the run is a user message; what one agent asks of another is not.
A tool call that has no span becomes an event where its message says it, its result where a later prompt tells it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import msgspec

from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    SourceRef,
    StepEnded,
    StepStarted,
    ToolCalled,
    ToolReturned,
)
from streams.adapters.base import ImportOptions, RunBuilder, stable_id
from streams.adapters.chat_fields import result_json, tool_result
from streams.adapters.drafts import Draft
from streams.adapters.otlp_calls import ToolCalls
from streams.adapters.otlp_fields import (
    cost_of,
    evaluations_of,
    finish_reason_of,
    model_of,
    tools_of,
    usage_of,
)
from streams.adapters.otlp_messages import Said, Talk
from streams.adapters.otlp_prompts import Prompts
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_talk import input_value, output_value, system_of, value_talk
from streams.adapters.otlp_tools import problems_of
from streams.adapters.otlp_tree import SpanTree
from streams.adapters.tolerant import as_json, json_argument, label, number

FORMAT = "otlp"


_Entry = tuple[int, int, float, int, Callable[[], None]]
"""(time, order at one instant, depth, position of the span, what to do)."""


def events_of(spans: Sequence[Span], options: ImportOptions) -> list[Event]:
    """All events of one trace; the same for any order of its spans."""
    return _Trace(spans, options).events()


class _Trace:
    def __init__(self, spans: Sequence[Span], options: ImportOptions) -> None:
        self._tree = tree = SpanTree(spans)
        self._calls = ToolCalls(tree)
        self._by_agent: dict[str, list[Span]] = defaultdict(list)
        for span in tree.spans:
            if tree.kinds[span.span_id] == "llm":
                self._by_agent[tree.agent_of(span)].append(span)
        conversations = (label(span.attributes.get("gen_ai.conversation.id")) for span in tree.spans)
        is_agent = tree.root is not None and "gen_ai.agent.name" in tree.root.attributes
        self._root_name = tree.name_of(tree.root_span_id)
        self._run = RunBuilder(
            source=SourceRef(format=FORMAT, record=next(filter(None, conversations), None)),
            trace_id=tree.spans[0].trace_id,
            agent=self._root_name,
            scenario=f"{FORMAT}-{self._root_name}" if is_agent else FORMAT,
            execution_mode="EXECUTION",
            options=options,
            model=next(filter(None, (model_of(span) for span in tree.spans)), None),
        )
        self._run.root_span_id = tree.root_span_id
        self._events = events = list[Event]()
        run = self._run

        # A function without this object: a circle of references would keep whole traces until the garbage collector.
        def emit(draft: Draft) -> None:
            events.append(draft.event(run))

        self._emit = emit
        self._prompts = Prompts(tree, self._calls, emit)
        self._raised: set[tuple[str, str | None]] = set()

    def events(self) -> list[Event]:
        """Start, everything in between in order of time, end."""
        tree = self._tree
        timeline: list[_Entry] = []
        for index, span in enumerate(tree.spans):
            if span is tree.root and tree.kinds[span.span_id] == "agent":
                self._plan_sayings(timeline, span, index)
                continue
            start, end, depth = tree.start_of(span) or 0, tree.end_of(span) or 0, tree.depth(span)
            # At one instant: what ends, what begins (outer first), and last the end of what took no time.
            timeline.append((start, 1, depth, index, partial(self._begin, span)))
            timeline.append((end, 0 if start < end else 2, -depth, index, partial(self._finish, span)))
            self._plan_sayings(timeline, span, index)
        first, last = self._bounds()
        self._start_agent(tree.root_span_id, tree.root, first, root=True)
        for *_, act in sorted(timeline, key=lambda entry: entry[:4]):
            act()
        self._end_root(first, last)
        return self._events

    def _bounds(self) -> tuple[int | None, int | None]:
        known = [at for span in self._tree.spans for at in (span.start_micros, span.end_micros) if at is not None]
        return (min(known), max(known)) if known else (None, None)

    def _begin(self, span: Span) -> None:
        kind = self._tree.kinds[span.span_id]
        if kind == "agent":
            self._start_agent(span.span_id, span, self._tree.start_of(span), root=False)
        elif kind == "llm":
            self._model_call(span)
        elif kind == "tool":
            self._tool_call(span)
        elif kind == "step":
            content = input_value(span)
            body = StepStarted(step_name=span.name, inputs_json=None if content is None else result_json(content))
            self._emit(self._draft(span, body, self._tree.start_of(span)))

    def _finish(self, span: Span) -> None:
        kind = self._tree.kinds[span.span_id]
        end = self._tree.end_of(span)
        if kind == "tool":
            self._tool_return(span, end)
        self._errors(span, end)
        if kind == "agent":
            body = AgentEnded(root=False, completion_status="failed" if span.failed else "unknown",
                              outputs_json=self._outputs(span), duration_seconds=_seconds(span))  # fmt: skip
            self._emit(self._draft(span, body, end))
        elif kind == "step":
            content = output_value(span)
            outputs = None if content is None else result_json(content)
            self._emit(self._draft(span, StepEnded(step_name=span.name, outputs_json=outputs,
                                                   success=False if span.failed else None), end))  # fmt: skip

    def _draft(self, span: Span, body: Body, at: int | None, key: str = "") -> Draft:
        """An event of a shown span."""
        tree = self._tree
        stated = at is not None and at in (span.start_micros, span.end_micros)
        return Draft(
            body,
            f"{span.span_id}:{key}",
            at,
            span.span_id,
            tree.shown_parent(span),
            tree.name_of(tree.agent_of(span)),
            model_of(span),
            is_derived=not stated,
        )

    # Agents

    def _start_agent(self, agent: str, span: Span | None, at: int | None, *, root: bool) -> None:
        is_shown = span is not None and self._tree.kinds[span.span_id] == "agent"
        talk = self._tree.talks[span.span_id] if span and is_shown else Talk()
        if root and not talk.inputs and span is not None and is_shown:
            told = tuple(said for said in value_talk(span).inputs if said.role == "user" and not _is_data(said))
            talk = Talk(told, talk.outputs)
        calls = self._by_agent[agent]
        first = self._tree.talks[calls[0].span_id].inputs if calls else ()
        system = system_of(talk.inputs) or system_of(first)
        self._prompts.systems[agent] = system
        goal = next((said.text for said in (*talk.inputs, *first) if said.role == "user" and said.text), None)
        tools = tools_of(span) if span else ()
        content = input_value(span) if span and is_shown else None
        body = AgentStarted(
            root=root,
            goal=goal,
            system_prompt=system,
            tools=tools or next(filter(None, (tools_of(call) for call in calls)), ()),
            inputs_json=None if content in (None, goal) else result_json(content),
        )
        if root:
            self._emit(Draft(body, "root", at, model=model_of(span) if span else None))
        elif span is not None:
            self._emit(self._draft(span, body, at))
        self._prompts.wait(agent, self._prompts.hear(agent, talk.inputs, at, f"{agent}:in"))

    def _end_root(self, first: int | None, last: int | None) -> None:
        span = self._tree.root
        shown = span is not None and self._tree.kinds[span.span_id] == "agent"
        if span is not None and shown:
            self._errors(span, last)
        for hidden in self._tree.spans:
            if hidden.span_id in self._tree.hidden:
                self._errors(hidden, last)
        verdicts = [found for one in self._tree.spans for found in evaluations_of(one)]
        scores = [number(found.get("gen_ai.evaluation.score.value")) for found in verdicts]
        outputs = self._outputs(span) if span is not None and shown else None
        failed = span is not None and span.failed
        body = AgentEnded(
            root=True,
            completion_status="failed" if failed else "unknown",
            reason=span.status_message if span and failed else None,
            reward=scores[0] if len(scores) == 1 else None,
            reward_json=as_json(verdicts) if verdicts else None,
            outputs_json=outputs,
            duration_seconds=None if first is None or last is None else (last - first) / 1e6,
        )
        if unanswered := self._prompts.unanswered():
            body = msgspec.structs.replace(
                body, outputs_json=as_json({"unanswered_messages": unanswered, "outputs": outputs})
            )
        self._emit(Draft(body, "root", last))

    def _outputs(self, span: Span) -> str | None:
        content = output_value(span)
        if content is None:
            said = [said.text for said in self._tree.talks[span.span_id].outputs if said.text]
            content = said[-1] if said else None
        return None if content is None else result_json(content)

    # Calls

    def _model_call(self, span: Span) -> None:
        tree = self._tree
        talk = tree.talks[span.span_id]
        if not talk.inputs and not talk.outputs:
            talk = value_talk(span)
        agent, start, end = tree.agent_of(span), tree.start_of(span), tree.end_of(span)
        left = self._prompts.hear(agent, talk.inputs, start, span.span_id)
        output = _joined(talk.outputs)
        body = ModelCalled(
            call_id=label(span.attributes.get("gen_ai.response.id")),
            input_messages=(*self._prompts.waiting(agent), *left),
            output=output,
            finish_reason=finish_reason_of(span, talk.outputs),
            usage=usage_of(span),
            cost_usd=cost_of(span),
            latency_seconds=_seconds(span),
        )
        self._emit(self._draft(span, body, start))
        self._said(span, agent, talk.outputs, span.span_id, end)

    def _said(
        self, span: Span, agent: str, outputs: Sequence[Said], parent: str, at: int | None, first: int = 0
    ) -> None:
        """The tool calls of an answer; `first` is the number of its first message among those of the span."""
        for position, said in enumerate(outputs, start=first):
            self._prompts.remember(agent, said)
            for number_, call in enumerate(said.calls):
                tool_span = self._calls.calls_of.get((span.span_id, position, number_))
                self._prompts.ask(agent, call, tool_span, parent, at, f"{span.span_id}:out:{position}:{number_}")

    def _plan_sayings(self, timeline: list[_Entry], span: Span, index: int) -> None:
        """Answers that only the agent's span holds: each when its tools began, else just before the next one."""
        tree = self._tree
        outputs = tree.talks[span.span_id].outputs
        if tree.kinds[span.span_id] != "agent" or not tree.speaks(span) or not outputs:
            return
        starts = {one.span_id: tree.start_of(one) for one in tree.spans}
        at, order, depth = tree.end_of(span), 0, -tree.depth(span) - 0.5
        last_answer = max((n for n, said in enumerate(outputs) if said.role == "assistant"), default=-1)
        for position in range(len(outputs) - 1, -1, -1):
            tools = [self._calls.calls_of.get((span.span_id, position, n)) for n in range(len(outputs[position].calls))]
            known = [start for tool in tools if tool is not None and (start := starts[tool]) is not None]
            if known and (at is None or min(known) <= at):
                at, order, depth = min(known), 1, 0.0
            act = partial(self._saying, span, position, at, is_last=position == last_answer)
            # Sorted ascending at one instant: an earlier message must come first.
            timeline.append((at or 0, order, depth - 1 + position / (len(outputs) + 1), index, act))

    def _saying(self, span: Span, position: int, at: int | None, *, is_last: bool) -> None:
        said = self._tree.talks[span.span_id].outputs[position]
        agent, key = span.span_id, f"{span.span_id}:{position}"
        if said.role != "assistant" or said.results:
            self._prompts.wait(agent, self._prompts.hear_once(agent, said, at, key))
            return
        call_span = said_span(self._run.trace_id, span.span_id, position)
        body = ModelCalled(
            input_messages=self._prompts.waiting(agent),
            output=said.message(),
            finish_reason=said.finish_reason,
            # The span counts the tokens of all its calls; the total stands once.
            usage=usage_of(span) if is_last else None,
            cost_usd=cost_of(span) if is_last else None,
        )
        name = self._tree.name_of(agent)
        self._emit(Draft(body, key, at, call_span, agent, name, model_of(span), is_derived=True))
        self._said(span, agent, (said,), call_span, at, first=position)

    def _tool_call(self, span: Span) -> None:
        data = self._calls.data[span.span_id]
        asked = self._calls.asked_by.get(span.span_id)
        arguments = json_argument(data.arguments) if data.arguments is not None else None
        if arguments is None:
            arguments = asked[2].arguments_json if asked else "{}"
        body = ToolCalled(call_id=self._call_id(span), tool=data.name, parameters_json=arguments)
        self._emit(self._tool_draft(span, body, self._tree.start_of(span)))

    def _tool_return(self, span: Span, end: int | None) -> None:
        data = self._calls.data[span.span_id]
        call = self._call_id(span)
        result = data.result or self._calls.told_result(call)
        problem = next(iter(problems_of(span)), None)
        if result is None and problem is None and span.end_micros is None:
            return  # still running when it was recorded
        body = tool_result(
            result.content if result else None,
            call=call,
            tool=data.name,
            error=True if problem else (result.failed if result else None),
            latency_seconds=_seconds(span),
        )
        if problem:
            message = problem.message or body.error_message
            body = msgspec.structs.replace(body, error_kind=problem.kind, error_message=message)
        self._emit(self._tool_draft(span, body, end))

    def _tool_draft(self, span: Span, body: ToolCalled | ToolReturned, at: int | None) -> Draft:
        """Call and result lie inside the model call that asked for them, where one did."""
        draft = self._draft(span, body, at)
        asked = self._calls.asked_by.get(span.span_id)
        if asked is None:
            return draft
        parent, position, _ = asked
        if self._tree.kinds[parent] == "agent":
            parent = said_span(self._run.trace_id, parent, position)
        return replace(draft, parent_span_id=parent)

    def _call_id(self, span: Span) -> str | None:
        asked = self._calls.asked_by.get(span.span_id)
        return self._calls.data[span.span_id].call_id or (asked[2].call_id if asked else None)

    def _errors(self, span: Span, at: int | None) -> None:
        """Errors of a span; one that was handed up from an inner span is told once."""
        kind = self._tree.kinds[span.span_id]
        for position, problem in enumerate(problems_of(span)):
            if (problem.kind, problem.message) in self._raised:
                continue
            self._raised.add((problem.kind, problem.message))
            call = self._call_id(span) if kind == "tool" else None
            body = ErrorRaised(error_kind=problem.kind, message=problem.message, tool_call_id=call)
            draft = self._draft(span, body, at, f"error:{position}")
            if kind == "other":
                draft = replace(draft, span_id=self._tree.shown_parent(span), parent_span_id=None)
            self._emit(draft)


def said_span(trace_id: str, agent: str, position: int) -> str:
    """Span of a model call that is known from a message of an agent's span only."""
    return stable_id(trace_id, agent, "said", position)[:16]


def _joined(outputs: Sequence[Said]) -> Message | None:
    """The answer of one call: several output messages are its parts."""
    if not outputs:
        return None
    return Message(
        role="assistant",
        content="\n".join(filter(None, (said.text for said in outputs))) or None,
        reasoning="\n".join(filter(None, (said.reasoning for said in outputs))) or None,
        tool_calls=tuple(call for said in outputs for call in said.calls),
    )


def _seconds(span: Span) -> float | None:
    if span.start_micros is None or span.end_micros is None or span.end_micros < span.start_micros:
        return None
    return (span.end_micros - span.start_micros) / 1e6


def _is_data(said: Said) -> bool:
    """Whether an input value is structured data rather than words."""
    return (said.text or "").lstrip()[:1] in ("{", "[")
