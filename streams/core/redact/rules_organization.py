"""Organisations and what people are there: by the endings of firms' names and by the words around a name."""

import re

from streams.core.redact.rule import Rule
from streams.core.redact.words import ORDINARY, TECHNICAL, word_set

_WORD = r"[^\W\d_a-z][\w'’-]{0,30}"
_NOT_FIRST = (
    r"(?!(?:The|A|An|My|Your|Our|His|Her|Their|Its|This|That|From|At|In|For|And|Is|Was|Are|With|By|Dear|Hi|Hello|I|We|If"
    r"|When|On|To|Of)\b)"
)
_NAME = (
    rf"{_NOT_FIRST}(?:{_WORD}, {_WORD},? (?:and|&) {_WORD}"
    rf"|{_WORD}(?: (?:& |of )?{_WORD}){{0,3}}(?: (?:&|and) (?:Sons?|Co|Company|Partners|Associates|Brothers|Bros)\b)?)"
)
"""As a firm is called: Fox, Gill and Ray; Atlas Freight & Sons; Bank of Oslo."""
_LEGAL = (
    r"Inc|Incorporated|LLC|LLP|L\.L\.C|Ltd|Limited|Corp|Corporation|Company|GmbH|AG|KG|PLC|Plc|S\.A|S\.p\.A|B\.V|N\.V|Oy"
    r"|A/S|Pty|Pvt|SARL|(?:&|and) (?:Sons?|Co|Partners|Associates|Brothers|Bros)"
)
_TRADES = (
    "Group|Holdings?|Technologies|Consulting|Associates|Partners|Labs|Laboratories|Industries|Solutions|Systems|Services"
    "|University|College|Institute|Academy|Bank|Hospital|Clinic|Airlines?|Airways|Insurance|Pharmaceuticals?|Pharma|Energy"
    "|Foods|Media|Software|Robotics|Logistics|Foundation|Capital|Ventures|Motors|Electronics|Communications|Networks"
    "|Studios?|Records|Publishing|Publishers|Hotels?|Properties|Realty|Enterprises|Agency|Financial|Securities"
    "|Entertainment|Healthcare|Orchestra|Choir|Museum|Society|Railways?|Press|Magazine|Weekly|Bakery|Brewery|Stores"
    "|Ratings|Research|Agency|Union|Club|Association|Federation"
)
_BEFORE = (
    r"[Ww]ork(?:s|ed|ing)? (?:for|at|with)|[Ee]mployed (?:by|at)|[Jj]oin(?:ed|ing|s)?|[Gg]raduated from|[Hh]ired by"
    r"|(?:CEO|CFO|CTO|COO|[Pp]resident|[Dd]irector|[Ff]ounders?|[Cc]hair(?:man|woman)?|[Pp]artner|[Oo]wner|[Ii]ntern"
    r"|[Jj]obs?"
    r"|[Pp]osition|[Cc]areer|[Yy]ears?|[Dd]egree|[Ee]mployees?|[Cc]lients?|[Cc]ustomers?|[Aa]ccount|[Cc]ontract|[Ii]nvoice"
    r"|[Ss]pokes(?:man|woman|person)|[Hh]ead|[Bb]oard|[Ss]ubsidiary|[Mm]ember|[Aa]ssistant) (?:of|at|from|with)"
    r"|[Ss](?:hares|tock) (?:of|in)|[Aa]cquired(?: by)?|(?:[Mm]erg(?:ed|er)|[Dd]eal) with|[Tt]aken over by"
    r"|[Ff]ounded|[Rr]enamed|[Rr]ebranded as|[Ii]nvest(?:ed|ing) in|[Oo]n behalf of|[Rr]epresented by"
    r"|[Ss]ued|(?:company|firm|startup|start-up|bank|charity|business) (?:called|named|is)"
    r"|(?:later|then|now) became|[Ff]ormerly|[Tt]hrough"
)
_BEFORE_HINT = (
    r"work(?:s|ed|ing)? (?:for|at|with)|employed|join|graduated|hired|acquired|merge|deal with|taken over|founded"
    r"|renamed|rebranded|invest|behalf|represented|sued|called|named|(?:company|firm|startup|start-up"
    r"|bank|charity|business) is"
    r"|became|formerly|through|(?:c[efto]o|t|r|s|n|e|b|d|p|man|person) (?:of|at|from|with|in) "
)
_THINGS = (
    "account|card|office|branch|headquarters|website|employees?|shares|spokes(?:man|woman|person)|app|store|shop|badge"
    "|contract"
    "|resignation|subscription|customers?|invoice|membership|stock|factory|plant|campus|management|executives?|staff"
)
_ACTS = (
    "announced|acquired|launched|employs|hired|invested|filed|merged|manufactures|owes|will open|opened a|laid off"
    "|reported|bought|sells|is (?:headquartered|hiring|based)|was (?:founded|acquired|established)"
)
_BODIES = (
    r"company|non-?profit|start-?up|firm|organi[sz]ation|charity|agency|bank|brand|retailer|manufacturer|provider"
    r"|501\(c\)|foundation|supplier|airline|university|newspaper|publisher"
)
JOBS = (
    r"(?:[a-z]{3,}(?:ologist|grapher|ician|keeper|smith)|accountant|actuary|adviser|advisor|agent|aide|analyst|architect"
    r"|artist|assistant|attendant|attorney|auditor|author|baker|barber|broker|buyer|captain|carpenter|cashier|chef|chemist"
    r"|clerk|coach|collector|conductor|consultant|controller|cook|coordinator|counselor|dancer|dentist|designer|detective"
    r"|developer|director|dispatcher|distributor|doctor|driver|economist|editor|electrician|engineer|executive|farmer"
    r"|firefighter|fitter|guard|guide|hairdresser|inspector|installer|instructor|interpreter|inventor|janitor|journalist"
    r"|judge|laborer|lawyer|lecturer|librarian|machinist|manager|mason|mechanic|midwife|model|musician|nurse|officer"
    r"|operator|packager|painter|pharmacist|photographer|physician|physicist|pilot|planner|plumber|porter|practitioner"
    r"|president|producer|professor|programmer|publisher|realtor|receptionist|recruiter|reporter|representative|researcher"
    r"|roofer|sailor|scientist|secretary|seller|server|singer|soldier|solicitor|specialist|statistician|superintendent"
    r"|supervisor|surgeon|surveyor|tailor|teacher|technician|technologist|tester|therapist|translator|treasurer|tutor"
    r"|typist|usher|veterinarian|waiter|waitress|weaver|welder|worker|writer|administrator|cleaner)s?"
)
"""Names of trades, in lower case."""


def _firm(text: str) -> bool:
    words = re.findall(r"[\w'’-]+", text.lower())
    return words[0] not in ORDINARY and words[0] not in TECHNICAL and words[0] not in _NO_FIRM


def _trade(text: str) -> bool:
    """A name before the trade: "Operating Systems" is none."""
    return _firm(text) and not text.lower().startswith(("open ", "operating ", "social ", "mass ", "public ", "free "))


_NO_FIRM = word_set(
    """he she we they you i it his her their our your my not who why how there here mr mrs ms dr miss english spanish
    french german chinese monday tuesday wednesday thursday friday saturday sunday god earth internet web"""
)

ORGANIZATION_RULES: tuple[Rule, ...] = (
    Rule("ORGANIZATION",
         r"\b(?:inc|incorporated|ll[cp]|l\.l\.c|ltd|limited|corp|corporation|company|gmbh|ag|kg|plc|s\.a|s\.p\.a|b\.v|n\.v|oy"
         r"|a/s|pty|pvt|sarl|(?:&|and) (?:sons?|co|partners|associates|brothers|bros))\b", re.compile(
        rf"(?<![\w.@/-])({_NOT_FIRST}(?:\d{{1,4}} )?(?:{_WORD},? (?:(?:and|&|of) )?){{1,4}}(?:{_LEGAL})\b\.?)(?![\w-])"
    ), _firm),
    Rule("ORGANIZATION", rf"\b(?:{_TRADES.lower()})\b", re.compile(
        rf"(?<![\w.@/-])({_NOT_FIRST}(?:{_WORD},? (?:(?:and|&|of) )?){{1,4}}(?:{_TRADES})\b)(?![\w-])"
    ), _trade),
    Rule("ORGANIZATION", _BEFORE_HINT, re.compile(
        rf"(?<![\w-])(?:{_BEFORE}) (?:the )?({_NAME})(?![\w-])(?!\.\w)"
    ), _firm),
    Rule("ORGANIZATION", rf" (?:{_THINGS}|is an? |{_ACTS})", re.compile(
        rf"(?<![\w.@/-])(?:(?:[Mm]y|[Yy]our|[Oo]ur|[Hh]is|[Hh]er|[Tt]heir|[Tt]he|[Aa]n?) ({_NAME}) (?={_THINGS})"
        rf"|({_NAME}) (?:{_ACTS})\b|({_NAME}) is an? (?:[\w-]{{1,20}} ){{0,3}}(?:{_BODIES}))"
    ), _firm),
    # Ann Lee, the technical writer, said
    Rule("TITLE", r", (?:the|an?|our|my|his|her) ", re.compile(
        rf"(?<=[^\W\d_]), (?:the|an?|our|my|his|her) (?i:((?:[a-z-]{{2,20}} ){{0,3}}{JOBS}))(?=[,.;)])"
    )),
)  # fmt: skip
