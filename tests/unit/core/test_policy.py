from pathlib import Path

import pytest

from schemas.errors import UsageError
from streams.core.policy import Gates, Policy, load_policy, parse_policy

DEFAULT = Path(__file__).parents[3] / "ops" / "policies" / "default.toml"


def test_the_default_file_says_what_the_code_says() -> None:
    assert load_policy(DEFAULT) == Policy()


def test_every_key_is_documented_in_the_default_file() -> None:
    lines = DEFAULT.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("#"), line


def test_the_hash_covers_values_not_comments_order_or_how_numbers_are_written() -> None:
    one = parse_policy("[gates]\nmin_quality_score = 1\ncomplete_execution = true\n", "one")
    two = parse_policy("# hi\n[gates]\ncomplete_execution = true\nmin_quality_score = 1.0\n", "two")
    assert one.hash == two.hash != Policy().hash
    assert len(one.hash) == 64
    assert Policy(gates=Gates(min_quality_score=0.81)).hash != Policy().hash


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 3", "colour: unknown key; known here: name, gates, exceptions, consent, providers,"),
        ("[gates]\nmin_quality = 1", "gates.min_quality: unknown key"),
        ("[gates]\nmin_quality_score = 1.5", "gates.min_quality_score: 1.5 is not allowed; must be a number from 0"),
        ("[gates]\nmin_quality_score = nan", "gates.min_quality_score: nan is not allowed"),
        ('[gates]\ncomplete_execution = "yes"', "must be true or false"),
        ('[gates]\nexecution_modes = ["LIVE"]', 'a list of "EXECUTION" or "SIMULATION" or "OPTIMIZATION"'),
        ('[consent]\ndenied = "accept"', "consent.denied: 'accept' is not allowed; must be \"reject\""),
        ("[examples]\nmax_context_chars = -1", "must be a whole number from 0 to 4000000"),
        ("[near_duplicates]\nmin_similarity = 0.2", "must be a number from 0.7 to 1"),
        ('[exceptions]\nfailed_executions = "keep"', 'must be "reject" or "error_training"'),
        ("[windows]\nhours = 0", "must be a whole number from 1 to 720"),
        ("gates = 1", "gates: must be a section, [gates]"),
        ("gates", "is not TOML"),
    ],
)
def test_a_wrong_policy_is_refused_with_the_file_the_key_and_what_is_allowed(text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_policy(text, "mine.toml")
    assert named in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(UsageError, match=r"(?s)gates\.a.*gates\.b"):
        parse_policy("[gates]\na = 1\nb = 2", "mine.toml")


def test_a_missing_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="set TDC_POLICY"):
        load_policy(tmp_path / "none.toml")
