"""Preference pairs: two runs of one task, one that reached its aim and one that failed, at the point where they part.

Both runs must have consent and terms that allow the purpose. The good one was accepted, or repeats one that was; the
other failed by what the evaluator, the agent or a person said. The prompt is what both chats share from the start.
They must part at the agent's turn: where the user or a tool said something else, the answers are to different
questions. The row holds the prompt and the good run's next turn; `rejected` holds the other run's turn. One turn on
each side, because a later one answers to what came before it, and because trainers would learn tool results by heart
otherwise. Everything is chosen by ids and lengths, so the same runs always give the same pairs.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec
import pyarrow as pa

from schemas.chat_text import message_text, messages_text, tools_text
from schemas.conversation import conversation
from schemas.records import Event, Message
from schemas.steps import tool_definitions
from sinks.packages.engine import Engine
from sinks.packages.kinds import PAIR_TYPE
from sinks.packages.snapshot import Snapshot
from sinks.rows import events_from_text
from sinks.tables import TABLES

POSITIVE_OUTCOME = 0.9
"""Outcome from which a run counts as good, as in the default policy."""
FAILED_OUTCOME = 0.5
"""Outcome below which it counts as failed."""
_RUNS_PER_SIDE = 6
"""Runs of one task that are held against each other: bounds memory."""

_OUTCOMES = pa.schema([("trace_id", pa.string()), ("outcome", pa.float64())])


@dataclass(frozen=True)
class Run:
    """One run of a task, with its chat."""

    trace_id: str
    revision: int
    scenario: str
    execution_mode: str
    task_id: str
    provider: str | None
    model: str | None
    cluster: str
    quality_score: float
    policy_hash: str
    offsets: str
    closed_at: object
    good: bool
    events: tuple[Event, ...]
    chat: tuple[Message, ...]


@dataclass(frozen=True)
class Pair:
    """A good and a failed run, and how many messages they share."""

    chosen: Run
    rejected: Run
    shared: int


class _Signal(msgspec.Struct, frozen=True):
    name: str
    value: float | None = None


def pair_rows(engine: Engine, snapshot: Snapshot, per_task: int) -> Iterator[pa.RecordBatch]:
    """Rows of pairs, with the columns of the table `examples`. The engine has `runs`, `verdicts` and `models`."""
    _find_candidates(engine, snapshot)
    columns = ("trace_id", "offsets", "closed_at", "events")
    engine.register("incoming", snapshot.read("traces", columns))
    found = engine.stream(
        """SELECT c.*, i.offsets, i.closed_at, i.events FROM incoming i JOIN candidates c ON c.trace_id = i.trace_id
        ORDER BY c.scenario, c.task_id, c.good DESC, c.place""",
        rows=_RUNS_PER_SIDE,
    )
    rows = (row for batch in found for row in batch.to_pylist())
    for _, task in groupby(rows, key=lambda row: (row["scenario"], row["task_id"])):
        runs = [_run(row) for row in task]
        made = [_row(pair) for pair in pairs_of(runs, per_task)]
        if made:
            yield pa.RecordBatch.from_pylist(made, TABLES["examples"].schema)


def pairs_of(runs: Sequence[Run], per_task: int) -> list[Pair]:
    """The pairs of one task: for each failed run the good one it shares most with, the longest shared first."""
    good = [run for run in runs if run.good]
    found = []
    for failed in (run for run in runs if not run.good):
        shared = [(parting(run.chat, failed.chat), run) for run in good]
        usable = [(count, run) for count, run in shared if count is not None]
        if usable:
            count, best = min(usable, key=lambda candidate: (-candidate[0], candidate[1].trace_id))
            found.append(Pair(best, failed, count))
    found.sort(key=lambda pair: (-pair.shared, pair.chosen.trace_id, pair.rejected.trace_id))
    told: set[tuple[str, str]] = set()
    kept = []
    for pair in found:  # two failed runs that go wrong with the same words say it once
        words = (pair.chosen.trace_id, message_text(pair.rejected.chat[pair.shared]))
        if words not in told:
            told.add(words)
            kept.append(pair)
    return kept[:per_task]


def parting(one: Sequence[Message], other: Sequence[Message]) -> int | None:
    """How many messages two chats share before they part at a turn of the agent; None where they part elsewhere."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if not _same_turn(mine, theirs):
            break
        shared += 1
    if shared in (len(one), len(other)):
        return None
    if one[shared].role != "assistant" or other[shared].role != "assistant":
        return None
    return shared if any(message.role == "user" for message in one[:shared]) else None


def _find_candidates(engine: Engine, snapshot: Snapshot) -> None:
    signals = snapshot.read("decisions", ("trace_id", "signals"))
    engine.load("outcomes", _OUTCOMES, (_outcomes(batch) for batch in signals))
    policies = snapshot.read("decisions", ("trace_id", "policy_hash"))
    engine.load("policies", policies.schema, policies)
    engine.run(
        f"""CREATE OR REPLACE TABLE candidates AS
        SELECT *, row_number() OVER (
            PARTITION BY scenario, task_id, good ORDER BY quality_score DESC, trace_id) AS place
        FROM (
            SELECT r.trace_id, r.revision, r.scenario, r.execution_mode, r.task_id, r.provider, r.model,
                coalesce(v.duplicate_of, r.trace_id) AS cluster, coalesce(v.quality_score, 0) AS quality_score,
                p.policy_hash, o.outcome >= {POSITIVE_OUTCOME} AS good
            FROM runs r JOIN verdicts v USING (trace_id) JOIN outcomes o USING (trace_id)
            JOIN policies p USING (trace_id)
            JOIN models m ON m.provider IS NOT DISTINCT FROM r.provider AND m.model IS NOT DISTINCT FROM r.model
            WHERE r.consent_status = 'granted' AND r.task_id IS NOT NULL AND m.allowed
                AND (o.outcome >= {POSITIVE_OUTCOME} AND v.verdict IN ('accepted', 'duplicate')
                    OR o.outcome < {FAILED_OUTCOME} AND v.verdict <> 'quarantined'))
        QUALIFY place <= {_RUNS_PER_SIDE} AND count(DISTINCT good) OVER (PARTITION BY scenario, task_id) = 2"""
    )


def _outcomes(batch: pa.RecordBatch) -> pa.RecordBatch:
    found = []
    for text in batch.column("signals").to_pylist():
        values = {signal.name: signal.value for signal in msgspec.json.decode(text or "[]", type=list[_Signal])}
        validated = values.get("human_validated")  # a person's word stands above any other
        found.append(values.get("outcome") if validated is None else validated)
    return pa.RecordBatch.from_arrays([batch.column("trace_id"), pa.array(found, pa.float64())], schema=_OUTCOMES)


def _run(row: dict[str, object]) -> Run:
    fields = {name: value for name, value in row.items() if name not in ("events", "place")}
    events = events_from_text(str(row["events"]))
    return Run(**fields, events=events, chat=conversation(events))  # type: ignore[arg-type]


def _row(pair: Pair) -> dict[str, object]:
    chosen, rejected = pair.chosen, pair.rejected
    identity = "\x1f".join(
        (chosen.trace_id, str(chosen.revision), rejected.trace_id, str(rejected.revision), PAIR_TYPE)
    )
    messages = [message_text(message) for message in chosen.chat[: pair.shared + 1]]
    context = {
        "scenario": chosen.scenario,
        "chosen_trace": chosen.trace_id,
        "rejected_trace": rejected.trace_id,
        "shared_messages": pair.shared,
    }
    return {
        "example_id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "trace_id": chosen.trace_id,
        "revision": chosen.revision,
        "type": PAIR_TYPE,
        "packages": ["preference_pairs"],
        "scenario": chosen.scenario,
        "execution_mode": chosen.execution_mode,
        "task_id": chosen.task_id,
        "quality_score": chosen.quality_score,
        "human_validated": False,
        "execution_successful": True,
        "training_weight": chosen.quality_score,
        "provider": chosen.provider,
        "model": chosen.model,
        "messages": messages_text(messages),
        "tools": tools_text(tool_definitions(chosen.events)),
        "context": msgspec.json.encode(context).decode(),
        "expected_output": "{}",
        "outcome": "success",
        "cluster_id": chosen.cluster,
        "rejected": messages_text([message_text(rejected.chat[pair.shared])]),
        "policy_hash": chosen.policy_hash,
        "event_ids": [],
        "source_offsets": chosen.offsets,
        "created_at": chosen.closed_at,
    }


def _same_turn(one: Message, other: Message) -> bool:
    """Whether two messages say the same. Ids of calls are made up anew in each run, so they do not count."""
    return (
        one.role == other.role
        and one.content == other.content
        and one.reasoning == other.reasoning
        and one.name == other.name
        and [(call.name, call.arguments_json) for call in one.tool_calls]
        == [(call.name, call.arguments_json) for call in other.tool_calls]
    )
