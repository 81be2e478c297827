"""Which formats can be imported: one line each. An importer's module is loaded when it is used."""

from dataclasses import dataclass
from importlib import import_module
from typing import cast

from schemas.errors import UsageError
from streams.adapters.base import Importer


@dataclass(frozen=True)
class Format:
    """A format of recorded runs."""

    name: str
    module: str
    """Module with a function `read(source, options)`."""
    suffixes: tuple[str, ...]
    """File names that are looked for in folders, without `.gz` and `.zst`."""
    doc: str

    def importer(self) -> Importer:
        """Load the importer."""
        return cast(Importer, import_module(f"streams.adapters.{self.module}").read)


_JSON = (".json", ".jsonl", ".ndjson")

FORMATS: dict[str, Format] = {
    found.name: found
    for found in (
        Format("tau-bench", "tau_bench", _JSON, "tau-bench trajectories"),
        Format("tau2", "tau2", _JSON, "tau2-bench results and single simulations"),
        Format("mini-swe", "mini_swe", (".traj.json", ".jsonl"), "mini-swe-agent trajectories"),
        Format("swe-agent", "swe_agent", (".traj",), "SWE-agent trajectories"),
        Format("claude-code", "claude_code", (".jsonl",), "Claude Code session transcripts"),
        Format("openai-messages", "openai_messages", _JSON, "chat messages in OpenAI's shape"),
        Format("atif", "atif", _JSON, "Agent Trajectory Interchange Format (Harbor)"),
        Format("otlp", "otlp", _JSON, "OpenTelemetry GenAI and OpenInference spans"),
        Format("toolbench", "toolbench", _JSON, "ToolBench (ToolLLM) search trees and training chats"),
        Format("who-and-when", "who_and_when", _JSON, "Who&When: failed runs of agent teams with attribution"),
        Format("reflexion", "reflexion", (".txt", *_JSON), "Reflexion logs, programming runs and environment results"),
        Format("inspect", "inspect_ai", (".json", ".eval"), "Inspect AI eval logs"),
        Format("codex", "codex", (".jsonl", ".json"), "Codex CLI session rollouts"),
        Format("llmunix", "llmunix", (".md",), "LLMunix memory logs and execution traces in Markdown"),
    )
}
"""Format name to format."""


def format_named(name: str) -> Format:
    """The format of that name. Raises UsageError that lists the known ones."""
    found = FORMATS.get(name)
    if found is None:
        raise UsageError(f"there is no importer for {name!r}; known formats: {', '.join(sorted(FORMATS))}")
    return found
