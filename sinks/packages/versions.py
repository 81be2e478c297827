"""Version numbers of packages: SemVer, worked out from what changed against the parent. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.errors import UsageError
from sinks.packages.facts import RowChanges
from sinks.packages.manifest import Manifest

FIRST = "1.0.0"

Bump = Literal["first", "major", "minor", "patch", "none"]

_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


@dataclass(frozen=True)
class Verdict:
    """How large a step a build is, and why, most important first."""

    bump: Bump
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Next:
    """What a build is about to publish, as far as versions care."""

    recipe_hash: str
    recipe_text: str
    terms_hash: str
    purpose: str
    kind: str
    columns: tuple[tuple[str, str], ...]
    formats: tuple[str, ...]
    policy_hashes: tuple[str, ...]
    changes: RowChanges
    moved: int
    """Rows that are in another split than before."""
    code: dict[str, str]


def number(version: str) -> tuple[int, int, int]:
    """A version as numbers to order by. Raises UsageError."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise UsageError(f"{version!r} is no version: three numbers such as 1.2.0 are needed")
    major, minor, patch = (int(part) for part in match.groups())
    return major, minor, patch


def is_version(text: str) -> bool:
    """Whether a text is a version."""
    return _VERSION.fullmatch(text) is not None


def judge(parent: Manifest, new: Next) -> Verdict:
    """The step from the parent: major where what was there is not there any more or means something else, minor
    where something came in addition, patch where only documents and descriptions differ."""
    changes = new.changes
    before = tuple((column.name, column.type) for column in parent.columns)
    gone = [name for name, type_ in before if (name, type_) not in new.columns]
    dropped = [name for name in parent.source.formats if name not in new.formats]
    policies = [hash_ for hash_ in new.policy_hashes if hash_ not in parent.policy_hashes]
    major = [
        *([f"rows are of another kind: {parent.kind} before"] if new.kind != parent.kind else []),
        *([f"columns are gone or of another type: {', '.join(gone)}"] if gone else []),
        *([f"formats are gone: {', '.join(dropped)}"] if dropped else []),
        *([f"{changes.removed} rows are gone"] if changes.removed else []),
        *([f"{changes.changed} rows changed"] if changes.changed else []),
        *([f"{new.moved} rows are in another split"] if new.moved else []),
        *(["rows were accepted under another policy"] if policies else []),
        *(
            [f"it was built for another purpose: {parent.source.purpose} before"]
            if new.purpose != parent.source.purpose
            else []
        ),
    ]
    columns = [name for name, type_ in new.columns if (name, type_) not in before]
    formats = [name for name in new.formats if name not in parent.source.formats]
    minor = [
        *([f"{changes.added} rows are new"] if changes.added else []),
        *([f"columns are new: {', '.join(columns)}"] if columns else []),
        *([f"formats are new: {', '.join(formats)}"] if formats else []),
    ]
    patch = [
        *(["the recipe says it differently"] if new.recipe_text != parent.source.recipe else []),
        *(["the provider terms changed"] if new.terms_hash != parent.source.terms_hash else []),
        *(["the program that writes it changed"] if dict(parent.code) != new.code else []),
    ]
    steps: tuple[tuple[Bump, Sequence[str]], ...] = (("major", major), ("minor", minor), ("patch", patch))
    reasons = tuple(reason for _, found in steps for reason in found)
    for bump, found in steps:
        if found:
            return Verdict(bump, reasons)
    return Verdict("none", ())


def after(parent: str, bump: Bump) -> str:
    """The version that follows."""
    major, minor, patch = number(parent)
    if bump == "major":
        return f"{major + 1}.0.0"
    if bump == "minor":
        return f"{major}.{minor + 1}.0"
    return f"{major}.{minor}.{patch + 1}"
