"""Which parts of a text are natural language that may name somebody: only those are worth a model's time.

A model reads tens of KB a second, so sentences are gated: one is read when it holds a word that begins like a name and
is no ordinary start of a sentence, or when the words before it announce a name. What is certainly no language (code,
JSON, hashes, paths, tables of numbers) is left out line by line.
"""

import re
from collections.abc import Iterator

from streams.core.redact.words import ORDINARY

MAX_WINDOW = 360
"""Characters read at once, a little more when a sentence is longer; models are best at a few sentences."""
_CUT = 480
_LETTERS_SPACES = re.compile(r"[^\W\d_]{2,}")
_CAPITAL = re.compile(r"(?<![\w/\\$#@<>={}\[\].`_-])[^\W\d_a-zß-öø-ÿ][\w'’-]*")
_ANNOUNCED = re.compile(
    r"(?i)\b(?:names?|named|called|mr|mrs|ms|miss|dr|dear|sir|madam|signed|regards|sincerely|born|lives?|living|address|"
    r"deliver|ship|move[ds]?|resid\w+|passenger|patient|customer|contact|speak|speaking|met|meet|ask|tell|told|partner|wife|"
    r"husband|son|daughter|brother|sister|mother|father|friend|located|street|road|avenue|apt|suite|zip"
    r"|follow up with)\b"
)
_CODE = re.compile(
    r"[{};<>=]{2}|[\w\])]\(|\(\)|::|->|=>|^\s*[:@]\w+ |:\w+:`|=\"|;\s*$|^\s*(?:def|class|import|from|return|if"
    r"|for|while|else|elif|const|let|var|function|"
    r"public|private|static|#include|SELECT|INSERT|UPDATE)\b.*[:;(){}=]|^[+\-@]{1,3} |^\s*[$#]\s"
    r"|^\s*>\s(?![^\W\d_]+,? [^\W\d_]+[ ,])|\|\s.*\|"
    r"|^\s*[\w.-]+/[\w./-]+\s*$"
)
_OUTPUT_LINE = re.compile(
    r"(?m)^\s*(?:\d+[-:\t|]|\d+\s{2,}|[\w./-]+\.\w{1,5}[:(]\d+|[-dlrwxst]{10}\b|[-+@#$%]{1,4} ?\S"
    r"|>(?! ?[^\W\d_]+,? [^\W\d_]+[ ,]).*|at [\w.$]+\("
    r"|File \"|"
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:|(?:DEBUG|INFO|WARN(?:ING)?|ERROR|FATAL)\b|[\w.]+ = |self\.|npm |E  ).*$"
)
"""Lines that programs write or are made of: numbered listings, logs, stack traces, listings of files, assignments."""
_ENDLESS = re.compile(r"[!-~]{61,}")
"""What goes on without a space as no word does: encoded bytes. A megabyte of them keeps a model busy for minutes."""
_CAPITAL_LETTER = re.compile(r"[A-Z](?<!\bI(?=\b))|[À-ÖØ-Þ]")
_SMALL_WORDS = re.compile(
    r"\b(?:the|an?|to|is|was|are|were|my|his|her|our|your|i|he|she|we|you|they|for|with|and|of|in|at|from|by|on|that|it|has"
    r"|have|had|not|please|hi|hello|thanks)\b"
)
_ENDS = re.compile(r"[.!?]['\")\]]*\s+(?=[^\W\d_a-z\"'(])|\n\s*\n")


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Spans of a text that a recogniser should read, in order, none overlapping."""
    start = end = -1
    for low, high in _sentences(text):
        if not worth_reading(text[low:high]):
            continue
        if start >= 0 and low - end <= 2 and high - start <= MAX_WINDOW:
            end = high
            continue
        if start >= 0:
            yield start, end
        start, end = low, high
    if start >= 0:
        yield start, end


def worth_reading(sentence: str) -> bool:
    """True for a piece of natural language that may hold a name or an address."""
    words = _LETTERS_SPACES.findall(sentence)
    if not words:
        return False
    if sum(map(len, _ENDLESS.findall(sentence))) * 2 > len(sentence):
        return False
    letters = sum(map(len, words))
    if letters * 3 < len(sentence.replace(" ", "")) or len(max(words, key=len)) > 40:
        return False
    first = True
    found = False
    for match in _CAPITAL.finditer(sentence):
        word = match.group()
        if (
            word.rstrip("'’-").lower() not in ORDINARY
            and len(word) > 1
            and not (word.isupper() and len(word) > 4 and first)
        ):
            found = True
            break
        first = False
    if not found and not _ANNOUNCED.search(sentence) and not _is_typed_small(sentence, words, letters):
        return False
    if _CODE.search(sentence):
        return False
    lines = sentence.count("\n") + 1
    return sum(1 for _ in _OUTPUT_LINE.finditer(sentence)) * 3 < lines


def _is_typed_small(sentence: str, words: list[str], letters: int) -> bool:
    """Language without capitals, as people type in a hurry: there a name looks like any other word."""
    return (
        len(words) > 2
        and letters * 4 > len(sentence.replace(" ", "")) * 3
        and not _CAPITAL_LETTER.search(sentence)
        and len(_SMALL_WORDS.findall(sentence)) > 1
    )


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Sentences and paragraphs; long ones are cut between words."""
    at = 0
    for match in (*_ENDS.finditer(text), None):
        end = len(text) if match is None else match.end()
        while end - at > _CUT:
            cut = text.rfind(" ", at + _CUT // 2, at + _CUT)
            cut = at + _CUT if cut < 0 else cut + 1
            yield at, cut
            at = cut
        if end > at:
            yield at, end
        at = end
