"""README.md: the dataset card, with the header that the Hugging Face hub and `datasets` read."""

import hashlib

from sinks.packages.facts import PackageFacts, Tally
from sinks.packages.report.advice import biases, limits, success_share
from sinks.packages.report.escape import Safe, code, yaml
from sinks.packages.report.figures import number, percent, share, size
from sinks.packages.report.loading import configurations, examples, formats
from sinks.packages.report.render import bullets, markdown_page, table

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
)
_LICENCES = {
    *("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "gpl-3.0", "lgpl-3.0", "mpl-2.0", "cc0-1.0", "cc-by-4.0"),
    *("cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odc-by", "odbl", "cdla-permissive-2.0"),
}
"""SPDX identifiers, lower case, that the hub knows under the same name."""
_SHOWN = 15


def card(facts: PackageFacts) -> bytes:
    """The card."""
    columns = ((code(column.name), code(column.type), column.doc, column.unit or "") for column in facts.columns)
    bases = facts.consent_bases
    return markdown_page(
        "card.md.j2",
        facts=facts,
        header=_header(facts),
        figures=table(("", " "), _figures(facts)),
        splits=table(("Split", "Rows ", "Share "), _splits(facts)),
        formats=table(("Format", "Files ", "Rows ", "Size ", "For"), _formats(facts)),
        columns=table(("Column", "Type", "Meaning", "Unit"), columns),
        sources=table(("Table", "Version ", "Rows "), _tables(facts)),
        offsets=table(("Topic", "Partition ", "First offset ", "Last offset "), _offsets(facts)),
        policies=top(facts.policies, "Policy", facts.rows),
        scenarios=top(facts.scenarios, "Scenario", facts.rows),
        models=top(facts.models, "Model", facts.rows),
        redactions=top(facts.redactions, "Kind", facts.redactions.named, "Replacements "),
        consent=top(
            bases, "Basis of consent", bases.named + bases.missing, "Rows " if facts.traces is None else "Runs "
        ),
        limits=bullets([*limits(facts), *biases(facts)]),
        terms=terms_table(facts),
        examples=examples(facts),
    )


def top(tally: Tally, what: str, whole: int, counted: str = "Rows ") -> Safe:
    """The most frequent names of a tally as a table, then what is left."""
    rows: list[tuple[object, ...]] = [
        (code(count.name), number(count.count), percent(share(count.count, whole))) for count in tally.counts[:_SHOWN]
    ]
    hidden = tally.counts[_SHOWN:]
    rest = sum(count.count for count in hidden) + tally.other
    if rest:
        rows.append(("others", number(rest), percent(share(rest, whole))))
    if tally.missing:
        rows.append(("not stated", number(tally.missing), percent(share(tally.missing, whole))))
    return table((what, counted, "Share "), rows) if rows else Safe("None.")


def terms_table(facts: PackageFacts) -> Safe:
    """What the providers of the models say."""
    rows = (
        (
            term.provider,
            code(term.model),
            number(term.rows),
            term.allows or "–",
            term.summary,
            "; ".join(term.restrictions),
            term.reviewed or "–",
        )
        for term in facts.terms
    )
    return table(("Provider", "Models", "Rows ", "Widest purpose", "Terms, in short", "Restrictions", "Reviewed"), rows)


def _header(facts: PackageFacts) -> Safe:
    lines = ["---", f"pretty_name: {yaml(facts.title or facts.name)}"]
    licence = (facts.license or "unknown").lower()
    if licence == "unknown" or licence in _LICENCES:
        lines.append(f"license: {yaml(licence)}")
    else:
        lines += ["license: other", f"license_name: {yaml(facts.license)}"]
    lines += ["task_categories:", "- text-generation", "tags:"]
    lines += [f"- {yaml(tag)}" for tag in ("llm-agents", "tool-use", "agent-traces", facts.recipe.kind, facts.name)]
    if facts.simulation_share:
        lines.append('- "synthetic"')
    lines += ["size_categories:", f"- {yaml(_size(facts.rows))}"]
    known = configurations(facts)
    if known:
        lines.append("configs:")
    # `datasets` caches rows by folder name, patterns and this: two packages in folders named 1.0.0 must not be one.
    content = hashlib.sha256("".join(file.sha256 for file in facts.files).encode()).hexdigest()
    identity = f"{facts.name} {facts.version}, content {content[:16]}"
    for config in known:
        lines += [f"- config_name: {yaml(config.config_name)}", *(["  default: true"] if config.default else ())]
        lines += [f"  description: {yaml(identity)}", "  data_files:"]
        for split, pattern in config.data_files:
            lines += [f"  - split: {yaml(split)}", f"    path: {yaml(pattern)}"]
    stated = [config for config in known if config.features]
    if stated:
        lines.append("dataset_info:")
    for config in stated:
        lines += [f"- config_name: {yaml(config.config_name)}", "  features:"]
        for name, dtype in config.features:
            lines += [f"  - name: {yaml(name)}", f"    dtype: {yaml(dtype)}"]
    return Safe("\n".join((*lines, "---")))


def _size(rows: int) -> str:
    return next((name for most, name in _SIZES if rows < most), "n>1T" if rows >= 10**12 else "1B<n<10B")


def _figures(facts: PackageFacts) -> list[tuple[str, str]]:
    good, score = success_share(facts), facts.scores.median
    figures: list[tuple[str, str | None]] = [
        ("Rows", number(facts.rows)),
        ("Runs behind them", None if facts.traces is None else number(facts.traces)),
        ("Scenarios", number(len(facts.scenarios.counts)) + (" and more" if facts.scenarios.other else "")),
        ("Models", number(len(facts.models.counts)) + (" and more" if facts.models.other else "")),
        ("Tools called", number(len(facts.tools.counts)) + (" and more" if facts.tools.other else "")),
        ("Median quality score", None if score is None else f"{score:.2f}"),
        ("Ended well, of known outcomes", None if good is None else percent(good)),
        ("From SIMULATION runs", percent(facts.simulation_share)),
        ("Licence", facts.license or "unknown"),
        ("Purpose it was built for", facts.purpose),
    ]
    return [(name, text) for name, text in figures if text is not None]


def _splits(facts: PackageFacts) -> list[tuple[object, ...]]:
    return [(code(split.name), number(split.rows), percent(share(split.rows, facts.rows))) for split in facts.splits]


def _formats(facts: PackageFacts) -> list[tuple[object, ...]]:
    return [
        (code(one.name), number(len(one.files)), number(one.rows), size(one.size_bytes), one.description)
        for one in formats(facts)
    ]


def _tables(facts: PackageFacts) -> list[tuple[object, ...]]:
    return [(code(source.table), number(source.version), number(source.rows)) for source in facts.tables]


def _offsets(facts: PackageFacts) -> list[tuple[object, ...]]:
    return [
        (code(range_.topic), number(range_.partition), number(range_.first_offset), number(range_.last_offset))
        for range_ in facts.offsets
    ]
