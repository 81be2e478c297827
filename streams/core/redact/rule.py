"""What a rule is."""

import re
from collections.abc import Callable
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
