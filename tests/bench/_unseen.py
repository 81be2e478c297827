"""Labelled sentences that no rule was written against: names of many origins, addresses of several countries."""

import random
import re
from typing import Any

_GIVEN = (  # noqa: SIM905
    "Chidi Adaeze Kwame Thandiwe Yuki Haruto Minjun Seoyeon Xiaoming Lihua Arjun Priya Farah Omar Layla Mehmet Elif Dmitri "  # noqa: E501
    "Olga Zofia Mateusz Jiří Ivana Giulia Matteo Inés Joaquín João Camila Aoife Cormac Freya Bjørn Saoirse Anneke Thijs "  # noqa: E501
    "Élodie Laurent Jürgen Kerstin Keanu Leilani Dakota Emily Jamal Latoya"
).split()
_FAMILY = (  # noqa: SIM905
    "Okonkwo Mensah Dlamini Watanabe Nakamura Kim Park Zhou Huang Iyer Chatterjee Haddad Rahmani Yılmaz Demir Sokolov "
    "Kuznetsova Wiśniewska Dvořák Ferrari Esposito Villanueva Etxeberria Carvalho Ó'Murchú Gallagher Sørensen Halvorsen "  # noqa: E501
    "Bakker Dubois Lefèvre Schäfer Kowalczyk Kealoha Begay Thompson Whitfield"
).split()
_ADDRESSES = (
    "48 Marigold Crescent, Leeds", "1207 Juniper Ridge Road, Boise, ID 83702", "Lindenallee 7, 50968 Köln",
    "23 rue des Tilleuls, 31000 Toulouse", "Calle del Olmo 14, 28012 Madrid", "Via Garibaldi 31, 20121 Milano",
    "Rua das Laranjeiras 210, Rio de Janeiro", "Prinsengracht 88, 1015 Amsterdam", "Storgatan 15, 11455 Stockholm",
    "Flat 9, 61 Ormonde Road, London", "PO Box 5512, Wellington", "900 Sycamore Ave Apt 12, Tulsa, OK 74103",
)  # fmt: skip
_TEMPLATES = (
    "Could you put the invoice in {P}'s folder before lunch?",
    "{P} cannot log in since Monday; the ticket is still open.",
    "The parcel for {P} went to {A} by mistake.",
    "We have moved, the new place is {A}. Please update it.",
    "Reach {P} at {E} or {T} if the meeting slips.",
    "As agreed with {P} and {P}, the order is cancelled.",
    "hi, {P} here - my bill went up again and nobody calls back",
    "Deliver the chairs to {A}, attention {P}.",
    "Refund to card {C}, please, and confirm to {E}.",
    "I spoke with {P} yesterday; she confirmed the change.",
    "The room was booked by {P} for two nights.",
    "Nothing here but a note on the weather and the bus.",
)
_SLOT = re.compile(r"\{(\w)\}")
_KINDS = {"P": "PERSON", "A": "ADDRESS", "E": "EMAIL", "T": "PHONE", "C": "CARD"}


def unseen(count: int, seed: int = 7) -> list[dict[str, Any]]:
    """As many records, shaped like those of presidio-research; the same for the same seed."""
    rng = random.Random(seed)
    return [_record(rng) for _ in range(count)]


def _record(rng: random.Random) -> dict[str, Any]:
    text, at, spans = "", 0, []
    template = rng.choice(_TEMPLATES)
    for match in _SLOT.finditer(template):
        text += template[at : match.start()]
        value = _value(match.group(1), rng)
        kind = _KINDS[match.group(1)]
        spans.append({"entity_type": kind, "start_position": len(text), "end_position": len(text) + len(value)})
        text += value
        at = match.end()
    return {"full_text": text + template[at:], "spans": spans}


def _value(slot: str, rng: random.Random) -> str:
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    if slot == "P":
        return rng.choice((f"{given} {family}", f"{given} {family}", given))
    if slot == "A":
        return rng.choice(_ADDRESSES)
    if slot == "E":
        return f"{chr(rng.randrange(97, 123))}{rng.randrange(10**5)}@host{rng.randrange(99)}.example"
    if slot == "T":
        return f"+44 20 {rng.randrange(7000, 8000)} {rng.randrange(1000, 9999)}"
    return "4111 1111 1111 1111"
