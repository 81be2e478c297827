"""Addresses, places and nationalities, by shape and by short lists."""

import re

from streams.core.redact.places import COUNTRIES, NATIONALITIES, STREET_ENDINGS, STREET_STARTS, STREET_WORDS
from streams.core.redact.rule import Rule, starting
from streams.core.redact.words import ORDINARY, TECHNICAL, word_set

_CAP = r"[^\W\d_a-z][\w'’.-]{0,30}"
_WORD = r"[^\W\d_a-z][\w'’-]{0,30}"
_NUMBER = r"\d{1,6}(?:[A-Za-z]|[-/]\d{1,4}[A-Za-z]?)?"
UNIT = (
    r"(?:Apt|Apartment|Suite|Ste|Unit|Floor|Flat|Rm|Room|Bldg|Building|Lot"
    r"|Box)\b\.? ?#?[A-Za-z]?-?\d{1,6}[A-Za-z]?|#\d{1,5}"
)
STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DC|DE|FL|GA|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|MO|MS|MT|NC|ND|NE|NH|NJ|NM|NV|NY|OH|OK|OR"
    "|PA|PR|RI|SC|SD|TN|TX|UT|VA|VT|WA|WI|WV|WY"
)
_TAIL = (
    rf"(?:[,\s]{{1,3}}(?i:{UNIT}))?"
    rf"(?:,?\s{{1,3}}(?:{_CAP}[ ]?){{1,3}},?\s{{1,2}}(?:{STATES})\b(?:,?\s{{1,2}}\d{{5}}(?:-\d{{4}})?\b)?)?"
)
_COUNTING = word_set("in is are of and or to with the for at by ran has was from free failed passed took")
_UK_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}"


_WORDS_TOO = word_set("polish christian catholic indian georgian african korean german french persian")


def _street_before_unit(text: str) -> bool:
    """No sentence that counts things: "12 tests in suite 3"."""
    lower = re.findall(r"(?<![\w'’-])[a-zß-öø-ÿ]{2,}", text)
    return not any(word in TECHNICAL or word in _COUNTING for word in lower)


_PLACE = rf"{_WORD}(?: (?:(?:de|del|do|da|of|am|an der|sur|la|upon) )?{_WORD}){{0,2}}"
_PLACE_CUES = (
    r"[Bb]ased in|[Ll]ocated in|[Oo]riginally from|I(?: am|'m) in|[Ll]iv(?:e|es|ed|ing) in|[Bb]orn in|[Rr]aised in"
    r"|[Mm]ov(?:ed?|ing) (?:here |back )?(?:from|to)|[Tt]ravell?(?:ing|ed)? to|(?:[Tt]rip|[Vv]isit|[Mm]ove"
    r"|[Jj]ourney) to"
    r"|[Vv]isit(?:ing|ed)?|[Rr]eturn(?:s|ed|ing)? (?:to|from)|[Bb]ack from|[Aa]rriv(?:e|es|ed|ing) (?:at|in)"
    r"|[Ff]l(?:ew|y|ying) (?:from|to)|[Ff]lights? (?:from|to)|[Rr]esid(?:e|es|ing) in|[Gg]rew up in"
    r"|[Cc]om(?:e|es|ing) from"
    r"|[Cc]ame (?:to|from)|[Ww]ent to|[Ss]tudied in|[Mm]ayor of"
    r"|(?:[Ss]treet|[Cc]ity|[Tt]own|[Vv]illage|[Rr]egion|[Cc]apital|[Hh]otel|[Rr]estaurant|[Bb]ranch|[Cc]ourt"
    r"|[Ee]mbassy|[Uu]niversity|[Aa]irport|[Hh]ospital|[Pp]lant) (?:in|of|at)"
)
_PLACE_CUES_HINT = (
    r"based in|located in|from|i am in|i'm in|liv(?:e|es|ed|ing) in|born in|raised in|mov(?:ed?|ing)|travel|trip to"
    r"|visit"
    r"|journey|return|arriv|fl(?:ew|y|ying|ights?) |resid|grew up in|came to|went to|studied in|mayor of"
    r"|(?:street|city|town|village|region|capital|hotel|restaurant|branch|court|embassy|university|airport|hospital|plant"
    r") (?:in|of|at)"
)


def _place(text: str) -> bool:
    words = text.lower().split()
    return words[0] not in ORDINARY and words[0] not in TECHNICAL and text[-1] not in "'"


PLACE_RULES: tuple[Rule, ...] = (
    # the corner of 12 Elm Street and Long Lane
    Rule("ADDRESS", r"corner of|junction of|intersection of", re.compile(
        rf"(?<!\w)((?:the )?(?:corner|junction|intersection) of (?:[\w'’.-]{{1,30}} ){{1,6}}(?:and|&) "
        rf"(?:{_WORD}|\d{{1,6}}|[a-z]{{1,4}}\.?)(?: (?:{_WORD}\.?|\d{{1,6}}|[a-z]{{1,3}}\.)){{0,3}})(?!\w)"
    )),
    # 12 Oak Street, Apt 4, Springfield, IL 62704
    Rule("ADDRESS", rf"[0-9a-z] (?:[^\n]{{1,60}} )?(?:{STREET_WORDS})\b", re.compile(
        rf"(?<![\w.$€£#/-])({_NUMBER},? (?:(?:[NSEW]|N[EW]|S[EW])\.? )?(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th)) ){{1,4}}"
        rf"(?:{STREET_WORDS})\b(?!')\.?(?: (?:[NSEW]|N[EW]|S[EW])\b(?!\.\w))?{_TAIL})"
    ), start=starting(r"\d", r"\w.$€£#/-")),
    # 4844 Any Words 12 Apt. 3
    Rule("ADDRESS", r"[0-9][a-z0-9/-]{0,6} [^\n]{1,90}\s{1,3}"
                    r"(?:apt|apartment|suite|ste|unit|floor|flat|rm|room|bldg|building|lot|box|#)", re.compile(
        rf"(?<![\w.$€£#/-])((?:{_NUMBER} ){{1,2}}(?:[^\W\d_][\w'’.-]{{0,30}} ){{0,4}}"
        rf"(?:[^\W\d_][\w'’.-]{{0,30}}|\d{{1,5}}[A-Za-z]?\.?)"
        rf",?\s{{1,3}}(?i:{UNIT})(?:,?\s{{1,3}}(?i:{UNIT}))?)(?!\w)"
    ), _street_before_unit, starting(r"\d", r"\w.$€£#/-")),
    # Hauptstraße 12a, 10115 Berlin
    Rule("ADDRESS", r"(?:stra.{1,2}e|str\.|gasse|weg|platz|all.{1,2}e?|ufer|damm|laan|straat|plein|gracht"
                    r"|kade|dreef|gade|vej"
         r"|v.{1,2}nget|gatan|v.{1,2}gen|stigen|gata|veien|vegen|katu|tie|kuja|polku)\.? [0-9]", re.compile(
        rf"(?<!\w)((?:{_CAP}[ -]){{0,2}}[^\W\d_a-z]\w{{2,30}}(?:{STREET_ENDINGS})\.? \d{{1,4}}(?: ?[a-z]\b)?"
        rf"(?:,? (?:[A-Z]{{1,2}}-)?\d{{4,5}} {_CAP})?)(?![\w-])"
    )),
    # 5 rue de la Paix, Calle Mayor 5, Via Roma 12
    Rule("ADDRESS", r"[0-9],? (?:(?:bis|ter|[a-d]),? )?(?:rue|avenue|av\.|boulevard|bd|quai|chemin|route|impasse|place)"
         r"|\b(?:rue|via|viale|vicolo|piazza|corso|strada|calle|c/|avenida|avda|paseo|plaza|carrer|rua|travessa|pra.{1,2}a|largo"
         r"|estrada|ulica|ul\.|al\.|ulice|jalan|jl\.|av|avenue) [^\n]{3,60} [^ \n]{0,4}[0-9]",
         re.compile(
        rf"(?<![\w/])(\d{{1,5}}(?: ?(?:bis|ter|[A-D]))?,? (?:{STREET_STARTS}) (?:(?:d'|l'|de la |de l'|de |du "
        rf"|des |la |le |les )?"
        rf"{_CAP} ?){{1,3}}|(?:{STREET_STARTS}) (?:(?:de la |de los |de |del |della |dei |da |do |dos "
        rf"|di )?{_CAP} ){{1,4}}"
        rf"(?:n[º°.] ?)?\d{{1,5}}[A-Za-z]?)(?<! )(?![\w-])"
    )),
    Rule("ADDRESS", r"box|psc|postbox|postfach|apartado", re.compile(
        r"(?i)(?<!\w)((?:p\.? ?o\.? ?box|postbox|postfach|(?:psc|unit|cmr) \d{1,5},? box) #?\d{1,6}"
        r"(?:,?\s{1,3}[ADF]PO,? A[AEP],? \d{5})?)(?!\w)"
    )),
    Rule("ADDRESS", r"(?:apt|apartment|suite|ste|unit|flat)\b", re.compile(
        r"(?<!\w)((?i:apt|apartment|suite|ste|flat)\.? #?[A-Za-z]?-?\d{1,5}[A-Za-z]?)(?![\w.]\w)"
    )),
    Rule("ADDRESS", r"[ADF]PO,? A[AEP]", re.compile(r"(?<!\w)((?:[ADF]PO,? )A[AEP],? \d{5})(?!\w)")),
    Rule("ZIP", r"zip|postal|post ?code|postcode|plz", re.compile(
        r"(?i)\b(?:zip|postal|post|plz)[ _-]?(?:code)?[\"'\\]{0,3}(?:[ \t]{0,2}(?:is|was|[:=#]))?[ \t]{0,3}[\"'\\]{0,3}"
        r"(\d{5}-\d{4}|\d{3} \d{2}|\d{4} [A-Z]{2}|\d{4,6}|[A-Z]\d[A-Z] ?\d[A-Z]\d"
        r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})(?![\w-])"
    )),
    Rule("ZIP", r"[a-z][0-9][a-z0-9]? [0-9][a-z]{2}", re.compile(rf"(?<![\w-])({_UK_POSTCODE})(?![\w-])")),
    Rule("LOCATION", COUNTRIES.replace("(?: and Herzegovina)?", "").replace("(?: of America)?", ""), re.compile(
        rf"(?<![\w.@/-])((?i:{COUNTRIES}))(?![\w@-]|\.\w)"
    ), lambda text: text[0].isupper() or len(text) > 5),
    Rule("LOCATION", COUNTRIES.replace("(?: and Herzegovina)?", "").replace("(?: of America)?", ""), re.compile(
        rf"\b(?:[Ii]n|[Aa]t|[Ff]rom|[Tt]o|[Nn]ear|[Oo]f) ({_PLACE}),? (?={COUNTRIES})"
    ), _place),
    Rule("LOCATION", _PLACE_CUES_HINT, re.compile(
        rf"(?<![\w-])(?:{_PLACE_CUES}) (?!(?:The|This|My|Our|Your|A|An|It|I)\b)({_PLACE})"
    ), _place),
    Rule("LOCATION", r"(?:from|between) [^\n]{2,40} (?:to|and) ", re.compile(
        rf"\b(?:[Mm]ov(?:ed?|ing)|[Ff]l(?:ew|y|ying)|[Tt]rains?|[Bb]us(?:es)?|[Ff]lights?|[Dd]r(?:ove|ive|iving)"
        rf"|[Tt]ravel(?:l?ed|l?ing)?) "
        rf"(?:from|between) {_PLACE} (?:to|and) ({_PLACE})"
    ), _place),
    Rule("NATIONALITY", NATIONALITIES, re.compile(
        rf"(?<![\w.@/-])((?i:{NATIONALITIES}))s?(?![\w@-]|\.\w)"
    ), lambda text: text[0].isupper() or (len(text) > 5 and text not in _WORDS_TOO)),
)  # fmt: skip
