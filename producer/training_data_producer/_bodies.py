"""From snapshots (JSON text) to the structured fields of event bodies; runs in the background thread.

Messages are understood in the shapes agents hold them in: OpenAI chat messages, Anthropic content blocks, or the
field names of the schema itself. What is not understood is kept as JSON text, never left out.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from training_data_producer._values import Values

Avro = dict[str, Any]
"""A record as fastavro wants it; its shape is that of the schema."""


class Bodies:
    """Builds structured fields. `values` counts what had to be repaired."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._builders: dict[str, Callable[[Any], Any]] = {
            "input_messages": self._messages,
            "output": self._output,
            "tools": self._tools,
            "usage": self._usage,
            "options": self._options,
            "constraints": self._texts,
            "claude_code_mapping": self._mapping,
        }

    def finish(self, body: Avro) -> Avro:
        """The body with its snapshots replaced by records."""
        finished = body
        for name, builder in self._builders.items():
            snapshot = body.get(name)
            if type(snapshot) is str:
                if finished is body:
                    finished = dict(body)
                finished[name] = builder(json.loads(snapshot))
        return finished

    def _texts(self, value: Any) -> list[str]:
        if isinstance(value, dict):
            return [f"{key}: {self._values.required_text(item)}" for key, item in value.items()]
        return [self._values.required_text(item) for item in _listed(value)]

    def _options(self, value: Any) -> list[Avro]:
        return [self._option(item) for item in _listed(value)]

    def _option(self, item: Any) -> Avro:
        if not isinstance(item, dict):
            return {"option": self._values.required_text(item)}
        values = self._values
        return {
            "option": values.required_text(item.get("option", item.get("name"))),
            "pros": self._texts(item.get("pros")),
            "cons": self._texts(item.get("cons")),
            "estimated_cost_usd": values.number(_first(item, "estimated_cost_usd", "estimated_cost")),
            "estimated_time_seconds": values.number(_first(item, "estimated_time_seconds", "estimated_time")),
        }

    def _mapping(self, item: Any) -> Avro | None:
        if not isinstance(item, dict):
            return {"tool": self._values.required_text(item)}
        parameters = _first(item, "parameters_json", "parameters")
        return {
            "tool": self._values.required_text(item.get("tool")),
            "file_path": self._values.text(item.get("file_path")),
            "parameters_json": None if parameters is None else self._values.arguments(parameters),
            "execution_time_seconds": self._values.number(_first(item, "execution_time_seconds", "execution_time")),
        }

    def _usage(self, item: Any) -> Avro | None:
        if not isinstance(item, dict):
            return None
        details = item.get("completion_tokens_details")
        prompt = item.get("prompt_tokens_details")
        reasoning = _first(item, "reasoning_tokens")
        cached = _first(item, "cache_read_tokens", "cache_read_input_tokens")
        if reasoning is None and isinstance(details, dict):
            reasoning = details.get("reasoning_tokens")
        if cached is None and isinstance(prompt, dict):
            cached = prompt.get("cached_tokens")
        integer = self._values.integer
        return {
            "input_tokens": integer(_first(item, "input_tokens", "prompt_tokens")),
            "output_tokens": integer(_first(item, "output_tokens", "completion_tokens")),
            "cache_read_tokens": integer(cached),
            "reasoning_tokens": integer(reasoning),
        }

    def _tools(self, value: Any) -> list[Avro]:
        return [self._tool(item) for item in _listed(value)]

    def _tool(self, item: Any) -> Avro:
        if not isinstance(item, dict):
            return {"name": self._values.required_text(item)}
        function = item["function"] if isinstance(item.get("function"), dict) else item
        parameters = _first(function, "parameters_json", "parameters", "input_schema", "inputSchema")
        return {
            "name": self._values.required_text(function.get("name")),
            "description": self._values.text(function.get("description")),
            "parameters_json": None if parameters is None else self._values.arguments(parameters),
        }

    def _output(self, value: Any) -> Avro | None:
        messages = self._messages(value, role="assistant")
        return messages[0] if messages else None

    def _messages(self, value: Any, role: str = "user") -> list[Avro]:
        return [message for item in _listed(value) for message in self._message(item, role)]

    def _message(self, item: Any, role: str) -> Iterator[Avro]:
        values = self._values
        if not isinstance(item, dict):
            yield {"role": role, "content": values.required_text(item)}
            return
        role = values.required_text(item.get("role", role))
        texts: list[str] = []
        thoughts = [values.required_text(item[name]) for name in ("reasoning", "reasoning_content") if item.get(name)]
        calls = [self._call(call) for call in _listed(item.get("tool_calls"))]
        answers: list[Avro] = []
        content = item.get("content")
        for block in _listed(content):
            kind = block.get("type") if isinstance(block, dict) else None
            if kind in ("text", "input_text", "output_text"):
                texts.append(values.required_text(block.get("text")))
            elif kind == "thinking":
                thoughts.append(values.required_text(block.get("thinking")))
            elif kind == "tool_use":
                calls.append(self._call(block))
            elif kind == "tool_result":
                answers.append(self._answer(block))
            else:
                texts.append(values.required_text(block))
        yield from answers
        if answers and not (texts or calls or thoughts):
            return
        yield {
            "role": role,
            "content": "\n".join(texts) if texts else ("" if content == "" else None),
            "reasoning": "\n".join(thoughts) or None,
            "tool_calls": calls,
            "tool_call_id": values.text(item.get("tool_call_id")),
            "name": values.text(item.get("name")),
        }

    def _answer(self, block: Avro) -> Avro:
        content = block.get("content")
        parts = [
            self._values.required_text(part["text"] if isinstance(part, dict) and "text" in part else part)
            for part in _listed(content)
        ]
        return {
            "role": "tool",
            "content": "\n".join(parts) if parts else None,
            "tool_call_id": self._values.text(block.get("tool_use_id")),
        }

    def _call(self, item: Any) -> Avro:
        if not isinstance(item, dict):
            return {"name": self._values.required_text(item), "arguments_json": "{}"}
        function = item["function"] if isinstance(item.get("function"), dict) else item
        return {
            "call_id": self._values.text(_first(item, "id", "call_id")),
            "name": self._values.required_text(function.get("name")),
            "arguments_json": self._values.arguments(_first(function, "arguments_json", "arguments", "input")),
        }


def _listed(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return value if isinstance(value, list) else [value]


def _first(item: Avro, *names: str) -> Any:
    for name in names:
        if item.get(name) is not None:
            return item[name]
    return None
