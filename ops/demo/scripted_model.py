"""A language model that follows a script: deterministic words, real figures.

The next action is chosen by the agent's policy from the state it is in (a `Move`); this class turns it into what a
model call is: a message with reasoning and a tool call, tokens and cost computed from the lengths of the texts, and
a small latency that really passes.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

PROVIDER = "demo"
NAME = "scripted-1"
_CHARS_PER_TOKEN = 4
_USD_PER_INPUT_TOKEN = 0.8e-6
_USD_PER_OUTPUT_TOKEN = 4e-6
_LATENCY_SECONDS = 0.003
_LATENCY_SECONDS_PER_TOKEN = 0.00006
_LONGEST_LATENCY_SECONDS = 0.02


@dataclass(frozen=True)
class Move:
    """What the model does next: call a tool, or (without one) answer."""

    reasoning: str
    tool: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    text: str | None = None


@dataclass(frozen=True)
class Reply:
    """A finished model call. `message` is in the OpenAI shape."""

    message: Mapping[str, object]
    call_id: str | None
    usage: Mapping[str, int]
    cost_usd: float
    latency_seconds: float
    finish_reason: str


class ScriptedModel:
    """One conversation with the model: the prompt grows with all that is said and seen."""

    def __init__(self, call_prefix: str = "call") -> None:
        self._call_prefix = call_prefix
        self._calls = 0
        self._prompt_chars = 0
        self.spent_usd = 0.0
        """Cost of all calls so far."""

    def read(self, text: str) -> None:
        """Put a text into the prompt of the next call."""
        self._prompt_chars += len(text)

    def reply(self, move: Move) -> Reply:
        """Make a call whose answer is `move`; takes its latency."""
        message: dict[str, object] = {"role": "assistant", "content": move.text, "reasoning": move.reasoning}
        call_id = None
        written = len(move.reasoning) + len(move.text or "")
        if move.tool:
            self._calls += 1
            call_id = f"{self._call_prefix}_{self._calls}"
            arguments = json.dumps(move.arguments, ensure_ascii=False)
            message["tool_calls"] = [{"id": call_id, "function": {"name": move.tool, "arguments": arguments}}]
            written += len(arguments)
        input_tokens = tokens(self._prompt_chars)
        output_tokens = tokens(written)
        self._prompt_chars += written
        cost = input_tokens * _USD_PER_INPUT_TOKEN + output_tokens * _USD_PER_OUTPUT_TOKEN
        self.spent_usd += cost
        began = time.perf_counter()
        time.sleep(min(_LONGEST_LATENCY_SECONDS, _LATENCY_SECONDS + output_tokens * _LATENCY_SECONDS_PER_TOKEN))
        return Reply(
            message=message,
            call_id=call_id,
            usage={"input_tokens": input_tokens, "output_tokens": output_tokens},
            cost_usd=cost,
            latency_seconds=time.perf_counter() - began,
            finish_reason="tool_calls" if move.tool else "stop",
        )


def tokens(chars: int) -> int:
    """About how many tokens a text of this many characters has."""
    return -(-chars // _CHARS_PER_TOKEN)
