"""Which tool call of a message is which tool span: by call id, else by name and arguments, else it has no span."""

from collections import defaultdict, deque

from schemas.records import ToolCall
from streams.adapters.otlp_messages import Result
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_tools import ToolData, tool_of
from streams.adapters.otlp_tree import SpanTree
from streams.adapters.tolerant import as_json, json_argument, parsed


class ToolCalls:
    """Joins the calls that messages ask for with the tool spans of a trace; each span answers one call."""

    def __init__(self, tree: SpanTree) -> None:
        self.data: dict[str, ToolData] = {}
        self._by_id: dict[str, deque[str]] = defaultdict(deque)
        self._by_content: dict[tuple[str, str], deque[str]] = defaultdict(deque)
        self._taken: set[str] = set()
        self._asked_ids: set[str | None] = set()
        self.asked_by: dict[str, tuple[str, int, ToolCall]] = {}
        """Tool span to who asked for it: span, number of its message, and the call in that message."""
        self._filler: dict[str, Result] = {}
        self.calls_of: dict[tuple[str, int, int], str] = {}
        """(span of a model call, message, call in it) to the tool span."""
        for span in tree.spans:
            if tree.kinds[span.span_id] == "tool":
                data = tool_of(span)
                self.data[span.span_id] = data
                if data.call_id:
                    self._by_id[data.call_id].append(span.span_id)
                self._by_content[(data.name, _canonical(data.arguments))].append(span.span_id)
        self._join(tree)

    def _join(self, tree: SpanTree) -> None:
        asked: list[tuple[Span, int, int, ToolCall]] = []
        for span in tree.spans:
            if not tree.speaks(span):
                continue
            for said in (*tree.talks[span.span_id].inputs, *tree.talks[span.span_id].outputs):
                for result in said.results:
                    if result.call_id and result.content is not None:
                        self._filler.setdefault(result.call_id, result)
            for number, said in enumerate(tree.talks[span.span_id].outputs):
                asked.extend((span, number, position, call) for position, call in enumerate(said.calls))
        rest = []
        for span, number, position, call in asked:
            if not (call.call_id and self._take(self._by_id[call.call_id], span, number, position, call)):
                rest.append((span, number, position, call))
        for span, number, position, call in rest:
            fitting = self._by_content[(call.name, _canonical(call.arguments_json))]
            self._take(fitting, span, number, position, call)

    def _take(self, candidates: deque[str], span: Span, number: int, position: int, call: ToolCall) -> bool:
        for found in candidates:
            other = self.data[found].call_id
            if found not in self._taken and (not other or not call.call_id or other == call.call_id):
                self._taken.add(found)
                self._asked_ids.add(call.call_id)
                self.asked_by[found] = (span.span_id, number, call)
                self.calls_of[(span.span_id, number, position)] = found
                return True
        return False

    def has_span(self, call_id: str | None) -> bool:
        """Whether the call of that id has a tool span, which states its result."""
        if call_id is None:
            return False
        return bool(self._by_id.get(call_id)) or call_id in self._asked_ids

    def told_result(self, call_id: str | None) -> Result | None:
        """A result as a later prompt repeats it, for spans that do not hold it."""
        return self._filler.get(call_id) if call_id else None


def _canonical(arguments: object) -> str:
    found = parsed(arguments)
    if isinstance(found, dict):
        return as_json(dict(sorted(found.items())))
    return json_argument(arguments)
