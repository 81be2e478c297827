"""All shipped recipes in one go: what has rows is published, what has none is named."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ops.cli.main import main
from ops.supervisor import settings_environment
from schemas.errors import UsageError
from schemas.settings import Settings
from sinks.packages.build_all import build_all
from sinks.packages.catalogue import listing
from sinks.packages.emptiness import why_empty
from sinks.packages.formats import FORMATS
from sinks.packages.place import open_place
from sinks.packages.plan import Built
from sinks.packages.recipe import formats_that_hold, load_recipe, shipped_names
from tests.unit.sinks.packages.building import RECIPE, plan
from tests.unit.sinks.packages.stocked import run, settings_at, stock, store, verdict

EMPTY = RECIPE.replace("pack", "none") + 'types = ["nothing"]\n'

Tdc = Callable[..., tuple[int, str]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


@pytest.fixture
def tdc(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tdc:
    """`tdc package build ...` in this process: exit code, and all that it said."""
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tdc", "package", "build", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out or " ".join(said.err.split())

    return run


def test_an_empty_package_is_named_and_the_next_one_is_built(settings: Settings) -> None:
    stock(settings, 10)
    place = open_place(settings)
    made: list[Built] = []
    doing = set()
    empty = build_all(
        settings, place, [plan(EMPTY), plan()], lambda what, done, total: doing.add(what.split(":")[0]), made.append
    )
    assert [(one.name, one.why) for one in empty] == [
        ("none", "no row of the tables fits the recipe none; nothing was published")
    ]
    assert empty[0].because == (
        "the table examples has 20 rows",
        "0 of them are of the type nothing; there are agent_execution, conversation",
    )
    assert [(one.manifest.name, one.manifest.rows) for one in made] == [("pack", 20)]
    assert [listed.manifest.name for listed in listing(place).versions] == ["pack"]
    assert doing == {"none", "pack"}


def test_of_the_named_formats_each_package_takes_those_that_hold_its_rows(settings: Settings) -> None:
    stock(settings, 4)
    place = open_place(settings)
    runs = plan(RECIPE.replace("pack", "runs") + 'kind = "traces"\n')
    made: list[Built] = []
    plans = [replace(one, formats=("jsonl/trl",)) for one in (plan(), runs)]
    empty = build_all(settings, place, plans, lambda *_: None, made.append)
    assert [one.manifest.source.formats for one in made] == [("jsonl/trl",)]
    assert [(one.name, one.why) for one in empty] == [("runs", "none of the formats holds rows of the kind traces")]
    build_all(settings, place, [replace(runs, formats=("all",))], lambda *_: None, made.append)
    assert made[-1].manifest.source.formats == ("parquet", "jsonl", "csv", "tfrecord", "huggingface")
    assert formats_that_hold("examples", ("all",)) == FORMATS


def test_a_format_that_does_not_exist_is_refused_before_any_package_is_built(settings: Settings) -> None:
    stock(settings, 4)
    place = open_place(settings)
    with pytest.raises(UsageError, match="there is no format 'xml'"):
        build_all(settings, place, [plan(), replace(plan(), formats=("xml",))], lambda *_: None, lambda _: None)
    assert listing(place).versions == []


def test_an_empty_package_says_what_became_of_the_runs_that_could_fill_it(settings: Settings) -> None:
    recipe = load_recipe("multi_agent_coordination").recipe
    assert why_empty(settings, recipe) == ("the table examples is empty",)
    team = msgspec.structs.replace(run("team"), agents=("lead", "helper"))
    crew = msgspec.structs.replace(run("crew"), agents=("lead", "helper"))
    store(settings, team, verdict(team, "rejected"), crew, verdict(crew))
    stock(settings, 2, first=10)
    assert why_empty(settings, recipe) == (
        "the table examples has 4 rows",
        "0 of them are labelled multi_agent_coordination; there are tool_selection",
        "2 runs had more than one agent: 1 accepted, 1 rejected (low_quality_score 1)",
    )
    assert "no run met an error" in why_empty(settings, load_recipe("error_handling").recipe)
    assert why_empty(settings, load_recipe("preference_pairs").recipe)[0] == (
        "4 runs name their task, and 1 tasks were run more than once"
    )
    assert why_empty(settings, load_recipe("quality_improvement").recipe)[1] == "0 of them fit the filter"
    assert "gives to a domain" in why_empty(settings, load_recipe("domain_specific").recipe)[1]


def test_every_shipped_recipe_is_built_or_listed_as_empty(settings: Settings, tdc: Tdc) -> None:
    stock(settings, 10)
    words = ("--all", "--format", "parquet", "--purpose", "internal-research")
    code, said = tdc(*words, "--json")
    found: dict[str, Any] = json.loads(said)
    assert code == 0
    assert {one["name"] for one in found["built"]} == {"tool_selection", "domain_specific", "traces", "decisions"}
    assert sorted([*found["empty"], *(one["name"] for one in found["built"])]) == list(shipped_names())
    assert all("nothing was published" in why for why in found["empty"].values())
    code, said = tdc(*words)
    assert code == 0
    assert "traces 1.0.0 already holds exactly this" in said
    assert "empty: no row of the tables fits the recipe preference_pairs" in said
    assert "tasks were run more than once" in said


def test_nothing_at_all_to_build_is_a_failure(tdc: Tdc) -> None:
    code, said = tdc("--all", "--json")
    assert code == 1
    assert json.loads(said)["built"] == []
    assert set(json.loads(said)["empty"]) == set(shipped_names())
    code, said = tdc("preference_pairs")
    assert code == 1
    assert "no row of the tables fits the recipe preference_pairs; nothing was published" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name one recipe, or build --all of them"),
        (("traces", "--all"), "name one recipe, or build --all of them"),
        (("--all", "--version", "2.0.0"), "--version goes with one recipe"),
        (("--all", "--format", "jsonl/xml"), "there is no format 'jsonl/xml'"),
        (("traces", "--format", "jsonl/trl"), "holds chats"),
    ],
)
def test_all_goes_with_no_recipe_and_no_version(words: tuple[str, ...], said: str, tdc: Tdc) -> None:
    code, told = tdc(*words)
    assert code == 2
    assert said in told
