"""What counts as personal or secret: one rule a kind, each a pattern and, where one exists, a checksum.

Every pattern takes time linear in the text: what repeats is bounded, or cannot start again inside its own run.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

RULES_VERSION = "2026.11.2"


@dataclass(frozen=True)
class Rule:
    """A finding is what group 1 (else the whole match) of `pattern` matches and `accept` confirms."""

    kind: str
    words: tuple[str, ...]
    shape: str
    """Hints, cheap and permissive: where neither one of the words stands in the lower-cased text nor the shape in the
    text, this rule finds nothing. Most texts are through with the hints alone."""
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] = bool

    @cached_property
    def find_shape(self) -> Callable[[str], re.Match[str] | None]:
        """Looks for the shape."""
        return re.compile(self.shape).search


def _card(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    total = sum(digits[-1::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return total % 10 == 0 and bool(_ISSUERS.fullmatch("".join(map(str, digits))))


# Length and first digits of the large card schemes: of numbers that are none, one in ten passes the checksum too.
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|(?:2131|1800)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)


def _ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6:
        # Short forms such as a::b are code more often than addresses.
        return any(len(group) > 2 for group in text.split(":")) and any(char.isdigit() for char in text)
    # Loopback, "this network", masks and multicast name nobody; 2.0.0.0 is a network at most, and often a version.
    return 0 < int(text.partition(".")[0]) < 224 and not address.is_loopback and not text.endswith(".0.0.0")


def _phone(text: str) -> bool:
    digits = "".join(char for char in text.partition("x")[0] if char.isdigit())
    if text.startswith("+1"):
        return len(digits) == 11 and digits[1] in "23456789"
    if text.startswith("+"):
        return 9 <= len(digits) <= 15 and not _DATE.match(text, 1)
    if text.lstrip("(").startswith("0") and not text.startswith("001"):
        # National numbers with their leading 0. Bytes in hexadecimal and dates look much alike.
        pairs = _PAIRS.fullmatch(text)
        return 9 <= len(digits) <= 11 and not _DATE.match(text) and (pairs is None or len(digits) == 10)
    return True


_DATE = re.compile(r"(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?|\d\d?[-./ ]\d\d?[-./ ](?:19|20)\d\d")
_PAIRS = re.compile(r"\d\d(?:[ .-]\d\d)+")


def _secret(text: str) -> bool:
    """A value that a person or a machine made up: not a word, a call, a path or a placeholder."""
    if not any(char.isdigit() for char in text) or not any(char.isalpha() for char in text):
        return False
    return not _NAME_IN_CODE.fullmatch(text) and text[0] not in "/.\\"


_NAME_IN_CODE = re.compile(r"(?:[a-z_]+\d{0,2}[._])+[a-z_]*\d{0,2}|[A-Z_]+\d?")


def _token(text: str) -> bool:
    return _secret(text) and not any(part in text for part in ("..", "//"))


def _email(text: str) -> bool:
    local, _, domain = text.replace("%40", "@").partition("@")
    # git@host is how a repository is named; "1.2.3-beta.next" is a version.
    return local != "git" and not domain.partition(".")[0].isdigit()


_NUMBERS = (
    r"[0-9][0-9][0-9](?:[0-9]{10}|[0-9]?[ -][0-9]{4}|\)?[ .-]?[0-9]{3}[ .-][0-9])"
    r"|0[0-9]{1,4}\)?[ .-][0-9]{2,4}[ .-][0-9]"
)

RULES: tuple[Rule, ...] = (
    Rule("PRIVATE_KEY", ("-----begin",), "", re.compile(
        r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY-----"
        r"(?:[A-Za-z0-9+/=\\\s:,.]|-(?!----)){0,20000}(?:-----END [A-Z0-9 ]{0,60}PRIVATE KEY-----)?"
    )),
    Rule("TOKEN", (), "eyJ", re.compile(
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
    )),
    Rule("API_KEY", (), r"[-_.][A-Za-z0-9_-]{10}|A(?:[KSBC][IC]A[A-Z0-9]{8}|Iza)", re.compile(
        r"(?<![A-Za-z0-9])("
        r"sk-[A-Za-z0-9_-]{20,}|sk_(?:live|test)_[A-Za-z0-9]{16,}|rk_(?:live|test)_[A-Za-z0-9]{16,}"
        r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}"
        r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}"
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
        r"|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|dop_v1_[a-f0-9]{64}"
        r"|shpat_[a-fA-F0-9]{32}|sq0csp-[A-Za-z0-9_-]{43}|key-[a-f0-9]{32}|AGE-SECRET-KEY-1[A-Z0-9]{58}"
        r")(?![A-Za-z0-9])"
    ), lambda text: any(char.isdigit() for char in text)),
    Rule("TOKEN", ("authorization",), "", re.compile(
        r"(?i)\bauthorization[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}"
        r"(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})"
    )),
    Rule("TOKEN", ("bearer", "basic", "token"), "", re.compile(
        r"(?i)\b(?:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{20,})"
    ), _token),
    Rule("SECRET", ("passw", "pwd", "secret", "key", "token"), "", re.compile(
        r"(?i)(?:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token)"
        r"[\"'\\]{0,3}[ \t]{0,8}[:=][ \t]{0,8}[\"'\\]{0,3}([^\s\"'\\,;}{)(\[\]<>$]{8,256}+)(?![(\[])"
    ), _secret),
    Rule("URL_CREDENTIALS", (), "://[^\\s/@]{0,128}:", re.compile(
        r"://([^\s/:@\"'<>]{1,128}:[^\s/@\"'<>]{1,256})@"
    )),
    Rule("EMAIL", ("@", "%40"), "", re.compile(
        r"(?<![\w.+-])([\w.+-]{1,64}(?:@|%40)(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24})(?!\w)"
    ), _email),
    Rule("CARD", (), _NUMBERS, re.compile(
        r"(?<![\w.+/-])([1-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\2\d{4}\2\d{4}(?:\2\d{3})?|3\d{3}([ -])\d{6}\3\d{4,5})"
        r"(?![\w-]|\.\d|[ ]\d{4}\b)"
    ), _card),
    Rule("IP", (), r"\.[0-9]{1,3}\.[0-9]", re.compile(
        r"(?<![\w.])(?<![A-Za-z]/)(?<!==)((?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3})"
        r"(?!\.?\w|-[A-Za-z])"
    ), _ip),
    Rule("IP", (), r":(?::|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:)", re.compile(
        r"(?<![\w:.])([0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,33})(?![\w:])"
    ), _ip),
    Rule("PHONE", ("+",), _NUMBERS, re.compile(
        r"(?<![\w.+/*-])((?:\+\d(?:[ .()-]{0,2}\d){8,14}"
        r"|(?:001[ .-])?(?:\([2-9]\d\d\)[ .-]?\d{3}[ .-]\d{4}|[2-9]\d\d([ .-])\d{3}\2\d{4}))(?:x\d{1,5})?"
        r"|(?<!\d[ .-])\(?0\d{1,4}\)?(?:[ .-]\d{2,4}){2,4})(?![\w/=*:-]|\.\d| ?\d)"
    ), _phone),
)  # fmt: skip


_FIRST = re.compile("[0-9@]").search
_NO_RULES: tuple[Rule, ...] = ()


def may_hold(text: str) -> bool:
    """False when no rule can find anything in a text; JSON text counts as the texts in it, unless it has escapes."""
    return bool(hinted(text))


def hinted(text: str) -> Sequence[Rule]:
    """Rules that may find something in a text. Most texts are through after a few passes that look for one thing."""
    if (
        not _FIRST(text)
        and "-----BEGIN" not in text
        and "eyJ" not in text
        and "uthorization" not in text
        and "UTHORIZATION" not in text
    ):
        return _NO_RULES
    lowered = text.lower()
    found: list[Rule] = []
    shapes: dict[str, bool] = {}
    for rule in RULES:
        for word in rule.words:
            if word in lowered:
                found.append(rule)
                break
        else:
            shape = rule.shape
            if shape:
                if shape not in shapes:
                    shapes[shape] = rule.find_shape(text) is not None
                if shapes[shape]:
                    found.append(rule)
    return found


_PASSWORD_KEY = re.compile(r"(?i)(?:.*[^a-z])?(?:pass(?:word|wd|phrase)|pwd)|.*Pass(?:word|phrase)")
_SECRET_KEY = re.compile(
    r"(?i)(?:.*[_.\s-])?(?:secret|(?:api|access|secret|private|account)[_-]?key"
    r"|(?:client|app|consumer)[_-]?secret|(?:access|auth|refresh|id|api|bearer)[_-]?token)"
)
_PLACEHOLDER = re.compile(
    r"(?i)(?:string|password|secret|required|optional|hidden|redacted|none|null|true|false|[*x.]+)"
)


def kind_of_key(key: str, text: str) -> str | None:
    """Kind of a text leaf as the key of its JSON object tells it; None where it tells nothing."""
    if not 6 <= len(text) <= 4096 or len(key) > 64 or _PLACEHOLDER.fullmatch(text):
        return None
    if _PASSWORD_KEY.fullmatch(key):
        # A short word is left: replaced everywhere in the trace it would do more harm than good.
        word = len(text) < 8 and text.isalpha()
        return None if word or any(char.isspace() for char in text) else "SECRET"
    if _SECRET_KEY.fullmatch(key):
        return "SECRET" if _secret(text) and " " not in text else None
    if key.lower().endswith("authorization"):
        scheme, _, credentials = text.partition(" ")
        return "TOKEN" if len(scheme) < 10 and len(credentials) >= 8 and " " not in credentials else None
    return None


def names_secret(json_text: str) -> bool:
    """False when no key of the JSON text says that its value is secret."""
    lowered = json_text.lower()
    return any(word in lowered for word in ("pass", "pwd", "secret", "key", "token", "authorization"))
