"""Collect what is personal or secret in the leaves of a trace. Nothing is changed."""

from schemas.errors import InvalidRecord
from schemas.records import Record
from streams.core.redact.find import Finder
from streams.core.redact.finding import Finding
from streams.core.redact.keys import Keyed, is_person_object, kind_by_key, looks_like_full_name
from streams.core.redact.leaves import Frame
from streams.core.redact.names import NAME_ENDS
from streams.core.redact.replace import of_object_key
from streams.core.redact.words import NOT_ALONE, ORDINARY, PLACEHOLDERS

MAX_FOUND = 20_000
"""Different values found in one trace; more is no trace but a data base, and is held back."""
_BATCH_CHARS = 1 << 20
_FIRST_KEYS = ("first_name", "firstname", "given_name", "fname", "first", "given", "forename")
_LAST_KEYS = ("last_name", "lastname", "family_name", "surname", "lname", "last", "family")


class Search:
    """Collects findings; `finish` must be called when all leaves were seen."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self.found: dict[str, str] = {}
        """Value to kind: to be replaced everywhere."""
        self.local: dict[str, str] = {}
        """Value to kind: to be replaced only where its key says what it is."""
        self.seen: set[str | Record] = set()
        """Field values that were searched already: agents repeat themselves, envelopes even more."""
        self._seen: set[str] = set()
        self._seen_json: set[str] = set()
        self._suspects: dict[str, None] = {}
        self._suspect_chars = 0

    def __call__(self, text: str) -> str:
        if text not in self._seen:
            self._seen.add(text)
            findings, suspects = self._finder.find_without_secrets(text)
            for finding in findings:
                self._add(finding, text)
            for suspect in suspects:
                if suspect not in self._suspects:
                    self._suspects[suspect] = None
                    self._suspect_chars += len(suspect)
            if self._suspect_chars > _BATCH_CHARS:
                self.finish()
            self._check()
        return text

    def finish(self) -> None:
        """Ask the catalogue of secrets about all that looked like one, at once."""
        secrets = self._finder.secrets
        if secrets is not None and self._suspects:
            for value in secrets.find("\n".join(self._suspects)):
                self.found.setdefault(value, "API_KEY")
        self._suspects.clear()
        self._suspect_chars = 0
        self._check()

    def named(self, frame: Frame, text: str) -> str | None:
        """A leaf under a key: what is personal by its key is noted, and still searched as text."""
        key = frame.key
        if key is not None:
            if key == "name" or key in _FIRST_KEYS or key in _LAST_KEYS:
                frame.names.append((key, text))
            self._note(kind_by_key(key, frame.parent, text), text)
        return None

    def number(self, frame: Frame | None, digits: str) -> str | None:
        """A whole number: by its key, or a card."""
        if frame is not None and frame.key is not None:
            self._note(kind_by_key(frame.key, frame.parent, digits), digits)
        if len(digits) >= 13:
            self(digits)
        return None

    def object_key(self, frame: Frame, key: str) -> None:
        """A key that is a value."""
        kind = of_object_key(frame, key)
        if kind is not None:
            self._note(Keyed(kind), key)

    def closed(self, frame: Frame) -> None:
        """An object is through: now it is known whether its "name" is a person's."""
        if not frame.names:
            return
        first = next((text for key, text in frame.names if key in _FIRST_KEYS), "")
        last = next((text for key, text in frame.names if key in _LAST_KEYS), "")
        if first and last and first.lower() not in PLACEHOLDERS and last.lower() not in PLACEHOLDERS:
            full = f"{first} {last}"
            if looks_like_full_name(full):
                self._note(Keyed("PERSON"), full)
        if is_person_object(frame.keys):
            for key, text in frame.names:
                if key == "name" and looks_like_full_name(text):
                    self._note(Keyed("PERSON"), text)

    def may_skip(self, json_text: str) -> bool:
        """Nothing to find in it. An escape such as \\u0040 could hide what the rules look for."""
        if json_text in self._seen_json:
            return True
        self._seen_json.add(json_text)
        return "\\u" not in json_text and not self._finder.may_hold(json_text)

    def _add(self, finding: Finding, text: str) -> None:
        value = text[finding.start : finding.end]
        if finding.kind == "PERSON" and " " not in value:
            word = value.lower().rstrip(NAME_ENDS)
            if word in PLACEHOLDERS or word in ORDINARY or word in NOT_ALONE:
                return
        self.found.setdefault(value, finding.kind)

    def _note(self, keyed: Keyed | None, text: str) -> None:
        if keyed is None or keyed.kind not in self._finder.kinds:
            return
        if keyed.local:
            self.local.setdefault(text, keyed.kind)
        else:
            # A key says more surely than a shape what a value is.
            self.found[text] = keyed.kind
        self._check()

    def _check(self) -> None:
        if len(self.found) > MAX_FOUND:
            raise InvalidRecord(f"more than {MAX_FOUND} different personal values in one trace")
