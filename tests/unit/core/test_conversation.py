from schemas.conversation import chats, conversation
from schemas.records import AgentStarted, Message, ModelCalled, ToolCalled, ToolReturned
from tests.unit.core.build import Run, call, good_run


def shown(messages: tuple[Message, ...]) -> list[tuple[str, str | None]]:
    return [(message.role, message.content) for message in messages]


def test_a_chat_holds_prompt_user_assistant_and_results_in_order() -> None:
    messages = conversation(good_run(turns=1).events)
    assert shown(messages) == [
        ("system", "You research."),
        ("user", "Find prices"),
        ("assistant", "I search."),
        ("tool", '{"hits": 0}'),
        ("assistant", "Done."),
    ]
    assert messages[3].tool_call_id == messages[2].tool_calls[0].call_id == "c0"


def test_call_ids_become_unique_within_the_trace() -> None:
    run = Run()
    for number in range(3):
        run.says(None, call("T", "{}", "same")).calls("T", {}, call_id="same").returns(number)
    messages = conversation(run.events)
    ids = [tool_call.call_id for message in messages for tool_call in message.tool_calls]
    assert ids == ["same", "same_2", "same_3"]
    assert [(m.tool_call_id, m.content) for m in messages if m.role == "tool"] == [
        ("same", "0"),
        ("same_2", "1"),
        ("same_3", "2"),
    ]


def test_a_made_up_id_never_meets_one_of_the_source() -> None:
    run = Run()
    for call_id in ("same_2", "same", "same", None, "call_1"):
        run.says(None, call("T", "{}", call_id))
    ids = [tool_call.call_id for message in conversation(run.events) for tool_call in message.tool_calls]
    assert len(set(ids)) == 5


def test_parallel_results_stand_behind_their_message_in_the_order_of_the_calls() -> None:
    run = Run().says(None, call("A", "{}", "1"), call("B", "{}", "2"))
    run.calls("A", call_id="1", span="a").calls("B", call_id="2", span="b")
    run.add(ToolReturned(call_id="2", success=True, result_json='"b"'), span="b").hears("wait")
    run.add(ToolReturned(call_id="1", success=True, result_json='"a"'), span="a")
    assert shown(conversation(run.events)) == [("assistant", None), ("tool", "a"), ("tool", "b"), ("user", "wait")]


def test_arguments_stay_the_text_of_the_source() -> None:
    odd = '{"b":1,  "a": 1.10, "b": 2}'
    run = Run().says(None, call("T", odd, "1")).calls("T", '{"a":1.1,"b":2}', call_id="1").returns()
    assert conversation(run.events)[0].tool_calls[0].arguments_json == odd


def test_calls_known_only_because_they_ran_are_added_to_the_message() -> None:
    run = Run().says("I run it.").calls("bash", {"command": "ls"}).returns("a.txt")
    messages = conversation(run.events)
    assert [tool_call.name for tool_call in messages[0].tool_calls] == ["bash"]
    assert messages[1].tool_call_id == messages[0].tool_calls[0].call_id
    assert messages[1].content == "a.txt"


def test_a_lone_tool_call_is_a_message_too() -> None:
    assert shown(conversation(Run().calls("T").returns("x").events)) == [("assistant", None), ("tool", "x")]


def test_a_call_without_id_in_one_place_joins_by_tool_and_order() -> None:
    run = Run().says(None, call("T", "{}", "1"), call("T", "{}", "2")).calls("T").calls("T").returns(1).returns(2)
    messages = conversation(run.events)
    assert len(messages[0].tool_calls) == 2
    assert [(message.tool_call_id, message.content) for message in messages[1:]] == [("1", "1"), ("2", "2")]


def test_what_the_user_called_is_not_in_the_chat_of_the_agent() -> None:
    run = Run().says("Restart it.").calls("restart", by="user").returns().hears("Done").says("Thanks.")
    assert shown(conversation(run.events)) == [
        ("assistant", "Restart it."),
        ("user", "Done"),
        ("assistant", "Thanks."),
    ]


def test_prompt_messages_without_an_event_of_their_own_come_first_and_the_prompt_only_once() -> None:
    inputs = (Message(role="system", content="P"), Message(role="user", content="Q"))
    run = (
        Run().starts(system="P").add(ModelCalled(input_messages=inputs, output=Message(role="assistant", content="A")))
    )
    assert shown(conversation(run.events)) == [("system", "P"), ("user", "Q"), ("assistant", "A")]


def test_a_sub_agent_has_a_chat_of_its_own() -> None:
    run = Run().starts(system="Boss").says(None, call("Task", "{}", "t")).calls("Task", call_id="t", span="task")
    run.add(AgentStarted(root=False, system_prompt="Help"), span="sub", parent="task", agent="Helper")
    run.add(ModelCalled(output=Message(role="assistant", content="sub says")), span="m", parent="sub", agent="Helper")
    run.returns("done").says("Finished.")
    found = chats(run.events)
    assert shown(found[None].messages) == [
        ("system", "Boss"),
        ("assistant", None),
        ("tool", "done"),
        ("assistant", "Finished."),
    ]
    assert shown(found["sub"].messages) == [("system", "Help"), ("assistant", "sub says")]


def test_a_model_call_that_failed_leaves_no_message() -> None:
    run = Run().hears("Hi").add(ModelCalled(output=None)).says("Hello.")
    assert shown(conversation(run.events)) == [("user", "Hi"), ("assistant", "Hello.")]
    assert chats(run.events)[None].assistant_at == {(1, 0): 1}


def test_results_are_shown_as_the_model_saw_them() -> None:
    texts = []
    for result_json, message in (('"a\\nb"', None), ('{"a": 1.10}', None), ("not json", None), (None, "boom")):
        run = Run().add(ToolCalled(tool="T", parameters_json="{}"), span="s")
        run.add(ToolReturned(success=True, result_json=result_json, error_message=message), span="s")
        texts.append(conversation(run.events)[1].content)
    assert texts == ["a\nb", '{"a": 1.10}', "not json", "boom"]


def test_an_empty_trace_has_an_empty_chat() -> None:
    assert conversation(()) == ()
