"""Which rules may find something in a text, asked of all rules at once.

Hyperscan reads a text once for the hints of all rules, at hundreds of MB/s. Where it cannot be imported (there are no
wheels for every processor) the hints are tried one by one by `re`: the same answer, many times slower.
"""

import re
from collections.abc import Sequence

from streams.core.redact.rule import Rule

try:
    import hyperscan

    ENGINE = "hyperscan"
except ImportError:
    ENGINE = "re"


class Prefilter:
    """The hints of some rules and of some other patterns, which are told apart by their place in the list."""

    def __init__(self, rules: Sequence[Rule], also: Sequence[str] = (), engine: str = ENGINE) -> None:
        self.rules = tuple(rules)
        hints = [*(rule.hint for rule in self.rules), *also]
        self._each: tuple[re.Pattern[str], ...] = ()
        self._fired: set[int] = set()
        if engine == "re":
            self._each = tuple(re.compile(hint, re.IGNORECASE | re.ASCII) for hint in hints)
            return
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[hint.encode() for hint in hints],
            ids=list(range(len(hints))),
            flags=[hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_CASELESS] * len(hints),
            elements=len(hints),
        )

    def __call__(self, text: str) -> Sequence[int]:
        """Places, ascending, of the rules (and after them the other patterns) that may find something."""
        if self._each:
            return [place for place, pattern in enumerate(self._each) if pattern.search(text)]
        fired = self._fired
        fired.clear()
        self._database.scan(text.encode("utf-8", "surrogatepass"), match_event_handler=self._on_match)
        return sorted(fired) if fired else ()

    def _on_match(self, place: int, start: int, end: int, flags: int, context: object) -> None:
        self._fired.add(place)
