"""Recorded runs whose outcome is hidden from the scorer, with the true outcome beside them."""

import gzip
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from schemas.records import (
    KIND_OF,
    AgentEnded,
    AgentStarted,
    Body,
    Consent,
    Event,
    Message,
    ModelCalled,
    RedactionReport,
    SourceRef,
    ToolCall,
    ToolCalled,
    ToolReturned,
    Trace,
    UserMessage,
)
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.core.assemble import Closing, build_trace, unique_in_order

DATA = Path(__file__).parents[3] / "shared" / "data"
IMPORTED = (
    ("tau-bench", "tau-bench/*.jsonl.gz"),
    ("tau2", "tau2-bench/*.json.gz"),
    ("mini-swe", "mini-swe-agent/*.jsonl.gz"),
)
HOTPOT = "reflexion/ReAct_base_100_questions_5_trials.txt.gz"


@dataclass(frozen=True)
class HiddenRun:
    """One run."""

    source: str
    """Format and file: a file holds the runs of one agent."""
    scenario: str
    task: str
    trace: Trace
    """Without reward, completion status and feedback."""
    success: bool


FORMATS = ("tau-bench", "tau2", "mini-swe", "hotpot")


def recorded_runs(formats: Collection[str] = FORMATS) -> tuple[HiddenRun, ...]:
    """All runs of the recordings that are there, in recorded order."""
    found: list[HiddenRun] = []
    for format_name, pattern in IMPORTED:
        for path in sorted(DATA.glob(pattern)) if format_name in formats else ():
            found.extend(_imported(format_name, path))
    if "hotpot" in formats and (DATA / HOTPOT).exists():
        found.extend(_hotpot(DATA / HOTPOT))
    return tuple(found)


def _imported(format_name: str, path: Path) -> Iterator[HiddenRun]:
    runs: dict[str, list[Event]] = defaultdict(list)
    for event in format_named(format_name).importer()(RecordingFile(path), ImportOptions(consent="granted")):
        if isinstance(event, Event):
            runs[event.trace_id].append(event)
    for number, (trace_id, events) in enumerate(runs.items()):
        trace = _assembled(trace_id, events)
        if trace.reward is not None:
            source = f"{format_name}/{path.name.split('.json')[0]}"
            task = trace.task_id or str(number)
            yield HiddenRun(source, trace.scenario, task, _hidden(trace), trace.reward >= 1)


def _assembled(trace_id: str, events: list[Event]) -> Trace:
    closing = Closing(trace_id=trace_id, revision=1, reason="ended", closed_ms=0, offsets=(), redelivered=False)
    return build_trace(unique_in_order(events), closing, RedactionReport(rules_version="1"))


def _hidden(trace: Trace) -> Trace:
    """The trace without anything that says how it went."""
    return msgspec.structs.replace(
        trace, events=tuple(_without_outcome(trace.events)), reward=None, completion_status="unknown"
    )


def _without_outcome(events: Iterable[Event]) -> Iterator[Event]:
    for event in events:
        if event.agent_ended:
            ended = msgspec.structs.replace(
                event.agent_ended, completion_status="unknown", reward=None, reward_json=None
            )
            yield msgspec.structs.replace(event, agent_ended=ended)
        elif event.kind != "feedback_given":
            yield event


_TRIAL = re.compile(r"#{20,}\nBEGIN TRIAL ")
_VERDICT = re.compile(r"-+ BEGIN (CORRECT|INCORRECT|HALTED) AGENTS -+\n(.*?)(?=\n-+ BEGIN|\Z)", re.DOTALL)
_LINE = re.compile(
    r"^(Thought|Action|Observation) \d+: (.*?)(?=\n(?:Thought|Action|Observation) \d+: |\Z)", re.M | re.S
)
_ACTION = re.compile(r"(\w+)\[(.*)\]", re.DOTALL)
_MISSED = ("Could not find", "Invalid Action", "The last page Searched")


def _hotpot(path: Path) -> Iterator[HiddenRun]:
    """ReAct agents on HotpotQA (Reflexion's logs): trials that are equal to the letter count once."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        text = file.read()
    seen: set[str] = set()
    for trial in _TRIAL.split(text)[1:]:
        for verdict, runs in _VERDICT.findall(trial):
            for run in re.split(r"\nQuestion: ", "\n" + runs)[1:]:
                body = run.split("\nCorrect answer:")[0].strip()
                if body not in seen:
                    seen.add(body)
                    question = body.split("\n", 1)[0]
                    events = _react_events(f"hotpot-{len(seen)}", question, body)
                    trace = _hidden(_assembled(events[0].trace_id, events))
                    yield HiddenRun("hotpot/react", "hotpot", question, trace, verdict == "CORRECT")


def _react_events(trace_id: str, question: str, body: str) -> list[Event]:
    bodies: list[tuple[Body, str]] = [(AgentStarted(root=True, goal=question), "root")]
    bodies.append((UserMessage(content=question), "root"))
    thought, called = "", 0
    for what, text in _LINE.findall(body):
        if what == "Thought":
            thought = text.strip()
        elif what == "Action" and (action := _ACTION.match(text.strip())):
            called += 1
            arguments = msgspec.json.encode({"query": action.group(2)}).decode()
            call = ToolCall(call_id=str(called), name=action.group(1), arguments_json=arguments)
            bodies.append((ModelCalled(output=Message(role="assistant", content=thought, tool_calls=(call,))), "root"))
            bodies.append((ToolCalled(call_id=str(called), tool=call.name, parameters_json=arguments), f"c{called}"))
        elif what == "Observation" and called and not text.startswith("Answer is"):
            result = msgspec.json.encode(text.strip()).decode()
            missed = text.startswith(_MISSED)
            bodies.append((ToolReturned(call_id=str(called), success=not missed, result_json=result), f"c{called}"))
    bodies.append((AgentEnded(root=True), "root"))
    return [_event(trace_id, number, body, span) for number, (body, span) in enumerate(bodies)]


def _event(trace_id: str, number: int, body: Body, span: str) -> Event:
    kind = KIND_OF[type(body)]
    event = Event(
        event_id=f"{trace_id}-{number}",
        trace_id=trace_id,
        span_id=span,
        producer_id="bench",
        sequence=number,
        occurred_at=number * 1_000_000,
        occurred_at_synthetic=True,
        agent="react",
        scenario="hotpot",
        execution_mode="EXECUTION",
        consent=Consent(status="granted"),
        source=SourceRef(format="hotpot"),
        kind=kind,
    )
    return msgspec.structs.replace(event, **{kind: body})
