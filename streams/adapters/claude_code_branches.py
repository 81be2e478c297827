"""Which prompts of a session were rewound: a person went back, and the session went on from an earlier line.

A turn is a prompt of a person with all that follows from it. Only prompts decide: results of parallel tools hang on
different lines too. A prompt follows the turn of the line that it names as its parent; one that names none, or none
that is known, follows the turn before. The conversation is the line of turns that leads to the last prompt.
"""

from collections import OrderedDict
from collections.abc import Iterable

from streams.adapters.claude_code_prompts import is_side_line, words_of_a_person
from streams.adapters.tolerant import Json

_REMEMBERED = 20_000


class Turns:
    """The turns of a session, line by line; memory is bounded by the turns."""

    def __init__(self) -> None:
        self._before = [0]
        """For each turn the one that it follows; turn 0 is what stands before the first prompt."""
        self._turn_of_line: OrderedDict[str, int] = OrderedDict()

    def take(self, line: Json) -> int:
        """The turn of the next line."""
        uuid, parent = line.get("uuid"), line.get("parentUuid")
        known = self._turn_of_line.get(uuid) if isinstance(uuid, str) else None
        if known is not None:  # a resumed session repeats lines
            return known
        turn = self._turn_of_line.get(parent) if isinstance(parent, str) else None
        turn = len(self._before) - 1 if turn is None else turn
        if not is_side_line(line) and words_of_a_person(line) is not None:
            self._before.append(turn)
            turn = len(self._before) - 1
        if isinstance(uuid, str):
            self._turn_of_line[uuid] = turn
            if len(self._turn_of_line) > _REMEMBERED:
                self._turn_of_line.popitem(last=False)
        return turn

    def abandoned(self) -> frozenset[int]:
        """Turns that do not lead to the last prompt."""
        told, turn = {0}, len(self._before) - 1
        while turn:
            told.add(turn)
            turn = self._before[turn]
        return frozenset(range(len(self._before))) - told


class Branches:
    """Tells the lines of abandoned turns, of all sessions of a file."""

    def __init__(self, lines: Iterable[tuple[str, Json]]) -> None:
        """From all lines of the file, each with the name of its session."""
        turns: dict[str, Turns] = {}
        for session, line in lines:
            turns.setdefault(session, Turns()).take(line)
        found = {session: one.abandoned() for session, one in turns.items()}
        self._abandoned = {session: numbers for session, numbers in found.items() if numbers}
        self._turns = {session: Turns() for session in self._abandoned}

    def is_abandoned(self, session: str, line: Json) -> bool:
        """Whether a line belongs to an abandoned turn; lines come in the order of the file."""
        turns = self._turns.get(session)
        return turns is not None and turns.take(line) in self._abandoned[session]
