"""Markdown that LLMunix leaves behind: what is an entry, what the entry says, and what it does not say."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event
from schemas.steps import steps
from streams.adapters import llmunix
from streams.adapters.base import BrokenRecord
from streams.adapters.llmunix import read
from streams.adapters.llmunix_yaml import NotFrontMatterError, read_mapping
from tests.unit.adapters.foreign_files import RECORDINGS, check_runs, import_events, import_text, kinds, of_kind

EXPERIENCE = """---
experience_id: exp_{n}
timestamp: "2024-05-20T10:15:00Z"
goal: "Fetch and summarize"
outcome: "{outcome}"
cost: 0.05
duration_seconds: 120
components_used:
  - tool_web_fetcher_v1
feedback_sentiment: "positive"
tags: [web-fetch, "a, b"]
constraints_active:
  priority: "quality"
  max_cost_per_task: 0.50
error_count: {errors}
recovery_actions:
  - "Created the tool"
---
### Key Learnings
- It works.

"""
AGENT_LOG = """---
timestamp: 2025-10-04T10:08:01Z
agent: visionary-agent
action: create_vision
execution_duration: ~120s
status: partial_execution
---

# Agent Interaction Log

## Request
Make a vision.

## Agent Response Summary
Made it:

```yaml
---
experience_id: only an example
---
```

### Detail
More.
"""


def imported(folder: Path, content: str) -> list[Event]:
    found = import_events(read, folder / "log.md", content)
    check_runs(found)
    return found


def test_a_memory_log_has_a_run_for_each_experience(tmp_path: Path) -> None:
    content = "# Smart Memory\n\n" + "".join(
        EXPERIENCE.format(n=n, outcome=outcome, errors=n) for n, outcome in enumerate(("success", "failure", "odd"))
    )
    events = imported(tmp_path, content)
    ends = of_kind(events, "agent_ended")
    assert [(end.completion_status, end.reason) for end in ends] == [
        ("successful", "success"), ("failed", "failure"), ("unknown", "odd")
    ]  # fmt: skip
    assert (ends[0].cost_usd, ends[0].duration_seconds) == (0.05, 120.0)
    assert json.loads(ends[0].outputs_json) == {
        "outcome": "success", "components_used": ["tool_web_fetcher_v1"], "tags": ["web-fetch", "a, b"]
    }  # fmt: skip
    started = of_kind(events, "agent_started")[0]
    assert (started.goal, started.task_id) == ("Fetch and summarize", "exp_0")
    assert started.constraints == ("priority: quality", "max_cost_per_task: 0.5")
    assert len(of_kind(events, "error_raised")) == 0 + 1 + 2
    assert all(error.message is None for error in of_kind(events, "error_raised"))
    assert [recovery.worked for recovery in of_kind(events, "recovery_attempted")] == [None] * 3
    assert {given.comment for given in of_kind(events, "feedback_given")} == {"feedback_sentiment: positive"}
    assert {"tool_called", "model_called", "user_message"}.isdisjoint(kinds(events))
    assert "It works." in of_kind(events, "state_changed")[0].variables_json
    assert [event.occurred_at_synthetic for event in events if event.kind == "agent_ended"] == [False] * 3


def test_an_experience_more_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    before = imported(tmp_path, EXPERIENCE.format(n=1, outcome="success", errors=0))
    after = imported(tmp_path, "".join(EXPERIENCE.format(n=n, outcome="success", errors=0) for n in (1, 2)))
    assert after[: len(before)] == before


def test_lists_of_bold_keys_are_experiences(tmp_path: Path) -> None:
    content = """# Log\n\n---
- **experience_id**: exp_001
- **primary_goal**: Fetch
- **final_outcome**: success_with_recovery
- **components_used**: [a, b]
- **learnings**: It took
two lines.

---
- **execution_id**: exp_002
- **status**: COMPLETED_FAILURE

### Step 1: Fetch
- **tool_used**: WebFetch
- **status**: FAILED
"""
    events = imported(tmp_path, content)
    first, second = of_kind(events, "agent_ended")
    assert (first.completion_status, first.reason) == ("successful", "success_with_recovery")
    assert json.loads(first.outputs_json)["components_used"] == ["a", "b"]
    assert json.loads(first.outputs_json)["learnings"] == "It took\ntwo lines."
    assert (second.completion_status, second.reason) == ("failed", "COMPLETED_FAILURE")
    assert [result.success for result in of_kind(events, "tool_returned")] == [False]


def test_a_log_of_an_agent_is_a_run_with_its_sections(tmp_path: Path) -> None:
    events = imported(tmp_path, AGENT_LOG)
    assert kinds(events) == ["agent_started", "state_changed", "agent_ended"]
    assert {(event.agent, event.scenario) for event in events} == {("visionary-agent", "llmunix")}
    assert of_kind(events, "agent_started")[0].goal == "Make a vision."
    [section] = of_kind(events, "state_changed")
    assert section.current_step == "Agent Response Summary"
    assert json.loads(section.variables_json)["text"].endswith("### Detail\nMore.")
    ended = of_kind(events, "agent_ended")[0]
    assert (ended.completion_status, ended.duration_seconds) == ("partial", 120.0)


def test_a_history_has_its_steps_with_calls_and_results(tmp_path: Path) -> None:
    content = """# Execution History: Research

### Step 1 Execution - 2025-06-01T10:00:00Z
- **component_used**: fetcher
- **tool_used**: WebFetch
- **real_inputs**:
  - url: https://example.com
- **real_outputs**: page
- **actual_cost**: $0.02
- **actual_time**: 3s
- **errors**: none

### Step 2 Execution - 2025-06-01T10:00:05Z
- **tool_used**: none
- **result**: ❌ Failed
- **errors**: disk full

### Step 3 - later
- **tool_used**: Write
- **status**: PENDING
"""
    events = imported(tmp_path, content)
    assert kinds(events) == [
        "agent_started", "step_started", "tool_called", "tool_returned", "step_ended",
        "step_started", "error_raised", "step_ended", "step_started", "step_ended", "agent_ended",
    ]  # fmt: skip
    [called], [result] = of_kind(events, "tool_called"), of_kind(events, "tool_returned")
    assert (called.tool, json.loads(called.parameters_json)) == ("WebFetch", {"url": "https://example.com"})
    assert (result.success, result.result_json, result.cost_usd, result.latency_seconds) == (True, '"page"', 0.02, 3.0)
    assert [ended.success for ended in of_kind(events, "step_ended")] == [None, False, None]
    assert of_kind(events, "error_raised")[0].message == "disk full"
    assert [len(step.actions) for step in steps(events)] == [1, 0, 0]


def test_an_execution_trace_has_calls_without_results(tmp_path: Path) -> None:
    content = """---
trace_id: research-v1
goal_signature: "research"
success_rate: 0.94
metadata:
  domain: "technology"
preconditions:
  - condition: "Internet"
    validation_type: "network_check"
---

# Research

## Execution Steps

### Step 1: Fetch

**Purpose**: Get it.

**Tool Call**:
```yaml
tool: "WebFetch"
parameters:
  url: "https://example.com/#top"
  prompt: |
    Two
      lines
```

**Dependencies**: None

---

### Step 2: Think

## Notes
All good.
"""
    events = imported(tmp_path, content)
    [called] = of_kind(events, "tool_called")
    assert (called.tool, json.loads(called.parameters_json)) == (
        "WebFetch", {"url": "https://example.com/#top", "prompt": "Two\n  lines"}
    )  # fmt: skip
    assert not of_kind(events, "tool_returned")
    expected = imported(tmp_path, content.replace("**Dep", "**Outputs**: a page\n**Dep"))
    assert not of_kind(expected, "tool_returned")
    executed = imported(tmp_path, content.replace("**Dep", "**Result**: ✅ Success\n**Real outputs**: a page\n**Dep"))
    assert [result.result_json for result in of_kind(executed, "tool_returned")] == ['"a page"']
    assert of_kind(events, "step_started")[0].reasoning == "Get it."
    assert of_kind(events, "agent_ended")[0].completion_status == "unknown"


def planned(block: str) -> str:
    return f"""---
trace_id: research-v1
created_at: "2025-10-04T10:00:00Z"
---
### Step 1: Write

**Tool Call**:
{block}

**Dependencies**: None
"""


def test_a_text_in_a_planned_call_is_kept_line_by_line(tmp_path: Path) -> None:
    block = """```yaml
tool: Write
parameters:
  content: |
    ---
    title: x
    ---

    One

      Two

    ```python
    code
    ```

    ```
    **Three**: plain

    ```
    End
  path: a.md
```"""
    [called] = of_kind(imported(tmp_path, planned(block)), "tool_called")
    text = "---\ntitle: x\n---\n\nOne\n\n  Two\n\n```python\ncode\n```\n\n```\n**Three**: plain\n\n```\nEnd"
    assert (called.tool, json.loads(called.parameters_json)) == ("Write", {"content": text, "path": "a.md"})


def test_a_planned_call_may_be_json(tmp_path: Path) -> None:
    block = '```json\n{"tool": "Bash",\n\n "parameters": {"command": "ls # all", "n": [1]}}\n```'
    [called] = of_kind(imported(tmp_path, planned(block)), "tool_called")
    assert (called.tool, json.loads(called.parameters_json)) == ("Bash", {"command": "ls # all", "n": [1]})


def test_a_run_begins_at_the_first_time_it_states(tmp_path: Path) -> None:
    flow = """# Execution Flow

## Step 1: Begin
**Time**: 2024-03-21T14:30:22Z
**Result**: ✅ Success

## Step 2: Ask
**Time**: 2024-03-21T14:30:25Z
**Status**: ⏳ In Progress
"""
    first, later = 1_711_031_422_000_000, 1_711_031_425_000_000
    assert [(event.kind, event.occurred_at, event.occurred_at_synthetic) for event in imported(tmp_path, flow)] == [
        ("agent_started", first, True), ("step_started", first, False), ("step_ended", first, True),
        ("step_started", later, False), ("step_ended", later, True), ("agent_ended", later, True),
    ]  # fmt: skip
    plan = imported(tmp_path, planned("none"))
    assert {(event.occurred_at, event.occurred_at_synthetic) for event in plan} == {(1_759_572_000_000_000, True)}
    assert json.loads(of_kind(plan, "agent_ended")[0].outputs_json) == {"created_at": "2025-10-04T10:00:00Z"}


def test_a_value_below_a_bar_is_the_text_below_it(tmp_path: Path) -> None:
    content = """- **execution_id**: exec_1
- **learnings**: |
  It took
  two lines.
- **status**: COMPLETED

### Step 1 Execution
- **tool_used**: WebFetch
- **real_outputs**: |
  line one

    line two
- **errors**: none
"""
    events = imported(tmp_path, content)
    assert [body.result_json for body in of_kind(events, "tool_returned")] == ['"line one\\n\\n  line two"']
    assert json.loads(of_kind(events, "agent_ended")[0].outputs_json)["learnings"] == "It took\ntwo lines."


def test_agents_that_were_given_a_task_are_sub_agents(tmp_path: Path) -> None:
    content = """---
timestamp: 2025-09-29T16:00:00Z
phase: execution
execution_mode: parallel
project: P
---
## Goal
**User Request:**
"Make a tutorial"

## Agent 1: Maths (mathematician)
```
Agent Type: mathematician
Task: Derive it
```
## Agent 2: only mentioned
Nothing asked.
"""
    events = imported(tmp_path, content)
    assert [event.agent for event in events if event.kind == "agent_started"] == ["llmunix", "Maths (mathematician)"]
    assert of_kind(events, "agent_started")[1].goal == "Derive it"
    assert [said.content for said in of_kind(events, "user_message")] == ["Make a tutorial"]
    assert {(event.scenario, event.execution_mode) for event in events} == {("P", "EXECUTION")}


@pytest.mark.parametrize(
    "content",
    ["", "# Title\n\nText.\n", "---\nname: agent\ntype: specialized\n---\nA definition.\n",
     "# Plan\n## Step 1\nDo it.\n", "```\n---\nexperience_id: x\n---\n```\n", "---\nNote: this is\nprose\n---\n",
     "---\n---\n---\n", "```markdown\n```yaml\n---\nexperience_id: x\n---\n```\n```\n"],
)  # fmt: skip
def test_a_file_without_a_trace_is_one_broken_record(tmp_path: Path, content: str) -> None:
    [found] = import_text(read, tmp_path / "x.md", content)
    assert isinstance(found, BrokenRecord)
    assert (found.line, "no trace" in found.reason) == (1, True)


def test_front_matter_that_is_cut_off_is_reported_and_the_rest_kept(tmp_path: Path) -> None:
    whole = EXPERIENCE.format(n=1, outcome="success", errors=0)
    found = import_text(read, tmp_path / "x.md", whole + whole[:60] + "\n")
    assert len(check_runs(found)) == 1
    [broken] = [item for item in found if isinstance(item, BrokenRecord)]
    assert broken.line == whole.count("\n") + 2


def test_front_matter_that_cannot_be_read_is_reported_and_is_no_text_of_another_entry(tmp_path: Path) -> None:
    first, bad, last = (EXPERIENCE.format(n=n, outcome="success", errors=0) for n in (1, 2, 3))
    bad = bad.replace("cost: 0.05", "@cost 0.05").replace("It works", "It broke")
    found = import_text(read, tmp_path / "x.md", "# Log\n\n" + first + bad + last)
    [broken] = [item for item in found if isinstance(item, BrokenRecord)]
    assert (broken.line, broken.record) == (2 + first.count("\n") + 2, 2)
    assert broken.reason == "the front matter that begins here cannot be read"
    events = [item for item in found if isinstance(item, Event)]
    assert events == imported(tmp_path, "# Log\n\n" + first + last)
    assert len(check_runs(events)) == 2
    assert "broke" not in repr(events)
    [alone] = import_text(read, tmp_path / "x.md", bad)
    assert isinstance(alone, BrokenRecord)
    assert (alone.line, "cannot be read" in alone.reason) == (2, True)


@pytest.mark.parametrize(
    ("odd", "read_as"),
    [("Total words: 5", {"total_words": 5}),
     ("clé à part: ja", {"cl_part": "ja"}),
     ("two words: # none\n- x", {"two_words": ["x"]}),
     ("two words: |\n  a: b\n\n  c d: e", {"two_words": "a: b\n\nc d: e"}),
     ("- stray\n  of two lines", {"unread_lines": ["- stray", "  of two lines"]}),
     ("notes:\n\t- x\n\t- y", {"notes": ["x", "y"]}),
     ("...", {})],
)  # fmt: skip
def test_an_odd_line_does_not_cost_the_front_matter(tmp_path: Path, odd: str, read_as: dict[str, Any]) -> None:
    events = imported(tmp_path, f"---\nexperience_id: e\noutcome: success\n{odd}\nnext: 1\n---\nbody\n")
    [ended], [section] = of_kind(events, "agent_ended"), of_kind(events, "state_changed")
    assert ended.completion_status == "successful"
    assert json.loads(ended.outputs_json) == {"outcome": "success", **read_as, "next": 1}
    assert json.loads(section.variables_json) == {"text": "body"}


def test_an_entry_that_is_too_long_is_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llmunix, "_MAX_ENTRY_CHARACTERS", 2_000)
    first, second = (EXPERIENCE.format(n=n, outcome="success", errors=0) for n in (1, 2))
    found = import_text(read, tmp_path / "x.md", first + "word " * 1_000 + "\n" + second)
    assert [item.reason[:11] for item in found if isinstance(item, BrokenRecord)] == ["longer than"]
    assert len(check_runs(found)) == 1


def test_long_and_odd_texts_take_little_time(tmp_path: Path) -> None:
    for odd in (" " * 200_000, "#" * 200_000, "# " + " #" * 100_000, "**" * 100_000, "- **a**:" * 20_000, "[" * 200_000,
                "`" * 200_000, "---\n" * 50_000, "- **k**: v\n" * 20_000, "a" * 200_000 + ":"):  # fmt: skip
        check_runs(import_text(read, tmp_path / "x.md", AGENT_LOG + "\n" + odd + "\n"))
        check_runs(import_text(read, tmp_path / "x.md", odd))
        check_runs(import_text(read, tmp_path / "x.md", f"---\nexperience_id: x\nnote: {odd[:200_000]}\n---\n"))


def test_bytes_that_are_no_text_do_not_stop_the_import(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_bytes(b"\xef\xbb\xbf" + AGENT_LOG.encode().replace(b"vision.", b"vision\xff\xed\xa0\x80."))
    check_runs(import_events(read, path))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_damaged_logs_never_stop_the_import(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = (EXPERIENCE.format(n=1, outcome="success", errors="9" * chance.randrange(25)) + AGENT_LOG).splitlines()
    odd = [
        "---",
        "```",
        "  - x",
        "key: [",
        "# Step 1",
        "## Agent 1: a\nTask: b",
        "**errors**: x",
        "a: |",
        "\x00",
        "- - -",
    ]
    for _ in range(chance.randrange(1, 8)):
        place = chance.randrange(len(rows))
        action = chance.random()
        rows[place : place + (action < 0.6)] = [] if action < 0.3 else [chance.choice([*odd, rows[place][:3]])]
    found = import_text(read, tmp_path / "x.md", "\n".join(rows)[: chance.randrange(1, 3_000)])
    check_runs([item for item in found if isinstance(item, BrokenRecord)])
    by_trace = {item.trace_id for item in found if isinstance(item, Event)}
    assert len(by_trace) == sum(isinstance(i, Event) and bool(i.agent_ended and i.agent_ended.root) for i in found)
    check_runs(found)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.from_regex(r"[a-z][a-z0-9 ]{0,8}[a-z]", fullmatch=True),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z]{2,6}_k", fullmatch=True), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(found=st.dictionaries(st.from_regex(r"[a-z]{2,6}_k", fullmatch=True), VALUES, min_size=1, max_size=4))
def test_front_matter_is_read_as_a_yaml_parser_reads_it(found: dict[str, Any]) -> None:
    for flow in (False, None, True):
        written = yaml.safe_dump(found, default_flow_style=flow, width=10_000, sort_keys=False)
        if not written.startswith("{"):
            assert read_mapping(written.splitlines()) == yaml.safe_load(written)


@pytest.mark.parametrize("bad", ["", "a", "- a", "a: 1\n b: 2", "a:\n\t- b", "a: 1\nb", "&x a: 1", "a:\n" + "".join(
    f"{' ' * n}b:\n" for n in range(1, 40)) + " " * 41 + "c: 1"])  # fmt: skip
def test_what_is_no_front_matter_is_refused(bad: str) -> None:
    with pytest.raises(NotFrontMatterError):
        read_mapping(bad.splitlines())


TRACES = sorted(RECORDINGS.glob("llmunix/traces/*.md"))
OTHERS = sorted([*RECORDINGS.glob("llmunix/spec/*.md"), *RECORDINGS.glob("llmunix/seed/*.md")])


@pytest.mark.recordings
@pytest.mark.skipif(not TRACES, reason="../shared/data is not here")
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.name[-40:])
def test_recordings_have_as_many_runs_and_errors_as_the_file(path: Path) -> None:
    text = path.read_text()
    events = import_events(read, path)
    entries = len(re.findall(r"^(?:- \*\*)?experience_id(?:\*\*)?:", text, re.MULTILINE)) or 1
    assert len(check_runs(events)) == entries
    assert len(of_kind(events, "error_raised")) == sum(map(int, re.findall(r"^error_count: (\d+)", text, re.MULTILINE)))
    assert not of_kind(events, "tool_called")
    costs = [float(cost) for cost in re.findall(r"^cost: ([\d.]+)", text, re.MULTILINE)]
    assert [end.cost_usd for end in of_kind(events, "agent_ended") if end.cost_usd is not None] == costs
    told = json.dumps([repr(event.body) for event in events], ensure_ascii=False).replace("\\", "")
    words = re.findall(r"[A-Za-z]{4,}", re.split(r"^---$", text, maxsplit=1, flags=re.MULTILINE)[-1])
    missing = {word for word in words if word not in told}
    assert len(missing) <= 12, missing  # names of fields
    for block in re.findall(r"(?:\A|\n)---\n(\w+: .*?)\n---\n", text, re.DOTALL):
        ours, theirs = read_mapping(block.splitlines()), yaml.load(block, Loader=yaml.BaseLoader)
        assert {key: plain(value) for key, value in ours.items()} == {
            key: plain(value) for key, value in theirs.items()
        }


def plain(value: Any) -> Any:
    """Scalars as text, numbers as their value: the other parser's base loader knows text only."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    try:
        return str(float(value))
    except (TypeError, ValueError):
        return str(value)


@pytest.mark.recordings
@pytest.mark.skipif(not OTHERS, reason="../shared/data is not here")
@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.name)
def test_documents_that_only_describe_traces_are_one_broken_record(path: Path, tmp_path: Path) -> None:
    [found] = import_text(read, tmp_path / "x.md", path.read_text())
    assert isinstance(found, BrokenRecord)
