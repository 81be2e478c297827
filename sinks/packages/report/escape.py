"""Names as text: scenarios, tools and models come from strangers, so a name must never become structure.

Control characters, direction overrides and invisible characters are made visible first; each document language then
has one function, and templates apply it to every value that is not marked `Safe`.
"""

import json
import re
import unicodedata

from markupsafe import Markup, escape

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:+@-]*\Z")
_PROSE = frozenset(" ,.;()%?='\"/…–—’“”-+:")
_LEADING = re.compile(r"\d{1,9}[.)](?= |\Z)")


class Safe(str):
    """Text that already is in the language of its document."""

    __slots__ = ()


def visible(text: str) -> str:
    """One line, where everything can be seen: whitespace is a blank, what has no glyph is `⟨U+202E⟩`."""
    blank = re.sub(r"\s+", " ", text).strip()
    if not blank:
        return "⟨blank⟩" if text else ""
    return _shown(blank)


def markdown(value: object) -> Safe:
    """Text that stands for itself in Markdown: everything that could mean something is a character reference."""
    if isinstance(value, Safe):
        return value
    text = visible(str(value))
    leading = _LEADING.match(text)
    escaped = "".join(
        letter
        if letter.isalnum() or letter.isspace() or ord(letter) > 0x7F or (letter in _PROSE and place)
        else f"&#{ord(letter)};"
        for place, letter in enumerate(text)
    )
    if leading:  # `1.` would begin a list
        number = leading.group()[:-1]
        escaped = f"{number}&#{ord(leading.group()[-1])};{escaped[len(number) + 1 :]}"
    return Safe(_isolated(re.sub(r"(?i)\b(https?|ftp|mailto|www)(?=[:.])", r"\1&#8203;", escaped), text))


def code(value: object) -> Safe:
    """A name: in code letters where it is plain, as escaped text where it is not."""
    text = visible(str(value))
    return Safe(f"`{text}`") if _PLAIN.match(text) else markdown(text)


def yaml(value: object) -> Safe:
    """A YAML scalar in double quotes."""
    return Safe(json.dumps(visible(str(value)), ensure_ascii=False))


def html(value: object) -> object:
    """A value for an HTML template, which escapes it further: only what cannot be seen is changed."""
    return visible(value) if type(value) is str else value


def _isolated(escaped: str, text: str) -> str:
    """Letters that run from right to left, kept from turning what stands around them."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in text)
    return f"&#8296;{escaped}&#8297;" if turns else escaped


def html_lines(text: str) -> Markup:
    """Text of many lines for an element that keeps line breaks."""
    return escape("\n".join(_lines(text)))


def fenced(text: str, language: str) -> Safe:
    """Text of many lines in a code block whose fence cannot occur in it."""
    lines = _lines(text)
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return Safe("\n".join((f"{fence}{language}", *lines, fence)))


def _lines(text: str) -> list[str]:
    return ["\t".join(map(_shown, line.split("\t"))) for line in re.split(r"\r\n|\r|\n", text.rstrip())]


def _shown(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(f"⟨U+{ord(letter):04X}⟩" if unicodedata.category(letter) in _HIDDEN else letter for letter in text)
