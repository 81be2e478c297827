"""Values for labelled sentences, as a seeded generator makes them: people and places of many countries, valid numbers.

Every maker takes a generator of random numbers and returns a value; nothing here belongs to anybody. Numbers satisfy
their checksums, phones are written as people of their country write them.
"""

import random
from collections.abc import Callable

Maker = Callable[[random.Random], str]


def _split(text: str) -> list[str]:
    return text.split("|")


_PEOPLE = """
Chidi Adaeze Emeka Ngozi Tunde Folake | Okonkwo, Adeyemi, Eze, Balogun
Kwame Akosua Kofi Abena | Mensah, Owusu, Boateng
Thandiwe Sipho Lerato Pieter | Dlamini, Nkosi, Botha
Tewodros Selam Dawit Hiwot | Bekele, Tadesse, Haile
Yuki Haruto Sakura Kenji Aiko | Watanabe, Nakamura, Fujimoto, Shimizu
Minjun Seoyeon Jiho Hana | Kim, Park, Choi, Seo
Xiaoming Lihua Wei Meiling | Zhou, Huang, Zheng, Xu
Arjun Priya Rajesh Ananya Lakshmi | Iyer, Chatterjee, Deshmukh, Reddy, Bhattacharya
Farah Bilal Ayesha Usman | Qureshi, Siddiqui, Khan
Omar Layla Youssef Noor Khalid | Haddad, Al-Rashid, Mansour, Khoury
Mehmet Elif Emre Zeynep | Yılmaz, Demir, Öztürk
Dariush Shirin Reza | Rahmani, Hosseini, Farahani
Dmitri Olga Sergei Anastasia | Sokolov, Kuznetsova, Morozov
Zofia Mateusz Krzysztof Agnieszka | Wiśniewska, Kowalczyk, Lewandowski
Jiří Ivana Tomáš | Dvořák, Procházková, Beneš
Zsófia László Gergő | Nagy, Szabó, Horváth
Nikos Eleni Kostas | Papadopoulos, Georgiou, Nikolaidis
Giulia Matteo Francesca Lorenzo | Ferrari, Esposito, Colombo, De Luca
Inés Joaquín Lucía Álvaro | Villanueva, Etxeberria, Navarro, Ibáñez
Guadalupe Rodrigo Ximena | Hernández, Castañeda, Ramírez
João Camila Thiago Beatriz | Carvalho, Oliveira, dos Santos, Pereira
Aoife Cormac Saoirse Declan | Ó'Murchú, Gallagher, O'Sullivan
Freya Bjørn Astrid Lars Sigríður | Sørensen, Halvorsen, Lindqvist, Jónsdóttir
Anneke Thijs Maarten | Bakker, van Dijk, de Vries
Élodie Laurent Camille Baptiste | Dubois, Lefèvre, Moreau
Jürgen Kerstin Matthias Heike | Schäfer, Hoffmann, Krüger, von Arnim
Keanu Leilani | Kealoha, Kahananui
Emily Jamal Latoya Brandon Ashley Tyler | Thompson, Whitfield, Henderson, McAllister, Jefferson
Nigel Gemma Alistair Imogen | Fairclough, Ashworth, Pemberton
Linh Minh Thuy | Nguyen, Tran, Pham
Maricel Jomar | Bautista, Villareal
"""
_CITIES: dict[str, str] = {
    "US": "Boise, ID 83702|Tulsa, OK 74103|Spokane, WA 99201|Dayton, OH 45402|Macon, GA 31201|Reno, NV 89501",
    "UK": "Leeds LS6 2AB|London SE15 4QN|Bristol BS3 1TD|Cardiff CF10 3AT|Glasgow G12 8QQ|York",
    "DE": "50968 Köln|10435 Berlin|04109 Leipzig|80331 München|20095 Hamburg",
    "FR": "31000 Toulouse|69002 Lyon|75011 Paris|44000 Nantes",
    "IN": "Pune 411004|Bengaluru 560034|New Delhi 110019|Chennai 600017",
    "BR": "Rio de Janeiro|São Paulo - SP, 01310-100|Curitiba, PR|Belo Horizonte",
    "ES": "28012 Madrid|41001 Sevilla|Valencia",
    "IT": "20121 Milano|10123 Torino|Napoli",
    "NL": "1015 Amsterdam|3512 JE Utrecht",
    "SE": "114 55 Stockholm|Uppsala",
    "PL": "00-950 Warszawa|Kraków",
    "CA": "Halifax, NS B3H 1Y4|Regina, SK|Toronto, ON M5V 2T6",
    "AU": "Fitzroy VIC 3065|Perth WA 6000|Hobart TAS 7000",
    "IE": "Dublin 8|Galway",
    "ZA": "Durban 4001|Cape Town",
}
_STREETS: dict[str, str] = {
    "US": "Juniper Ridge Road|Sycamore Ave|W Fulton St|Old Mill Lane|Cedar Hollow Drive|NE 42nd Street|Bay View Blvd",
    "UK": "Marigold Crescent|Ormonde Road|Church Lane|Victoria Terrace|High Street|Kingfisher Close|Station Rd",
    "CA": "Barrington Street|Lakeshore Blvd W|Maple Court", "AU": "Brunswick Street|Wattle Grove|Esplanade Rd",
    "IE": "Clanbrassil Street|Shop Street|Thomas Court", "ZA": "Umgeni Road|Loop Street",
    "IN": "M.G. Road|Linking Road|Park Street|Anna Salai",
    "DE": "Lindenallee|Goethestraße|Am Stadtpark|Schillerplatz|Rosenweg|Bergmannstr.",
    "FR": "rue des Tilleuls|avenue Jean Jaurès|boulevard Voltaire|place de la République|quai Saint-Michel",
    "ES": "Calle del Olmo|Avenida de América|Calle Mayor|Paseo de Gracia",
    "IT": "Via Garibaldi|Corso Umberto|Piazza Dante",
    "BR": "Rua das Laranjeiras|Avenida Paulista|Rua XV de Novembro|Travessa do Ouvidor",
    "NL": "Prinsengracht|Kerkstraat|Stationsplein", "SE": "Storgatan|Kungsvägen", "PL": "ul. Długa|ul. Mickiewicza",
}  # fmt: skip
_TOWNS = _split(
    "Lagos|Accra|Nairobi|Osaka|Busan|Chengdu|Jaipur|Lahore|Amman|Izmir|Kazan|Gdańsk|Brno|Szeged|Thessaloniki|"
    "Palermo|Zaragoza|Guadalajara|Recife|Cork|Tampere|Rotterdam|Grenoble|Stuttgart|Honolulu|Chattanooga|"
    "Sheffield|Hanoi|Cebu|San Antonio|Buenos Aires|New Orleans|Salt Lake City|Port Elizabeth|Newcastle|Medellín|"
    "Tbilisi|Almaty|Winnipeg"
)
_COUNTRIES = _split(
    "Nigeria|Ghana|Japan|South Korea|China|India|Pakistan|Jordan|Turkey|Russia|Poland|Hungary|Greece|Italy|Spain|"
    "Mexico|Brazil|Ireland|Finland|the Netherlands|France|Germany|Vietnam|Kenya|Argentina|New Zealand|Canada|"
    "Portugal|Georgia"
)
_NATIONS = _split(
    "Nigerian|Ghanaian|Japanese|Korean|Chinese|Indian|Pakistani|Jordanian|Turkish|Russian|Polish|Hungarian|Greek|"
    "Italian|Spanish|Mexican|Brazilian|Irish|Finnish|Dutch|French|German|Vietnamese|Kenyan|Muslim|Catholic|Hindu|"
    "Jewish"
)
_FIRMS = _split(
    "Brightwater|Nimbus|Halcyon|Redwood Peak|Fernhill|Quantive|Atlas Freight|Kestrel|Larkspur|Ironbridge|Solvane|"
    "Meridian|Blue Heron|Okavango|Tamarind|Corvane|Northgate|Silverlake|Veltri|Zephyr Dynamics"
)
_ENDINGS = _split(
    "Inc|Inc.|LLC|Ltd|Ltd.|GmbH|Group|Holdings|Logistics|Bank|Partners|Consulting|Pharmaceuticals|Insurance|"
    "Energy|Airlines|Foods|Media|Hospital|University|Robotics|S.A.|AG|& Sons|Foundation|Software|Systems|Capital"
)
_KNOWN_FIRMS = _split("Microsoft|Toyota|Siemens|Unilever|Netflix|Deloitte|Samsung|Pfizer|Lufthansa|Infosys|IKEA|UNICEF")
_TITLES = _split("Mr.|Mrs.|Ms.|Dr.|Prof.|Mr|Mrs|Ms|Dr")
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_CULTURES = [
    (given.split(), families.strip().split(", "))
    for given, _, families in (line.partition(" | ") for line in _PEOPLE.strip().splitlines())
]


def given(rng: random.Random) -> str:
    """A first name."""
    return rng.choice(rng.choice(_CULTURES)[0])


def family(rng: random.Random) -> str:
    """A last name."""
    return rng.choice(rng.choice(_CULTURES)[1])


def person(rng: random.Random) -> str:
    """A whole name; one in eight has an initial in it, one in twelve comes from two cultures."""
    first, last = rng.choice(_CULTURES)
    if rng.random() < 1 / 12:
        last = rng.choice(_CULTURES)[1]
    middle = f" {rng.choice('ABDEFGHJKLMNPRST')}." if rng.random() < 1 / 8 else ""
    return f"{rng.choice(first)}{middle} {rng.choice(last)}"


def title(rng: random.Random) -> str:
    """A form of address."""
    return rng.choice(_TITLES)


def street(rng: random.Random, country: str | None = None) -> str:
    """Street and number, as the country writes them."""
    country = country or rng.choice(list(_STREETS))
    name, number = rng.choice(_STREETS[country].split("|")), rng.randrange(1, 240)
    if country in ("DE", "NL", "SE", "PL"):
        return f"{name} {number}{rng.choice(('', '', '', 'a', 'b'))}"
    if country in ("ES", "IT", "BR"):
        return f"{name}{rng.choice((' ', ', '))}{number}"
    if country == "FR":
        return f"{number}{rng.choice(('', '', ' bis'))}{rng.choice((' ', ', '))}{name}"
    if country == "US":
        return f"{number * rng.choice((1, 10, 41))} {name}{rng.choice(('', '', ' Apt 12', ', Suite 300', ' #4B'))}"
    if country == "IN":
        return f"{number}, {name}"
    return f"{rng.choice(('', '', '', f'Flat {number % 20 + 1}, '))}{number} {name}"


def address(rng: random.Random) -> str:
    """A whole address: street and town, in one line or in two, now and then a box."""
    kind = rng.random()
    if kind < 0.06:
        return f"{rng.choice(('PO Box', 'P.O. Box'))} {rng.randrange(10, 9999)}, {rng.choice(_CITIES['US'].split('|'))}"
    country = rng.choice(list(_STREETS))
    if kind < 0.25:
        return street(rng, country)
    gap = "\n" if kind > 0.9 else ", "
    return street(rng, country) + gap + rng.choice(_CITIES[country].split("|"))


def city(rng: random.Random) -> str:
    """A town."""
    return rng.choice(_TOWNS)


def country(rng: random.Random) -> str:
    """A country."""
    return rng.choice(_COUNTRIES)


def nation(rng: random.Random) -> str:
    """Nationality or belief."""
    return rng.choice(_NATIONS)


def organization(rng: random.Random) -> str:
    """A firm, a bank, a school."""
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(_KNOWN_FIRMS)
    if kind < 0.3:
        return f"{family(rng)}{rng.choice((' & ', ' and ', '-'))}{family(rng)}"
    if kind < 0.42:
        return f"{family(rng)}, {family(rng)} and {family(rng)}"
    if kind < 0.5:
        return rng.choice(_FIRMS)
    return f"{rng.choice(_FIRMS)} {rng.choice(_ENDINGS)}"


def _digits(rng: random.Random, shape: str) -> str:
    """`#` is any digit, `%` one from 2 to 9."""
    return "".join(str(rng.randrange(10)) if c == "#" else str(rng.randrange(2, 10)) if c == "%" else c for c in shape)


_PHONES = _split(
    "(%##) %##-####|%##-%##-####|%##.%##.####|+1 %##-%##-####|1-%##-%##-####|+44 20 7### ####|020 7### ####|"
    "07### ######|+44 (0)161 ### ####|0161 ### ####|+49 30 ########|030/%######|0171 %######|+33 6 ## ## ## ##|"
    "06 ## ## ## ##|01.##.##.##.##|+91 98### #####|098########|+91-22-%### ####|+55 11 9####-####|"
    "(11) 9####-####|+34 6## ### ###|6## ## ## ##|+39 06 %### ####|02 %#######|+81 3-%###-####|090-####-####|"
    "+82 10-%###-####|010-####-####|+86 138 #### ####|+31 6 ########|06-########|+46 70-### ## ##|070-### ## ##|"
    "+48 ### ### ###|+61 4## ### ###|(02) %### ####|04## ### ###|+27 82 ### ####|082 ### ####|+234 803 ### ####|"
    "0803 ### ####|+353 1 %## ####|+52 55 #### ####|+7 495 ###-##-##|%##-%##-#### ext. ###|+1 (%##) %##-#### x###"
)


def phone(rng: random.Random) -> str:
    """A phone number as people write it at home or to strangers."""
    return _digits(rng, rng.choice(_PHONES))


_MAILS = "northmail.example|postbox.example|uni-town.example|acme-corp.example|inbox.example.org|mail.example.co.uk"


def _plain(text: str) -> str:
    return "".join(c for c in text.lower() if "a" <= c <= "z") or "someone"


def email(rng: random.Random) -> str:
    """An e-mail made of a name or of nothing."""
    first, last, year = _plain(given(rng)), _plain(family(rng)), rng.randrange(60, 100)
    local = rng.choice(
        (f"{first}.{last}", f"{first}{year}", f"{first[0]}{last}", f"{last}_{first}", f"x{first}{year}x")
    )
    return f"{local}@{rng.choice(_MAILS.split('|'))}"


def _luhn(body: str) -> str:
    numbers = [int(char) for char in body]
    total = sum(sum(divmod(2 * number, 10)) for number in numbers[-1::-2]) + sum(numbers[-2::-2])
    return body + str(-total % 10)


def card(rng: random.Random) -> str:
    """A number of a large scheme with its check digit."""
    digits = _luhn(
        _digits(rng, rng.choice(("4##############", "51#############", "37############", "6011###########")))
    )
    if len(digits) == 16:
        groups = [digits[at : at + 4] for at in range(0, 16, 4)]
        return rng.choice((digits, " ".join(groups), "-".join(groups)))
    return rng.choice((digits, f"{digits[:4]} {digits[4:10]} {digits[10:]}"))


def iban(rng: random.Random) -> str:
    """An account number with its two check digits, in one piece or in groups of four."""
    shape = rng.choice(("DE 18", "GB WEST14", "FR 23", "NL ABNA10", "ES 20", "PL 24", "IT X22", "SE 20"))
    land, _, rest = shape.partition(" ")
    letters = "".join(char for char in rest if char.isalpha())
    body = letters + _digits(rng, "#" * int(rest[len(letters) :]))
    number = int("".join(str(int(char, 36)) for char in f"{body}{land}00"))
    whole = f"{land}{98 - number % 97:02}{body}"
    return rng.choice((whole, " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))))


def ssn(rng: random.Random) -> str:
    """US social security number."""
    return f"{rng.randrange(100, 660)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}"


def ip(rng: random.Random) -> str:
    """An address, one in five of version 6."""
    if rng.random() < 0.2:
        return f"2001:db8:{rng.randrange(4096, 65535):x}:{rng.randrange(4096, 65535):x}::{rng.randrange(16, 255):x}1a"
    return ".".join(str(rng.randrange(11, 223)) for _ in range(4))


def url(rng: random.Random) -> str:
    """A home page."""
    return rng.choice(("https://www.{}.example/", "http://{}.example", "www.{}.example")).format(_plain(family(rng)))


def day(rng: random.Random) -> str:
    """A date as people write it."""
    number, month, year = rng.randrange(1, 29), rng.choice(_MONTHS), rng.randrange(1938, 2024)
    return rng.choice((
        f"{number} {month} {year}", f"{month} {number}, {year}", f"{number:02}/{rng.randrange(1, 13):02}/{year}",
        f"{year}-{rng.randrange(1, 13):02}-{number:02}", f"{number}.{rng.randrange(1, 13)}.{year}",
    ))  # fmt: skip


def age(rng: random.Random) -> str:
    """Years of a life."""
    return str(rng.randrange(2, 97))


def zip_code(rng: random.Random) -> str:
    """A postcode of the US, the UK, Canada or Germany."""
    return rng.choice((_digits(rng, "%####"), _digits(rng, "%####-####"), "SW4 7BD", "M14 5TQ", "K1A 0B1"))


def passport(rng: random.Random) -> str:
    """A passport number."""
    return rng.choice(
        (
            _digits(rng, "5########"),
            "C" + _digits(rng, "########"),
            "P" + _digits(rng, "#######"),
            "XK" + _digits(rng, "#######"),
        )
    )


def licence(rng: random.Random) -> str:
    """A driving licence number."""
    return rng.choice(
        (
            _digits(rng, "D#######"),
            _digits(rng, "S###-####-####"),
            _digits(rng, "########"),
            "MORGA" + _digits(rng, "######") + "SM9IJ",
        )
    )


def record(rng: random.Random) -> str:
    """A number of an institution: of a patient, a member, an account."""
    return rng.choice((_digits(rng, "%#######"), _digits(rng, "%##-######"), "A" + _digits(rng, "#########")))


MAKERS: dict[str, tuple[str, Maker]] = {
    "person": ("PERSON", person), "first": ("PERSON", given), "last": ("PERSON", family), "title": ("TITLE", title),
    "address": ("STREET_ADDRESS", address), "street": ("STREET_ADDRESS", street), "city": ("GPE", city),
    "country": ("GPE", country), "nation": ("NRP", nation), "org": ("ORGANIZATION", organization),
    "phone": ("PHONE_NUMBER", phone), "email": ("EMAIL_ADDRESS", email), "card": ("CREDIT_CARD", card),
    "iban": ("IBAN_CODE", iban), "ssn": ("US_SSN", ssn), "ip": ("IP_ADDRESS", ip), "url": ("DOMAIN_NAME", url),
    "day": ("DATE_TIME", day), "age": ("AGE", age), "zip": ("ZIP_CODE", zip_code),
    "passport": ("US_PASSPORT", passport),
    "licence": ("US_DRIVER_LICENSE", licence), "record": ("RECORD_NUMBER", record),
}  # fmt: skip
"""Slot of a template: the label of presidio-research (or its like) and what makes the value."""
