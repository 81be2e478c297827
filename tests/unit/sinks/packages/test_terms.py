import pytest

from schemas.errors import UsageError
from sinks.packages.terms import PURPOSES, parse_terms, read_terms


def test_the_widest_purpose_is_what_each_provider_leaves_open() -> None:
    terms, _ = read_terms()
    for provider, model, widest in (
        ("anthropic", "claude-sonnet-4", "internal-fine-tuning"),
        ("openai", "gpt-4o", "internal-fine-tuning"),
        (None, "gpt-4o-2024-08-06", "internal-fine-tuning"),
        ("google", "gemini-2.5-pro", "internal-fine-tuning"),
        ("bedrock", "us.anthropic.claude-3", "internal-fine-tuning"),
        ("meta", "llama-3.3-70b", "commercial-model"),
        ("together", "deepseek-ai/DeepSeek-V3", "competing-model"),
        ("nobody", "never-heard-of", "internal-research"),
        (None, None, "internal-research"),
    ):
        allowed = [purpose for purpose in PURPOSES if terms.allow(purpose, provider, model)]
        assert allowed[-1] == widest, (provider, model)
        assert allowed == list(PURPOSES[: len(allowed)])


def test_where_two_rules_speak_the_strictest_holds() -> None:
    rule = '[[rule]]\nprovider = "{}"\nproviders = ["{}"]\nmodels = ["{}"]\nallows = "{}"\nsummary = "s"\n'
    terms = parse_terms(
        'reviewed = "2026"\n'
        + rule.format("host", "host", "-", "competing-model")
        + rule.format("maker", "-", "m-*", "internal-research"),
        "t",
    )
    assert terms.governing("host", "other").provider == "host"
    assert terms.governing("host", "m-1").provider == "maker"


def test_a_wrong_terms_file_is_told_with_line_and_key() -> None:
    with pytest.raises(UsageError, match=r"line 4, rule\.1\.allows: 'all' is not allowed"):
        parse_terms('reviewed = "2026"\n[[rule]]\nprovider = "p"\nallows = "all"\nsummary = "s"\n', "t.toml")
