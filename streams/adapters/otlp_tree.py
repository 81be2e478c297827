"""The spans of one trace as a tree: what each stands for, which is the run, and who ran inside whom."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from streams.adapters.base import stable_id
from streams.adapters.otlp_fields import (
    Kind,
    agent_name_of,
    kind_of,
)
from streams.adapters.otlp_messages import Talk
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_talk import all_messages, input_value, output_value, talk_of
from streams.adapters.otlp_tools import tool_of
from streams.adapters.tolerant import identity, label, mapping, parsed


class SpanTree:
    """Spans of one trace, each once, in order of start.

    Nested model-call spans (a framework's around its SDK's) are one call: the outer one, with what only the inner
    one tells. The run is the topmost agent; a wrapper around it that says nothing of its own is not shown. Where no
    agent spans everything, the topmost span is the run.
    """

    def __init__(self, spans: Sequence[Span]) -> None:
        self._by_id = _without_repeats(spans)
        self._parents = {span.span_id: self._parent(span) for span in self._by_id.values()}
        self._break_cycles()
        self._starts: dict[str, int | None] = {}
        for span_id in self._by_id:
            self._start(span_id)
        self.spans = sorted(self._by_id.values(), key=self._order)
        self.kinds: dict[str, Kind] = {span.span_id: kind_of(span) for span in self.spans}
        self.talks: dict[str, Talk] = {span.span_id: talk_of(span) for span in self.spans}
        self._merge_nested_calls()
        self.root = self._find_root()
        self.hidden = set(self.ancestors(self.root.span_id)) if self.root else set()
        """Wrappers around the run."""
        for span_id in self.hidden:
            self.kinds[span_id] = "other"
        if self.root is not None and self.kinds[self.root.span_id] not in ("agent", "llm", "tool"):
            self.kinds[self.root.span_id] = "agent"
        stated = self.root is not None and self.kinds[self.root.span_id] == "agent"
        self.root_span_id = self.root.span_id if self.root and stated else stable_id(spans[0].trace_id, "root")[:16]
        calling = {self.agent_of(span) for span in self.spans if self.kinds[span.span_id] == "llm"}
        self._silent = {one for one, kind in self.kinds.items() if kind == "agent"} - calling
        for span in self.spans:
            if span.span_id in self._silent and not self.talks[span.span_id].outputs:
                self.talks[span.span_id] = Talk(self.talks[span.span_id].inputs, tuple(all_messages(span)))

    def start_of(self, span: Span) -> int | None:
        """When it began; without a record, when its parent did."""
        return self._starts[span.span_id]

    def end_of(self, span: Span) -> int | None:
        """When it ended; without a record, when it began."""
        return span.end_micros if span.end_micros is not None else self._starts[span.span_id]

    def ancestors(self, span_id: str) -> Iterator[str]:
        """Spans around a span, from the inside out."""
        parent = self._parents.get(span_id)
        while parent is not None:
            yield parent
            parent = self._parents.get(parent)

    def depth(self, span: Span) -> int:
        """How many spans lie around it."""
        return sum(1 for _ in self.ancestors(span.span_id))

    def shown_parent(self, span: Span) -> str:
        """The nearest span around it that has events of its own; the run's where there is none."""
        shown = ("agent", "llm", "tool", "step")
        return next((one for one in self.ancestors(span.span_id) if self.kinds[one] in shown), self.root_span_id)

    def agent_of(self, span: Span) -> str:
        """Span of the agent that a span belongs to; an agent belongs to itself."""
        around = (span.span_id, *self.ancestors(span.span_id))
        return next((one for one in around if self.kinds[one] == "agent"), self.root_span_id)

    def is_delegated(self, agent: str) -> bool:
        """Whether an agent was called by a tool call of another: then no person speaks to it."""
        return any(self.kinds[one] == "tool" for one in self.ancestors(agent))

    def speaks(self, span: Span) -> bool:
        """Whether the messages of a span are model calls: of an agent only when none of its calls was recorded."""
        return self.kinds[span.span_id] == "llm" or span.span_id in self._silent

    def parent_of_agent(self, agent: str) -> str | None:
        """What an agent runs in; None for the run itself."""
        span = self._by_id.get(agent)
        return None if span is None or agent == self.root_span_id else self.shown_parent(span)

    def name_of(self, agent: str) -> str:
        """Name of an agent; that of a sub-agent is the type its call asked for."""
        span = self._by_id.get(agent)
        if span is None:
            return self.root.name if self.root else "agent"
        caller = next((one for one in self.ancestors(agent) if self.kinds[one] in ("tool", "agent")), None)
        if caller is not None and self.kinds[caller] == "tool":
            arguments = mapping(parsed(tool_of(self._by_id[caller]).arguments))
            if (asked := label(arguments.get("subagent_type"))) is not None:
                return asked
        return agent_name_of(span)

    def _parent(self, span: Span) -> str | None:
        parent = span.parent_span_id
        return parent if parent in self._by_id and parent != span.span_id else None

    def _break_cycles(self) -> None:
        safe: set[str] = set()
        for span_id in self._by_id:
            path: dict[str, None] = {}
            at: str | None = span_id
            while at is not None and at not in safe:
                if at in path:
                    self._parents[at] = None
                    break
                path[at] = None
                at = self._parents[at]
            safe.update(path)

    def _start(self, span_id: str) -> None:
        path = [span_id]
        while path[-1] not in self._starts:
            span = self._by_id[path[-1]]
            parent = self._parents[span.span_id]
            if span.start_micros is not None or parent is None:
                self._starts[span.span_id] = span.start_micros
                break
            path.append(parent)
        for inner in path:
            self._starts.setdefault(inner, self._starts[path[-1]])

    def _order(self, span: Span) -> tuple[int, int, str]:
        # Ids end the order, not the position in the file: exporters write the same spans in any order.
        return self._starts[span.span_id] or 0, -(span.end_micros or 0), span.span_id

    def _merge_nested_calls(self) -> None:
        inner: dict[str, list[Span]] = defaultdict(list)
        for span in self.spans:
            if self.kinds[span.span_id] == "llm":
                around = (one for one in self.ancestors(span.span_id) if self.kinds[one] in ("agent", "llm", "tool"))
                outer = next(around, None)
                if outer is not None and self.kinds[outer] == "llm":
                    inner[outer].append(span)
        for outer, found in sorted(inner.items(), key=lambda item: -self.depth(self._by_id[item[0]])):
            if sum(bool(self.talks[span.span_id].outputs) for span in found) > 1:
                self.kinds[outer] = "other"  # a loop around several calls, not a call
                continue
            for span in found:
                whole = self._by_id[outer]
                attributes = {**span.attributes, **whole.attributes}
                failed = whole.failed or span.failed
                self._by_id[outer] = msgspec.structs.replace(whole, attributes=attributes, failed=failed)
                self.talks[outer] = self.talks[outer].or_else(self.talks[span.span_id])
                self.kinds[span.span_id] = "other"
        self.spans = [self._by_id[span.span_id] for span in self.spans]

    def _find_root(self) -> Span | None:
        tops = [span for span in self.spans if self._parents[span.span_id] is None]
        if not tops:
            return None
        agents = [span for span in self.spans if self.kinds[span.span_id] == "agent"]
        found = tops[0] if len(tops) == 1 else next((top for top in tops if self._holds_all(top)), tops[0])
        while True:
            speaks = self.talks[found.span_id].inputs or self.talks[found.span_id].outputs
            if self.kinds[found.span_id] == "agent" and (
                speaks or input_value(found) is not None or output_value(found) is not None
            ):
                return found
            below = [one for one in agents if one is not found and found.span_id in self.ancestors(one.span_id)]
            inner = next((one for one in below if self._holds_all(one)), None)
            if inner is None or self.kinds[found.span_id] in ("llm", "tool"):
                return found
            found = inner

    def _holds_all(self, agent: Span) -> bool:
        """Whether all model and tool calls lie inside an agent, and some do."""
        work = [span for span in self.spans if self.kinds[span.span_id] in ("llm", "tool")]
        return bool(work) and all(agent.span_id in self.ancestors(span.span_id) for span in work)


def _without_repeats(spans: Sequence[Span]) -> dict[str, Span]:
    """Each span once: of two with one id the one that ended later, as exporters write it again when it grows."""
    found: dict[str, Span] = {}
    for span in spans:
        known = found.get(span.span_id)
        if known is None or _completeness(span) > _completeness(known):
            found[span.span_id] = span
    return found


def _completeness(span: Span) -> tuple[int, int, str]:
    return span.end_micros or 0, len(span.attributes), identity(msgspec.to_builtins(span))
