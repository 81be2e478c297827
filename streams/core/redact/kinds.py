"""Kinds of findings, and what may be done with them."""

from typing import Literal

import msgspec

Mode = Literal["pseudonymise", "mask", "remove", "reject", "keep", "off"]
"""What happens to a finding:

pseudonymise: a keyed replacement of the same shape, the same for the same value within a trace; mask: `[KIND]`;
remove: nothing is left; reject: the whole trace goes to quarantine; keep: it is found by `tdc redact --spans` but left
as it is; off: it is not looked for.
"""


class Modes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="upper"):
    """A mode for each kind. Direct identifiers and secrets are replaced; what describes many people is kept."""

    person: Mode = "pseudonymise"
    email: Mode = "pseudonymise"
    phone: Mode = "pseudonymise"
    address: Mode = "pseudonymise"
    zip: Mode = "pseudonymise"
    date_of_birth: Mode = "pseudonymise"
    username: Mode = "pseudonymise"
    ssn: Mode = "pseudonymise"
    national_id: Mode = "pseudonymise"
    passport: Mode = "pseudonymise"
    driver_license: Mode = "pseudonymise"
    card: Mode = "pseudonymise"
    iban: Mode = "pseudonymise"
    account: Mode = "pseudonymise"
    payment_id: Mode = "pseudonymise"
    medical_record: Mode = "pseudonymise"
    health_plan: Mode = "pseudonymise"
    license: Mode = "pseudonymise"
    vehicle: Mode = "pseudonymise"
    device: Mode = "pseudonymise"
    ip: Mode = "pseudonymise"
    url_credentials: Mode = "pseudonymise"
    private_key: Mode = "pseudonymise"
    api_key: Mode = "pseudonymise"
    token: Mode = "pseudonymise"  # noqa: S105
    secret: Mode = "pseudonymise"  # noqa: S105
    location: Mode = "keep"
    organization: Mode = "keep"
    nationality: Mode = "keep"
    title: Mode = "keep"
    age: Mode = "keep"
    date: Mode = "off"
    url: Mode = "off"
    biometric: Mode = "off"
    photo: Mode = "off"


KINDS: tuple[str, ...] = tuple(field.encode_name for field in msgspec.structs.fields(Modes))
"""All kinds, as reports and policies name them."""

HIPAA: tuple[str, ...] = (
    "PERSON", "ADDRESS", "ZIP", "LOCATION", "DATE", "DATE_OF_BIRTH", "AGE", "PHONE", "EMAIL", "SSN", "MEDICAL_RECORD",
    "HEALTH_PLAN", "ACCOUNT", "LICENSE", "DRIVER_LICENSE", "VEHICLE", "DEVICE", "URL", "IP", "BIOMETRIC", "PHOTO",
    "NATIONAL_ID", "PASSPORT", "CARD", "IBAN", "PAYMENT_ID", "USERNAME",
)  # fmt: skip
"""What covers the 18 identifiers of the Safe Harbor method, 45 CFR 164.514(b)(2); fax numbers are PHONE."""
