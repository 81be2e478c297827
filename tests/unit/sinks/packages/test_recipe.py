import re

import msgspec
import pytest

from schemas.errors import UsageError
from sinks.packages.formats import FORMATS
from sinks.packages.recipe import SHIPPED, Recipe, load_recipe, parse_recipe, shipped_names

STANDARD = {
    "decision_making", "tool_selection", "error_handling", "workflow_optimization", "multi_agent_coordination",
    "domain_specific", "performance_optimization", "quality_improvement", "user_interaction",
    "traces", "decisions", "tool_patterns", "preference_pairs",
}  # fmt: skip


def refused(text: str, domains: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        parse_recipe(text, "mine.toml", domains)
    return str(caught.value)


def test_every_package_has_a_recipe_that_can_be_read() -> None:
    assert set(shipped_names()) == STANDARD
    for name in shipped_names():
        loaded = load_recipe(name)
        assert loaded.recipe.name == name
        assert loaded.recipe.title
        assert loaded.recipe.description
        assert set(loaded.recipe.formats) <= set(FORMATS)


def test_errors_name_the_line_and_the_key_and_what_is_allowed() -> None:
    words = refused('name = "x"\nkind = "rows"\n\n[balance]\nper_task = 0\nper_day = 3\n')
    assert "mine.toml" in words
    assert "line 2, kind: 'rows' is not allowed; must be \"examples\"" in words
    assert "line 5, balance.per_task: 0 is not allowed; must be a whole number at least 1" in words
    assert "line 6, balance.per_day: unknown key" in words


WRONG = {
    "name": '"Has Spaces"',
    "kind": '"rows"',
    "title": "3",
    "description": "true",
    "license": "[]",
    "types": '"conversation"',
    "packages": "[1]",
    "filter": '"no_such_column = 1"',
    "domain_rules": "1",
    "domains": '["legal"]',
    "min_quality_score": "1.5",
    "best_of_cluster": '"yes"',
    "max_simulation_share": "-0.1",
    "pairs": '["step"]',
    "pairs_per_task": "0",
    "formats": '["parquet/xml"]',
    "shard_mb": "0",
    "balance.per_scenario": "0",
    "balance.per_task": "1.5",
    "balance.per_cluster": '"few"',
    "balance.per_model": "-1",
    "splits.train": "1.1",
    "splits.validation": '"some"',
    "splits.test": "-1",
    "splits.seed": "0.5",
}
"""A value for each key that it may not have."""


def _keys(struct: type[msgspec.Struct], before: str = "") -> set[str]:
    found: set[str] = set()
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            found |= _keys(field.type, f"{field.encode_name}.")
        else:
            found.add(before + field.encode_name)
    return found


@pytest.mark.parametrize("key", sorted(WRONG))
def test_a_wrong_value_of_any_key_is_told_with_its_line_and_name(key: str) -> None:
    section, _, name = key.rpartition(".")
    lines = ["# a comment", *([] if key == "name" else ['name = "x"']), *([f"[{section}]"] if section else [])]
    text = "\n".join([*lines, "", f"{name} = {WRONG[key]}"])
    assert f"line {len(lines) + 2}, {key}: " in refused(text)


def test_no_key_is_without_a_test_and_the_first_recipe_explains_each() -> None:
    assert set(WRONG) == _keys(Recipe)
    told = "".join(
        (SHIPPED / f"{name}.toml").read_text() for name in ("decision_making", "domain_specific", "preference_pairs")
    )
    for key in _keys(Recipe):
        assert re.search(rf"^(# )?{key.rpartition('.')[2]} = ", told, re.MULTILINE), key


def test_all_problems_of_a_recipe_are_told_at_once() -> None:
    words = refused('name = "x"\ncolour = "red"\nshard_mb = 0\n[splits]\nseed = "a"\n')
    assert [line.split(":")[0].strip() for line in words.splitlines()[1:]] == [
        "line 2, colour", "line 3, shard_mb", "line 5, splits.seed",
    ]  # fmt: skip


def test_a_missing_name_and_broken_toml_are_told() -> None:
    assert "name: is missing" in refused('kind = "traces"\n')
    assert "line 2" in refused('name = "x"\nkind = \n')


def test_a_key_inside_a_long_text_is_not_taken_for_the_key() -> None:
    words = refused('name = "x"\ndescription = """\nkind = "no"\n"""\nkind = "no"\n')
    assert "line 5, kind" in words


@pytest.mark.parametrize(
    ("condition", "word"),
    [
        ("no_such_column > 1", "no_such_column"),
        ("true) UNION SELECT 1 WHERE (true", "not an SQL condition"),
        ("1 = 1; DROP TABLE examples", "not an SQL condition"),
        ("quality_score > random()", "may not use random"),
        ("created_at < now()", "may not use now"),
        ("created_at < current_timestamp", "may not use current_timestamp"),
        ("trace_id IN (SELECT column0 FROM read_csv('/etc/passwd'))", "not an SQL condition"),
        ("quality_score >", "not an SQL condition"),
    ],
)
def test_filters_that_are_wrong_unstable_or_look_outside_are_refused(condition: str, word: str) -> None:
    words = refused(f'name = "x"\n\nfilter = "{condition}"\n')
    assert "line 3, filter" in words
    assert word in words


def test_a_filter_may_look_into_the_other_tables() -> None:
    text = 'name = "x"\nfilter = "trace_id IN (SELECT trace_id FROM traces WHERE cost_usd < 1) -- cheap"\n'
    assert parse_recipe(text, "mine.toml").recipe.filter is not None


def test_formats_must_exist_and_fit_the_kind_of_rows() -> None:
    assert "line 2, formats: there is no format 'xml'" in refused('name = "x"\nformats = ["xml"]\n')
    words = refused('name = "x"\nkind = "traces"\nformats = ["jsonl/trl"]\n')
    assert "line 3, formats: the format 'jsonl/trl' holds chats" in words
    assert "once" in refused('name = "x"\nformats = ["csv", "csv"]\n')


def test_shares_add_up() -> None:
    assert "line 2, splits: train, validation and test add up to 0.7" in refused('name = "x"\n[splits]\ntrain = 0.5\n')


def test_domains_are_those_of_the_file() -> None:
    domains = '[[domain]]\nname = "legal"\nscenarios = ["*court*"]\n'
    text = 'name = "x"\ndomain_rules = "d.toml"\ndomains = ["{}"]\n'
    assert "line 3, domains: naval is not in d.toml" in refused(text.format("naval"), domains)
    loaded = parse_recipe(text.format("legal"), "mine.toml", domains)
    assert loaded.domains is not None
    assert loaded.domains.of("Small_Court_Claims") == "legal"
    assert loaded.domains.of("kitchen") is None
    assert "line 3, domain.1.scenarios" in refused(
        text.format("legal"), '[[domain]]\nname = "legal"\nscenarios = "x"\n'
    )


def test_the_hash_is_of_values_and_not_of_comments() -> None:
    one = parse_recipe('name = "x"\nmin_quality_score = 0.5\n', "a.toml")
    same = parse_recipe('# a comment\nmin_quality_score = 0.5\nname = "x"', "b.toml")
    other = parse_recipe('name = "x"\nmin_quality_score = 0.6\n', "a.toml")
    assert one.hash == same.hash != other.hash


def test_a_recipe_that_is_not_there_is_told_with_those_that_are(tmp_path: object) -> None:
    with pytest.raises(UsageError, match="decision_making, decisions"):
        load_recipe("no_such_recipe")


def test_simulated_runs_are_in_by_choice_only() -> None:
    assert Recipe(name="x").max_simulation_share == 0
