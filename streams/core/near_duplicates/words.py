"""Words in canonical form, as hashes.

What differs between two runs of the same thing without meaning anything is replaced by its kind: ids that machines
make, times of day, hashes, temporary paths, pseudonyms (they differ from trace to trace by design). Booking codes,
user names, dates, prices and counts are content and stay.
"""

import re

import xxhash

WORD_BYTES = 8
_MAX_REMEMBERED = 1 << 17
_MAX_REMEMBERED_BYTES = 40
_MAX_WORD_BYTES = 512
_TO_SPACE = bytes(32 if chr(code) in "\"'`{}[]()<>,;|=!?*#\\^\t\r\n\v\f\x00" else code for code in range(256))
_EDGES = b".:-_&~$%"

_HEX = r"(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]"
_UUID = r"(?<![0-9a-z])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])"
_ANYWHERE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:/private)?/(?:tmp|var/tmp|var/folders/\w+/\w+)/[\w.-]+"), "*temporary"),
    (re.compile(_UUID), "*uuid"),
    (re.compile(rf"(?<![0-9a-z]){_HEX}{{12,}}(?![0-9a-z])"), "*hash"),
    (re.compile(r"0x[0-9a-f]{6,}"), "*address"),
)
"""Looked for inside words that have digits or a slash."""
_WHOLE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"user-[0-9a-f]{10}@redacted\.invalid"), "*email"),
    (re.compile(r"([a-z][a-z_]*)-[0-9a-f]{10}"), r"*\1"),  # without its brackets
    (re.compile(r"\+999[\d.-]{4,}|000-\d{3}-\d{4}|000\d{7,9}"), "*phone"),
    (re.compile(r"000-\d\d-\d{4}"), "*ssn"),
    (re.compile(r"0\d{3}(?:-?\d{4}){2}-?\d{1,7}"), "*card"),
    (re.compile(r"240(?:\.\d{1,3}){3}|100::[0-9a-f:]+"), "*ip"),
    (re.compile(r"xx00[0-9a-z]{8,}"), "*iban"),
    (re.compile(r"19[3-9]\d-\d\d-\d\d"), "*date_of_birth"),
    (re.compile(r"(?:call|toolu|msg|req|run|chatcmpl|fc|resp|trace|span|event|sess)[_-][\w-]{8,}"), "*id"),
)
"""Ids, and what redaction puts in the place of personal values (streams.core.redact.pseudonyms)."""
_PERSON = re.compile(r"\bxa(?:[bdfgklmnprstvzjh][aeiou]){4}\b")
_TIMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"(?:\d{4}-\d\d-\d\d[t_]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?|\d{1,2}:\d\d:\d\d(?:[.,]\d+)?)(?:z|[+-]\d\d:?\d\d)?"
        ),
        "*time",
    ),
    (re.compile(r"1[5-9]\d{8}(?:\.\d+|\d{3}|\d{6}|\d{9})?"), "*time"),  # seconds since 1970, and parts of them
    (re.compile(r"\d+\.\d+s|\d+(?:\.\d+)?(?:ms|us|µs|ns)"), "*duration"),
)
"""In what was said and returned they differ from run to run; in what an agent asked for they count."""


def canonical_word(word: str, *, keep_times: bool) -> str:
    """One word in lower case, without punctuation at its edges; what identifies nothing is its kind."""
    word = _PERSON.sub("*person", word.lower())
    if not any(char.isdigit() or char == "/" for char in word):
        return word
    for pattern, kind in _WHOLE if keep_times else (*_WHOLE, *_TIMES):
        found = pattern.fullmatch(word)
        if found:
            return found.expand(kind)
    for pattern, kind in _ANYWHERE:
        word = pattern.sub(kind, word)
    return word


class _Words(dict[bytes, bytes]):
    """Word to the hash of its canonical form; forgets everything when it has grown large."""

    def __init__(self, *, keep_times: bool) -> None:
        self._keep_times = keep_times

    def __missing__(self, word: bytes) -> bytes:
        text = word.strip(_EDGES).decode("utf-8", "replace")
        if len(word) <= _MAX_WORD_BYTES:  # longer ones are data
            text = canonical_word(text, keep_times=self._keep_times)
        # Two zero bytes below 48 bits of hash: room in which neighbours are shifted over each other, see `shingles`.
        found = b"\0\0" + xxhash.xxh3_64_digest(text.encode())[:6] if text else b""
        if len(word) <= _MAX_REMEMBERED_BYTES:
            if len(self) >= _MAX_REMEMBERED:
                self.clear()
            self[word] = found
        return found


_LOOSE = _Words(keep_times=False)
_STRICT = _Words(keep_times=True)


def word_hashes(text: str, *, keep_times: bool = False) -> bytes:
    """Hashes of the words of a text, `WORD_BYTES` each, in order."""
    words = text.encode("utf-8", "replace").translate(_TO_SPACE).split()
    return b"".join(map((_STRICT if keep_times else _LOOSE).__getitem__, words))


def shingles(hashes: bytes) -> bytes:
    """Hashes of each three words in a row, 8 bytes each; as many as there are words, the last ones shorter.

    All of them at once, as one large number: lane i becomes h[i] xor h[i+1] >> 8 xor h[i+2] >> 16. The two zero bytes
    of each hash take what is shifted, so nothing runs from one lane into the next.
    """
    number = int.from_bytes(hashes, "little")
    return (number ^ (number >> 72) ^ (number >> 144)).to_bytes(len(hashes), "little")
