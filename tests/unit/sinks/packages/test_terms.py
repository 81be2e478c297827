from datetime import date

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
        ("meta", "Meta-Llama-3-70B-Instruct", "internal-research"),
        ("openai", "ft:gpt-4.1-2025-04-14:org:name:id", "internal-fine-tuning"),
        ("together", "deepseek-ai/DeepSeek-V3", "internal-fine-tuning"),
        ("vllm", "google/gemma-3-27b-it", "commercial-model"),
        ("vllm", "google/gemma-4-27b-it", "competing-model"),
        ("ollama", "qwen3:32b", "competing-model"),
        ("ollama", "never-heard-of", "internal-research"),
        ("nobody", "never-heard-of", "internal-research"),
        (None, None, "internal-research"),
    ):
        allowed = [purpose for purpose in PURPOSES if terms.allow(purpose, provider, model)]
        assert allowed[-1] == widest, (provider, model)
        assert allowed == list(PURPOSES[: len(allowed)])


@pytest.mark.parametrize("provider", [None, "together", "some-new-host"])
def test_a_host_that_nobody_knows_leaves_no_competing_model_whatever_the_licence_of_the_weights(
    provider: str | None,
) -> None:
    terms, _ = read_terms()
    assert terms.governing(provider, "qwen3-8b").allows == "competing-model"
    assert terms.allow("commercial-model", provider, "qwen3-8b")
    assert not terms.allow("competing-model", provider, "qwen3-8b")
    assert not terms.allow("competing-model", "vllm", "qwen2-7b"), "nor does a known host with a model nobody knows"


def test_every_shipped_rule_names_its_source_and_the_day_it_was_checked() -> None:
    terms, _ = read_terms()
    for rule in terms.rule:
        assert rule.url is not None, rule.provider
        assert rule.url.startswith("https://"), rule.provider
        assert rule.checked is not None, rule.provider
        assert date.fromisoformat(rule.checked) <= date.fromisoformat(terms.reviewed)


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
