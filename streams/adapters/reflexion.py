"""Recordings of Reflexion: question-answering logs (text), programming runs and environment results (JSON).

One file holds one shape and tells it by itself: JSON begins with a bracket, a log with anything else. See
`reflexion_log` for the logs. Times are recorded in none of them.

Programming: a record is a run; `implementations`, the `test_feedback` on each and the `reflections` on it follow one
another, and older records hold only the reflections and the last `solution`. Feedback that tells of failed tests is
an error. `test` (the hidden tests) and the model solution stand in the reward of the root's end and nowhere else.

Environments (ALFWorld, WebShop): each `env_results_trial_N.json` states again what is known of every environment, so
a run is known by what it says: the same environment with the same memory and outcome in the next file is the same run.
`memory` holds one reflection for each failed trial before; the last one of a failed run was made after it.
"""

import re
from collections.abc import Iterator

from schemas.records import (
    AgentEnded,
    AgentStarted,
    CompletionStatus,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    SourceRef,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import model_ref
from streams.adapters.conversation import Conversation
from streams.adapters.reflexion_log import begins_like_log, read_log
from streams.adapters.runs import NotARunError, events_of_runs, trial_number
from streams.adapters.tolerant import Json, as_json, content_text, first_text, identity, items, label, mapping, text

FORMAT = "reflexion"
AGENT = "reflexion-agent"
REFLECTION = "self_reflection"
# `mbpp-py._reflexion_5_gpt-4_pass_at_k_1_py.jsonl`
_MODEL = re.compile(r"_\d+_(?P<model>[A-Za-z][\w.:-]*?)_pass_at_k_")
_TRIAL = re.compile(r"trial_(\d{1,6})(?!\d)")
_FAILED_TESTS = re.compile(
    r"Tests? failed:\s*(?P<tests>\S)|Traceback \(most recent call last\)|error(\[E\d+\])?:", re.I
)
_PROGRAM_FIELDS = ("solution", "implementations", "is_solved", "test_feedback")


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every run of a file."""
    if begins_like_log(source):
        yield from read_log(source, options)
        return
    yield from events_of_runs(source, lambda value: _run(value, source.name, options))


def _run(value: object, file_name: str, options: ImportOptions) -> list[Event]:
    record = mapping(value)
    if any(name in record for name in _PROGRAM_FIELDS):
        return _program(record, file_name, options)
    if "is_success" in record or "memory" in record:
        return _environment(record, file_name, options)
    raise NotARunError("is neither a programming run nor the result of an environment")


def _talk(
    key: tuple[object, ...], scenario: str, record: str | None, model: ModelRef | None, options: ImportOptions
) -> Conversation:
    run = RunBuilder(
        source=SourceRef(format=FORMAT, record=record),
        trace_id=stable_id(FORMAT, scenario, *key),
        agent=AGENT,
        scenario=scenario,
        execution_mode="EXECUTION",
        options=options,
        model=model,
    )
    return Conversation(run)


def _program(record: Json, file_name: str, options: ImportOptions) -> list[Event]:
    task = label(record.get("name")) or label(record.get("task_id"))
    named = _MODEL.search(file_name)
    model = model_ref(named.group("model")) if named else None
    talk = _talk((identity(record),), f"{FORMAT}-programming", task, model, options)
    prompt = text(record.get("prompt"))
    inputs = {name: record[name] for name in ("language", "entry_point", "visible_tests") if record.get(name)}
    talk.start(AgentStarted(root=True, goal=prompt, task_id=task, inputs_json=as_json(inputs) if inputs else None))
    if prompt is not None:
        talk.user(prompt)
    written = [_words(item) for item in items(record.get("implementations"))]
    feedback = [_words(item) for item in items(record.get("test_feedback"))]
    thoughts = [_words(item) for item in items(record.get("reflections"))]
    for number in range(max(len(written), len(feedback), len(thoughts))):
        if number < len(written):
            _says(talk, written[number])
        if number < len(feedback) and feedback[number] is not None:
            talk.context(Message(role="user", content=feedback[number], name="tests"))
            if _tells_of_failure(feedback[number]):
                talk.add(ErrorRaised(error_kind="tests_failed", message=feedback[number]))
        if number < len(thoughts):
            _says(talk, thoughts[number], REFLECTION)
    solution = text(record.get("solution"))
    if solution is not None and solution not in written[-1:]:
        _says(talk, solution)
    hidden = ("test", "cannonical_solution", "canonical_solution")
    details = {name: record[name] for name in hidden if record.get(name)}
    talk.end(
        AgentEnded(
            root=True,
            completion_status=_status(record.get("is_solved")),
            reward_json=as_json(details) if details else None,
        )
    )
    return talk.events


def _tells_of_failure(feedback: str | None) -> bool:
    return feedback is not None and _FAILED_TESTS.search(feedback) is not None


def _environment(record: Json, file_name: str, options: ImportOptions) -> list[Event]:
    name = label(record.get("name"))
    memory = [_words(item) for item in items(record.get("memory"))]
    solved = record.get("is_success")
    if name is None and not memory and not isinstance(solved, bool):
        raise NotARunError("names no environment and holds neither memory nor outcome")
    skipped = record.get("skip") is True
    made = memory[-1:] if solved is False and not skipped else []
    before = memory[: len(memory) - len(made)]
    stated = _TRIAL.search(file_name)
    trial = trial_number(stated.group(1)) if stated else None
    if solved is True or made:
        trial = len(before)  # a solved one is never run again, and its memory grows no more
    kinds = ("alfworld", "webshop")
    kind = next((kind for kind in kinds if kind in file_name.lower()), "environment")
    scenario = f"{FORMAT}-{kind}"
    talk = _talk((identity(record), trial), scenario, name, None, options)
    talk.start(
        AgentStarted(root=True, task_id=name, trial=trial, inputs_json=as_json({"memory": before}) if before else None)
    )
    for thought in made:
        _says(talk, thought, REFLECTION)
    talk.end(AgentEnded(root=True, completion_status=_status(solved), reason="skipped" if skipped else None))
    return talk.events


def _status(claimed: object) -> CompletionStatus:
    if not isinstance(claimed, bool):
        return "unknown"
    return "successful" if claimed else "failed"


def _words(value: object) -> str | None:
    """Text of a list's item; anything else as JSON."""
    if value is None:
        return None
    return first_text(value, content_text(value)) if isinstance(value, str | list) else as_json(value)


def _says(talk: Conversation, words: str | None, name: str | None = None) -> None:
    talk.model_call(ModelCalled(output=Message(role="assistant", content=words, name=name)))
