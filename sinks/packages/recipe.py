"""A recipe: which rows a package takes, how they are balanced and split, and in which formats they are written."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import duckdb
import msgspec

from schemas.errors import UsageError
from sinks.packages.domains import Domains, read_domains
from sinks.packages.kinds import KINDS
from sinks.packages.parting import PAIR_KINDS, PairKind
from sinks.packages.toml_text import place, read_toml
from sinks.tables import TABLES

KindName = Literal["examples", "traces", "decisions", "patterns", "preference_pairs"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Cap = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_\-]{0,99}$")]

SHIPPED = Path(__file__).with_name("recipes")
DOMAIN_RULES = SHIPPED / "domains.toml"


class Balance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Most rows of one name; the best scored stay. No cap where none is stated."""

    per_scenario: Cap | None = None
    per_task: Cap | None = None
    per_cluster: Cap | None = None
    per_model: Cap | None = None


class Splits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares of groups; they add up to 1. The same seed keeps a task in the same split in every package."""

    train: Share = 0.8
    validation: Share = 0.1
    test: Share = 0.1
    seed: int = 0

    def shares(self) -> tuple[float, float, float]:
        """In the order of `columns.SPLITS`."""
        return self.train, self.validation, self.test


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recipe file may say. The shipped ones explain each key."""

    name: Name
    kind: KindName = "examples"
    title: str = ""
    description: str = ""
    license: str | None = None
    types: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    filter: str | None = None
    domain_rules: str | None = None
    domains: tuple[str, ...] = ()
    min_quality_score: Share = 0.0
    best_of_cluster: bool = True
    max_simulation_share: Share = 0.0
    pairs: tuple[PairKind, ...] = PAIR_KINDS
    pairs_per_task: Cap = 4
    balance: Balance = Balance()
    splits: Splits = Splits()
    formats: tuple[str, ...] = ("parquet",)
    shard_mb: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe with the texts it was read from: a package keeps them, so that it can be built again."""

    recipe: Recipe
    text: str
    domains_text: str | None
    domains: Domains | None

    @property
    def hash(self) -> str:
        """sha256 of the values of recipe and domain rules; comments and order do not matter."""
        encoder = msgspec.json.Encoder(order="deterministic")
        return hashlib.sha256(encoder.encode((self.recipe, self.domains))).hexdigest()


def shipped_names() -> tuple[str, ...]:
    """Names of the recipes that come along."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml") if path.stem != "domains"))


def load_recipe(name_or_path: str) -> LoadedRecipe:
    """A shipped recipe by name, or one of a file. Raises UsageError that says what is wrong, and on which line."""
    path = SHIPPED / f"{name_or_path}.toml"
    if "/" in name_or_path or name_or_path.endswith(".toml") or name_or_path not in shipped_names():
        path = Path(name_or_path)
    if not path.is_file():
        known = ", ".join(shipped_names())
        raise UsageError(f"there is no recipe {name_or_path}: give a TOML file, or one of {known}")
    text = _read(path, "recipe")
    rules = read_toml(text, str(path), Recipe, "recipe").domain_rules
    domains_text = None if rules is None else _read(path.parent / rules, f"domain rules, named in {path},")
    return parse_recipe(text, str(path), domains_text)


def parse_recipe(text: str, source: str, domains_text: str | None = None) -> LoadedRecipe:
    """A recipe of TOML text; `source` is its name in errors. Raises UsageError."""
    recipe = read_toml(text, source, Recipe, "recipe")
    domains = None
    if domains_text is not None:
        domains = read_domains(domains_text, recipe.domain_rules or source)
    problems = _problems(recipe, domains)
    if problems:
        lines = "\n".join(f"  {place(text, key)}: {problem}" for key, problem in problems)
        raise UsageError(f"the recipe {source} is wrong:\n{lines}")
    return LoadedRecipe(recipe, text, domains_text, domains)


def check_formats(kind: str, formats: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    """What is wrong with these formats for this kind of rows; None when nothing is."""
    for name in formats:
        if name not in known:
            return f"there is no format {name!r}; known: {', '.join(known)}"
        if "/" in name and kind not in ("examples", "preference_pairs"):
            return f"the format {name!r} holds chats, and rows of the kind {kind} are none"
    if not formats:
        return "name one format at least"
    if len(set(formats)) < len(formats):
        return "each format may be named once"
    return None


ALL_FORMATS = "all"
"""Stands for every format that holds the rows."""


def formats_that_hold(kind: str, formats: tuple[str, ...]) -> tuple[str, ...]:
    """Those of these formats that hold rows of this kind; `all` stands for every one.

    Raises UsageError where a format does not exist.
    """
    from sinks.packages.formats import FORMATS

    named = FORMATS if formats == (ALL_FORMATS,) else formats
    wrong = check_formats("examples", named, FORMATS)
    if wrong:
        raise UsageError(wrong)
    return tuple(name for name in named if check_formats(kind, (name,), FORMATS) is None)


def _problems(recipe: Recipe, domains: Domains | None) -> list[tuple[tuple[str, ...], str]]:
    from sinks.packages.formats import FORMATS

    found: list[tuple[tuple[str, ...], str]] = []
    if not math.isclose(sum(recipe.splits.shares()), 1, abs_tol=1e-9):
        found.append((("splits",), f"train, validation and test add up to {sum(recipe.splits.shares()):g}, not to 1"))
    wrong = check_formats(recipe.kind, recipe.formats, FORMATS)
    if wrong:
        found.append((("formats",), wrong))
    if not recipe.pairs or len(set(recipe.pairs)) < len(recipe.pairs):
        found.append((("pairs",), "name turn, run or both, each once"))
    if recipe.filter is not None:
        wrong = _wrong_filter(recipe.filter, recipe.kind)
        if wrong:
            found.append((("filter",), wrong))
    if recipe.kind in ("traces", "decisions", "patterns"):
        for key, value in (("types", recipe.types), ("packages", recipe.packages)):
            if value:
                found.append(((key,), f"rows of the kind {recipe.kind} have none"))
    if recipe.domains and domains is None:
        found.append((("domains",), "needs domain_rules, the file that defines them"))
    if domains is not None:
        unknown = sorted(set(recipe.domains) - {domain.name for domain in domains.domain})
        if unknown:
            found.append((("domains",), f"{', '.join(unknown)} is not in {recipe.domain_rules}"))
    return found


_UNSTABLE = (
    "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT' AND function_type = 'scalar'"
)
_CLOCKS = {"current_timestamp", "localtimestamp", "current_time", "localtime", "current_date"}
"""Words that are functions without parentheses."""


def _wrong_filter(sql: str, kind: str) -> str | None:
    """A filter is one expression over the columns of its table, and gives the same answer tomorrow."""
    table = KINDS[kind].table
    try:
        duckdb.SQLExpression(sql)
        with duckdb.connect(":memory:") as connection:
            for name, spec in TABLES.items():
                connection.register(name, spec.schema.empty_table())
            connection.execute("SET enable_external_access = false")
            connection.execute(f"DESCRIBE SELECT * FROM {table} WHERE ({sql}\n)")
            tree = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT 1 WHERE ({sql}\n)"]).fetchone()
            unstable = {name for (name,) in connection.execute(_UNSTABLE).fetchall()} | _CLOCKS
    except duckdb.Error as error:
        return f"is not an SQL condition over {table}: {' '.join(str(error).split())[:300]}"
    named = _names(msgspec.json.decode(tree[0]) if tree else None) & unstable
    if named:
        return f"may not use {', '.join(sorted(named))}: the same build would give other rows tomorrow"
    return None


def _names(node: object) -> set[str]:
    """Functions and column names of a parsed statement."""
    found: set[str] = set()
    if isinstance(node, dict):
        if isinstance(node.get("function_name"), str):
            found.add(node["function_name"].lower())
        if isinstance(node.get("column_names"), list):
            found |= {str(name).lower() for name in node["column_names"]}
        for value in node.values():
            found |= _names(value)
    elif isinstance(node, list):
        for value in node:
            found |= _names(value)
    return found


def _read(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the {what} {path}: {detail}") from None
