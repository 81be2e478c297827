"""The redaction policy: read, refused, hashed, and obeyed; what it asks for that is missing."""

import logging
from pathlib import Path

import pytest

from schemas.errors import UsageError
from schemas.records import ToolCalled, UserMessage
from streams import redaction
from streams.core.redact.events import RedactionRejected
from streams.core.redact.policy import RedactionPolicy, parse_redaction_policy
from streams.core.redact.redactor import Redactor
from streams.redaction import DEFAULT_REDACTION, build_redactor, load_redaction_policy
from tests.unit.streams.redact.samples import params, redacted, said


def policy(text: str) -> RedactionPolicy:
    return parse_redaction_policy(text, "test.toml")


def test_the_file_that_ships_says_what_the_defaults_are() -> None:
    assert load_redaction_policy(DEFAULT_REDACTION).hash == RedactionPolicy().hash


def test_all_mistakes_are_named_with_what_is_allowed() -> None:
    with pytest.raises(UsageError) as caught:
        policy('nam = 1\n[modes]\nPERSONS = "mask"\nEMAIL = "blur"\n[ner]\nuse = "maybe"\nmin_score = 2\nfast = true')
    message = str(caught.value)
    assert "test.toml" in message
    for word in ("nam: unknown key", "PERSONS: unknown kind", "EMAIL: 'blur'", "ner.use", "ner.min_score", "ner.fast"):
        assert word in message


@pytest.mark.parametrize("text", ["[[", "modes = 1", 'profiles = ["gdpr"]', "profiles = 3", "name = 3"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        policy(text)


def test_a_missing_file_is_a_usage_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="TDC_REDACTION"):
        load_redaction_policy(tmp_path / "none.toml")


def test_modes_mask_remove_and_keep() -> None:
    redactor = Redactor(policy('[modes]\nEMAIL = "mask"\nIP = "remove"\nPHONE = "keep"'))
    (event,), counts = redacted(UserMessage(content="a@b.example|203.0.113.7|+49 30 5550 1234"), redactor=redactor)
    assert said(event) == "[EMAIL]||+49 30 5550 1234"
    assert counts == {"EMAIL": 1, "IP": 1}


def test_a_rejected_kind_stops_the_trace_and_its_value_is_in_no_message() -> None:
    with pytest.raises(RedactionRejected) as caught:
        redacted(UserMessage(content="4111 1111 1111 1111"), redactor=Redactor(policy('[modes]\nCARD = "reject"')))
    assert caught.value.kind == "CARD"
    assert "4111" not in str(caught.value)


def test_the_hipaa_profile_switches_on_what_is_kept() -> None:
    text = "born 1990-04-05, seen 03/04/2024, at https://clinic.example/p/1, aged 91"
    (plain,), _ = redacted(UserMessage(content=text))
    (strict,), counts = redacted(UserMessage(content=text), redactor=Redactor(policy('profiles = ["hipaa"]')))
    assert "03/04/2024" in said(plain)
    assert {"DATE", "DATE_OF_BIRTH", "URL", "AGE"} <= counts.keys()
    assert "clinic" not in said(strict)


def test_numbers_stay_numbers_when_masked() -> None:
    redactor = Redactor(policy('[modes]\nZIP = "mask"'))
    (event,), _ = redacted(ToolCalled(tool="T", parameters_json='{"zip": 90210}'), redactor=redactor)
    assert params(event) == '{"zip": 0}'


def test_the_report_names_rules_detectors_and_policy() -> None:
    version = Redactor().version
    assert "ner=off" in version
    assert f"policy={RedactionPolicy().hash[:12]}" in version


def test_without_the_model_auto_degrades_with_a_word_and_required_refuses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with caplog.at_level(logging.WARNING, "tdc"):
        assert build_redactor(policy("")).recognizer is None
    assert "extra `ner`" in caplog.text
    with pytest.raises(UsageError, match="extra `ner`"):
        build_redactor(policy('[ner]\nuse = "required"'))


def test_presidio_must_be_installed_where_it_is_chosen() -> None:
    with pytest.raises(UsageError, match="Presidio"):
        build_redactor(policy('[ner]\nbackend = "presidio"'))


def test_without_hyperscan_there_is_a_word(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(redaction, "ENGINE", "re")
    with caplog.at_level(logging.WARNING, "tdc"):
        build_redactor(policy('[ner]\nuse = "off"'))
    assert "hyperscan" in caplog.text
