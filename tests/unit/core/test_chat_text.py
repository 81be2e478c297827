"""Chat messages as the JSON text of the tables."""

import json

import pytest

from schemas.chat_text import message_text
from schemas.records import Message, ToolCall
from streams.adapters.tolerant import json_argument


@pytest.mark.parametrize(
    "written",
    ["{bad…", "not json", '"quoted"', "5", "*** Begin\n+é\n", '{"a": 1.0,  "b":NaN}', '{"n": 1E2, "n": 1}'],
)  # fmt: skip
def test_arguments_stand_in_messages_byte_for_byte_as_the_model_wrote_them(written: str) -> None:
    call = ToolCall(call_id="c", name="f", arguments_json=json_argument(written))
    json.loads(call.arguments_json)
    message = json.loads(message_text(Message(role="assistant", tool_calls=(call,))))
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": written}


def test_a_text_that_only_begins_like_a_string_stays_as_it_is() -> None:
    call = ToolCall(name="f", arguments_json='"open')
    assert json.loads(message_text(Message(role="assistant", tool_calls=(call,))))["tool_calls"][0]["function"] == {
        "name": "f",
        "arguments": '"open',
    }
