"""The search trees of ToolLLM (DFSDT) as turns and attempts. Pure; any JSON is read, however deep or damaged.

A node is a `Thought`, an `Action` (the name of a tool) or an `Action Input` (its arguments, with `observation` and
`observation_code`); the root is an empty `Action Input`. One answer of the model is a thought, a call, or both. A
thought that was expanded by itself (`expand_num` above 0) was an answer of its own; what follows it is the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.adapters.tolerant import Json, count, label, mapping, mappings, text

_MAX_COMPARED = 1_000
ANSWERED = 3
GAVE_UP = 4
FAILURES = {
    1: "unknown_tool",
    2: "invalid_input",
    5: "timeout",
    6: "not_found",
    7: "not_subscribed",
    8: "unauthorized",
    9: "too_many_requests",
    10: "rate_limit",
    11: "error_message",
    12: "request_failed",
}
"""Observation codes of failed calls, as `rapidapi.py` of ToolBench lists them."""


@dataclass(frozen=True)
class Turn:
    """One answer of the model and what came of it."""

    parent: int | None
    """Position of the turn before it in its branch."""
    thought: str | None = None
    has_call: bool = False
    tool: str | None = None
    arguments: object = None
    observation: object = None
    """None where the call has no result."""
    code: int | None = None
    pruned: bool = False
    """The search gave this branch up here."""


@dataclass(frozen=True)
class Attempt:
    """One way from the root to a leaf. Each turn belongs to one attempt; what an attempt shares is its context."""

    context: tuple[int, ...]
    """Turns before its own that another attempt holds."""
    own: tuple[int, ...]


@dataclass(frozen=True)
class _Place:
    """Where a node hangs: the turn before, and the answer that is not complete yet."""

    parent: int | None = None
    thought: str | None = None
    action: Json | None = None


class _Turns:
    """Collects turns node by node."""

    def __init__(self) -> None:
        self.all: list[Turn] = []

    def add(self, node: Json, place: _Place, *, goes_on: bool) -> _Place:
        """Take a node in; gives the place of its first child. `goes_on` says that it has children."""
        kind = node.get("node_type")
        if kind == "Action Input":
            return self._call(node, place)
        if place.action is not None:
            place = self._call({}, place)  # a call without arguments
        if kind == "Action":
            place = _Place(place.parent, place.thought, node)
            return place if goes_on else self._call({}, place)
        if place.thought is not None:
            place = self._said(place, pruned=False)
        place = _Place(place.parent, text(node.get("description")) or "")
        alone = not goes_on or bool(count(node.get("expand_num"))) or count(node.get("observation_code"))
        return self._said(place, pruned=node.get("pruned") is True, code=_code(node)) if alone else place

    def _said(self, place: _Place, *, pruned: bool, code: int | None = None) -> _Place:
        self.all.append(Turn(place.parent, place.thought or None, pruned=pruned, code=code))
        return _Place(len(self.all) - 1)

    def _call(self, node: Json, place: _Place) -> _Place:
        action = place.action or {}
        turn = Turn(
            place.parent,
            place.thought or None,
            has_call=True,
            tool=label(action.get("description")),
            arguments=node.get("description"),
            observation=node.get("observation"),
            code=_code(node),
            pruned=node.get("pruned") is True or action.get("pruned") is True,
        )
        self.all.append(turn)
        return _Place(len(self.all) - 1)


def _code(node: Json) -> int | None:
    return count(node.get("observation_code"))


def tree_turns(record: Json) -> list[Turn]:
    """Turns of a search tree in the order in which the search made them."""
    tree = mapping(record.get("tree"))
    root = mapping(tree.get("tree")) or tree
    turns = _Turns()
    waiting = [(child, _Place()) for child in reversed(_children(root))]
    if root.get("node_type") != "Action Input" or text(root.get("description")) or "observation" in root:
        waiting = [(root, _Place())] if "node_type" in root else waiting
    while waiting:
        node, place = waiting.pop()
        children = _children(node)
        below = turns.add(node, place, goes_on=bool(children))
        # Only the first child completes an open answer; the others repeat its call, not its thought.
        others = _Place(below.parent, None, below.action)
        waiting += [(child, others) for child in reversed(children[1:])]
        waiting += [(child, below) for child in children[:1]]
    return turns.all


def _children(node: Json) -> list[Json]:
    return mappings(node.get("children"))


def chain_turns(nodes: Sequence[Json]) -> list[Turn]:
    """Turns of one try of the search without branches (`trys` of CoT runs): a list of nodes."""
    turns = _Turns()
    place = _Place()
    for position, node in enumerate(nodes):
        place = turns.add(node, place, goes_on=position + 1 < len(nodes))
    return turns.all


def attempts_of(turns: Sequence[Turn], kept: int | None, max_context: int) -> list[Attempt]:
    """Attempts in the order in which they ended. The one that ends in `kept` holds all of its turns.

    The context of an attempt is cut to the latest `max_context` turns.
    """
    inner = {turn.parent for turn in turns}
    leaves = leaves_of(turns)
    taken: set[int] = set()
    found: dict[int, Attempt] = {}
    for leaf in sorted(leaves, key=lambda leaf: leaf != kept):
        own: list[int] = []
        place: int | None = leaf
        while place is not None and place not in taken:
            own.append(place)
            place = turns[place].parent
        taken.update(own)
        context: list[int] = []
        while place is not None and len(context) < max_context:
            context.append(place)
            place = turns[place].parent
        found[leaf] = Attempt(tuple(reversed(context)), tuple(reversed(own)))
    assert len(found) == len(turns) - len(inner - {None})
    return [found[leaf] for leaf in leaves]


def leaves_of(turns: Sequence[Turn]) -> list[int]:
    """Turns that nothing follows."""
    inner = {turn.parent for turn in turns}
    return [position for position in range(len(turns)) if position not in inner]


def kept_leaf(turns: Sequence[Turn], answer: Json) -> int | None:
    """The leaf that the record names as its answer: the final answer, else the give-up that was chosen.

    All give-ups say the same words, so the flattened messages (`train_messages`) tell which of them it was.
    """
    leaves = leaves_of(turns)
    final = answer.get("final_answer")
    spoken = [_said_in(chat) for chat in _chats(answer)[-1:]]
    candidates = [leaf for leaf in leaves if turns[leaf].code == ANSWERED and not turns[leaf].pruned]
    candidates = candidates or [leaf for leaf in leaves if final and turns[leaf].arguments == final]
    for leaf in candidates:
        if spoken and len(spoken[0]) <= _MAX_COMPARED and _said_on_the_way(turns, leaf, spoken[0]):
            return leaf
    named = [leaf for leaf in candidates if turns[leaf].arguments == final]
    return next(iter(named or candidates), None)


def _chats(answer: Json) -> list[list[Json]]:
    given = answer.get("train_messages")
    return [mappings(chat) for chat in given if isinstance(chat, list)] if isinstance(given, list) else []


def _said_in(chat: list[Json]) -> list[tuple[object, object]]:
    said = [message for message in chat if message.get("role") == "assistant"]
    return [
        (message.get("content") or None, mapping(message.get("function_call")).get("arguments")) for message in said
    ]


def _said_on_the_way(turns: Sequence[Turn], leaf: int, said: list[tuple[object, object]]) -> bool:
    """Whether a branch says exactly this."""
    place: int | None = leaf
    for words in reversed(said):
        if place is None or (turns[place].thought, turns[place].arguments) != words:
            return False
        place = turns[place].parent
    return place is None


def prompts_of(answer: Json) -> tuple[str | None, str | None, list[list[str]]]:
    """System prompt, request, and for each answer of the kept way what the search asked just before it.

    Read from `train_messages`: one list of messages for each answer, that ends with it.
    """
    chats = _chats(answer)
    first = chats[0] if chats else []
    system = next((m.get("content") for m in first if m.get("role") == "system"), None)
    request = next((m.get("content") for m in first if m.get("role") == "user"), None)
    asked: list[list[str]] = []
    for chat in chats:
        end = len(chat) - 1 if chat and chat[-1].get("role") == "assistant" else len(chat)
        first_said = next((at for at, message in enumerate(chat) if message.get("role") == "user"), end)
        begin = end
        while begin - 1 > first_said and chat[begin - 1].get("role") == "user":
            begin -= 1
        words = [said for message in chat[begin:end] if (said := text(message.get("content")))]
        asked.append(words)
    return text(system), text(request), asked
