"""Names of replacements: keyed, the same for the same value within a trace, and of the value's shape where useful."""

import hashlib
import hmac


class Pseudonyms:
    """Pseudonym = HMAC-SHA256(key, scope, kind, normalised value), shortened.

    `scope` is the trace id: the same person in two traces cannot be linked without the key.
    """

    def __init__(self, key: bytes, scope: str) -> None:
        self._key = key
        self._scope = scope

    def of(self, kind: str, value: str) -> str:
        """Replacement text; it never holds quotes or backslashes, so it may stand inside JSON text."""
        mark = self._digest(kind, _normalised(kind, value))
        if kind == "EMAIL":
            return f"user-{mark}@redacted.invalid"
        return f"[{kind}-{mark}]"

    def subject(self, data_subject_id: str) -> str:
        """Pseudonym of a data subject: without scope, so that all data of one subject can be found."""
        return hmac.new(self._key, b"data-subject\x1f" + data_subject_id.encode(), hashlib.sha256).hexdigest()[:32]

    def _digest(self, kind: str, value: str) -> str:
        text = f"{self._scope}\x1f{kind}\x1f{value}"
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:10]


def _normalised(kind: str, value: str) -> str:
    if kind == "EMAIL":
        return value.replace("%40", "@").casefold()
    if kind in ("CARD", "PHONE"):
        return "".join(char for char in value if char.isdigit())
    return value
