"""How packages look: in the terminal, and as JSON."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ops.cli.output import out, table
from sinks.packages.reasons import LEFT_OUT, UNFIT

if TYPE_CHECKING:
    from sinks.packages.build_all import Empty
    from sinks.packages.catalogue import Listed
    from sinks.packages.diff import Difference
    from sinks.packages.facts import LeakProof, PackageFacts
    from sinks.packages.manifest import Manifest, Skipped
    from sinks.packages.plan import Built
    from sinks.packages.usage import Use

_SPLITS = ("train", "validation", "test")


def built_json(built: "Built", uri: str) -> dict[str, Any]:
    """What a build came to, for machines."""
    manifest = built.manifest
    return summary(manifest) | {
        "published": built.published,
        "path": f"{uri}/{manifest.name}/{manifest.version}",
        "reasons": list(manifest.bump_reasons),
        "splits": dict(manifest.split_rows),
        "left_out": {count.name: count.count for count in manifest.left_out.counts},
        "purpose_stated": manifest.source.purpose_stated,
        "notes": list(manifest.notes),
    }


def summary(manifest: "Manifest") -> dict[str, Any]:
    """One version in a few figures, for machines."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "parent_version": manifest.parent_version,
        "bump": manifest.bump,
        "kind": manifest.kind,
        "rows": manifest.rows,
        "purpose": manifest.source.purpose,
        "formats": list(manifest.source.formats),
        "created_at": _time(manifest.created_at),
    }


def listed_json(listed: "Listed") -> dict[str, Any]:
    """One version of a list, for machines."""
    return summary(listed.manifest) | {"size_bytes": listed.size_bytes, "latest": listed.latest}


def empty_json(empty: "Empty") -> str:
    """Why a package has no rows, in one text."""
    return ". ".join((empty.why, *empty.because))


def say_built(built: "Built", uri: str) -> None:
    """What a build came to, for people."""
    manifest = built.manifest
    if not built.published:
        out.print(f"{manifest.name} {manifest.version} already holds exactly this; no new version was made")
        return
    splits = ", ".join(f"{split} {rows:,}" for split, rows in manifest.split_rows.items())
    out.print(f"[bold]{manifest.name} {manifest.version}[/bold]: {manifest.rows:,} rows ({splits})")
    if manifest.parent_version:
        _line(f"  after {manifest.parent_version}, because: {'; '.join(manifest.bump_reasons)}")
    for count in manifest.left_out.counts:
        _line(f"  left out: {count.count:,} {LEFT_OUT.get(count.name, count.name)}")
    _remarks(manifest, "  note: ")
    _line(f"  {uri}/{manifest.name}/{manifest.version}")


def say_empty(empty: "Empty") -> None:
    """A package without rows, for people."""
    _line(f"empty: {empty.why}")
    for sentence in empty.because:
        _line(f"  {sentence}")


def _remarks(manifest: "Manifest", before: str) -> None:
    """Notes of the manifest; those on rows that a format cannot hold once for each format."""
    told = {f"{entry.format}, {entry.split}: " for entry in manifest.skipped}
    for note in manifest.notes:
        if not any(note.startswith(start) for start in told):
            _line(f"{before}{note}")
    for formats, why in _unfit(manifest.skipped):
        _line(f"{before}not in {formats}: {why}")


def _unfit(skipped: "Sequence[Skipped]") -> list[tuple[str, str]]:
    """Formats that leave out the same rows, and which."""
    reasons: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for entry in skipped:
        reasons[entry.format][entry.reason] += entry.rows
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for format_, found in reasons.items():
        container, _, shape = format_.partition("/")
        why = "; ".join(f"{rows:,} {UNFIT.get(reason, reason)}" for reason, rows in found.items())
        alike[shape, why].append(container)
    return [
        (f"{containers[0]}/{shape}" if len(containers) == 1 else f"{shape} ({', '.join(containers)})", why)
        for (shape, why), containers in alike.items()
    ]


def say_list(found: "Sequence[Listed]") -> None:
    """All versions, for people."""
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("package", "version"):
        made.add_column(column, no_wrap=True)
    for column in ("rows", "MB"):
        made.add_column(column, justify="right", no_wrap=True)
    for column in ("purpose", "data until"):
        made.add_column(column, no_wrap=True)
    for listed in found:
        m = listed.manifest
        style = None if listed.latest else "dim"
        size = megabytes(listed.size_bytes)
        made.add_row(m.name, m.version, f"{m.rows:,}", size, m.source.purpose, day(m.created_at), style=style)
    out.print(made)


def show_version(
    manifest: "Manifest", facts: "PackageFacts | None", told: "Sequence[Use]", address: str, *, files: bool = False
) -> None:
    """One version, for people; with every data file where `files` asks for them."""
    source = manifest.source
    if facts is not None:
        out.print(f"[bold]{manifest.name} {manifest.version}[/bold]  ", end="")
        _line(facts.title)
        if facts.description:
            _line(facts.description)
    runs = f", of {facts.traces:,} runs" if facts is not None and facts.traces else ""
    licence = (facts.license if facts else None) or "none stated: not to be passed on"
    lines = [
        ["rows", f"{manifest.rows:,} of the kind {manifest.kind}{runs}"],
        ["data until", f"{day(manifest.created_at)} {_time(manifest.created_at)[11:16]} UTC"],
        ["version", f"after {manifest.parent_version}, {manifest.bump}" if manifest.parent_version else "the first"],
        ["because", "; ".join(manifest.bump_reasons)],
        ["purpose", source.purpose + ("" if source.purpose_stated else " (none was stated)")],
        ["licence", licence],
        ["splits", leaks(manifest.leaks)],
        ["recipe", source.recipe_hash[:16]],
        ["policies", ", ".join(hash_[:16] for hash_ in manifest.policy_hashes) or "none"],
        ["tables", ", ".join(f"{t.table} v{t.version}" for t in source.tables if t.version >= 0)],
        ["built from", _ranges(manifest)],
        ["where", address],
    ]  # fmt: skip
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in lines:
        made.add_row(name, value)
    out.print(made)
    out.print()
    rows = [[split, count, manifest.split_groups.get(split, 0)] for split, count in manifest.split_rows.items()]
    out.print(table("splits", ["split", "rows", "groups"], rows))
    formats = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    formats.add_column("rows of format", no_wrap=True)
    for column in (*_SPLITS, "MB"):
        formats.add_column(column, justify="right", no_wrap=True)
    for row in _formats(manifest):
        formats.add_row(*row)
    out.print(formats)
    if files:
        every = [[file.path, file.rows, file.size_bytes] for file in manifest.files]
        out.print(table("files", ["path", "rows", "bytes"], every))
    if manifest.left_out.counts:
        rows = [[count.count, LEFT_OUT.get(count.name, count.name)] for count in manifest.left_out.counts]
        out.print(table("left out", ["rows", "why"], rows))
    _remarks(manifest, "note: ")
    if told:
        used = [
            [use.run_id, use.base_model, ", ".join(f"{name} {value}" for name, value in use.results.items())]
            for use in told
        ]
        out.print(table("used by", ["training run", "base model", "results"], used))


def _formats(manifest: "Manifest") -> list[list[str]]:
    # Those that were asked for and hold no row have no line: what is not in them is told below.
    held = {file.format for file in manifest.files}
    rows = {name: dict.fromkeys(_SPLITS, 0) for name in manifest.source.formats if name in held}
    sizes: dict[str, int] = defaultdict(int)
    for file in manifest.files:
        rows[file.format][file.split] += file.rows
        sizes[file.format] += file.size_bytes
    return [
        [name, *(f"{counts[split]:,}" for split in _SPLITS), megabytes(sizes[name])] for name, counts in rows.items()
    ]


def show_difference(found: "Difference") -> None:
    """What changed, for people."""
    rows = found.rows
    out.print(
        f"[bold]{found.before} → {found.now}[/bold]: {rows.added:,} rows added, {rows.removed:,} removed, "
        f"{rows.changed:,} changed, {found.moved:,} in another split, {rows.kept:,} as they were",
        soft_wrap=True,
    )
    for remark in found.remarks:
        _line(f"  {remark}")
    if not found.figures:
        return
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    made.add_column("figure", no_wrap=True)
    made.add_column("name", overflow="ellipsis", no_wrap=True)
    for column in ("before", "now", "change"):
        made.add_column(column, justify="right", no_wrap=True)
    before = ""
    for figure in found.figures:
        what = "" if figure.what == before else figure.what.replace("_", " ")
        name = figure.name[:16] if figure.what == "policies" else figure.name
        change = f"{figure.now - figure.before:+,}"
        made.add_row(what, name, f"{figure.before:,}", f"{figure.now:,}", change)
        before = figure.what
    out.print(made)


def leaks(proof: "LeakProof") -> str:
    """What was found in two splits, in words."""
    figures = (
        ("clusters", proof.clusters, proof.clusters_in_two_splits),
        ("tasks", proof.tasks, proof.tasks_in_two_splits),
        ("contents", proof.contents, proof.contents_in_two_splits),
    )
    return "; ".join(f"{number:,} {what}, {twice or 'none'} in two splits" for what, number, twice in figures)


def _ranges(manifest: "Manifest") -> str:
    return ", ".join(f"{r.topic}-{r.partition} {r.first_offset}..{r.last_offset}" for r in manifest.offsets) or "none"


def megabytes(size: int) -> str:
    """Bytes as megabytes."""
    return f"{size / 1e6:,.1f}"


def day(micros: int) -> str:
    """Day of a time, UTC."""
    return _time(micros)[:10]


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds")


def _line(text: str) -> None:
    """A line as it is, however long."""
    out.print(text, markup=False, soft_wrap=True)
