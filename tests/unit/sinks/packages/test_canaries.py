import pyarrow as pa
import pytest

from sinks.packages.canaries import kinds_in, scan

# Put together here, so that no scanner of repositories takes them for real.
SECRETS = {
    "EMAIL": "anna.smith" + "@" + "corp-mail.co.uk",
    "PRIVATE_KEY": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "AWS_KEY": "AKIA" + "IOSFODNN7EXAMPLA".replace("8", "A"),
    "GITHUB_TOKEN": "ghp_" + "a1B2" * 9,
    "API_KEY": "sk-ant-" + "abcDEF123_" * 4,
    "GOOGLE_KEY": "AIza" + "Sy_abc-D" * 4 + "xyz",
    "SLACK_TOKEN": "xoxb-" + "123456789012-abcdefghij",
    "STRIPE_KEY": "sk_live_" + "a1b2c3d4e5f6g7h8i9j0",
    "JWT": ".".join(
        ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")
    ),
    "CARD": "4539 1488 0343 6467",
    "IBAN": "DE89 3704 0044 0532 0130 00",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_is_found_in_the_middle_of_text(kind: str) -> None:
    assert kind in set(kinds_in(f'{{"x": "see {SECRETS[kind]}, please"}}'))
    column = pa.array([None, "nothing here", f"see {SECRETS[kind]}."])
    assert (2, kind) in list(scan(column))
    assert {row for row, _ in scan(column)} == {2}


@pytest.mark.parametrize("kind", SECRETS)
def test_escapes_of_json_text_hide_nothing(kind: str) -> None:
    for before in (r"\n", r"\\n", r"\t", r"\u2028"):
        text = f"see{before}{SECRETS[kind]}{before}"
        assert kind in set(kinds_in(text)), before
        assert list(scan(pa.array([text]))), before
    first, rest = SECRETS[kind][0], SECRETS[kind][1:]
    escaped = f"see \\u{ord(first):04x}{rest}, please"
    assert kind in set(kinds_in(escaped))
    assert list(scan(pa.array([escaped])))


@pytest.mark.parametrize(
    "text",
    [
        "user-0123456789@redacted.invalid and bob@example.com",
        "4539 1488 0343 6468 and 0000000000000000 and 4111111111111111x",
        "3f2b8a9e-1c4d-4e5f-8a9b-0c1d2e3f4a5b d41d8cd98f00b204e9800998ecf8427e",
        "[IBAN-12ab34cd56] DE00 0000 0000 0000 0000 00",
        "2024-01-15T10:00:00.123456Z 1700000000123456",
        "skip-this-and-that-and-more-of-the-same-kind",
        "@decorator\ndef f(self): return a@b",
        r"import pytest\n\n@pytest.fixture\ndef f(): ...\n22-@pytest.mark.skip\n",
        r"{\"code\": \"x\\n@pytest.fixture\"}",
    ],
)
def test_what_only_looks_alike_is_passed_over(text: str) -> None:
    assert list(kinds_in(text)) == []
