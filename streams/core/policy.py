"""The curation policy: thresholds that people set in a file, checked, frozen and hashed."""

import hashlib
import tomllib
import typing
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from schemas.errors import UsageError
from schemas.records import ExecutionMode

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
ExampleType = Literal[
    "agent_execution",
    "conversation",
    "decision_making",
    "tool_selection",
    "error_handling",
    "workflow_optimization",
    "multi_agent_coordination",
    "user_interaction",
]


class Gates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a trace must be. Shares and scores are 0 to 1."""

    min_quality_score: Share = 0.8
    complete_execution: bool = True
    positive_outcome: bool = True
    min_outcome: Share = 0.9
    unknown_outcome: Literal["reject", "accept"] = "reject"
    min_reasoning_share: Share = 0.0
    min_reasoning_clarity: Share = 0.0
    min_novelty: Share = 0.0
    execution_modes: tuple[ExecutionMode, ...] = ("EXECUTION", "SIMULATION", "OPTIMIZATION")


class ConsentRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What missing consent means."""

    unknown: Literal["quarantine", "reject", "accept"] = "quarantine"
    denied: Literal["reject"] = "reject"


class ExceptionRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be kept of runs that a gate rejects."""

    failed_executions: Literal["reject", "error_training"] = "error_training"
    min_recovery_credit: Share = 0.5


class ProviderRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Providers whose terms forbid training on their models' output altogether; the purpose of a package is checked
    when it is built."""

    excluded: tuple[str, ...] = ()


class NearDuplicateRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a trace repeats another. Similarity is an estimate of Jaccard's."""

    enabled: bool = True
    min_similarity: Annotated[float, msgspec.Meta(ge=0.7, le=1)] = 0.8
    keep: Literal["first", "better"] = "first"
    better_by: Share = 0.05
    window_hours: Annotated[int, msgspec.Meta(ge=1, le=8760)] = 168
    max_documents: Annotated[int, msgspec.Meta(ge=1000, le=100_000_000)] = 200_000
    scenario_cap: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0


class WindowRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hourly windows that cost, time and tokens of a run are compared with."""

    enabled: bool = True
    hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24


class ExampleRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How examples are shaped, and how large they may be."""

    types: tuple[ExampleType, ...] = typing.get_args(ExampleType)
    max_context_chars: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 32_000
    max_example_bytes: Annotated[int, msgspec.Meta(ge=1024, le=32 * 2**20)] = 8 * 2**20
    short_context_chars: Annotated[int, msgspec.Meta(ge=0, le=4_000_000)] = 8_000
    max_step_examples: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 400
    max_kind_examples: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 40
    max_trace_bytes: Annotated[int, msgspec.Meta(ge=1024, le=256 * 2**20)] = 32 * 2**20
    failed_action_weight: Share = 0.5
    trivial_choice_weight: Share = 0.5
    min_saving: Share = 0.2


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A whole policy. Compare policies by `hash`."""

    name: str = "default"
    gates: Gates = Gates()
    exceptions: ExceptionRules = ExceptionRules()
    consent: ConsentRules = ConsentRules()
    providers: ProviderRules = ProviderRules()
    near_duplicates: NearDuplicateRules = NearDuplicateRules()
    windows: WindowRules = WindowRules()
    examples: ExampleRules = ExampleRules()

    @cached_property
    def hash(self) -> str:
        """sha256 of the values, 64 hex digits; comments and order of the file do not matter."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @cached_property
    def thresholds_json(self) -> str:
        """What decisions are held against, compact JSON text."""
        content = {
            "gates": self.gates,
            "exceptions": self.exceptions,
            "consent": self.consent,
            "providers": self.providers,
            "near_duplicates": self.near_duplicates,
        }
        return msgspec.json.encode(content, order="deterministic").decode()


def load_policy(path: Path) -> Policy:
    """The policy of a file, read once at start-up. Raises UsageError that says what is wrong, and where."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        detail = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read the policy {path}: {detail}; set TDC_POLICY to a readable TOML file") from None
    return parse_policy(text, str(path))


def parse_policy(text: str, source: str) -> Policy:
    """Policy of TOML text; `source` is its name in errors.

    Raises UsageError that names the source, each wrong key, and what is allowed there.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the policy {source} is not TOML: {error}") from None
    problems = _problems(content, Policy, "")
    if problems:
        raise UsageError(f"the policy {source} is wrong:\n" + "\n".join(f"  {line}" for line in problems))
    return msgspec.convert(content, Policy)


def _problems(content: dict[str, object], expected: type[msgspec.Struct], prefix: str) -> list[str]:
    """One line for each wrong key: msgspec alone stops at the first, and does not say what is allowed."""
    fields = {field.name: field.type for field in msgspec.structs.fields(expected)}
    lines: list[str] = []
    for key, value in content.items():
        if key not in fields:
            lines.append(f"{prefix}{key}: unknown key; known here: {', '.join(fields)}")
            continue
        kind = fields[key]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(value, dict):
                lines.extend(_problems(value, kind, f"{prefix}{key}."))
            else:
                lines.append(f"{prefix}{key}: must be a section, [{prefix}{key}]")
            continue
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            lines.append(f"{prefix}{key}: {value!r} is not allowed; must be {_allowed(kind)}")
    return lines


def _allowed(kind: object) -> str:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in arguments)
    if origin is tuple:
        return f"a list of {_allowed(arguments[0])}"
    if origin is Annotated:
        meta = arguments[1]
        noun = "a whole number" if arguments[0] is int else "a number"
        return f"{noun} from {meta.ge} to {meta.le}"
    return {bool: "true or false", str: "a text", int: "a whole number"}.get(typing.cast(type, kind), str(kind))
