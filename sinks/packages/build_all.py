"""Building several packages, one after another. One that no row fits is named, and the next follows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.errors import UsageError
from schemas.settings import Settings
from sinks.packages.build import OnProgress, build
from sinks.packages.errors import EmptyPackage
from sinks.packages.formats import FORMATS
from sinks.packages.place import Place
from sinks.packages.plan import Built, Plan
from sinks.packages.recipe import check_formats


@dataclass(frozen=True)
class Empty:
    """A package that was not made, because no row fits it."""

    name: str
    why: str


def build_all(
    settings: Settings,
    place: Place,
    plans: Sequence[Plan],
    on_progress: OnProgress,
    on_built: Callable[[Built], None],
) -> tuple[Empty, ...]:
    """Build each plan; `on_built` is told of each package as soon as it is published. Gives those that are empty.

    Raises UsageError before anything is built where the formats of a plan do not suit its rows, and what `build`
    raises for any other reason than emptiness; what was published until then stays published.
    """
    for plan in plans:
        recipe = plan.loaded.recipe
        wrong = check_formats(recipe.kind, plan.formats or recipe.formats, FORMATS)
        if wrong:
            raise UsageError(f"{recipe.name}: {wrong}")
    empty = []
    for plan in plans:
        name = plan.loaded.recipe.name
        try:
            built = build(settings, place, plan, _named(name, on_progress))
        except EmptyPackage as error:
            empty.append(Empty(name, str(error)))
        else:
            on_built(built)
    return tuple(empty)


def _named(name: str, on_progress: OnProgress) -> OnProgress:
    return lambda what, done, total: on_progress(f"{name}: {what}", done, total)
