"""What a rule is."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Rule:
    """A finding is what the first group of `pattern` that took part (else the match) holds and `accept` confirms.

    Every pattern takes time linear in the text: what repeats is bounded, or cannot start again inside its own run.
    """

    kind: str
    hint: str
    """Cheap and permissive, in the common tongue of `re` and Hyperscan, ASCII only, case does not matter: where this
    stands nowhere in a text, the rule finds nothing in it. It must not match a line end other than through `\\s`."""
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] = field(default=bool)
    start: re.Pattern[str] | None = None
    """Every match of `pattern` begins where one of this begins, and this is cheap to search for: `re` looks for the
    characters of a set that stands first many times faster than for what is behind an assertion."""

    def matches(self, text: str) -> Iterable[re.Match[str]]:
        """Matches of `pattern` in order, none overlapping."""
        return self.pattern.finditer(text) if self.start is None else self._from_starts(text, self.start)

    def _from_starts(self, text: str, start: re.Pattern[str]) -> Iterator[re.Match[str]]:
        at = 0
        for begins in start.finditer(text):
            place = begins.start()
            if place >= at:
                match = self.pattern.match(text, place)
                if match is not None:
                    at = match.end()
                    yield match


def starting(first: str, not_before: str) -> re.Pattern[str]:
    """Where one of the characters of the set `first` stands, and none of the set `not_before` goes before."""
    return re.compile(rf"[{first}](?<![{not_before}].)", re.DOTALL)
