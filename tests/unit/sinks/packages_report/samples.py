"""Rows and facts of invented packages: many scenarios, long names, whatever a test needs."""

import json
import random
from collections.abc import Sequence

import pyarrow as pa

from schemas.records import OffsetRange
from sinks.packages.columns import EXAMPLE_ROWS, SPLITS, WrittenFile
from sinks.packages.facts import (
    Acceptance,
    BuildFacts,
    LeakProof,
    PackageFacts,
    ProviderTerms,
    RecipeFacts,
    RowChanges,
    TableVersion,
    columns_of,
    tally,
)
from sinks.packages.report.collect import FactsCollector

SCENARIOS = (
    "airline-rebooking",
    "retail-returns",
    "telecom-troubleshooting",
    "legal-contract-analysis",
    "healthcare-patient-onboarding",
    "marketing-campaign-generator",
    "software-repair: a kind of work whose name was written by someone who likes to explain everything at length",
    "research",
)
MODELS = ("claude-sonnet-4-5", "gpt-4.1", "gpt-4.1-mini", "qwen3-235b-a22b", "deepseek-v3")
TOOLS = ("search_direct_flight", "book_reservation", "get_order_details", "bash", "read_file", "transfer_to_human")
OUTCOMES = ("success", "failure", "recovered", "partial", "unknown")


def chat(question: str, tool: str | None = None, answer: str = "Done.") -> str:
    """A chat as rows hold it."""
    calls = [{"id": "c1", "type": "function", "function": {"name": tool, "arguments": '{"role": "\\"role\\":"}'}}]
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer} | ({"tool_calls": calls} if tool else {}),
    ]
    return json.dumps(messages, separators=(",", ":"), ensure_ascii=False)


def asked(tool: str) -> str:
    """An expected output that asks for a tool."""
    text = {"action": "tool_request", "tool": tool, "parameters": {"a": 1}, "reasoning": None}
    return json.dumps(text, separators=(",", ":"), ensure_ascii=False)


def rows(
    count: int,
    seed: int = 1,
    scenarios: Sequence[str] = SCENARIOS,
    models: Sequence[str] = MODELS,
    tools: Sequence[str] = TOOLS,
) -> pa.RecordBatch:
    """Rows of examples, with an uneven spread of everything."""
    dice = random.Random(seed)
    made: dict[str, list[object]] = {name: [] for name in (*EXAMPLE_ROWS.names, "consent_basis", "packages")}
    for number in range(count):
        scenario = dice.choices(scenarios, weights=range(len(scenarios), 0, -1))[0]
        model = dice.choices(models, weights=[2.0**-place for place in range(len(models))])[0]
        tool = dice.choice(tools)
        outcome = dice.choices(OUTCOMES, weights=(50, 20, 12, 6, 12))[0]
        score = min(1.0, max(0.0, dice.gauss(0.74 if outcome == "success" else 0.55, 0.13)))
        conversation = number % 9 == 0
        question = (
            "Please help with case " + "word " * dice.randint(3, 400) + dice.choice(("", "", "Привет", "你好", "é"))
        )
        row: dict[str, object] = {
            "example_id": f"e{seed}-{number}",
            "trace_id": f"t{seed}-{number // 9}",
            "type": "conversation" if conversation else "agent_execution",
            "scenario": scenario,
            "execution_mode": "SIMULATION" if number % 7 == 0 else "EXECUTION",
            "task_id": f"task-{number // 9 % 150}",
            "cluster_id": f"t{seed}-{number // 18}",
            "quality_score": score,
            "human_validated": number % 40 == 0,
            "execution_successful": outcome in ("success", "recovered"),
            "outcome": outcome,
            "training_weight": round(score * (0.5 if outcome == "failure" else 1.0), 6),
            "provider": "anthropic" if model.startswith("claude") else "openai" if model.startswith("gpt") else "other",
            "model": model,
            "messages": chat(question, tool),
            "tools": "[]",
            "context": json.dumps({"scenario": scenario}),
            "expected_output": "{}" if conversation else asked(tool),
            "rejected": None,
            "prompt_messages": None,
            "enrichment": None,
            "policy_hash": "9f" * 32 if number % 3 else "3c" * 32,
            "source_offsets": "[]",
            "consent_basis": dice.choice(("contract", "terms of service", None)),
            "packages": ["tool_selection", "decision_making"] if number % 4 else ["error_handling"],
        }
        for name, column in made.items():
            column.append(row[name])
    schema = EXAMPLE_ROWS.append(pa.field("consent_basis", pa.string())).append(
        pa.field("packages", pa.list_(pa.string()))
    )
    return pa.RecordBatch.from_pydict(made, schema=schema)


def build(
    version: str = "1.1.0", previous: PackageFacts | None = None, rows_by_split: Sequence[int] = (900, 100, 120)
) -> BuildFacts:
    """What a builder would know of such a package."""
    files = [
        WrittenFile(
            path=f"{folder}/{split}-00000-of-00001.{ending}",
            split=split,
            format=format_,
            rows=count,
            size_bytes=1000 * count + 321,
            sha256=f"{number:02x}" * 32,
        )
        for number, (folder, format_, ending) in enumerate(
            (("parquet", "parquet", "parquet"), ("jsonl/trl", "jsonl/trl", "jsonl"), ("csv", "csv", "csv"))
        )
        for split, count in zip(SPLITS, rows_by_split, strict=True)
        if count
    ]
    return BuildFacts(
        name="tool_selection",
        version=version,
        parent_version=previous.version if previous else None,
        title="Tool selection",
        description="Which tool an agent chose in the state it was in, and with which arguments.",
        recipe=RecipeFacts(
            name="tool_selection",
            kind="examples",
            text='[recipe]\nname = "tool_selection"\npackage = "tool_selection"\nmin_quality = 0.5\n',
            hash="ab12" * 16,
        ),
        purpose="internal-research",
        license=None,
        created_at=1_767_225_600_000_000,
        tables=(TableVersion(table="examples", version=17, rows=14_203), TableVersion(table="decisions", version=31)),
        offsets=(
            OffsetRange(topic="examples", partition=1, first_offset=0, last_offset=7_100),
            OffsetRange(topic="examples", partition=0, first_offset=0, last_offset=7_342),
        ),
        columns=columns_of(EXAMPLE_ROWS),
        splits=SPLITS,
        files=tuple(files),
        leaks=LeakProof(clusters=420, tasks=150, contents=sum(rows_by_split)),
        left_out=tally({"consent_unknown": 310, "purpose": 122, "cluster_cap": 95, "scenario_cap": 400}),
        duplicates_removed=57,
        acceptance=Acceptance(
            verdicts=tally({"accepted": 1_904, "rejected": 820, "duplicate": 240, "quarantined": 66}),
            reasons=tally(
                {
                    "negative_outcome": 510,
                    "low_quality_score": 200,
                    "near_duplicate": 240,
                    "consent_unknown": 66,
                    "success_contradicted": 9,
                    "incomplete_execution": 101,
                }
            ),
        ),
        redactions=tally({"PERSON": 4_211, "EMAIL": 1_870, "PHONE": 420, "ADDRESS": 390, "CARD": 44, "SECRET": 3}),
        traces=124,
        terms=(
            ProviderTerms(
                provider="anthropic",
                model="claude-*",
                summary="Output may not be used to train models that compete with the provider's.",
                restrictions=("no competing models",),
                rows=580,
                reviewed="2026-10-02",
            ),
            ProviderTerms(
                provider="openai",
                model="gpt-*",
                summary="Output may not be used to develop models that compete with the provider's.",
                restrictions=("no competing models",),
                rows=430,
                reviewed="2026-10-02",
            ),
        ),
        row_changes=RowChanges(added=140, removed=4, changed=11, kept=965) if previous else None,
        previous=previous,
    )


def facts(
    version: str = "1.1.0", previous: PackageFacts | None = None, rows_by_split: Sequence[int] = (900, 100, 120)
) -> PackageFacts:
    """Facts of a package as they come out of a build."""
    collector = FactsCollector()
    for number, (split, count) in enumerate(zip(SPLITS, rows_by_split, strict=True)):
        if count:
            collector.add(rows(count, seed=number + 1), split)
    return collector.facts(build(version, previous, rows_by_split))


def empty() -> PackageFacts:
    """Facts of a package without a row."""
    return FactsCollector().facts(
        BuildFacts(
            name="empty",
            version="1.0.0",
            recipe=RecipeFacts(name="empty", kind="examples", text="", hash="00" * 32),
            purpose="evaluation",
            created_at=0,
            tables=(),
            offsets=(),
            columns=columns_of(EXAMPLE_ROWS),
            splits=SPLITS,
            files=(),
            leaks=LeakProof(),
        )
    )
