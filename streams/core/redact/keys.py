"""What the key of a JSON leaf says about it.

Keys that name things which are not people (the name of a tool, a file, a function, a model) say nothing here: a bare
"name" is a person's only where the keys beside it or the key around it speak of people.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from streams.core.redact import checks
from streams.core.redact.words import NOT_ALONE, ORDINARY, PLACEHOLDERS, ROBOTS, is_phrase, word_set


class Keyed(NamedTuple):
    """A leaf that is personal by its key. A local one is replaced where it stands, but not elsewhere in the trace."""

    kind: str
    local: bool = False


_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[\s.\-]+")

_NAME_PARTS = word_set(
    """first_name firstname given_name givenname forename fname last_name lastname family_name familyname surname
    lname middle_name middlename maiden_name mothers_maiden_name nickname preferred_name
    vorname nachname familienname prenom prénom nom_de_famille nombre apellido apellidos primer_apellido
    segundo_apellido sobrenome cognome voornaam achternaam"""
)
_FULL_NAMES = word_set(
    """full_name fullname legal_name passenger_name patient_name customer_name client_name guest_name contact_name
    employee_name cardholder_name card_holder cardholder card_holder_name account_holder account_holder_name
    holder_name recipient_name sender_name beneficiary_name emergency_contact_name owner_name author_name
    doctor_name physician_name student_name teacher_name person_name user_full_name spouse_name
    traveler_name traveller_name attendee_name member_full_name nombre_completo nome_completo nom_complet"""
)
_PEOPLE = word_set(
    """user users customer customers passenger passengers patient patients guest guests contact contacts employee
    employees person people member members client clients owner author authors recipient recipients sender
    attendee attendees participant participants student students candidate candidates applicant applicants
    profile traveler travelers traveller travellers saved_passengers cardholder beneficiary beneficiaries doctor
    physician emergency_contact spouse children dependents friends driver drivers host lead leads
    assignee assignees reporter reviewer reviewers approver organizer organiser created_by updated_by approved_by
    assigned_to reported_by requested_by signed_by display_name"""
)
_PERSON_SIBLINGS = word_set(
    """email e_mail email_address phone phone_number mobile dob date_of_birth birth_date birthday birthdate
    first_name last_name address street gender ssn age nationality passport passport_number zip date_of_joining
    job_title salary marital_status"""
)
_ADDRESSES = word_set(
    """address address1 address2 address_1 address_2 address_line address_line1 address_line2 address_line_1
    address_line_2 line1 line2 street street1 street2 street_address street_name street_line_1 street_line_2
    mailing_address billing_address shipping_address delivery_address home_address postal_address
    residential_address residence work_address full_address house_number apartment apt
    strasse straße anschrift adresse direccion dirección endereco endereço indirizzo adres"""
)
_PLACE_PARTS = word_set("""city town state province county region country postal_town locality country_code""")
_ZIPS = frozenset(["zip", "zip_code", "zipcode", "postal_code", "postalcode", "postcode", "post_code", "plz"])
_BIRTHS = frozenset(
    ["dob", "date_of_birth", "dateofbirth", "birth_date", "birthdate", "birthday", "date_birth", "born", "bday",
     "birth_day", "geburtsdatum", "geburtstag", "date_de_naissance", "fecha_nacimiento", "fecha_de_nacimiento",
     "data_nascimento", "data_de_nascimento", "data_di_nascita", "geboortedatum"]
)  # fmt: skip
_PHONES = word_set(
    """phone phone_number phonenumber telephone telephone_number tel mobile mobile_number mobile_phone cell
    cell_phone cellphone home_phone work_phone contact_number fax fax_number whatsapp msisdn emergency_phone
    phones phone_numbers mobile_phone_number telefon telefonnummer telefono teléfono telefone telefoon handynummer"""
)
_EMAILS = frozenset(
    ["email", "e_mail", "email_address", "emailaddress", "mail", "emails", "contact_email", "user_email"]
)
_LOGINS = word_set(
    """user_id userid username user_name login login_name screen_name user_handle handle member_name account_name
    customer_id customerid passenger_id twitter_handle github_login skype telegram"""
)
_PAYMENTS = word_set(
    """payment_id payment_method_id payment_method payment_account payment_source gift_card_id certificate_id
    card_id credit_card_id wallet_id"""
)
_NUMBERS: dict[str, tuple[str, int]] = {
    **dict.fromkeys(word_set(
    """ssn social_security_number social_security itin ssn_number"""
), ("SSN", 7)),
    **dict.fromkeys(word_set(
    """tax_id taxid tin national_id national_id_number nino nhs_number nin cpf dni nif nie pesel bsn sin aadhaar
    aadhaar_number pan_number id_number identity_number id_card_number government_id"""
),
                    ("NATIONAL_ID", 5)),
    **dict.fromkeys(word_set(
    """passport passport_number passport_no passportnumber"""
), ("PASSPORT", 4)),
    **dict.fromkeys(word_set(
    """driver_license drivers_license driver_licence driving_licence driver_license_number drivers_license_number
    license_number licence_number"""
), ("DRIVER_LICENSE", 4)),
    **dict.fromkeys(word_set(
    """card_number cardnumber credit_card_number credit_card creditcard cc_number debit_card_number pan"""
), ("CARD", 12)),
    **dict.fromkeys(word_set(
    """iban iban_code"""
), ("IBAN", 10)),
    **dict.fromkeys(word_set(
    """account_number account_no bank_account bank_account_number accountnumber routing_number sort_code"""
), ("ACCOUNT", 5)),
    **dict.fromkeys(word_set(
    """mrn medical_record_number patient_id medical_record patient_number"""
), ("MEDICAL_RECORD", 4)),
    **dict.fromkeys(word_set(
    """member_id insurance_id insurance_number policy_number health_plan_number beneficiary_id subscriber_id"""
), ("HEALTH_PLAN", 4)),
    **dict.fromkeys(word_set(
    """vin license_plate licence_plate plate_number number_plate"""
), ("VEHICLE", 2)),
    **dict.fromkeys(word_set(
    """imei serial_number device_id mac_address udid"""
), ("DEVICE", 4)),
}  # fmt: skip
_LOCAL: dict[str, str] = {
    **dict.fromkeys(word_set("""last_four last4 last_4 last_four_digits cvv cvc card_last_four card_last4"""), "CARD"),
    **dict.fromkeys(word_set("""ssn_last4 ssn_last_four ssn_last_4 last4_ssn"""), "SSN"),
    "age": "AGE",
}
_CODES = word_set(
    """pin pin_code otp otp_code one_time_password one_time_code verification_code security_code mfa_code
    two_factor_code card_pin"""
)
_ENDINGS = frozenset().union(
    (_NAME_PARTS | _FULL_NAMES) - {"nickname", "nombre", "forename"},
    _BIRTHS - {"born"},
    (key for key in _PHONES if any(word in key for word in ("phone", "mobile", "telefon", "fax", "whatsapp"))),
    _ZIPS - {"zip", "plz"},
    (key for key in _NUMBERS if len(key) > 4 or key in ("ssn", "itin", "iban", "imei")),
    ("street_address", "address_line1", "address_line_1", "address_line2", "address_line_2"),
)
"""What a key may end with and say the same: billing_first_name, customer_dob."""
_LONGEST_ENDING = 4
"""Words of the longest ending."""

KEY_HINT = (
    r"(?:name|mail|dob|birth|born|address|street|line_?[12]|city|zip|post|plz|phone|tel|mobile|cell|fax|whatsapp|user|login"
    r"|handle|custom|passenger|payment|gift|certificate|card|wallet|ssn|social|itin|tax|tin|nat|nino|nhs|cpf|dni|nif|nie"
    r"|pesel|bsn|sin|aadhaar|pan|identity|id_|passport|licen[cs]e|iban|account|routing|sort|mrn|medical|patient|member"
    r"|insurance|policy|health|benefi|subscri|vin|plate|imei|serial|device|mac|udid|last_?4|last_four|cvv|cvc|pass|pwd"
    r"|secret|key|token|authorization|people|person|guest|contact|employee|client|owner|author|recipient|attend|particip"
    r"|student|applic|candid|travel|doctor|apart|apt|house|residen|town|state|province|county|region|country|local|skype"
    r"|telegram|msisdn|age|emails?|bday|assign|report|review|approve|organi[sz]er|_by|created|updated|bearer|session"
    r"|cookie|cred|auth|otp|pin|security_|verification|nombre|apellido|prenom|nom_|nachna|cognom|strasse|anschrift"
    r"|adress?e|direcci|endere|indiriz|geburt|geboorte|fecha|nascim|nascita|naissance|voornaam|achternaam)"
    r"[a-z0-9_. -]{0,24}[\\]{0,15}\"[ \t\r\n]{0,8}:"
)
"""Stands in JSON text wherever a key of this module does."""

_NAME_LIKE = re.compile(r"[^\W\d_][\w'’.-]*(?:,? [^\W\d_][\w'’.-]*){0,4}")
_FULL_NAME_LIKE = re.compile(r"[^\W\d_a-z][\w'’.-]*(?:,? [^\W\d_][\w'’.-]*){1,4}")
_DATE_LIKE = re.compile(r"(?=.*\d).{4,32}", re.DOTALL)
_HANDLE_LIKE = re.compile(r"@?[\w.+-]{3,64}")


_MAX_KEY = 64
_REMEMBERED = 8192
"""Keys whose meaning is remembered: those of a schema come again with every object."""


def plain_key(key: str) -> str:
    """A key in snake case: firstName, First Name and first-name are one."""
    return _plain_key(key) if len(key) <= _MAX_KEY else _plain_key.__wrapped__(key)


@lru_cache(maxsize=_REMEMBERED)
def _plain_key(key: str) -> str:
    if key.islower():
        return _SEPARATORS.sub("_", key) if " " in key or "-" in key or "." in key else key
    return _SEPARATORS.sub("_", _CAMEL.sub("_", key)).lower()


def kind_by_key(key: str, parent: str | None, text: str) -> Keyed | None:
    """What a leaf is by its own key and the key around its object, both plain; None where they tell nothing."""
    if not text or len(key) > _MAX_KEY or len(text) > 4096:
        return None
    for tell, is_last in _tells(key, parent and parent[-_MAX_KEY:]):
        if text.strip().lower() in PLACEHOLDERS:
            return None
        keyed = tell(text)
        if keyed is not None or is_last:
            return keyed
    return None


@lru_cache(maxsize=_REMEMBERED)
def _tells(key: str, parent: str | None) -> tuple[tuple[Callable[[str], Keyed | None], bool], ...]:
    """What to ask of a text under a key, in order; True: what this says is final, also when it is nothing."""
    key = _ending(key)
    if (
        key in _NAME_PARTS
        or (parent in ("name", "full_name") and key in ("first", "last", "given", "family", "middle"))
        or key in _FULL_NAMES
        or (key == "name" and parent in _PEOPLE)
    ):
        return ((_name, True),)
    tells: list[tuple[Callable[[str], Keyed | None], bool]] = []
    if key in _PEOPLE:
        tells.append((_full_name, False))
    for keys, kind, fits in _BY_KEYS:
        if key in keys:
            tells.append((_fitting(Keyed(kind), fits), False))
    if key in _ADDRESSES or (
        key.endswith("_address") and not key.startswith(("ip", "mac", "email", "wallet", "contract"))
    ):
        tells.append((_address, True))
    elif key in _PLACE_PARTS and parent is not None and (parent in _ADDRESSES or parent.endswith("address")):
        tells.append((_fitting(Keyed("ADDRESS", local=True), _is_short), True))
    elif key in _NUMBERS:
        kind, digits = _NUMBERS[key]
        tells.append((_fitting(Keyed(kind), _has_digits(digits)), True))
    elif key in _LOCAL:
        tells.append((_fitting(Keyed(_LOCAL[key], local=True), _is_short_number), True))
    elif key in _CODES:
        tells.append((_fitting(Keyed("SECRET", local=True), _is_code), True))
    elif parent in ("payment_methods", "payment_method") and key == "id":
        tells.append((_fitting(Keyed("PAYMENT_ID"), _payment), True))
    else:
        of_secret = _secret_tell(key)
        if of_secret is not None:
            tells.append((of_secret, True))
    return tuple(tells)


def _ending(key: str) -> str:
    """The last words of a key that say what it is; the key itself where it is no such compound."""
    words = key.split("_")
    for first in range(max(1, len(words) - _LONGEST_ENDING), len(words)):
        ending = "_".join(words[first:])
        if ending in _ENDINGS:
            return ending
    return key


def _fitting(keyed: Keyed, fits: Callable[[str], bool]) -> Callable[[str], Keyed | None]:
    return lambda text: keyed if fits(text) else None


def _has_digits(count: int) -> Callable[[str], bool]:
    return lambda text: sum(char.isdigit() for char in text) >= count and len(text) <= 64


def _is_short(text: str) -> bool:
    return len(text) <= 100


def _is_short_number(text: str) -> bool:
    return text.isdigit() and len(text) <= 6


def _is_code(text: str) -> bool:
    return text.isdigit() and 4 <= len(text) <= 8


def _full_name(text: str) -> Keyed | None:
    return _name(text) if _FULL_NAME_LIKE.fullmatch(text) else None


def _address(text: str) -> Keyed | None:
    if len(text) > 300 or "@" in text or "://" in text or text[:2] in ("0x", "0X") or is_phrase(text):
        return None
    return Keyed("ADDRESS", len(text) < 5)


def kind_of_object_key(parent: str | None, key: str) -> Keyed | None:
    """A key that is itself a value: {"payment_methods": {"gift_card_123": ...}}."""
    if parent in ("payment_methods", "payment_accounts") and _payment(key):
        return Keyed("PAYMENT_ID")
    return None


def is_person_object(keys: Sequence[str]) -> bool:
    """True when a "name" beside these keys is a person's."""
    return any(key in _PERSON_SIBLINGS for key in keys)


def looks_like_full_name(text: str) -> bool:
    """Two to five words as names are written."""
    return _FULL_NAME_LIKE.fullmatch(text) is not None and text.lower() not in PLACEHOLDERS and not is_phrase(text)


def _name(text: str) -> Keyed | None:
    if not _NAME_LIKE.fullmatch(text) or len(text) > 80 or is_phrase(text):
        return None
    word = text.lower()
    return Keyed("PERSON", local=len(text) < 2 or (" " not in text and (word in NOT_ALONE or word in ORDINARY)))


def _payment(text: str) -> bool:
    return sum(char.isdigit() for char in text) >= 4 and " " not in text and len(text) <= 64


def _login(text: str) -> bool:
    return (
        _HANDLE_LIKE.fullmatch(text) is not None
        and text.lower() not in ROBOTS
        and not (text.isdigit() and len(text) < 5)
    )


def _phone(text: str) -> bool:
    digits = checks.digits_of(text)
    # What begins so is a pseudonym already.
    few_letters = sum(map(str.isalpha, text)) <= 4
    return len(digits) >= 7 and few_letters and len(text) <= 40 and not digits.startswith(("000", "999"))


def _zip(text: str) -> bool:
    return 3 <= len(text) <= 12 and any(char.isdigit() for char in text)


def _email(text: str) -> bool:
    return "@" in text and checks.email(text) and len(text) <= 254 and " " not in text


def _date(text: str) -> bool:
    return _DATE_LIKE.fullmatch(text) is not None


_BY_KEYS: tuple[tuple[frozenset[str], str, Callable[[str], bool]], ...] = (
    (_BIRTHS, "DATE_OF_BIRTH", _date),
    (_EMAILS, "EMAIL", _email),
    (_PHONES, "PHONE", _phone),
    (_ZIPS, "ZIP", _zip),
    (_LOGINS, "USERNAME", _login),
    (_PAYMENTS, "PAYMENT_ID", _payment),
)

_PASSWORD_KEY = re.compile(r"(?:.*[^a-z])?(?:pass(?:word|wd|phrase|code)?|pwd|psk)|.*pass_?(?:word|phrase)")
_SECRET_KEY = re.compile(
    r"(?:.*_)?(?:secret|(?:api|access|secret|private|account)_?key|(?:client|app|consumer)_?secret"
    r"|(?:access|auth|refresh|id|api|bearer)_?token)"
)
_TOKEN_KEY = re.compile(
    r"(?!(?:.*_)?(?:page|pagination|continuation|sync|cursor|next|first|last|start|end|stop|special)_?token)"
    r"(?:.*_)?(?:token|session|session_?id|credentials?|bearer|cookie|auth)"
)
_PLACEHOLDER = re.compile(
    r"(?i)(?:string|password|secret|required|optional|hidden|redacted|none|null|true|false|[*x.]+)"
)
_STATES = word_set(
    """incorrect invalid mismatch mismatched changed missing expired encrypted unchanged accepted rejected disabled
    enabled configured unverified plaintext generated"""
)
"""What a message says of a password."""
_MIN_TOKEN = 16


def _secret_tell(key: str) -> Callable[[str], Keyed | None] | None:
    """What tells the secret of a text under a plain key; None for a key that speaks of none."""
    if _PASSWORD_KEY.fullmatch(key):
        return _of_password
    if _SECRET_KEY.fullmatch(key):
        return _of_secret
    if key.endswith("authorization"):
        return _of_authorization
    return _of_token if _TOKEN_KEY.fullmatch(key) else None


def _of_password(text: str) -> Keyed | None:
    # A word is left: replaced everywhere in the trace it would do more harm than good.
    word = text.lower()
    ordinary = (len(text) < 8 and text.isalpha()) or word in ORDINARY or word in _STATES
    return None if not _may_be_secret(text) or ordinary or any(char.isspace() for char in text) else Keyed("SECRET")


def _of_secret(text: str) -> Keyed | None:
    return Keyed("SECRET") if _may_be_secret(text) and checks.secret(text) and " " not in text else None


def _of_token(text: str) -> Keyed | None:
    """Keys that hold ids and words as often as secrets: only what is long and made up, and no id by its shape."""
    return _of_secret(text) if len(text) >= _MIN_TOKEN and not checks.is_id(text) else None


def _of_authorization(text: str) -> Keyed | None:
    scheme, _, credentials = text.partition(" ")
    if not credentials:
        return Keyed("TOKEN") if len(text) >= _MIN_TOKEN and _may_be_secret(text) and checks.secret(text) else None
    told = len(scheme) < 10 and len(credentials) >= 8 and " " not in credentials
    return Keyed("TOKEN") if told and _may_be_secret(text) else None


def _may_be_secret(text: str) -> bool:
    return 6 <= len(text) <= 4096 and not _PLACEHOLDER.fullmatch(text)
