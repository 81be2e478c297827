"""How packages look: in the terminal, and as JSON."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops.cli.output import out, table

if TYPE_CHECKING:
    from sinks.packages.facts import LeakProof
    from sinks.packages.manifest import Manifest
    from sinks.packages.plan import Built
    from sinks.packages.usage import Use


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


def say_built(built: "Built", uri: str) -> None:
    """What a build came to, for people."""
    manifest = built.manifest
    if not built.published:
        out.print(f"{manifest.name} {manifest.version} already holds exactly this; no new version was made")
        return
    splits = ", ".join(f"{split} {rows:,}" for split, rows in manifest.split_rows.items())
    out.print(f"[bold]{manifest.name} {manifest.version}[/bold]: {manifest.rows:,} rows ({splits})")
    out.print(f"  because: {'; '.join(manifest.bump_reasons)}", markup=False, soft_wrap=True)
    for count in manifest.left_out.counts:
        out.print(f"  left out: {count.count:,} {LEFT_OUT.get(count.name, count.name)}", markup=False, soft_wrap=True)
    for note in manifest.notes:
        out.print(f"  note: {note}", markup=False, soft_wrap=True)
    out.print(f"  {uri}/{manifest.name}/{manifest.version}", markup=False, soft_wrap=True)


LEFT_OUT = {
    "trace_not_stored": "whose run is no longer stored, or was withheld",
    "consent_unknown": "of runs whose consent is unknown",
    "consent_denied": "of runs whose consent was denied",
    "consent_not_granted": "that hold something of runs without consent",
    "no_longer_accepted": "of runs that are no longer accepted",
    "superseded": "of runs that a later revision replaced",
    "provider_terms": "of models whose provider does not allow this purpose",
    "simulation": "of simulated runs, more than the recipe takes",
    "low_score": "below the recipe's quality score",
    "near_duplicate": "of runs that repeat a better one",
    "exact_duplicate": "that say the very same as another row",
    "cap_per_cluster": "over the cap for near-duplicates",
    "cap_per_task": "over the cap for a task",
    "cap_per_scenario": "over the cap for a scenario",
    "cap_per_model": "over the cap for a model",
}
"""Reasons in words."""


def show_version(manifest: "Manifest", told: "list[Use]", address: str) -> None:
    """One version, for people."""
    source = manifest.source
    facts = [
        ["rows", f"{manifest.rows:,}"],
        ["kind", manifest.kind],
        ["data until", _time(manifest.created_at)],
        ["parent", manifest.parent_version or "none"],
        ["because", f"{manifest.bump}: {'; '.join(manifest.bump_reasons)}"],
        ["purpose", source.purpose + ("" if source.purpose_stated else " (none was stated)")],
        ["formats", ", ".join(source.formats)],
        ["recipe", source.recipe_hash[:16]],
        ["policies", ", ".join(hash_[:16] for hash_ in manifest.policy_hashes) or "none"],
        ["tables", ", ".join(f"{t.table} v{t.version}" for t in source.tables if t.version >= 0)],
        ["built from", _ranges(manifest)],
        ["splits", leaks(manifest.leaks)],
        ["where", address],
    ]  # fmt: skip
    out.print(table(f"{manifest.name} {manifest.version}", ["", ""], facts))
    rows = [[split, count, manifest.split_groups.get(split, 0)] for split, count in manifest.split_rows.items()]
    out.print(table("splits", ["split", "rows", "groups"], rows))
    out.print(
        table("files", ["path", "rows", "bytes"], [[file.path, file.rows, file.size_bytes] for file in manifest.files])
    )
    if manifest.left_out.counts:
        rows = [[count.count, LEFT_OUT.get(count.name, count.name)] for count in manifest.left_out.counts]
        out.print(table("left out", ["rows", "why"], rows))
    for note in manifest.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    if told:
        used = [
            [use.run_id, use.base_model, ", ".join(f"{name} {value}" for name, value in use.results.items())]
            for use in told
        ]
        out.print(table("used by", ["training run", "base model", "results"], used))


def leaks(proof: "LeakProof") -> str:
    """What was found in two splits, in words."""
    figures = (
        ("clusters", proof.clusters, proof.clusters_in_two_splits),
        ("tasks", proof.tasks, proof.tasks_in_two_splits),
        ("contents", proof.contents, proof.contents_in_two_splits),
    )
    return "; ".join(f"{number:,} {what}, {twice or 'none'} in two splits" for what, number, twice in figures)


def _ranges(manifest: "Manifest") -> str:
    return ", ".join(f"{r.topic}-{r.partition} {r.first_offset}..{r.last_offset}" for r in manifest.offsets)


def megabytes(size: int) -> str:
    """Bytes as megabytes."""
    return f"{size / 1e6:,.1f}"


def day(micros: int) -> str:
    """Day of a time, UTC."""
    return _time(micros)[:10]


def _time(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1_000_000, UTC).isoformat(timespec="seconds")
