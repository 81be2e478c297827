"""What rules find, and what they must not."""

import itertools
import random
import re
import signal

import pytest

from streams.core.redact import find as find_module
from streams.core.redact.find import Finder
from streams.core.redact.kinds import KINDS
from streams.core.redact.prefilter import Prefilter
from streams.core.redact.redactor import RULES_ALONE
from streams.core.redact.rules import RULES
from tests.unit.streams.redact.samples import AWS, BOT, GITHUB, HASHED, JWT, OPENAI, PEM, SLACK, SLASHED

find = RULES_ALONE.finder.find

FOUND = [
    ("EMAIL", "write to mia.li@example.com.", "mia.li@example.com"),
    ("EMAIL", "Mia <mia+x@sub.example.co.uk>", "mia+x@sub.example.co.uk"),
    ("EMAIL", "email=mia@example.com&x=1", "mia@example.com"),
    ("EMAIL", "?to=mia%40example.com&x", "mia%40example.com"),
    ("EMAIL", "müller@bücher.example", "müller@bücher.example"),
    ("EMAIL", "mia@example.com--", "mia@example.com"),
    ("CARD", "card 4111 1111 1111 1111.", "4111 1111 1111 1111"),
    ("CARD", "4111111111111111", "4111111111111111"),
    ("CARD", "5500-0000-0000-0004", "5500-0000-0000-0004"),
    ("CARD", "3782 822463 10005", "3782 822463 10005"),
    ("PHONE", "call +49 30 5550 1234 now", "+49 30 5550 1234"),
    ("PHONE", "+493055501234", "+493055501234"),
    ("PHONE", "phone=+1 (415) 555-2671", "+1 (415) 555-2671"),
    ("PHONE", "(415) 555-2671", "(415) 555-2671"),
    ("PHONE", "415.555.2671", "415.555.2671"),
    ("PHONE", "986.291.2294x751", "986.291.2294x751"),
    ("PHONE", "001-420-335-7509x38548", "001-420-335-7509x38548"),
    ("PHONE", "Tel (07) 5331 0577", "(07) 5331 0577"),
    ("PHONE", "03.93.92.16.85", "03.93.92.16.85"),
    ("PHONE", "0490 75 40 81.", "0490 75 40 81"),
    ("IP", "from 203.0.113.7:443", "203.0.113.7"),
    ("IP", "http://10.1.2.3/x", "10.1.2.3"),
    ("IP", "addr 2001:db8:85a3::8a2e:370:7334,", "2001:db8:85a3::8a2e:370:7334"),
    ("IP", "fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
    ("API_KEY", f"key {OPENAI} set", OPENAI),
    ("API_KEY", f"{GITHUB}", GITHUB),
    ("API_KEY", f"id={AWS}", AWS),
    ("API_KEY", f"'{SLACK}'", SLACK),
    ("TOKEN", f"cookie {JWT};", JWT),
    ("TOKEN", "Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("TOKEN", "Bearer 9f8e7d6c5b4a39281706f5e4d3c2b1a0", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
    ("SECRET", 'password: "Summer24!"', "Summer24!"),
    ("SECRET", "DB_PASSWORD=x9y8z7w6", "x9y8z7w6"),
    ("SECRET", '\\"api_key\\": \\"0a1b2c3d4e5f\\"', "0a1b2c3d4e5f"),
    ("URL_CREDENTIALS", "postgres://app:s3cr3t@db/main", "app:s3cr3t"),
    ("PRIVATE_KEY", f"x {PEM} y", PEM),
    ("IBAN", "to GB82 WEST 1234 5698 7654 32 today", "GB82 WEST 1234 5698 7654 32"),
    ("IBAN", "DE89370400440532013000", "DE89370400440532013000"),
    ("IBAN", "iban: nl91abna0417164300", "nl91abna0417164300"),
    ("SSN", "ssn 123-45-6789", "123-45-6789"),
    ("SSN", "Social Security number: 123456789", "123456789"),
    ("NATIONAL_ID", "CPF 529.982.247-25", "529.982.247-25"),
    ("NATIONAL_ID", "codice RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("NATIONAL_ID", "NHS number 943 476 5919", "943 476 5919"),
    ("NATIONAL_ID", "DNI: 12345678Z", "12345678Z"),
    ("NATIONAL_ID", "PESEL 44051401359", "44051401359"),
    ("NATIONAL_ID", "BSN is 111222333", "111222333"),
    ("NATIONAL_ID", "my SIN is 046 454 286", "046 454 286"),
    ("NATIONAL_ID", "NI number AB 12 34 56 C", "AB 12 34 56 C"),
    ("NATIONAL_ID", "1 85 05 78 006 084 91", "1 85 05 78 006 084 91"),
    ("NATIONAL_ID", "Aadhaar 2341 2341 2346", "2341 2341 2346"),
    ("NATIONAL_ID", "Steuer-ID 86 095 742 719", "86 095 742 719"),
    ("PASSPORT", "passport no. C01X00T47", "C01X00T47"),
    ("DRIVER_LICENSE", "my driver's license is F255-9215-0094", "F255-9215-0094"),
    ("ACCOUNT", "account number 000123456789", "000123456789"),
    ("MEDICAL_RECORD", "MRN: 00456789", "00456789"),
    ("HEALTH_PLAN", "member id XQJ123456789", "XQJ123456789"),
    ("VEHICLE", "VIN 1HGCM82633A004352", "1HGCM82633A004352"),
    ("DEVICE", "IMEI 490154203237518", "490154203237518"),
    ("DEVICE", "from 00:1B:44:11:3A:B7,", "00:1B:44:11:3A:B7"),
    ("DATE_OF_BIRTH", "born on 12/27/1986 in", "12/27/1986"),
    ("DATE_OF_BIRTH", "DOB: 1990-04-05", "1990-04-05"),
    ("DATE_OF_BIRTH", "date of birth is May 5, 1990", "May 5, 1990"),
    ("ADDRESS", "at 12 Oak Street, Springfield, IL 62704.", "12 Oak Street, Springfield, IL 62704"),
    ("ADDRESS", "to 4B North Elm Ave Apt 7", "4B North Elm Ave Apt 7"),
    ("ADDRESS", "wohnt Hauptstraße 12a, 10115 Berlin", "Hauptstraße 12a, 10115 Berlin"),
    ("ADDRESS", "au 5 rue de la Paix", "5 rue de la Paix"),
    ("ADDRESS", "en Calle Mayor 5", "Calle Mayor 5"),
    ("ADDRESS", "P.O. Box 149", "P.O. Box 149"),
    ("ZIP", "zip code 90210", "90210"),
    ("ZIP", "in SW1A 1AA", "SW1A 1AA"),
    ("PERSON", "ask Mr. Bob Stone now", "Bob Stone"),
    ("PERSON", "my name is Aiko Tanaka, hi", "Aiko Tanaka"),
    ("PERSON", "Dear Zoltan,", "Zoltan"),
    ("PERSON", "Name: Ngozi Okafor\nPhone: none", "Ngozi Okafor"),
    ("PHONE", "reach me at 516 466 638", "516 466 638"),
    ("SECRET", "the password is hunter2-xyz.", "hunter2-xyz"),
    ("SECRET", "SMTP_PASS='p$ssW0rd;2024'", "p$ssW0rd;2024"),
    ("SECRET", 'secret => "abc!DEF(9"', "abc!DEF(9"),
    ("SECRET", "Password=Tulip$2291", "Tulip$2291"),
    ("SECRET", "<password>dkL29xxPq</password>", "dkL29xxPq"),
    ("SECRET", "mot de passe : Chat0-Noir-9", "Chat0-Noir-9"),
    ("SECRET", f"aws_secret_access_key = {SLASHED}", SLASHED),
    ("SECRET", "tool --password Xy77-kkQ2 --verbose", "Xy77-kkQ2"),
    ("SECRET", "curl -u bob:tiger9Lily https://x.example", "tiger9Lily"),
    ("SECRET", "sshpass -p 'Fjord2024x' ssh host", "Fjord2024x"),
    ("SECRET", "machine x login deploy password w8Jr5tPqZz", "w8Jr5tPqZz"),
    ("SECRET", "Set-Cookie: connect.sid=s3Kx81ppzQ7w3Rt5Yu8Io2; Path=/", "s3Kx81ppzQ7w3Rt5Yu8Io2"),
    ("SECRET", "GET /cb?code=Kx81ppzQ7w3Rt5Yu8Io2LpAs&state=1", "Kx81ppzQ7w3Rt5Yu8Io2LpAs"),
    ("SECRET", f"root:{HASHED}:19000", HASHED),
    ("SECRET", "Your verification code is 582913.", "582913"),
    ("TOKEN", "Authorization: Kx81ppzQ7w3Rt5Yu8Io2", "Kx81ppzQ7w3Rt5Yu8Io2"),
    ("API_KEY", f"https://api.example/bot{BOT}/getMe", BOT),
    ("URL_CREDENTIALS", "redis://:p4ssTh1sOn@cache:6379", ":p4ssTh1sOn"),
    ("URL_CREDENTIALS", "postgres://app:pa/ss:w0rd9@pg/db", "app:pa/ss:w0rd9"),
    ("IBAN", "DE89-3704-0044-0532-0130-00", "DE89-3704-0044-0532-0130-00"),
    ("NATIONAL_ID", "id 11010519491231002X", "11010519491231002X"),
    ("NATIONAL_ID", "900101-1234568", "900101-1234568"),
    ("PASSPORT", "Reisepass-Nr. C01X00T47", "C01X00T47"),
    ("PASSPORT", "passport_number=US876543", "US876543"),
    ("DATE_OF_BIRTH", "DOB - 03/14/1987", "03/14/1987"),
    ("DATE_OF_BIRTH", "Date of Birth\n1987-03-14", "1987-03-14"),
    ("DATE_OF_BIRTH", "DOB (MM/DD/YYYY): 03/14/1987", "03/14/1987"),
    ("DATE_OF_BIRTH", "<dob>14-MAR-1987</dob>", "14-MAR-1987"),
    ("DATE_OF_BIRTH", "birthdate=19870314", "19870314"),
    ("DATE_OF_BIRTH", "Geburtsdatum: 14. März 1987", "14. März 1987"),
    ("DATE_OF_BIRTH", "her birthday is March 14", "March 14"),
    ("USERNAME", "cd /home/jdelacroix/src", "jdelacroix"),
    ("USERNAME", "C:\\Users\\hmueller\\x", "hmueller"),
    ("USERNAME", "username: bwayne77", "bwayne77"),
    ("PERSON", "{'first_name': 'Nkechi'}", "Nkechi"),
    ("PERSON", "f(last_name='Obi')", "Obi"),
    ("PERSON", "surname: Nwosu", "Nwosu"),
    ("PERSON", "<GivenName>Fatoumata</GivenName>", "Fatoumata"),
    ("ADDRESS", "{'address': '8 Kola Bend'}", "8 Kola Bend"),
]

NOT_FOUND = [
    "550e8400-e29b-41d4-a716-446655440000",
    "55555555-4444-3333-2222-111111111111",
    "e83c5163316f89bfbde7d9ab23ca2e25604af290",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2024-01-15T10:00:00.123456Z",
    "2024-01-15 10:00:00+00:00",
    "+2024-01-15 10:00:00",
    "order 4857739943, patient 9434765919",
    "1705312800, 1705312800123, 1705312800123456, 1705312800123456789",
    "Python 3.11.4, v1.2.3.4, pkg==1.2.3.4, Chrome/120.0.0.0, 4.0.1-rc1",
    "127.0.0.1 0.0.0.0 255.255.255.0 ::1 2.0.0.0",
    "x[::2] a::b std::vector<int> Foo::bar 12:34:56 10:20:30:40 aa:bb:cc:dd:ee:ff",
    "ZFA04G, 8JSWKD, HAT156 at 10:00 EST",
    "git@github.com:org/repo.git",
    "lodash@4.17.21-beta.next @pytest.mark.parametrize a @ b user@host",
    "4111 1111 1111 1112",
    "1234-5678-9012-3456-7890",
    "password: str, password=password, token = get_token(user), secret=None, api_key=os.environ['X']",
    "PASSWORD=/etc/secret1/file password=config.db_password2 pwd=make_hash2(text)",
    "token classification_models_and_their_uses",
    "basic authentication-and-authorization",
    "https://example.com:8080/path?a=b",
    "sk-learn skeleton sk_buff task-force",
    "x = 123-456\n789-0123",
    "1 234 567 890 and 12 345 678",
    "00 01 02 03 04 05 06 07 and 01 02 03 04",
    "05-12-2023 10:30 05.12.2023 11 01/02/2024",
    "0.123 456 0x12 345 678",
    "0.4111111111111111 -4111111111111111.5e3",
    "4857739943 is the order, the plate of food, the policy is simple: 24 hours, member since 2019",
    "During 1944, String 12, Spring 2024 and the Tie 46; Gate 12",
    "issue 12 Way to go, 3 Hill climbing runs, step 4 Drive",
    "GB00WEST12345698765432 XX82WEST12345698765432 AB12CDEF34567890",
    "1HGCM82633A004353 the vin of no vehicle",
    "member function account serializer device plate 2-3",
    "the password is required. password is wrong",
    "Dear all, dear customer, my name is not important",
    "call_8f3a2b1c phone_number_v2 call 3 functions in 200 ms at 10:30",
    "jobs:\n  - name: Build Wheels\n  - name: Setup Node",
    "Name: Order Service\nName: Running Shoes",
    "The variable name is UserCount, the column name is Amount, it is called Release Train",
    "Kind regards,\nBilling Department",
    "icon@2x.png logo@3x.webp main.a1b2@v3.js",
    "call 20240516, number 10485760, reach 100 000 000 users",
    "policy number limit 20000, patient numbers rose 12000, license (2023), device number limit 65536",
    "version 5.4.0.1, kernel 5.4.0.1, section 4.2.3.4, dns 8.8.8.8 and 1.1.1.1",
    "settings.OPENAI_API_KEY_V2 = password=process.env.DB_PASS1 secret=%SECRET1%",
    "password: 'incorrect' or secret = '${VAULT_KEY_1}'",
    "/home/runner/work /home/user/x /Users/Shared/y /home/ubuntu/z ls /home/projects/",
    "first_name: String, last_name = Required, full_name: str, first_name = person.first_name",
    "address: 'not found' {'address': '0x7ffe12ab34cd'}",
    "username: admin1 user=guest2 login: test_user",
    "--token-count 4096 --password-file /etc/pw1 token=abc",
    "session_id=550e8400-e29b-41d4-a716-446655440000 next_page_token: x",
    "",
    "@",
    "+",
]


@pytest.mark.parametrize(("kind", "text", "value"), FOUND)
def test_found(kind: str, text: str, value: str) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in find(text)] == [(kind, value)]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_not_found(text: str) -> None:
    assert [(f.kind, text[f.start : f.end]) for f in find(text)] == []


def test_every_kind_of_a_rule_is_a_kind_of_policies() -> None:
    assert {rule.kind for rule in RULES} <= set(KINDS)


def mutations() -> list[str]:
    """Findings and others cut, joined and changed by a character."""
    rng = random.Random(5)
    pieces = [text for _, text, _ in FOUND] + NOT_FOUND
    texts = list(pieces)
    for _ in range(3_000):
        text = "".join(piece[rng.randrange(min(4, len(piece) + 1)) :] for piece in rng.sample(pieces, 2))
        at = rng.randrange(len(text) + 1)
        texts.append(text[:at] + rng.choice("0123456789 .-+@:=()xA") + text[at + rng.randrange(2) :])
    return texts


def test_hints_never_hide_what_a_pattern_would_find(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = frozenset(KINDS)
    texts = mutations()
    hinting = Finder(kinds)
    hinted = [hinting.find(text) for text in texts]

    class Everything(Prefilter):
        def __call__(self, text: str) -> list[int]:
            return list(range(len(self.rules)))

    monkeypatch.setattr(find_module, "Prefilter", Everything)
    unhinted = Finder(kinds)
    assert hinted == [unhinted.find(text) for text in texts]
    assert sum(map(len, hinted)) > 1_000


def test_without_hyperscan_the_same_is_found() -> None:
    kinds = frozenset(KINDS)
    texts = mutations()[:1_200]
    fast, slow = Finder(kinds, engine="hyperscan"), Finder(kinds, engine="re")
    assert [fast.find(text) for text in texts] == [slow.find(text) for text in texts]


def test_no_piece_that_repeats_inside_a_value_makes_a_pattern_try_every_way_to_cut_it() -> None:
    finder = Finder(frozenset(KINDS))
    signs = ("a", "A", "1", "_", ".", "-", " ")
    pieces = [*signs, *(one + other for one in signs for other in signs)]

    def too_long(*_: object) -> None:
        raise TimeoutError

    held = signal.signal(signal.SIGALRM, too_long)
    try:
        for _, text, value in FOUND:
            low = text.index(value)
            spots = [low + found.start() for found in re.finditer(r"\b", value)][:4]
            for at, piece in itertools.product((*spots, low + len(value) // 2), pieces):
                signal.setitimer(signal.ITIMER_REAL, 20)  # it takes a ten thousandth of that
                finder.find(f"{text[:at]}{piece * 45}{text[at:]}")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, held)
