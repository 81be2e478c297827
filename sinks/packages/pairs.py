"""Preference pairs as rows: runs of one task that reached their aim, held against runs that failed.

Both runs must have consent and terms that allow the purpose. The good one was accepted, or repeats one that was; the
other failed by what the evaluator, the agent or a person said. `sinks.packages.parting` says what makes a pair of them.
A turn pair's row holds the prompt and the good run's next turn in `messages`, the failed run's turn in `rejected`. A
run pair's row holds the good run in `messages`, says in `prompt_messages` how many of them are the prompt, and holds
in `rejected` what followed it in the failed run. `context` says which kind of pair it is (`pair`), and whether the
first messages that differ do so in their tool calls or in words alone (`parts_in`).
"""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby

import msgspec
import pyarrow as pa

from schemas.chat_text import message_text, messages_text, tools_text
from schemas.conversation import conversation
from schemas.steps import tool_definitions
from sinks.packages.columns import PROMPT_MESSAGES
from sinks.packages.engine import Engine
from sinks.packages.kinds import PAIR_TYPE
from sinks.packages.parting import Pair, PairKind, Run, pairs_of
from sinks.packages.snapshot import Snapshot
from sinks.rows import events_from_text
from sinks.tables import TABLES

POSITIVE_OUTCOME = 0.9
"""Outcome from which a run counts as good, as in the default policy."""
FAILED_OUTCOME = 0.5
"""Outcome below which it counts as failed."""
PAIR_ROWS: pa.Schema = TABLES["examples"].schema.append(PROMPT_MESSAGES)
"""Rows of pairs: the columns of the table `examples`, and where the prompt ends."""
_RUNS_PER_SIDE = 6
"""Runs of one task that are held against each other: bounds memory."""

_OUTCOMES = pa.schema([("trace_id", pa.string()), ("outcome", pa.float64())])


class _Signal(msgspec.Struct, frozen=True):
    name: str
    value: float | None = None


def pair_rows(engine: Engine, snapshot: Snapshot, kinds: Sequence[PairKind], per_task: int) -> Iterator[pa.RecordBatch]:
    """Pairs of these kinds as `PAIR_ROWS`, task by task. The engine has `runs`, `verdicts` and `models`."""
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
        made = [_row(pair) for pair in pairs_of(runs, kinds, per_task)]
        if made:
            yield pa.RecordBatch.from_pylist(made, PAIR_ROWS)


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
    return Run(**fields, chat=conversation(events), tools=tool_definitions(events))  # type: ignore[arg-type]


def _row(pair: Pair) -> dict[str, object]:
    chosen, rejected = pair.chosen, pair.rejected
    whole = pair.kind == "run"
    identity = [chosen.trace_id, str(chosen.revision), rejected.trace_id, str(rejected.revision), PAIR_TYPE]
    if whole:
        identity.append(pair.kind)
    messages = [*chosen.chat[: pair.shared], *pair.side(chosen)]
    context = {
        "scenario": chosen.scenario,
        "pair": pair.kind,
        "parts_in": "words" if pair.same_calls else "tool_calls",
        "chosen_trace": chosen.trace_id,
        "rejected_trace": rejected.trace_id,
        "shared_messages": pair.shared,
    }
    return {
        "example_id": hashlib.sha256("\x1f".join(identity).encode()).hexdigest()[:32],
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
        "messages": messages_text(map(message_text, messages)),
        "tools": tools_text(chosen.tools),
        "context": msgspec.json.encode(context).decode(),
        "expected_output": "{}",
        "outcome": "success",
        "cluster_id": chosen.cluster,
        "rejected": messages_text(map(message_text, pair.side(rejected))),
        PROMPT_MESSAGES.name: pair.shared if whole else None,
        "policy_hash": chosen.policy_hash,
        "event_ids": [],
        "source_offsets": chosen.offsets,
        "created_at": chosen.closed_at,
    }
