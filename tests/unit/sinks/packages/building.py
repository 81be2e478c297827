"""Builds packages in tests in a line."""

from dataclasses import replace

from schemas.settings import Settings
from sinks.packages.build import build
from sinks.packages.place import Place, open_place
from sinks.packages.plan import Built, Plan
from sinks.packages.recipe import parse_recipe
from sinks.packages.terms import Purpose, parse_terms

TERMS = """reviewed = "2026-11"
[[rule]]
provider = "Acme"
providers = ["acme"]
allows = "commercial-model"
summary = "Anything but a competing model."
[[rule]]
provider = "Strict"
providers = ["strict"]
allows = "internal-research"
summary = "Research only."
"""
RECIPE = 'name = "pack"\nformats = ["parquet"]\n'
EVEN = "[splits]\ntrain = 0.4\nvalidation = 0.3\ntest = 0.3\n"
"""Shares that fill every split of a few groups."""


def plan(recipe: str = RECIPE, purpose: Purpose = "internal-research", domains: str | None = None) -> Plan:
    return Plan(
        loaded=parse_recipe(recipe, "test.toml", domains),
        terms=parse_terms(TERMS, "terms.toml"),
        terms_text=TERMS,
        purpose=purpose,
        memory_mb=256,
    )


def built(
    settings: Settings,
    recipe: str = RECIPE,
    *,
    purpose: Purpose = "internal-research",
    place: Place | None = None,
    version: str | None = None,
    domains: str | None = None,
) -> Built:
    return build(settings, place or open_place(settings), replace(plan(recipe, purpose, domains), version=version))


def left_out(done: Built) -> dict[str, int]:
    return {count.name: count.count for count in done.manifest.left_out.counts}
