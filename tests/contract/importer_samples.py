"""Small recordings of every format, made here: several runs with tool calls, an error and a result that is missing."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

Record = dict[str, object]


@dataclass(frozen=True)
class Sample:
    """A way to make recordings of a format."""

    format: str
    file_name: str
    make: Callable[[int], bytes]
    """File content, that many times as large as the smallest."""
    runs: Callable[[int], int] = lambda n: n
    """Runs in that file; one where a file holds a run whatever its size."""
    failures: Callable[[int], int] = lambda n: n
    """Tool results that are errors."""
    streams: bool = True
    """False where a run may end anywhere in the file, so that its reader has to remember all that it has begun."""

    def __str__(self) -> str:
        return f"{self.format}:{self.file_name}"


def _chat(n: int) -> list[Record]:
    """One conversation: parallel calls that share an id, one failure, one call without a result."""
    return [
        {"role": "system", "content": "# Airline Agent Policy\n\nBe kind."},
        {"role": "user", "content": f"Hello, booking {n} please. ✈️"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"n": 9007199254740993}'},
                },
                {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"broken": '}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "name": "find", "content": '{"id": "F-1", "seats": [1, 2]}'},
        {"role": "tool", "tool_call_id": "call_1", "name": "price", "content": "Error: no price"},
        {
            "role": "assistant",
            "content": "Let me book.",
            "tool_calls": [{"id": "call_2", "type": "function", "function": {"name": "book", "arguments": "{}"}}],
        },
        {"role": "user", "content": "Thanks ###STOP###"},
    ]


def _tau(n: int) -> Record:
    task = {"user_id": "u", "instruction": "SECRET instruction", "actions": [{"name": "SECRET_action", "kwargs": {}}]}
    return {
        "task_id": n,
        "reward": float(n % 2),
        "info": {"task": task, "reward_info": {"reward": float(n % 2), "info": {"r_actions": 1.0}}},
        "traj": _chat(n),
        "trial": n % 4,
    }


def _tau2_messages(n: int) -> list[Record]:
    def at(second: int) -> str:
        return f"2025-08-01T16:16:{second:02d}.701879"

    call = {"name": "find", "arguments": {"n": n}, "requestor": "assistant"}
    return [
        {"role": "assistant", "content": "Hi!", "tool_calls": None, "timestamp": at(0), "cost": 0.0, "usage": None},
        {"role": "user", "content": "Hello", "tool_calls": None, "timestamp": at(1), "cost": 0.1},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "a", **call}, {"id": "b", **call}],
            "timestamp": at(2),
            "cost": 0.25,
            "usage": {"prompt_tokens": 10, "completion_tokens": 3},
            "raw_data": {"model": "gpt-4.1-2025-04-14", "finish_reason": "tool_calls"},
        },
        {
            "role": "tool",
            "id": "b",
            "content": "Error: gone",
            "requestor": "assistant",
            "error": True,
            "timestamp": at(3),
        },
        {"role": "tool", "id": "a", "content": "12.5", "requestor": "assistant", "error": False, "timestamp": None},
        {
            "role": "user",
            "content": None,
            "tool_calls": [{"id": "a", "name": "toggle", "arguments": {}, "requestor": "user"}],
            "timestamp": at(5),
        },
        {"role": "tool", "id": "a", "content": "on", "requestor": "user", "error": False, "timestamp": at(6)},
        {"role": "assistant", "content": "Done.", "timestamp": at(7), "errors": ["Invalid message format."]},
    ]


def _simulation(n: int) -> Record:
    return {
        "id": f"sim-{n}",
        "task_id": str(n),
        "start_time": "2025-08-01T16:15:59.701879",
        "end_time": "2025-08-01T16:17:00",
        "duration": 60.3,
        "termination_reason": "user_stop",
        "agent_cost": 0.25,
        "reward_info": {"reward": 0.5, "reward_breakdown": {"DB": 0.5}},
        "messages": _tau2_messages(n),
        "trial": 0,
    }


def _tau2(runs: int, *, info_last: bool = False) -> bytes:
    info: Record = {
        "info": {
            "agent_info": {"implementation": "llm_agent", "llm": "azure/gpt-4.1"},
            "environment_info": {"domain_name": "telecom", "policy": "Policy text", "tool_defs": None},
        }
    }
    tasks: Record = {"tasks": [{"id": str(n), "user_scenario": "SECRET scenario"} for n in range(runs)]}
    simulations: Record = {"simulations": [_simulation(n) for n in range(runs)]}
    parts = [tasks, simulations, info] if info_last else [info, tasks, simulations]
    document = {key: value for part in parts for key, value in part.items()}
    return json.dumps(document, indent=None if info_last else 2).encode()


def _openai(n: int) -> Record:
    return {
        "id": f"chat-{n}",
        "messages": _chat(n),
        "tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}],
        "model": "gpt-4o",
        "created": 1_750_000_000 + n,
        "metadata": {"task_id": f"t{n}", "reward": 1},
    }


def _atif(n: int) -> Record:
    return {
        "schema_version": "ATIF-v1.6",
        "session_id": f"s-{n}",
        "agent": {"name": "tester", "version": "1", "model_name": "openai/gpt-4o"},
        "steps": [
            {"step_id": 1, "source": "system", "message": "You test."},
            {"step_id": 2, "timestamp": "2025-01-15T10:30:00Z", "source": "user", "message": f"Do {n}"},
            {
                "step_id": 3,
                "timestamp": "2025-01-15T10:30:02Z",
                "source": "agent",
                "message": "Now.",
                "reasoning_content": "Hm.",
                "tool_calls": [
                    {"tool_call_id": "c1", "function_name": "run", "arguments": {"x": 1}},
                    {"tool_call_id": "c2", "function_name": "run", "arguments": {"x": 2}},
                    {"tool_call_id": "c3", "function_name": "run", "arguments": {}},
                ],
                "observation": {
                    "results": [
                        {"source_call_id": "c2", "content": "Error: no"},
                        {"source_call_id": "c1", "content": "ok"},
                    ]
                },
                "metrics": {"prompt_tokens": 5, "completion_tokens": 2, "cost_usd": 0.01},
            },
            {"step_id": 4, "source": "agent", "message": "Screen?", "observation": {"results": [{"content": "$ ls"}]}},
            {"step_id": 5, "source": "agent", "message": "Done."},
        ],
        "final_metrics": {"total_cost_usd": 0.02},
    }


def _mini_swe(n: int) -> Record:
    def call(number: int) -> Record:
        function = {"name": "bash", "arguments": json.dumps({"command": f"ls {number}"})}
        return {"id": f"call_{number}", "type": "function", "function": function}

    def output(number: int, code: int) -> Record:
        content = f"<returncode>{code}</returncode>\n<output>x</output>"
        return {"role": "tool", "tool_call_id": f"call_{number}", "content": content, "extra": {"returncode": code}}

    return {
        "info": {"exit_status": "Submitted", "config": {"model": {"model_name": "deepseek/deepseek-chat"}}},
        "messages": [
            {"role": "system", "content": "You can use a shell."},
            {"role": "user", "content": f"Fix bug {n}."},
            {"role": "assistant", "content": "Look.", "tool_calls": [call(1), call(2)]},
            output(1, 0),
            output(2, 1),
            {"role": "assistant", "content": "Submit.", "tool_calls": [call(3)]},
            {"role": "exit", "content": "", "extra": {"exit_status": "Submitted", "submission": ""}},
        ],
        "trajectory_format": "mini-swe-agent-1.1",
        "instance_id": f"repo__bug-{n}",
    }


def _swe_agent(steps: int) -> bytes:
    """One run; each step runs a command."""
    trajectory = [
        {"action": f"ls {n}\n", "observation": f"file-{n}", "response": f"Look.\n```\nls {n}\n```", "thought": "Look."}
        for n in range(steps)
    ]
    history: list[Record] = [
        {"role": "system", "content": "SETTING: a shell.", "agent": "main"},
        {"role": "user", "content": "Fix it.", "agent": "main"},
    ]
    for step in trajectory:
        answer = {
            "role": "assistant",
            "content": step["response"],
            "thought": step["thought"],
            "action": step["action"],
        }
        history += [{**answer, "agent": "main"}, {"role": "user", "content": step["observation"], "agent": "main"}]
    document = {
        "environment": "main",
        "trajectory": trajectory,
        "history": history,
        "info": {"exit_status": "submitted"},
    }
    return json.dumps(document, indent=1).encode()


def _claude_code(sessions: int) -> bytes:
    lines: list[Record] = []
    for n in range(sessions):
        session = f"00000000-0000-0000-0000-{n:012d}"

        def line(number: int, kind: str, message: Record, session: str = session) -> Record:
            parent = None if number == 0 else f"{session}-{number - 1}"
            return {
                "parentUuid": parent,
                "uuid": f"{session}-{number}",
                "sessionId": session,
                "isSidechain": False,
                "type": kind,
                "timestamp": f"2026-01-20T11:58:{number:02d}.674Z",
                "message": {"role": kind, **message},
            }

        uses = [
            {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "a.txt"}},
            {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {"command": "ls"}},
            {"type": "tool_use", "id": "toolu_3", "name": "Bash", "input": {"command": "pwd"}},
        ]
        results = [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "text"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "Exit code 1", "is_error": True},
        ]
        answer: Record = {
            "id": f"msg_{n}",
            "model": "claude-opus-4-5",
            "usage": {"input_tokens": 2, "output_tokens": 1},
        }
        lines += [
            line(0, "user", {"content": f"Read file {n}"}),
            line(1, "assistant", {**answer, "content": uses}),
            line(2, "user", {"content": results}),
            line(3, "assistant", {**answer, "id": f"end_{n}", "content": [{"type": "text", "text": "Done."}]}),
        ]
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in lines)


def _otlp(traces: int) -> bytes:
    spans: list[Record] = []
    for n in range(traces):
        for number, name in enumerate(("invoke_agent", "chat", "execute_tool", "execute_tool")):
            attributes: Record = {"gen_ai.operation.name": name, "gen_ai.provider.name": "openai"}
            if name == "execute_tool":
                attributes |= {"gen_ai.tool.name": "find", "gen_ai.tool.call.id": f"c{number}"}
                attributes |= {"gen_ai.tool.call.arguments": "{}", "gen_ai.tool.call.result": "found"}
            failed = number == 3
            spans.append(
                {
                    "trace_id": f"{n + 1:032x}",
                    "span_id": f"{n + 1:08x}{number + 1:08x}",
                    "parent_span_id": None if number == 0 else f"{n + 1:08x}{1:08x}",
                    "name": name,
                    "start_time": 1_700_000_000_000_000_000 + number * 1_000_000_000,
                    "end_time": 1_700_000_000_500_000_000 + number * 1_000_000_000,
                    "attributes": attributes,
                    "status": {"code": "ERROR", "description": "gone"} if failed else {"code": "OK"},
                }
            )
    return json.dumps(spans).encode()


def _inspect_sample(n: int, calls: int = 1) -> Record:
    """A sample with an event stream: two calls side by side, `calls` failures, one call without a result."""

    def at(second: int) -> str:
        return f"2025-05-12T20:{second // 60 % 60:02d}:{second % 60:02d}.997226-04:00"

    def call(name: str) -> Record:
        return {"id": name, "function": "bash", "arguments": {"cmd": "attachment://a1"}, "type": "function"}

    def tool(name: str, second: int, **result: object) -> Record:
        return {"event": "tool", **call(name), "timestamp": at(second), "completed": at(second + 1), **result}

    asked: Record = {"id": "m1", "role": "user", "content": f"Do {n}", "source": "input"}
    names = ["ok", *(f"bad-{number}" for number in range(calls)), "lost"]
    answer = {"id": "m2", "role": "assistant", "content": "I look.", "tool_calls": [call(name) for name in names]}
    results = [tool("ok", 2, result="files")]
    results += [
        tool(f"bad-{number}", 3, result="", error={"type": "timeout", "message": "too slow"}) for number in range(calls)
    ]
    usage = {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9, "input_tokens_cache_read": 3}
    output = {"model": "gpt-4o", "choices": [{"message": answer, "stop_reason": "tool_calls"}], "usage": usage}
    return {
        "id": f"task-{n}",
        "epoch": 1,
        "input": asked["content"],
        "target": "SECRET target",
        "messages": [{"role": "system", "content": "You test."}, asked, answer],
        "scores": {"match": {"value": "C", "answer": "x"}},
        "events": [
            {"event": "sample_init", "timestamp": at(0), "sample": {"target": "SECRET target"}},
            {"event": "span_begin", "id": "s1", "type": "solver", "name": "generate", "timestamp": at(0)},
            {
                "event": "model",
                "span_id": "s1",
                "timestamp": at(0),
                "completed": at(1),
                "model": "openai/gpt-4o",
                "input": [{"role": "system", "content": "You test."}, asked],
                "tools": [{"name": "bash", "description": "Run.", "parameters": {"type": "object"}}],
                "output": output,
            },
            *results,
            {"event": "span_end", "id": "s1", "timestamp": at(5)},
            {"event": "score", "timestamp": at(6), "score": {"value": "C"}, "target": "SECRET target"},
        ],
        "attachments": {"a1": "ls"},
        "total_time": 6.5,
    }


_INSPECT_HEADER: Record = {
    "version": 2,
    "status": "success",
    "eval": {"run_id": "r", "task": "tasks", "model": "openai/gpt-4o", "created": "2025-05-12T20:27:36-04:00"},
}


def _inspect(samples: int) -> bytes:
    return json.dumps({**_INSPECT_HEADER, "samples": [_inspect_sample(n) for n in range(samples)]}, indent=1).encode()


def _inspect_archive(calls: int) -> bytes:
    """One sample."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        members = {"header.json": _INSPECT_HEADER, "samples/task-0_epoch_1.json": _inspect_sample(0, calls)}
        for name, value in members.items():
            archive.writestr(zipfile.ZipInfo(name), json.dumps(value))
    return file.getvalue()


def _codex_items(n: int) -> list[Record]:
    def call(number: int) -> Record:
        return {"type": "function_call", "name": "exec_command", "arguments": "{}", "call_id": f"call_{number}"}

    def output(number: int, code: int) -> Record:
        words = f"Wall time: 0.1 seconds\nProcess exited with code {code}\nOutput:\nx"
        return {"type": "function_call_output", "call_id": f"call_{number}", "output": words}

    return [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"Fix {n}."}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
        call(1),
        call(2),
        output(1, 0),
        output(2, 1),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]},
        call(3),
    ]


def _codex(sessions: int) -> bytes:
    lines: list[Record] = []
    for n in range(sessions):
        head = {"id": f"session-{n}", "timestamp": "2026-01-20T11:58:00.674Z", "model_provider": "openai"}
        lines.append({"timestamp": "2026-01-20T11:58:00.674Z", "type": "session_meta", "payload": head})
        lines += [
            {"timestamp": f"2026-01-20T11:58:{second:02d}.674Z", "type": "response_item", "payload": item}
            for second, item in enumerate(_codex_items(n))
        ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _codex_document(turns: int) -> bytes:
    """One session, as the first version of the product wrote it."""
    items = [item for n in range(turns) for item in _codex_items(n)]
    return json.dumps(
        {"session": {"id": "old", "timestamp": "2025-04-20T11:58:00Z"}, "items": items}, indent=2
    ).encode()


def _llmunix_history(steps: int) -> bytes:
    """One run; every second step fails."""
    parts = ["# Execution History: Test\n\n## Step Execution Log\n"]
    for n in range(steps):
        for number, error in ((2 * n, "none"), (2 * n + 1, "404 not found")):
            parts.append(
                f"### Step {number} Execution - 2025-06-01T10:00:{number % 60:02d}Z\n"
                "- **component_used**: web_fetcher\n"
                f"- **tool_used**: WebFetch\n- **real_inputs**:\n  - url: https://example.com/{number}\n"
                f"- **real_outputs**: page {number}\n- **actual_cost**: $0.01\n- **actual_time**: 3s\n"
                f"- **errors**: {error}\n"
            )
    return "\n".join(parts).encode()


def _node(kind: str, description: str, children: list[Record] | None = None, **more: object) -> Record:
    return {"node_type": kind, "description": description, "pruned": False, **more, "children": children or []}


def _tool_node(name: str, arguments: str, observation: str, code: int, children: list[Record] | None = None) -> Record:
    told = _node("Action Input", arguments, children, observation=observation, observation_code=code, pruned=code == 4)
    return _node("Action", name, [told])


def _toolbench(n: int, *, dead_end: bool = False) -> Record:
    """A search whose way fails once before it answers; `dead_end` adds a branch that is given up."""
    finish = '{"return_type": "give_answer", "final_answer": "Paris"}'
    way = [_tool_node("Finish", finish, '{"response":"successfully giving the final answer."}', 3)]
    if dead_end:
        gave_up = '{"return_type": "give_up_and_restart"}'
        way.insert(0, _tool_node("Finish", gave_up, '{"response":"chose to give up and restart"}', 4))
    found = _tool_node("find_for_maps", '{"q": "x"}', '{"error": "", "response": "[1]"}', 0, way)
    failed = _tool_node(
        "find_for_maps", "{}", '{"error": "no q", "response": ""}', 11, [_node("Thought", "Hm.", [found])]
    )
    return {
        "win": True,
        "tree": {"size": 9, "max_length": 9, "tree": _node("Action Input", "", [failed])},
        "answer_generation": {
            "valid_data": True,
            "query_count": 3,
            "total_tokens": 100,
            "final_answer": finish,
            "finish_type": "give_answer",
            "function": [{"name": "find_for_maps", "parameters": {"type": "object"}}],
            "query": f"Where is the tower of request {n}?",
        },
    }


def _who_and_when(n: int) -> Record:
    def says(name: str, content: str, role: str = "user") -> Record:
        return {"content": content, "role": role, "name": name}

    return {
        "is_correct": False,
        "question": f"What is {n} + 1?",
        "question_ID": f"q-{n}",
        "level": "1",
        "ground_truth": str(n + 1),
        "history": [
            says("Math_Expert", "Let us compute.", "assistant"),
            says("Code_Expert", f"Run this:\n```python\nprint({n} + 2)\n```"),
            says("Computer_terminal", f"exitcode: 0 (execution succeeded)\nCode output: {n + 2}"),
            says("Code_Expert", "Again:\n```python\nprint(\n```"),
            says("Computer_terminal", "exitcode: 1 (execution failed)\nCode output: SyntaxError"),
            says("Math_Expert", "TERMINATE", "assistant"),
        ],
        "mistake_agent": "Code_Expert",
        "mistake_step": "1",
        "mistake_reason": "It adds 2.",
        "system_prompt": {"Math_Expert": "## Your role", "Code_Expert": "You write code."},
    }


def _reflexion_log(runs: int) -> bytes:
    parts = ["\n########################################\nBEGIN TRIAL 1\nTrial summary: Correct: 1, Incorrect: 0\n"]
    parts.append("#######################################\n------------- BEGIN CORRECT AGENTS -------------\n\n")
    parts += [
        f"Question: Who built tower {n}?\nThought 1: I search.\nAction 1: Search[Tower {n}]\n"
        f"Observation 1: Could not find [Tower {n}]. Similar: []\nThought 2: A guess.\nAction 2: Finish[Eve]\n"
        f"Observation 2: Answer is CORRECT\nCorrect answer: Eve\n\n"
        for n in range(runs)
    ]
    return "".join(parts).encode()


def _lines(make: Callable[[int], object], runs: int) -> bytes:
    return b"".join(json.dumps(make(n)).encode() + b"\n" for n in range(runs))


def _array(make: Callable[[int], object], runs: int, indent: int | None = None) -> bytes:
    return json.dumps([make(n) for n in range(runs)], indent=indent, ensure_ascii=False).encode()


SAMPLES = (
    Sample("tau-bench", "gpt-4o-airline.jsonl", lambda n: _lines(_tau, n)),
    Sample("tau-bench", "gpt-4o-airline.json", lambda n: _array(_tau, n, 2)),
    Sample("tau-bench", "tool-calling-gpt-4o-0.0_range_0-50_user-gpt-4o-llm_0612.json", lambda n: _array(_tau, n)),
    Sample("tau2", "results.json", _tau2),
    Sample("tau2", "info-last.json", lambda n: _tau2(n, info_last=True)),
    Sample("tau2", "simulations.jsonl", lambda n: _lines(_simulation, n)),
    Sample("openai-messages", "chats.jsonl", lambda n: _lines(_openai, n)),
    Sample("openai-messages", "chats.json", lambda n: _array(_openai, n)),
    Sample("openai-messages", "bare.jsonl", lambda n: _lines(_chat, n)),
    Sample("openai-messages", "bare.json", lambda n: _array(_chat, n, 1)),
    Sample("atif", "trajectories.jsonl", lambda n: _lines(_atif, n)),
    Sample("atif", "trajectories.json", lambda n: _array(_atif, n, 2)),
    Sample("mini-swe", "runs.jsonl", lambda n: _lines(_mini_swe, n)),
    Sample("swe-agent", "one.traj", _swe_agent, runs=lambda _: 1, failures=lambda _: 0, streams=False),
    Sample("claude-code", "sessions.jsonl", _claude_code, streams=False),
    Sample("otlp", "spans.json", _otlp),
    Sample("inspect", "log.json", _inspect, streams=False),
    Sample("inspect", "samples.jsonl", lambda n: _lines(_inspect_sample, n)),
    Sample("inspect", "log.eval", _inspect_archive, runs=lambda _: 1, streams=False),
    Sample("codex", "rollout-2026.jsonl", _codex, streams=False),
    Sample("codex", "rollout-2025.json", _codex_document, runs=lambda _: 1),
    Sample("llmunix", "history.md", _llmunix_history, runs=lambda _: 1, streams=False),
    Sample("toolbench", "10_ChatGPT_DFS_woFilter_w2.jsonl", lambda n: _lines(_toolbench, n)),
    Sample("toolbench", "answers.json", lambda n: _array(_toolbench, n, 1)),
    Sample(
        "toolbench",
        "branches.jsonl",
        lambda n: _lines(lambda k: _toolbench(k, dead_end=True), n),
        runs=lambda n: 2 * n,
    ),
    Sample("who-and-when", "runs.jsonl", lambda n: _lines(_who_and_when, n)),
    Sample("who-and-when", "runs.json", lambda n: _array(_who_and_when, n, 4)),
    Sample("reflexion", "100_questions_5_trials.txt", _reflexion_log),
)
