"""Personal values that their own shape, a checksum or the words before them give away."""

import re
from collections.abc import Callable

from streams.core.redact import checks
from streams.core.redact.places import IBAN_LENGTHS
from streams.core.redact.rule import Rule, starting
from streams.core.redact.words import ORDINARY, PLACEHOLDERS, ROLES, TECHNICAL, names_things, word_set

_NUMBERS = (
    r"[0-9][0-9][0-9](?:[0-9]{10}|[0-9]?[ -][0-9]{4}|\)?[ .-]?[0-9]{3}[ .-][0-9])"
    r"|0[0-9]{1,4}\)?[ .-][0-9]{2,4}[ .-][0-9]"
)
_NO_WORD_AFTER = r"(?![\w-]|\.\d)"
_MONTHS = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec)[a-z]{0,6}"
DATE = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})"
    rf"|{_MONTHS}\.? \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTHS}\.?,? \d{{4}})"
)
"""A whole date, in figures or with the name of the month."""


def _spoken(
    kind: str, words: str, value: str, accept: Callable[[str], bool], hint: str | None = None, gap: str = ""
) -> Rule:
    """A value of which words before it say what it is: "passport number is X", "SSN: X"."""
    link = (
        r"(?:[ \t_-]{0,3}(?:number|numbers|no\.?|nr\.?|num\.?|code|id|#|details))?"
        r"[\"'\\]{0,3}[ \t]{0,3}(?:[:=#(]|is|was|are|as|to|of)?[ \t]{0,3}(?:now |still |also )?[\"'\\#:]{0,3}" + gap
    )
    hint = hint or words
    if "[0-9]" not in hint:
        hint = rf"(?:{hint})[^\n]{{0,40}}[0-9]"
    return Rule(
        kind,
        hint,
        re.compile(rf"(?i)(?<![\w-])(?:{words})(?![a-z0-9]){link}(?!(?<=\\)u[0-9a-f]{{4}})({value}){_NO_WORD_AFTER}"),
        accept,
        _beginning(words),
    )


def _beginning(words: str) -> re.Pattern[str]:
    """Where one of the words may begin, in either case: with the letter that opens an alternative or a group. Letters
    of groups further in are among them; they do no harm."""
    letters = {opening[-1] for opening in re.findall(r"(?:^|\||\(\?:)[a-z]", words)}
    return starting("".join(char + char.upper() + _SAME.get(char, "") for char in sorted(letters)), r"\w-")


_SAME = {"i": "\u0130\u0131", "s": "\u017f", "k": "\u212a"}
"""Letters beyond ASCII that `re` takes for one of ASCII where case does not matter."""


def _iban_shapes() -> str:
    """Countries by the length of their numbers: a word behind one is never taken for its last group."""
    by_length: dict[int, list[str]] = {}
    for country, length in IBAN_LENGTHS.items():
        by_length.setdefault(length, []).append(country)
    shapes = []
    for length, countries in sorted(by_length.items()):
        groups, rest = divmod(length - 4, 4)
        tail = f"[ -]?[A-Za-z0-9]{{{rest}}}" if rest else ""
        shapes.append(f"(?i:{'|'.join(countries)})\\d\\d(?:[ -]?[A-Za-z0-9]{{4}}){{{groups}}}{tail}")
    return "|".join(shapes)


_RECORD = r"[A-Za-z0-9](?:[A-Za-z0-9]|[-/ .](?=[A-Za-z]{0,3}\d)){3,24}"

_NUMBER_NEAR = r"[^0-9]{0,30}[0-9][0-9 .()-]{5,16}[0-9]"
_SPOKEN_PHONE = (
    r"(?: ?(?:number|no\.?|nr\.?|#))?"
    r"(?:[ \t]{0,3}(?:[:=]|is|at|on|to|me|us|him|her|them|call|or|me at|us at|you at|me on|you on))?"
    r"(?: (?:at|on|is|to))?\s{0,3}"
    r"(\+?\(?\d{1,5}\)?(?:[ .-]?\(?\d{1,5}\)?){1,5}(?: ?(?:x|ext\.?) ?\d{1,5})?)(?![\w/:%$-]|[.,]\d)"
)

ID_RULES: tuple[Rule, ...] = (
    # The set stands first, so that `re` can look for it, and is not given back: neither @ nor % is in it.
    Rule("EMAIL", "@|%40", re.compile(
        r"([\w.+-](?<![\w.+-].)[\w.+-]{0,63}+(?:@|%40)(?:\w(?:[\w-]{0,61}\w)?\.){1,8}[^\W\d_]{2,24})(?!\w)"
    ), checks.email),
    Rule("IBAN", r"[a-z][a-z][0-9][0-9][ -]?[a-z0-9]{4}[ -]?[a-z0-9]{4}[ -]?[a-z0-9]{3}", re.compile(
        rf"(?<![A-Za-z0-9])(?=[A-Za-z]{{2}}\d\d)({_iban_shapes()})(?![A-Za-z0-9])"
    ), checks.iban),
    Rule("CARD", _NUMBERS, re.compile(
        r"(?<![\w.+/-])([1-6]\d{12,18}|[2-6]\d{3}([ -])\d{4}\2\d{4}\2\d{4}(?:\2\d{3})?|3\d{3}([ -])\d{6}\3\d{4,5})"
        r"(?![\w-]|\.\d|[ ]\d{4}\b)"
    ), checks.card, starting("1-6", r"\w.+/-")),
    _spoken("CARD", "card|cc", r"\d(?:[ -]?\d){11,18}", checks.luhn_number, hint="(?:card|cc)[^0-9]{0,24}[0-9]{4}"),
    Rule("NATIONAL_ID", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]", re.compile(
        r"(?<![\w.])(\d{3}\.\d{3}\.\d{3}-\d{2})(?![\w.-])"), checks.cpf),
    Rule("NATIONAL_ID", r"[a-z]{6}[0-9][0-9][a-z][0-9][0-9][a-z][0-9]{3}[a-z]", re.compile(
        r"(?<![A-Za-z0-9])([A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z])(?![A-Za-z0-9])"), checks.italian),
    Rule("NATIONAL_ID", r"[12] [0-9][0-9] [0-9][0-9] [0-9][0-9] [0-9]{3} [0-9]{3}", re.compile(
        r"(?<![\w.])([12] \d{2} \d{2} \d{2} \d{3} \d{3} \d{2})(?![\w.])"), checks.french),
    Rule("NATIONAL_ID", r"[a-z][a-z] [0-9][0-9] [0-9][0-9] [0-9][0-9] [a-d]", re.compile(
        r"(?<!\w)([A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \d\d \d\d \d\d [A-D])(?!\w)")),
    _spoken("NATIONAL_ID", "national insurance|nino|ni", r"[A-Za-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]", bool,
            hint=r"[a-z][a-z] ?[0-9][0-9] ?[0-9][0-9] ?[0-9][0-9] ?[a-d]"),
    _spoken("NATIONAL_ID", "nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", checks.nhs),
    _spoken("NATIONAL_ID", "dni|nie|nif", r"[XYZxyz]?\d{7,8}[- ]?[A-Za-z]", checks.spanish, hint="ni[ef]|dni"),
    _spoken("NATIONAL_ID", "pesel", r"\d{11}", checks.pesel),
    _spoken("NATIONAL_ID", "bsn|burgerservicenummer", r"\d{9}", checks.bsn),
    _spoken("NATIONAL_ID", "sin|social insurance", r"\d{3}[ -]?\d{3}[ -]?\d{3}", checks.luhn_number,
            hint=r"(?:sin|social insurance)[^0-9]{0,24}[0-9]{3}"),
    _spoken("NATIONAL_ID", "personnummer|personal identity", r"(?:\d{2})?\d{6}[-+]?\d{4}", bool),
    _spoken("NATIONAL_ID", "steuer-?id|steueridentifikationsnummer|idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
            checks.german_tax_id),
    _spoken("NATIONAL_ID", "aadhaar|aadhar", r"\d{4}[ -]?\d{4}[ -]?\d{4}", checks.aadhaar),
    _spoken("NATIONAL_ID", "pan(?: card)?", r"[A-Z]{5}\d{4}[A-Z]", bool, hint=r"[a-z]{5}[0-9]{4}[a-z]"),
    _spoken("NATIONAL_ID", "cpf|tfn|tax file|curp|nric|hkid|emirates id|cedula|rut", _RECORD, checks.record_number),
    _spoken("NATIONAL_ID", "national id(?:entity)?(?: card)?|identity card|id card|citizen id|tax(?:payer)? id|tin|vat",
            _RECORD, checks.record_number,
            hint="(?:identity|id card|citizen id|tax(?:payer)? id|national id|tin|vat)[^0-9]{0,24}[0-9]"),
    _spoken("PASSPORT", "passport|reisepass|passeport|pasaporte|passaporte|paspoort", _RECORD, checks.record_number),
    _spoken("DRIVER_LICENSE", r"driv(?:er'?s?|ing)[ _]?licen[cs]e|dl|führerschein|permis de conduire"
                              r"|licencia de conducir",
            _RECORD, checks.record_number, hint=r"licen[cs]e|\bdl[^a-z]|hrerschein|permis de|licencia"),
    Rule("NATIONAL_ID", r"[0-9]{17}[0-9x]", re.compile(r"(?<![\w.-])(\d{17}[\dXx])(?![\w.-])"), checks.chinese),
    Rule("NATIONAL_ID", r"[0-9]{6}-[1-4][0-9]{6}", re.compile(
        r"(?<![\w.-])(\d{6}-[1-4]\d{6})(?![\w.-])"), checks.korean),
    _spoken("LICENSE", r"licen[cs]e|certificate|npi|dea", _RECORD, checks.record_number,
            hint=r"(?:licen[cs]e|certificate|npi|dea)[^0-9]{0,24}[0-9]"),
    Rule("SSN", r"[0-9]{3}-[0-9][0-9]-[0-9]{4}", re.compile(
        r"(?<![\w.+-])(?<!\d[ /])(\d{3}-\d{2}-\d{4})(?![\w-]|\.\d)"), checks.ssn),
    _spoken("SSN", "ssn|social security|social|itin", r"\d{3}[ -]?\d{2}[ -]?\d{4}", checks.ssn),
    _spoken("MEDICAL_RECORD", r"mrn|medical record|(?:patient|chart|encounter|health record)(?= ?(?:id|no|num|#"
                              r"|record))",
            _RECORD, checks.record_number, hint="mrn|medical rec|patient|chart|encounter|health rec"),
    _spoken("HEALTH_PLAN", r"health plan|insurance|(?:member|subscriber|beneficiary|policy)(?= ?(?:id|no|num|#))"
            r"|medicare|medicaid|group(?= ?(?:no|num|#))", _RECORD, checks.record_number,
            hint="health plan|insurance|member|subscriber|beneficiary|policy|medica|group"),
    _spoken("ACCOUNT", r"(?:bank |checking |savings |customer )?(?:account|acct\.?|acc\.?|a/c)|routing|sort code|bsb"
            r"|aba|kto\.?|kontonummer|clabe|iban",
            r"\d(?:[ -]?\d){4,16}|[A-Z]{2,4}-?\d{6,16}", checks.record_number,
            hint=r"(?:account|acct?|a/c|routing|sort code|bsb|aba|kto|konto|clabe|iban)[^0-9]{0,24}[0-9]"),
    _spoken("VEHICLE", "vin|vehicle identification|chassis", r"[A-HJ-NPR-Z0-9]{17}", checks.vin),
    _spoken("VEHICLE", r"licen[cs]e plate|number plate|plate|registration", r"[A-Z0-9]{1,4}[- ]?[A-Z0-9]{2,5}",
            lambda text: any(c.isdigit() for c in text) and text.upper() == text and len(text) > 4,
            hint="plate|registration"),
    _spoken("DEVICE", "imei", r"\d{15}", checks.luhn_number),
    _spoken("DEVICE", r"serial(?= ?(?:no|num|#))|device(?= ?(?:id|no|serial|num))|udi|imsi|udid", _RECORD,
            checks.record_number, hint="serial|device|udi|imsi"),
    _spoken("BIOMETRIC", "fingerprint|voice ?print|iris scan|retina scan|face ?id|biometric", _RECORD,
            checks.record_number, hint="fingerprint|voice|scan|face|biometric"),
    Rule("IP", r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]", re.compile(
        r"(?<![\w.])(?<![A-Za-z]/)(?<!==)(?<![Vv]ersion )(?<!ection )(?<!ernel )(?<!elease )(?<!uild )(?<!pip )"
        r"((?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3})"
        r"(?!\.?\w|-[A-Za-z])"
    ), checks.ip, starting(r"\d", r"\w.")),
    Rule("IP", r":(?::|[0-9a-f]{1,4}:[0-9a-f]{1,4}:)", re.compile(
        r"(?<![\w:.])([0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]{1,33})(?![\w:])"
    ), checks.ip),
    Rule("PHONE", r"\+[0-9]|0[0-9]{1,4}\)?[ /-][0-9]{6}|" + _NUMBERS, re.compile(
        r"(?<![\w.+/*-])((?:\+\d(?:[ .()/-]{0,2}\d){8,14}"
        r"|(?<!\d[ .-])(?:(?:001|1)[ .-])?(?:\([2-9]\d\d\)[ .-]?\d{3}[ .-]\d{4}|[2-9]\d\d([ .-])\d{3}\2\d{4}))"
        r"(?:,? ?(?:x|ext\.?) ?\d{1,5})?"
        r"|(?<!\d[ .-])\(?0\d{1,4}\)?(?:[ .-]\d{2,4}){2,4}"
        r"|(?<!\d[ .-])\(?0(?![467][0-7]{2} )[1-9]\d{0,3}\)?[ /-]\d{6,8})(?![\w/=*:-]|\.\d| ?\d)"
    ), checks.phone, starting(r"+(\d", r"\w.+/*-")),
    Rule("PHONE", rf"(?:phone|cell|mobile|mob|sms|fax|tel|whatsapp|hotline|m.{{1,2}}vil|handy){_NUMBER_NEAR}",
         re.compile(
        r"(?i)(?<![a-z])(?:(?:tele)?phone|cell|mobile|mob|sms|fax|tel|whatsapp|hotline|móvil|handy)"
        rf"{_SPOKEN_PHONE}"
    ), checks.spoken_phone, starting("tpcmsfhwTPCMSFHW\u017f", "a-zA-Z")),
    Rule("PHONE", r"(?:call|messages? to|reach|answer|dial|text|ring|desk|office|home|work|contact|number|registered)"
                  rf"{_NUMBER_NEAR}", re.compile(
        r"(?i)(?<![a-z])(?:call|calling|messages? (?:to|at)|reach|answering|dial|text(?:ed)?|ring"
        r"|desk|office|home|work|contact|number|registered)"
        rf"{_SPOKEN_PHONE}"
    ), checks.vaguely_spoken_phone, starting("tcmradohnwTCMRADOHNW", "a-zA-Z")),
)  # fmt: skip

_CAP = r"[^\W\d_a-z][^\W\d_]*(?:['’-][^\W\d_]+)?"
_BIRTH = (
    r"born(?: on| in)?|d\.?o\.?b\.?|dates?[ _-]?of[ _-]?birth|birth[ _-]?dates?|birthday|geburtsdatum|geb\."
    r"|geboren(?: am| op)?|geboortedatum|date de naissance|fecha de nacimiento|data d[ei] (?:nascimento|nascita)"
)
"""Words that speak of a birth."""
_BIRTH_DATE = (
    rf"\d{{1,2}}[- ]?{_MONTHS}[- ,]{{0,2}}\d{{4}}|(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d"
    r"|\d{1,2}\.? (?:de )?[^\W\d_]{3,10}\.? (?:de )?\d{4}"
)
"""How dates are written beside such words only."""
_TITLES = r"Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Sir|Madam|Herr|Frau|Monsieur|Madame|Señor|Señora|Signor|Signora"

_NO_NAMES = word_set(
    """The A An My Your His Her Our Their It This That These Those Not No Yes I You He She We They Sir Madam
    Customer User Team Support Hiring Valued All Everyone Friend Friends Colleague Colleagues Mr Mrs Ms Miss Dr
    Prof Is In On At String None Null True False"""
)


def _said_name(text: str) -> bool:
    """What is said to be a name: no identifier of a program, no phrase."""
    words = text.split()
    in_code = (
        len(words) == 1 and _CAMEL.search(text) is not None and not text.startswith(("Mc", "Mac", "De", "La", "Di"))
    )
    known = all(word.lower() in ORDINARY or word.lower() in PLACEHOLDERS for word in words)
    things = any(word.lower() in TECHNICAL or word.lower() in ROLES for word in words)
    return words[0] not in _NO_NAMES and not in_code and not known and not things


_NAME_WORDS = (
    r"(?:first|last|given|family|middle|full|maiden|legal|customer|passenger|patient|guest|client|holder|contact"
    r"|recipient|sender)[_ -]?name|forename|surname|vorname|nachname|apellidos?"
)
_ADDRESS_WORDS = r"(?:street|billing|shipping|delivery|mailing|home|postal)[_ -]?address(?:[_ -]?line[_ -]?1)?|address"
_CAMEL = re.compile(r"[a-z][A-Z]")

LIFE_RULES: tuple[Rule, ...] = (
    Rule("DATE_OF_BIRTH", r"born|dob|d\.o\.b|birth|naissance|nacimiento|nascimento|nascita|geb(?:oren|urts|oorte|\.)",
         re.compile(
        rf"(?i)(?<![a-z])(?:{_BIRTH})[\"'\\]{{0,3}}[ \t]{{0,3}}(?:\([a-z/-]{{4,12}}\))?"
        r"[ \t]{0,3}(?:[:=>(|,-]|is|was|as|on|to|of|am)?(?: on)?\s{0,3}(?:the )?[\"'\\(|]{0,3}[ \t]?"
        rf"({DATE}|{_BIRTH_DATE})(?![\w/-])"
    ), checks.date, starting("bBdDgGfF", "a-zA-Z")),
    Rule("DATE_OF_BIRTH", r"birthday (?:is|on|was)", re.compile(
        rf"(?i)\bbirthday (?:is|was)?(?: on)? ?({_MONTHS} \d{{1,2}}(?:st|nd|rd|th)?"
        rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTHS})(?![\w]|,? \d)"
    )),
    Rule("AGE", r"year|yr|y/?o\b|turn|aged?[^a-z]|when (?:s?he|they|i)|i'?m ", re.compile(
        r"(?i)(?<![\w.])(\d{1,3})(?=(?: |-)?(?:years?|yrs?)[ -](?:old|of age)|(?: |-)?y/?o\b|-year-old)"
        r"|\b(?:aged|turned|turns|turning|age(?: is|:| of)?) (\d{1,3})(?![\w%:/.-]\w|%)"
        r"|\bwhen (?:s?he|they|I) (?:was|were) (\d{1,3})(?![\w:/%-])"
    ), checks.age),
    Rule("DATE", r"[0-9][-/.][0-9]|[0-9] ?(?:of )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
         r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z.]{0,7} [0-9]",
         re.compile(rf"(?i)(?<![\w/.-])({DATE})(?![\w/-])")),
    Rule("PERSON", r"\b(?:mr|mrs|ms|miss|mx|dr|prof|professor|doctor|herr|frau|monsieur|madame|sir|madam"
                   r"|signora?|se.{1,2}ora?)\b",
         re.compile(
        rf"\b(?:(?i:{_TITLES}))\b\.?[ \t]{{1,2}}((?:{_CAP}|[A-Z]\.)(?:[ \t]{{1,2}}(?:{_CAP}|[A-Z]\.?)(?![\w'])){{0,3}})"
    ), lambda text: text.rstrip(".") not in _NO_NAMES, starting("mMdDpPsShHfF\u017f", r"\w")),
    Rule("PERSON", r"name is |name's |is called |named |dear [^ ]|sincerely|regards|cheers|thanks", re.compile(
        rf"(?:(?i:\bname(?: is|'s)|\bis called) (?!(?:[A-Z]+ )*[A-Z]+ ?:)({_CAP}(?: (?:{_CAP}"
        rf"|[A-Z]\.?)(?![\w'])){{0,3}})"
        rf"|(?i:\bnamed) ({_CAP} {_CAP}(?: {_CAP})?)"
        rf"|\b[Dd]ear ({_CAP}(?: {_CAP}){{0,2}})(?=[,!:\n])"
        rf"|\b(?i:sincerely|regards|cheers|thanks),?\s{{1,3}}({_CAP} {_CAP}(?: {_CAP})?)(?=\s*(?:$|\n)))"
    ), _said_name, starting("nNiIdDsSrRcCtT\u0130\u0131\u017f", r"\w")),
    Rule("PERSON", r"name[ \t]?:[ \t]", re.compile(
        rf"(?im:^(?:[ \t>*]|-(?! name)){{0,6}}(?:(?:full|first|last|patient|customer|passenger|contact) )?name[ \t]?:"
        rf"[ \t]{{1,3}})({_CAP}(?:[ \t]{{1,2}}(?:{_CAP}|[A-Z]\.?)(?![\w'])){{0,3}})(?=[ \t]*(?:$|\n|,))"
    ), lambda text: " " in text and text.split()[0] not in _NO_NAMES and not names_things(text)),
    Rule("USERNAME", r"/home/|/users/|\\users\\|settings\\", re.compile(
        r"(?:(?<![\w.])/home/|(?<![\w.])/Users/|\b[A-Za-z]:\\{1,2}(?:Users|Documents and Settings)\\{1,2})"
        r"([A-Za-z][\w.-]{2,31})(?=[/\\\s\"'`:,;)\]]|$)"
    ), checks.login),
    Rule("USERNAME", r"(?:user ?name|user ?id|login|user)(?: is|[ \t]?[:=])", re.compile(
        r"(?i)(?<![\w.-])(?:user ?name|user ?id|login|user)(?: is|[ \t]?[:=])[ \t]{0,3}[\"'`]?"
        r"(@?[a-z][\w-]{3,31})(?![\w.(\[-])"
    ), lambda text: any(char.isdigit() for char in text) and checks.login(text)),
    Rule("PERSON", rf"(?:{_NAME_WORDS})[\"'\\]{{0,3}}[ \t]{{0,2}}[:=>]", re.compile(
        rf"(?<![A-Za-z])(?i:{_NAME_WORDS})[\"'\\]{{0,3}}(?:[ \t]{{0,2}}(?:=>|[:=])[ \t]{{0,2}}|>)[bru]?[\"'\\]{{0,3}}"
        rf"({_CAP}(?: (?:{_CAP}|[A-Z]\.?)(?![\w'])){{0,3}})(?![\w.(\[])"
    ), _said_name, starting("fFlLgGmMcCpPhHrRsSvVnNaA\u017f", "A-Za-z")),
    Rule("ADDRESS", rf"(?:{_ADDRESS_WORDS})[\"'\\]{{0,3}}[ \t]{{0,2}}[:=>]", re.compile(
        rf"(?i)(?<![a-z])(?:{_ADDRESS_WORDS})[\"'\\]{{0,3}}(?:[ \t]{{0,2}}(?:=>|[:=])[ \t]{{0,2}}|>)"
        r"(?:\"([^\"\n\\<]{5,120})\"|'([^'\n\\<]{5,120})')"
    ), checks.address, starting("sSbBdDmMhHpPaA\u017f", "a-zA-Z")),
    Rule("TITLE", r"\b(?:mr|mrs|ms|miss|mx|dr|prof)\b", re.compile(
        r"(?<![\w.])((?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|MRS)\b\.?|MR\.|(?:mr|mrs|ms|dr|prof)\.|mrs)"
        r"(?=[ \t]{1,2}[^\W\d_]['’\w])"
    )),
    Rule("URL", r"https?://|www\.", re.compile(r"(?i)\b((?:https?://|www\.)[^\s\"'<>)\]}]{3,2048}[^\s\"'<>)\]}.,;:!?])")),
    Rule("DEVICE", r"(?:[0-9a-f]{2}[:-]){5}[0-9a-f]", re.compile(
        r"(?<![\w:-])((?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2})(?![\w:-])"
    ), lambda text: any(char.isdigit() for char in text)),
    Rule("PHOTO", "data:image/", re.compile(r"(data:image/[a-z+.-]{2,12};base64,[A-Za-z0-9+/=]{64,})")),
)  # fmt: skip
