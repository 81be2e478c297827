"""The redaction policy: what is done with each kind of finding, set by people in a file, checked, frozen and hashed."""

import hashlib
import tomllib
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, cast, get_args

import msgspec

from schemas.errors import UsageError
from streams.core.redact.kinds import HIPAA, KINDS, Mode, Modes


class NerRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recognition of names by a model."""

    use: Literal["auto", "off", "required"] = "auto"
    backend: Literal["rampart", "presidio"] = "rampart"
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


class SecretRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Secrets beyond the rules of our own."""

    catalogue: Literal["betterleaks", "off"] = "betterleaks"


class RedactionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A whole policy. Compare policies by `hash`."""

    name: str = "default"
    profiles: tuple[Literal["hipaa"], ...] = ()
    modes: Modes = Modes()
    ner: NerRules = NerRules()
    secrets: SecretRules = SecretRules()

    @cached_property
    def hash(self) -> str:
        """sha256 of the values, 64 hex digits; comments and order of the file do not matter."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @cached_property
    def mode_of(self) -> Mapping[str, Mode]:
        """Mode of each kind. A profile replaces what it names unless the file already does more than keep it."""
        modes = cast(dict[str, Mode], msgspec.to_builtins(self.modes))
        for kind in HIPAA if "hipaa" in self.profiles else ():
            if modes[kind] in ("keep", "off"):
                modes[kind] = "pseudonymise"
        return modes

    @cached_property
    def replaced(self) -> frozenset[str]:
        """Kinds that do not stay in a trace."""
        return frozenset(kind for kind, mode in self.mode_of.items() if mode not in ("keep", "off"))

    @cached_property
    def found(self) -> frozenset[str]:
        """Kinds that are looked for when findings are shown."""
        return frozenset(kind for kind, mode in self.mode_of.items() if mode != "off")


def parse_redaction_policy(text: str, source: str) -> RedactionPolicy:
    """Policy of TOML text; `source` is its name in errors.

    Raises UsageError that names the source, each wrong key, and what is allowed there.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the redaction policy {source} is not TOML: {error}") from None
    problems = _problems(content)
    if problems:
        raise UsageError(f"the redaction policy {source} is wrong:\n" + "\n".join(f"  {line}" for line in problems))
    try:
        return msgspec.convert(content, RedactionPolicy)
    except msgspec.ValidationError as error:
        raise UsageError(f"the redaction policy {source} is wrong: {error}") from None


_ALLOWED: dict[str, dict[str, str]] = {
    "ner": {
        "use": '"auto", "off" or "required"',
        "backend": '"rampart" or "presidio"',
        "min_score": "a number from 0 to 1",
    },
    "secrets": {"catalogue": '"betterleaks" or "off"'},
}
_SECTIONS: dict[str, type[msgspec.Struct]] = {"ner": NerRules, "secrets": SecretRules}


def _problems(content: dict[str, object]) -> list[str]:
    """One line for each wrong key: msgspec alone stops at the first, and does not say what is allowed."""
    lines: list[str] = []
    for key, value in content.items():
        if key not in ("name", "profiles", "modes", *_SECTIONS):
            lines.append(f"{key}: unknown key; known here: name, profiles, modes, ner, secrets")
        elif key == "name":
            lines += [] if isinstance(value, str) else ["name: must be a text"]
        elif key == "profiles":
            lines += (
                [] if isinstance(value, list) and set(map(str, value)) <= {"hipaa"} else ['profiles: a list of "hipaa"']
            )
        elif not isinstance(value, dict):
            lines.append(f"{key}: must be a section, [{key}]")
        elif key == "modes":
            choices = get_args(Mode)
            for kind, mode in value.items():
                if kind not in KINDS:
                    lines.append(f"modes.{kind}: unknown kind; known here: {', '.join(KINDS)}")
                elif mode not in choices:
                    lines.append(f"modes.{kind}: {mode!r} is not allowed; must be {' or '.join(choices)}")
        else:
            lines += _section_problems(key, value)
    return lines


def _section_problems(section: str, values: dict[str, object]) -> list[str]:
    lines: list[str] = []
    allowed = _ALLOWED[section]
    for key, value in values.items():
        if key not in allowed:
            lines.append(f"{section}.{key}: unknown key; known here: {', '.join(allowed)}")
            continue
        try:
            msgspec.convert({key: value}, _SECTIONS[section])
        except msgspec.ValidationError:
            lines.append(f"{section}.{key}: {value!r} is not allowed; must be {allowed[key]}")
    return lines
