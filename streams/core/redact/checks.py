"""Checksums and plausibility: what tells a number of a person from any other number. Pure functions of text to bool."""

import ipaddress
import re

from streams.core.redact.places import IBAN_LENGTHS
from streams.core.redact.words import NOT_ALONE, ORDINARY, PLACEHOLDERS, ROBOTS, TECHNICAL, word_set


def digits_of(text: str) -> str:
    """Its decimal digits."""
    return "".join(char for char in text if "0" <= char <= "9")


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 check digit."""
    numbers = [int(char) for char in digits]
    return (sum(numbers[-1::-2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[-2::-2])) % 10 == 0


# Length and first digits of the large card schemes: of numbers that are none, one in ten passes the checksum too.
_ISSUERS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11}|35\d{14}|(?:2131|1800)\d{11}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}"
)


def card(text: str) -> bool:
    """Card number of a large scheme."""
    digits = digits_of(text)
    return luhn(digits) and bool(_ISSUERS.fullmatch(digits))


def iban(text: str) -> bool:
    """ISO 13616: length of its country, and mod 97."""
    plain = text.replace(" ", "").replace("-", "").upper()
    if IBAN_LENGTHS.get(plain[:2]) != len(plain):
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def ip(text: str) -> bool:
    """An address that may name somebody."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if address.version == 6:
        # Short forms such as a::b are code more often than addresses; 100::/64 is where pseudonyms live.
        groups = text.split(":")
        return groups[0] != "100" and any(len(group) > 2 for group in groups) and any(char.isdigit() for char in text)
    # Loopback, "this network", masks and multicast name nobody; 2.0.0.0 is a network at most, and often a version.
    return (
        0 < int(text.partition(".")[0]) < 224
        and not address.is_loopback
        and not text.endswith(".0.0.0")
        and text not in _RESOLVERS
    )


_RESOLVERS = frozenset({"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4"})
"""Of everybody."""


def phone(text: str) -> bool:
    """A number that a network could have given; "+999" and "000" are pseudonyms."""
    digits = digits_of(text.partition("x")[0])
    if text.startswith("+1"):
        return len(digits) == 11 and digits[1] in "23456789"
    if text.startswith("+"):
        return 9 <= len(digits) <= 15 and not digits.startswith(("999", "0")) and not _DATE.match(text, 1)
    if text.lstrip("(").startswith("0") and not text.startswith("001"):
        # National numbers with their leading 0. Bytes in hexadecimal and dates look much alike.
        pairs = _PAIRS.fullmatch(text)
        return (
            9 <= len(digits) <= 11
            and not digits.startswith("000")
            and not _DATE.match(text)
            and (pairs is None or len(digits) == 10)
        )
    return True


_DATE = re.compile(r"(?:19|20)\d\d[-./ ]\d\d?[-./ ]\d\d?|\d\d?[-./ ]\d\d?[-./ ](?:19|20)\d\d")
_PAIRS = re.compile(r"\d\d(?:[ .-]\d\d)+")


def vaguely_spoken_phone(text: str) -> bool:
    """The same where those words speak of many things: a bare number has ten digits then, and an extension a space."""
    if "x" in text and " " not in text.partition("x")[0][-1:] and len(digits_of(text.partition("x")[0])) < 9:
        return False
    return spoken_phone(text) and not (text.isdigit() and len(text) < 10) and not _THOUSANDS.fullmatch(text)


_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]000)+")


def date(text: str) -> bool:
    """Not a number that is no day."""
    digits = digits_of(text)
    return not text.isdigit() or ("01" <= digits[4:6] <= "12" and "01" <= digits[6:8] <= "31")


_LOGIN_ENDS = re.compile(r"[._-]?\d*$")


def login(text: str) -> bool:
    """A login that may be a person's: not that of a robot, a machine or an example."""
    word = text.lstrip("@").lower()
    stem = _LOGIN_ENDS.sub("", word)
    known = word in ROBOTS or stem in ROBOTS or stem in PLACEHOLDERS or stem in ORDINARY or stem in TECHNICAL
    return not known and stem not in NOT_ALONE and stem not in _MACHINES and "redacted" not in word


_MACHINES = word_set(
    """runner runneradmin vscode shared public app dev developer circleci jenkins travis jovyan sandbox agent swe
    openhands project projects work claude ec2-user centos vagrant pi coder gitpod codespace codespaces default deploy
    builder airflow mambauser linuxbrew build-user appuser appveyor hadoop spark web www www-data worker opc core
    runtime workspace codebase envs env conda miniconda miniconda3 anaconda anaconda3 assist src repo data
    site-packages username user_name user_id login_id alice bob"""
)
"""Home directories that machines and manuals have."""


def spoken_phone(text: str) -> bool:
    """A number that words around it call a phone number."""
    digits = digits_of(text)
    return 7 <= len(digits) <= 15 and not digits.startswith(("999", "000")) and not _DATE.fullmatch(text)


def secret(text: str) -> bool:
    """A value that a person or a machine made up: not a word, a call, a path or a placeholder."""
    if not any(char.isdigit() for char in text) or not any(char.isalpha() for char in text):
        return False
    if text[0] in "/.\\$" and not _BASE64.fullmatch(text):
        return False
    return not _NAME_IN_CODE.fullmatch(text) and not _PSEUDONYM.fullmatch(text)


def quoted_secret(text: str) -> bool:
    """The same of a value in quotes: it has no end that a word could make, and may hold any sign."""
    return secret(text) and not _TEMPLATE.search(text)


def is_id(text: str) -> bool:
    """An id by its shape: a UUID, one that begins with what it is of, or short words with hyphens between them."""
    return _ID.fullmatch(text) is not None


def long_secret(text: str) -> bool:
    """A secret where the words before it speak of other things as often: no id by its shape, no path, no name."""
    return token(text) and not is_id(text) and not ("/" in text and _WORDS.search(text))


# A key in base64 may begin with a slash; of a path a part is a word.
_BASE64 = re.compile(r"/(?!.*(?:^|[/+])[a-z]{3,}(?:[/+]|$))(?=.*[A-Z])[A-Za-z0-9+/]{24,}={0,2}")
_NAME_IN_CODE = re.compile(
    r"_*+[a-z]++\d{0,2}+(?:[._]++[a-z]*+\d{0,2}+)++|[A-Z_]+\d?|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|%\w+%"
    r"|[A-Za-z_]+(?:\d{1,2}_[A-Za-z_]*)*\d{0,2}(?:\.[A-Za-z_]+(?:\d{1,2}_[A-Za-z_]*)*\d{0,2})+"
)
_TEMPLATE = re.compile(r"\$\{|\{\{|%\(|<[a-z_ -]+>")
_ID = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?i:call|toolu|msg|message|chatcmpl|run|req|resp|session|thread|conv|conversation|chat|user|agent|task|trace|span"
    r"|step|item|event|job|build|order|cus|file|asst)[-_][\w-]*|[a-z0-9]{1,16}(?:[-_][a-z0-9]{1,16})+"
)
_WORDS = re.compile(r"(?:^|/)[a-z]{3,}(?:/|$)")
_PSEUDONYM = re.compile(r"\[?[A-Z_]+-[0-9a-f]{10}\]?")


def token(text: str) -> bool:
    """A secret that is no path."""
    return secret(text) and not any(part in text for part in ("..", "//"))


def email(text: str) -> bool:
    """git@host is how a repository is named; "1.2.3-beta.next" is a version; ".invalid" are pseudonyms."""
    local, _, domain = text.replace("%40", "@").partition("@")
    return (
        local != "git"
        and local[-1:] not in ("-", "+")
        and not domain.partition(".")[0].isdigit()
        and domain != "redacted.invalid"
        and domain.rpartition(".")[2].lower() not in _FILE_ENDS
    )


_FILE_ENDS = word_set(
    "png jpg jpeg gif webp svg js mjs css scss json html htm txt yml yaml toml lock gz map tsx jsx vue"
)
"""What is no domain: icon@2x.png."""


def ssn(text: str) -> bool:
    """A number that may have been issued."""
    digits = digits_of(text)
    return digits[:3] not in ("000", "666") and digits[3:5] != "00" and digits[5:] != "0000"


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """Sum of digits by weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def nhs(text: str) -> bool:
    """UK health service number, mod 11."""
    digits = digits_of(text)
    check = (11 - weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2)) % 11) % 11
    return len(digits) == 10 and check == int(digits[9])


def cpf(text: str) -> bool:
    """Brazil."""
    digits = digits_of(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    first = weighted(digits, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(digits, tuple(range(11, 1, -1))) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


def spanish(text: str) -> bool:
    """DNI and NIE: a letter that follows from the number."""
    plain = text.replace("-", "").replace(" ", "").upper()
    number = plain[:-1].translate(str.maketrans("XYZ", "012"))
    return number.isdigit() and plain[-1] == "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def italian(text: str) -> bool:
    """Codice fiscale: its check letter."""
    odd = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                   (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12,
                    14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip
    code = text.upper()
    even = sum(int(char) if char.isdigit() else ord(char) - 65 for char in code[1:15:2])
    return chr(65 + (sum(odd[char] for char in code[0:15:2]) + even) % 26) == code[15]


def french(text: str) -> bool:
    """NIR: key = 97 - number mod 97."""
    digits = digits_of(text)
    return len(digits) == 15 and 97 - int(digits[:13]) % 97 == int(digits[13:])


def chinese(text: str) -> bool:
    """Resident identity card, GB 11643: a birthday in it, and ISO 7064 MOD 11-2."""
    total = weighted(text[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return date(text[6:14]) and text[17].upper() == "10X98765432"[total % 11]


def korean(text: str) -> bool:
    """Resident registration number: a birthday in it."""
    return "01" <= text[2:4] <= "12" and "01" <= text[4:6] <= "31"


def address(text: str) -> bool:
    """What a key calls an address: a number and words, no link."""
    digits = any(char.isdigit() for char in text)
    return digits and sum(char.isalpha() for char in text) >= 4 and "@" not in text and "://" not in text


def pesel(text: str) -> bool:
    """Poland."""
    digits = digits_of(text)
    return len(digits) == 11 and (10 - weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10 == int(digits[10])


def bsn(text: str) -> bool:
    """Netherlands: the eleven test."""
    digits = digits_of(text)
    return len(digits) == 9 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def german_tax_id(text: str) -> bool:
    """ISO 7064 MOD 11,10."""
    digits = digits_of(text)
    if len(digits) != 11:
        return False
    product = 10
    for char in digits[:10]:
        total = (int(char) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def luhn_number(text: str) -> bool:
    """A number with a Luhn check digit: Canada's SIN, Sweden's personnummer, an IMEI."""
    return luhn(digits_of(text))


_D = [
    [(i + j) % 5 if i < 5 and j < 5 else (i + j) % 5 + 5 if i < 5 else (i - j) % 5 + 5 if j < 5 else (i - j) % 5
     for j in range(10)] for i in range(10)
]  # fmt: skip
_P = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
for _ in range(6):
    _P.append([_P[1][value] for value in _P[-1]])


def aadhaar(text: str) -> bool:
    """India: Verhoeff."""
    check = 0
    for place, char in enumerate(reversed(digits_of(text))):
        check = _D[check][_P[place % 8][int(char)]]
    return check == 0


def vin(text: str) -> bool:
    """Vehicle identification number: position 9 checks the others (North America, China; most makers use it)."""
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    numbers = (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9, *range(10))
    values = dict(zip(letters, numbers, strict=True))
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(values[char] * weight for char, weight in zip(text.upper(), weights, strict=True)) % 11
    return text[8].upper() == "0123456789X"[total] and sum(char.isdigit() for char in text) >= 4


def record_number(text: str) -> bool:
    """What words around it call somebody's number: at least four digits, no date or year, and no word before it."""
    head = _GROUP.match(text)
    of_number = head is None or head.group().isupper() or any(char.isdigit() for char in head.group())
    return (
        sum(char.isdigit() for char in text) >= 4 and of_number and not _DATE.match(text) and not _YEAR.fullmatch(text)
    )


_GROUP = re.compile(r"[A-Za-z0-9]+")
_YEAR = re.compile(r"(?:19|20)\d\d")


def age(text: str) -> bool:
    """Years of a life."""
    return text.isdigit() and 0 < int(text) < 123
