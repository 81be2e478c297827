"""Building many packages in one go: those that have no row are named, not failed on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from schemas.settings import Settings
from sinks.packages.build import build
from sinks.packages.emptiness import why_empty
from sinks.packages.errors import EmptyPackage
from sinks.packages.place import Place
from sinks.packages.plan import Built, OnProgress, Plan
from sinks.packages.recipe import formats_that_hold


@dataclass(frozen=True)
class Empty:
    """A package that was not made, because no row fits it or no format holds its rows."""

    name: str
    why: str
    because: tuple[str, ...] = ()
    """What the tables say about it."""


def build_all(
    settings: Settings,
    place: Place,
    plans: Sequence[Plan],
    on_progress: OnProgress,
    on_built: Callable[[Built], None],
) -> tuple[Empty, ...]:
    """Build each plan; `on_built` is told of each package as soon as it is published. Gives those that are empty.

    Of the formats of a plan those are taken that hold its kind of rows. Raises UsageError before anything is built
    where one does not exist, and what `build` raises for any other reason than emptiness; what was published until
    then stays published.
    """
    chosen = [formats_that_hold(plan.loaded.recipe.kind, plan.formats or plan.loaded.recipe.formats) for plan in plans]
    empty = []
    for plan, formats in zip(plans, chosen, strict=True):
        recipe = plan.loaded.recipe
        if not formats:
            empty.append(Empty(recipe.name, f"none of the formats holds rows of the kind {recipe.kind}"))
            continue
        try:
            built = build(settings, place, replace(plan, formats=formats), _named(recipe.name, on_progress))
        except EmptyPackage as error:
            empty.append(Empty(recipe.name, str(error), why_empty(settings, recipe)))
        else:
            on_built(built)
    return tuple(empty)


def _named(name: str, on_progress: OnProgress) -> OnProgress:
    return lambda what, done, total: on_progress(f"{name}: {what}", done, total)
