"""Question-answering logs of Reflexion: runs as text, grouped by trial and by how they ended.

    BEGIN TRIAL 2
    ------------- BEGIN INCORRECT AGENTS -----------
    Question: ...
    Thought 1: ... Action 1: Search[...] Observation 1: ...
    Correct answer: ...

Everything before the first thought is the prompt: the question, its context, reflections, a trial before. Steps have
numbers (ReAct) or none (CoT). A thought and its action are one answer of the model, an action is a tool call. Some
logs hold no true answers; where a log does, its last run is cut off if it has none.

A run that a trial lists twice (once more as halted) counts once, as it was listed first.
"""

import re
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

import zstandard

from schemas.records import AgentEnded, AgentStarted, CompletionStatus, Event, Message, ModelCalled, SourceRef, ToolCall
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.jsonscan import BOM, MAX_RECORD_BYTES, TOO_LONG
from streams.adapters.runs import trial_number
from streams.adapters.tolerant import as_json, label, text

FORMAT = "reflexion"
AGENT = "reflexion-agent"
SCENARIO = "reflexion-hotpotqa"
READ_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_REMEMBERED = 1_024
"""Runs of a trial: bounds memory."""
_TRIAL = re.compile(r"BEGIN TRIAL (\d{1,9})\s*\Z")
_GROUP = re.compile(r"-{3,}\s*BEGIN (.{1,60}?) AGENTS\s*-{3,}\s*\Z")
_RULE = re.compile(r"#{20,}\s*\Z")
_SUMMARY = re.compile(r"Trial summary:")
_STEP = re.compile(r"(Thought|Action|Observation)(?: (\d{1,6}))?:[ \t]?")
_REFLECTIONS = re.compile(r"Reflections:[ \t]?")
_ACTION = re.compile(r"\s*(\w{1,100})\[(.*)\]\s*\Z", re.DOTALL)
_TRUTH = "Correct answer:"
_END_OF_LAST = "(END PREVIOUS TRIAL)"
_PROMPT_AFTER = re.compile(r"You have attempted to answer (?:the )?following question before")
_ARGUMENTS = {"Search": "entity", "Lookup": "keyword", "Finish": "answer"}
_FAILED = (
    ("could not find", "not_found"),
    ("the last page searched was not found", "not_found"),
    ("invalid action", "invalid_action"),
)


def begins_like_log(source: RecordingFile) -> bool:
    """Whether a file is a log and not JSON."""
    try:
        with source.open() as stream:
            head = stream.read(4096)
    except READ_ERRORS:
        return False  # the reader of JSON reports it
    return head.removeprefix(BOM).lstrip()[:1] not in (b"", b"{", b"[")


@dataclass
class _Block:
    """The lines of one run."""

    line: int
    lines: list[str] = field(default_factory=list)
    size: int = 0
    has_question: bool = False
    has_steps: bool = False
    truth: str | None = None
    is_open: bool = False
    """A trial before stands in the prompt and has not ended."""


@dataclass
class _Log:
    path: str
    options: ImportOptions
    trial: int | None = None
    group: str | None = None
    records: int = 0
    tells_truth: bool = False
    known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def finish(self, block: _Block | None, *, at_end: bool = False) -> Iterator[Event | BrokenRecord]:
        """A run is complete."""
        if block is None or not any(line.strip() for line in block.lines):
            return
        self.records += 1
        if block.size > MAX_RECORD_BYTES:
            yield self._broken(block, TOO_LONG)
        elif not block.has_question and not block.has_steps:
            yield self._broken(block, "the record holds neither a question nor a step")
        elif at_end and self.tells_truth and block.truth is None:
            yield self._broken(block, "the run that begins here is cut off")
        else:
            self.tells_truth = self.tells_truth or block.truth is not None
            body = "\n".join(block.lines).strip()
            key = stable_id(FORMAT, SCENARIO, self.trial, body, block.truth)
            if key not in self.known:
                self.known[key] = None
                if len(self.known) > _REMEMBERED:
                    self.known.popitem(last=False)
                yield from self._run(key, body, block.truth)

    def _broken(self, block: _Block, reason: str) -> BrokenRecord:
        return BrokenRecord(self.path, block.line, self.records, reason)

    def _run(self, key: str, body: str, truth: str | None) -> list[Event]:
        prompt, steps = _split(body)
        question = _question(prompt)
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=None if self.trial is None else f"trial {self.trial}"),
            trace_id=key,
            agent=AGENT,
            scenario=SCENARIO,
            execution_mode="EXECUTION",
            options=self.options,
        )
        talk = Conversation(run)
        task = f"hotpotqa-{stable_id(question)[:16]}" if question else None
        talk.start(AgentStarted(root=True, goal=question, task_id=task, trial=trial_number(self.trial)))
        if prompt:
            talk.user(prompt)
        verdict = _walk(talk, steps)
        status, reason = _outcome(self.group, verdict)
        details = None if truth is None else as_json({"correct_answer": truth})
        talk.end(AgentEnded(root=True, completion_status=status, reason=reason, reward_json=details))
        return talk.events


def read_log(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every run of a log; one run is in memory at a time."""
    log = _Log(str(source.path), options)
    block: _Block | None = None
    number = 0
    try:
        with source.open() as stream:
            while raw := stream.readline(MAX_RECORD_BYTES + 1):
                number += 1
                line = raw.removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n")
                trial, group = _TRIAL.match(line), _GROUP.match(line)
                if trial or group or _RULE.match(line):
                    yield from log.finish(block)
                    block = None
                    if trial:
                        log.trial, log.group = int(trial.group(1)), None
                        log.known.clear()
                    elif group:
                        log.group = group.group(1)
                    continue
                if block is None and (not line.strip() or _SUMMARY.match(line)):
                    continue
                if block is not None and _begins(block, line):
                    yield from log.finish(block)
                    block = None
                block = block or _Block(number)
                _add(block, line, len(raw))
    except READ_ERRORS as error:
        yield BrokenRecord(str(source.path), None, None, f"the file cannot be read further ({type(error).__name__})")
    yield from log.finish(block, at_end=True)


def _begins(block: _Block, line: str) -> bool:
    """Whether a line begins the next run."""
    if block.is_open or not line.strip():
        return False
    blank_before = not block.lines or not block.lines[-1].strip()
    return blank_before and (block.truth is not None or (block.has_steps and line.startswith("Question:")))


def _add(block: _Block, line: str, size: int) -> None:
    block.size += size
    if block.size > MAX_RECORD_BYTES:
        block.lines = ["(too long)"]
        return
    if line.startswith(_TRUTH) and block.has_question:
        block.truth = line[len(_TRUTH) :].strip()
        return
    block.lines.append(line)
    if "Below is the last trial you attempted" in line:
        block.is_open = True
    if _END_OF_LAST in line:
        block.is_open = False
    block.has_question = block.has_question or "Question:" in line
    block.has_steps = block.has_steps or _STEP.match(line) is not None


def _split(body: str) -> tuple[str, list[tuple[str, str]]]:
    """The prompt, and the steps as (what, words)."""
    lines = body.split("\n")
    ended = max((number + 1 for number, line in enumerate(lines) if _END_OF_LAST in line), default=0)
    prompt: list[str] = lines[:ended]
    steps: list[tuple[str, list[str]]] = []
    for line in lines[ended:]:
        found = _STEP.match(line)
        after = _REFLECTIONS.match(line) if steps else None
        if found:
            steps.append((found.group(1), [line[found.end() :]]))
        elif after:
            steps.append(("Reflections", [line[after.end() :]]))
        elif steps:
            steps[-1][1].append(line)
        else:
            prompt.append(line)
    return "\n".join(prompt).strip(), [(kind, "\n".join(words).rstrip("\n")) for kind, words in steps]


def _question(prompt: str) -> str | None:
    _, found, rest = prompt.partition("Question:")
    first = rest.strip().split("\n")[0] if found else ""
    return text(_PROMPT_AFTER.split(first)[0].strip())


def _walk(talk: Conversation, steps: list[tuple[str, str]]) -> bool | None:
    """Events of the steps; gives what the last observation says of the answer."""
    thought: str | None = None
    verdict: bool | None = None
    for kind, words in steps:
        if kind == "Thought":
            if thought is not None:
                _says(talk, thought)
            thought = words
        elif kind == "Action":
            _says(talk, thought, words)
            thought = None
        elif kind == "Reflections":
            if words.strip():
                _says(talk, words)
        else:
            if thought is not None:
                _says(talk, thought)
                thought = None
            beginning = words[:100].lstrip().lower()
            error = next((name for start, name in _FAILED if beginning.startswith(start)), None)
            body = tool_result(words, error=error is not None)
            if error:
                body = type(body)(
                    success=False, result_json=body.result_json, error_kind=error, error_message=body.error_message
                )
            talk.tool_result(body)
            if beginning.startswith("answer is "):
                verdict = beginning.startswith("answer is correct")
    if thought is not None:
        _says(talk, thought)
    return verdict


def _says(talk: Conversation, thought: str | None, action: str | None = None) -> None:
    calls: tuple[ToolCall, ...] = ()
    if action is not None:
        found = _ACTION.match(action)
        name = label(found.group(1)) if found else None
        given = {_ARGUMENTS.get(name or "", "argument"): found.group(2)} if found else {"action": action}
        calls = (ToolCall(name=name or "unknown", arguments_json=as_json(given)),)
    talk.model_call(ModelCalled(output=Message(role="assistant", content=text(thought), tool_calls=calls)))


def _outcome(group: str | None, verdict: bool | None) -> tuple[CompletionStatus, str | None]:
    reason = group.lower() if group else None
    if group == "CORRECT":
        return "successful", reason
    if group == "HALTED":
        return "interrupted", reason
    if group == "INCORRECT" or (group and "ERROR" in group):
        return "failed", reason
    return ("unknown" if verdict is None else "successful" if verdict else "failed"), reason
