"""What is known of one package version: the record that every document beside the data is written from.

Counts, codes and the names of scenarios, tools and models; never content, never a person. The same rows and the same
build give the same facts, byte for byte, in a stated order. Times are microseconds since 1970 UTC, out of the data.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec
import pyarrow as pa

from schemas.records import OffsetRange
from sinks.packages.columns import WrittenFile

FACTS_FORMAT = 1
"""Raised when a reader of an older version could misread what a newer one wrote."""


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all facts: frozen, compared by value, written to JSON in field order."""


class Count(Fact, frozen=True, kw_only=True):
    """How often one name was seen."""

    name: str
    count: int


class Tally(Fact, frozen=True, kw_only=True):
    """Counts by name, the most frequent first and then by name."""

    counts: tuple[Count, ...] = ()
    other: int = 0
    """Of names beyond the number of names that are told apart."""
    missing: int = 0
    """Rows that have no such name."""

    @property
    def named(self) -> int:
        """Sum over everything that has a name."""
        return sum(count.count for count in self.counts) + self.other

    def of(self, name: str) -> int:
        """Count of one name; 0 where it was not seen."""
        return next((count.count for count in self.counts if count.name == name), 0)


def tally(counts: Mapping[str, int], other: int = 0, missing: int = 0) -> Tally:
    """A tally in its stated order; names that were counted 0 times stay out."""
    kept = sorted(((count, name) for name, count in counts.items() if count), key=lambda pair: (-pair[0], pair[1]))
    return Tally(counts=tuple(Count(name=name, count=count) for count, name in kept), other=other, missing=missing)


class Histogram(Fact, frozen=True, kw_only=True):
    """Counts between edges; a value on an edge counts upward, the last edge belongs to the last bin."""

    edges: tuple[float, ...]
    """One more than `counts`, ascending."""
    counts: tuple[int, ...]
    above: int = 0
    """Values over the last edge."""
    missing: int = 0


class Distribution(Fact, frozen=True, kw_only=True):
    """Numbers of a column. Quantiles are those of a fine histogram and exact to `resolution`."""

    histogram: Histogram
    count: int = 0
    minimum: float | None = None
    p05: float | None = None
    p25: float | None = None
    median: float | None = None
    p75: float | None = None
    p95: float | None = None
    maximum: float | None = None
    mean: float | None = None
    resolution: str = ""
    """In words, for example `0.0005` or `3 % of the value`."""


class Cross(Fact, frozen=True, kw_only=True):
    """Rows by two names, for example model and outcome."""

    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    """One tuple for each of `rows`, one number for each of `columns`."""
    other: int = 0
    """Of rows whose first name is not told apart."""


class SplitFacts(Fact, frozen=True, kw_only=True):
    """One split, also where it is empty."""

    name: str
    rows: int
    types: Tally = Tally()
    scenarios: Tally = Tally()
    outcomes: Tally = Tally()


class Column(Fact, frozen=True, kw_only=True):
    """One column of the package's rows."""

    name: str
    type: str
    """Arrow type as pyarrow writes it."""
    doc: str = ""
    unit: str | None = None
    nullable: bool = True


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Columns with the meaning and unit that `sinks.tables` gives them."""
    found = []
    for field in schema:
        known = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        found.append(
            Column(
                name=field.name,
                type=str(field.type),
                doc=known.get("comment", ""),
                unit=known.get("unit"),
                nullable=field.nullable,
            )
        )
    return tuple(found)


class RecipeFacts(Fact, frozen=True, kw_only=True):
    """The recipe that chose the rows."""

    name: str
    kind: str
    """What a row is: examples, pairs, traces, decisions, patterns."""
    text: str
    hash: str
    title: str = ""
    description: str = ""


class TableVersion(Fact, frozen=True, kw_only=True):
    """The snapshot of one table that was read."""

    table: str
    version: int
    rows: int | None = None


class ProviderTerms(Fact, frozen=True, kw_only=True):
    """What a provider says about training on the output of its models. A summary, never legal advice."""

    provider: str
    model: str
    """Pattern of model names, for example `claude-*`."""
    summary: str
    allows: str | None = None
    """The widest purpose they leave, in the words of the terms file."""
    restrictions: tuple[str, ...] = ()
    rows: int = 0
    url: str | None = None
    reviewed: str | None = None
    """Date on which someone last read the terms, as written in the terms file."""


class Acceptance(Fact, frozen=True, kw_only=True):
    """What curation decided about the traces of the snapshot, not only of this package."""

    verdicts: Tally = Tally()
    reasons: Tally = Tally()
    """Traces by reason code; a trace may have several."""


class LeakProof(Fact, frozen=True, kw_only=True):
    """What was looked for in more than one split, and how much was looked at. All of `..._in_two_splits` must be 0."""

    clusters: int = 0
    clusters_in_two_splits: int = 0
    tasks: int = 0
    tasks_in_two_splits: int = 0
    contents: int = 0
    contents_in_two_splits: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.clusters_in_two_splits or self.tasks_in_two_splits or self.contents_in_two_splits)


class Representation(Fact, frozen=True, kw_only=True):
    """How evenly one kind of name is represented."""

    what: str
    """scenario, model, tool or task."""
    distinct: int
    """Names that were told apart; a lower bound where `Tally.other` is not 0."""
    largest: str | None
    largest_share: float
    normalised_entropy: float
    """0: all rows have one name; 1: all names are equally frequent (Shannon entropy over that of `distinct` equals)."""
    effective_number: float
    """Names of equal frequency that would be as varied: e to the entropy."""


Change = Literal["first", "added", "removed", "changed", "policy", "recipe", "schema", "split", "unchanged"]


class RowChanges(Fact, frozen=True, kw_only=True):
    """Rows by id, against the parent version."""

    added: int = 0
    removed: int = 0
    changed: int = 0
    kept: int = 0


class HistoryEntry(Fact, frozen=True, kw_only=True):
    """What one version brought."""

    version: str
    parent_version: str | None
    created_at: int
    rows: int
    changes: RowChanges | None
    """None for a first version, and where rows were not compared."""
    kinds: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    """What differs in figures, recipe, policies and columns: plain sentences, made from the facts."""
    why: str = ""
    policy_hashes: tuple[str, ...] = ()
    recipe_hash: str = ""


class BuildFacts(Fact, frozen=True, kw_only=True):
    """What only the builder knows. Everything else is counted from the rows."""

    name: str
    version: str
    parent_version: str | None = None
    title: str = ""
    description: str = ""
    recipe: RecipeFacts
    purpose: str
    license: str | None = None
    """SPDX identifier; None where the policy states none: the documents then say `unknown`."""
    created_at: int
    """Newest time in the rows or their snapshot, never the clock."""
    tables: tuple[TableVersion, ...]
    offsets: tuple[OffsetRange, ...]
    columns: tuple[Column, ...]
    """See `columns_of`."""
    splits: tuple[str, ...]
    """In the order to show them, with those that stayed empty."""
    files: tuple[WrittenFile, ...]
    leaks: LeakProof
    left_out: Tally = Tally()
    """Rows of the snapshot that fit the recipe's filter but stayed out, by reason: consent, purpose, cap, cluster..."""
    duplicates_removed: int = 0
    """Rows dropped because another row of the package says the same."""
    acceptance: Acceptance = Acceptance()
    """See `sinks.packages.report.collect.acceptance_of`."""
    redactions: Tally = Tally()
    """Replacements by kind in the traces behind the rows; see `redactions_of`."""
    consent_bases: Tally | None = None
    """None: counted from the rows' `consent_basis`, where they have it."""
    traces: int | None = None
    """Distinct traces behind the rows."""
    terms: tuple[ProviderTerms, ...] = ()
    row_changes: RowChanges | None = None
    why: str = ""
    """Why this version was made, in the words of whoever built it."""
    previous: "PackageFacts | None" = None
    """Facts of the parent version: its history goes on in this one."""


class PackageFacts(Fact, frozen=True, kw_only=True):
    """Everything that the documents of one package version say."""

    facts_format: int = FACTS_FORMAT
    name: str
    version: str
    parent_version: str | None
    title: str
    description: str
    license: str | None
    purpose: str
    created_at: int
    recipe: RecipeFacts
    tables: tuple[TableVersion, ...]
    offsets: tuple[OffsetRange, ...]
    columns: tuple[Column, ...]
    files: tuple[WrittenFile, ...]

    rows: int
    traces: int | None
    splits: tuple[SplitFacts, ...]
    types: Tally
    packages: Tally
    scenarios: Tally
    tools: Tally
    """Rows by tool they call: a row that calls three tools counts for each."""
    models: Tally
    providers: Tally
    execution_modes: Tally
    outcomes: Tally
    human_validated: Tally
    """true and false."""
    execution_successful: Tally
    policies: Tally
    """Rows by policy hash."""
    consent_bases: Tally
    scripts: Tally
    """Rows by writing system that they use beside plain ASCII (which counts as Latin)."""
    scores: Distribution
    weights: Distribution
    run_pairs: int = 0
    """Rows that hold one whole run against another."""
    characters: Distribution
    """Characters of a row's texts; a token of English text is about four of them."""
    messages: Distribution
    """Messages of a row's chat."""
    scenario_outcomes: Cross
    scenario_scores: tuple[tuple[str, float], ...]
    """Mean score of the scenarios of `scenario_outcomes`."""
    model_outcomes: Cross

    acceptance: Acceptance
    left_out: Tally
    duplicates_removed: int
    redactions: Tally
    leaks: LeakProof
    representation: tuple[Representation, ...]
    terms: tuple[ProviderTerms, ...]
    history: tuple[HistoryEntry, ...]
    """Newest first; this version is the first of it."""

    @property
    def simulation_share(self) -> float:
        """Rows of SIMULATION runs over all rows; 0 for an empty package."""
        return self.execution_modes.of("SIMULATION") / self.rows if self.rows else 0.0


def to_json(facts: PackageFacts) -> bytes:
    """Indented JSON in field order, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n"


def from_json(text: bytes) -> PackageFacts:
    """The facts that `to_json` wrote. Raises msgspec.DecodeError for anything else; unknown fields are ignored."""
    return msgspec.json.decode(text, type=PackageFacts)
