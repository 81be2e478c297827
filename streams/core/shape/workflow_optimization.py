"""The better way to do the same task: one example for a run that is clearly cheaper, faster or shorter than another.

The other run is `Judgement.twin`. Clearly: at least one of time, cost, tokens and number of tool calls is known of
both and smaller by `min_saving`, and none of them is larger by more than `MAX_EXCESS`. Only runs that reached their
aim teach this. The question is the goal and the slow way with its figures, the answer the sequence of tools of the
fast way.
"""

from collections.abc import Sequence

import msgspec

from schemas.chat_text import beginning_and_end, json_text, message_text, messages_text
from schemas.records import Message
from streams.core.figures import finite
from streams.core.labels import type_packages
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.judgement import Twin
from streams.core.shape.material import MAX_TEXT_CHARS, Material
from streams.core.shape.moments import State
from streams.core.shape.notes import PerformanceNote, ReasoningNote, Slower

MAX_EXCESS = 0.1
MAX_TOOL_NAMES = 200
"""Of each way."""


def places(material: Material) -> list[Twin]:
    """The slower twin, where there is one."""
    twin, limit = material.judgement.twin, material.rules.min_saving
    if twin is None or material.judgement.successful is not True or not material.view.actions:
        return []
    saved = savings(material, twin).values()
    return [twin] if any(part > 0 and part >= limit for part in saved) and min(saved) >= -MAX_EXCESS else []


def savings(material: Material, twin: Twin) -> dict[str, float]:
    """Share of the twin's time, cost, tokens and tool calls that the run saves; what is not known of both is left out.

    Negative where the run needs more.
    """
    measures = material.measures
    pairs = {
        "time": (measures.seconds, finite(twin.duration_seconds)),
        "cost": (measures.cost_usd, finite(twin.cost_usd)),
        "tokens": (measures.tokens, twin.total_tokens),
        "tool_calls": (len(material.view.actions), len(twin.tool_names) or None),
    }
    return {
        name: round(1 - fast / slow, 4)
        for name, (fast, slow) in pairs.items()
        if fast is not None and slow is not None and slow > 0
    }


def _way(tools: Sequence[str], seconds: float | None, cost_usd: float | None, tokens: int | None) -> dict[str, object]:
    figures = {"duration_seconds": seconds, "cost_usd": cost_usd, "total_tokens": tokens}
    way: dict[str, object] = {"tools": tools[:MAX_TOOL_NAMES], "tool_calls": len(tools)}
    return way | {name: value for name, value in figures.items() if value is not None}


def draft(material: Material, twin: Twin) -> Draft | None:
    """The run beside its slower twin."""
    trace, measures = material.view.trace, material.measures
    saved = savings(material, twin)
    slow = _way(twin.tool_names, finite(twin.duration_seconds), finite(twin.cost_usd), twin.total_tokens)
    tools = [action.tool for action in material.view.actions]
    fast = _way(tools, measures.seconds, measures.cost_usd, measures.tokens)
    step = material.view.steps[0]
    question = material.state_message(step, State(), {"request": _request(material), "current_way": slow})
    answer = Message(role="assistant", content=json_text({"better_way": fast}))
    texts = [message_text(question), message_text(answer)]
    transcript = material.transcript(None)
    if transcript.start and transcript.text(0):
        texts.insert(0, transcript.text(0))
    end = material.run_outcome()
    cheaper = any(saved.get(name, 0) >= max(material.rules.min_saving, 1e-4) for name in ("time", "cost", "tokens"))
    performance = measures.run()
    return Draft(
        position="0",
        packages=type_packages("workflow_optimization", cheaper=cheaper),
        messages=messages_text(texts),
        tools=material.tools(None),
        context={"scenario": trace.scenario, "goal": material.goal(None), "current_way": slow},
        expected_output={"action": "better_way", **fast, "saved": saved},
        event_ids=tuple(action.call.event_id for action in material.view.actions),
        successful=True,
        circumstances=material.circumstances(None, None, None, shown=len(texts) == 3),
        reasons=ReasoningNote(),
        outcome=end,
        performance=_with_twin(performance, twin, saved),
    )


def _with_twin(performance: PerformanceNote, twin: Twin, saved: dict[str, float]) -> PerformanceNote:
    slower = Slower(
        trace_id=twin.trace_id,
        duration_seconds=finite(twin.duration_seconds),
        cost_usd=finite(twin.cost_usd),
        total_tokens=twin.total_tokens,
        tool_calls=len(twin.tool_names) or None,
        saved=saved,
    )
    return msgspec.structs.replace(performance, slower=slower)


def _request(material: Material) -> str | None:
    """What the user asked first, where no goal is recorded."""
    if material.goal(None):
        return None
    said = (event.user_message.content for event in material.view.trace.events if event.user_message)
    first = next((text for text in said if text), None)
    return beginning_and_end(first, MAX_TEXT_CHARS) if first else None


KIND = ExampleKind("workflow_optimization", places, draft)
