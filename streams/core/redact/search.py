"""Collect what is personal or secret in the leaves of a trace. Nothing is changed."""

from typing import Any

from schemas.errors import InvalidRecord
from streams.core.redact.find import NOTHING, Finder, Looked
from streams.core.redact.finding import Finding
from streams.core.redact.keys import (
    Keyed,
    is_person_object,
    kind_by_key,
    kind_of_object_key,
    looks_like_full_name,
    plain_key,
)
from streams.core.redact.leaves import MAX_NESTING, NO_JSON, Digits, Tree, map_text, parsed
from streams.core.redact.names import NAME_ENDS
from streams.core.redact.words import NOT_ALONE, ORDINARY, PLACEHOLDERS

MAX_FOUND = 20_000
"""Different values found in one trace; more is no trace but a data base, and is held back."""
_BATCH_CHARS = 1 << 20
_FIRST_KEYS = ("first_name", "firstname", "given_name", "fname", "first", "given", "forename")
_LAST_KEYS = ("last_name", "lastname", "family_name", "surname", "lname", "last", "family")
_NAME_KEYS = frozenset({"name", *_FIRST_KEYS, *_LAST_KEYS})
_CARD_DIGITS = 13


class Search:
    """Collects findings; `finish` must be called when all texts were seen."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder
        self.found: dict[str, str] = {}
        """Value to kind: to be replaced everywhere."""
        self.local: dict[str, str] = {}
        """Value to kind: to be replaced only where its key says what it is."""
        self._seen: set[str] = set()
        """Leaves that were searched as text: agents repeat themselves."""
        self._seen_json: dict[str, int] = {}
        """JSON that was walked, and how deep it stood: what was too deep to follow is followed higher up."""
        self._suspects: dict[str, None] = {}
        self._suspect_chars = 0

    def __call__(self, text: str) -> str:
        """Search a text as it stands."""
        if text not in self._seen:
            self._seen.add(text)
            looked = self._finder.look(text)
            if looked is not NOTHING:
                self._take(looked, text)
        return text

    def json(self, text: str, depth: int) -> str | None:
        """Search the leaves of JSON text; None when it is no JSON."""
        if self._seen_json.get(text, MAX_NESTING) <= depth:
            return text
        self._seen_json[text] = depth
        # An escape such as \\u0040 could hide what the rules look for.
        if "\\u" not in text and not self._finder.may_hold(text):
            return text
        tree = parsed(text)
        if tree is NO_JSON:
            return None
        self._walk(tree, depth + 1)
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

    def _walk(self, tree: Tree, depth: int) -> None:
        """Look at all values and keys, in the order of the text. A stack instead of recursion: JSON may be deep."""
        seen = self._seen
        outer: list[tuple[Any, ...]] = []
        items: Any = iter((tree,))
        is_object = False
        key: str | None = None  # of the next value, plain; in an array that of the array
        parent: str | None = None  # key under which the object stands
        keys: list[str] = []
        names: list[tuple[str, str]] = []  # leaves that may be names of a person: other keys of the object decide
        while True:
            for item in items:
                value = item
                if is_object:
                    name, value = item
                    key = plain_key(name)
                    keys.append(key)
                    if parent is not None:
                        self._note(kind_of_object_key(parent, key), name)
                    if name not in seen:
                        self._leaf(name, depth)
                kind = value.__class__
                if kind is str:
                    if key is not None:
                        if key in _NAME_KEYS:
                            names.append((key, value))
                        keyed = kind_by_key(key, parent, value)
                        if keyed is not None:
                            self._note(keyed, value)
                    if value not in seen:
                        self._leaf(value, depth)
                elif kind is tuple or kind is list:
                    outer.append((items, is_object, key, parent, keys, names))
                    is_object = kind is tuple
                    items, parent, keys, names = iter(value), key, [], []
                    key = None if is_object else parent
                    break
                elif kind is Digits:
                    self._number(key, parent, value)
            else:
                if names and keys:
                    self._closed(keys, names)
                if not outer:
                    return
                items, is_object, key, parent, keys, names = outer.pop()

    def _leaf(self, text: str, depth: int) -> None:
        map_text(text, self, depth)
        if depth >= MAX_NESTING:
            self._seen.discard(text)  # it may be JSON: higher up its keys would be looked at

    def _take(self, looked: Looked, text: str) -> None:
        for finding in looked.findings:
            self._add(finding, text)
        for suspect in looked.suspects:
            if suspect not in self._suspects:
                self._suspects[suspect] = None
                self._suspect_chars += len(suspect)
        if self._suspect_chars > _BATCH_CHARS:
            self.finish()
        self._check()

    def _number(self, key: str | None, parent: str | None, number: str) -> None:
        """A whole number: by its key, or a card."""
        digits = str(number)
        if not digits.isdigit():
            return
        if key is not None:
            self._note(kind_by_key(key, parent, digits), digits)
        if len(digits) >= _CARD_DIGITS:
            self(digits)

    def _closed(self, keys: list[str], names: list[tuple[str, str]]) -> None:
        """An object is through: now it is known whether its "name" is a person's."""
        first = next((text for key, text in names if key in _FIRST_KEYS), "")
        last = next((text for key, text in names if key in _LAST_KEYS), "")
        if first and last and first.lower() not in PLACEHOLDERS and last.lower() not in PLACEHOLDERS:
            full = f"{first} {last}"
            if looks_like_full_name(full):
                self._note(Keyed("PERSON"), full)
        if is_person_object(keys):
            for key, text in names:
                if key == "name" and looks_like_full_name(text):
                    self._note(Keyed("PERSON"), text)

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
