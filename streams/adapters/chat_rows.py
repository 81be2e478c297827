"""Rows of fine-tuning sets: ShareGPT's `from` and `value`, and instructions with their input (Alpaca), as messages.

Source: LLaMA-Factory's `data/README.md`, whose converter joins the parts in the same way. A thought in `<think>` before
an answer or a call is its reasoning; a `function_call` holds one call or a list of calls as JSON.
"""

import re

from streams.adapters.runs import NotARunError
from streams.adapters.tolerant import Json, items, mappings, parsed, text

_ROLES = {
    "human": "user", "user": "user", "system": "system", "gpt": "assistant", "assistant": "assistant",
    "chatgpt": "assistant", "bing": "assistant", "bard": "assistant", "model": "assistant",
    "function_call": "assistant", "tool_call": "assistant", "observation": "tool", "tool": "tool",
    "function_response": "tool", "tool_response": "tool",
}  # fmt: skip
_CALLS = ("function_call", "tool_call")
_BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"
_THOUGHT = re.compile(r"\s*+<think>(?P<thought>.*?)</think>\s*+", re.DOTALL)


def is_turn(value: object) -> bool:
    """Whether a value is what one speaker said, in ShareGPT's shape."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("from"), str)
        and isinstance(value.get("value"), str)
        and not isinstance(value.get("role"), str)
    )


def messages_of_turns(turns: list[Json]) -> list[Json]:
    """Messages in order; what is no turn stays. Raises NotARunError at a speaker that is not known: to leave out what
    it said would make another run of it."""
    return [message for turn in turns for message in (_messages(turn) if is_turn(turn) else [turn])]


def instructed(record: Json) -> list[Json] | None:
    """The prompt of a row with an `instruction` and no prompt beside it: rounds before, instruction and input."""
    instruction = text(record.get("instruction"))
    if instruction is None or record.get("prompt"):
        return None
    found: list[Json] = []
    for entry in items(record.get("history")):
        for role, said in zip(("user", "assistant"), items(entry), strict=False):
            found.append({"role": role, "content": said})
    given = text(record.get("input"))
    return [*found, {"role": "user", "content": f"{instruction}\n{given}" if given else instruction}]


def _messages(turn: Json) -> list[Json]:
    speaker, said = str(turn["from"]).lower(), str(turn["value"])
    role = _ROLES.get(speaker)
    if role is None:
        raise NotARunError("holds a turn whose speaker is not known")
    rest = {key: value for key, value in turn.items() if key not in ("from", "value")}
    if role == "tool":
        return [{**rest, "role": role, "content": part} for part in said.split(_BETWEEN_RESULTS)]
    if role != "assistant":
        return [{**rest, "role": role, "content": said}]
    thought = _THOUGHT.match(said)
    words = said[thought.end() :] if thought else said
    message = {**rest, "role": role, "content": words}
    if thought:
        message["reasoning"] = thought["thought"].strip()
    found = parsed(words) if speaker in _CALLS else None
    calls = mappings([found] if isinstance(found, dict) else found)
    if calls:
        message |= {"content": None, "tool_calls": [{"type": "function", "function": call} for call in calls]}
    return [message]
