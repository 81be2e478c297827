"""Examples out of an accepted trace. Pure; the same trace and policy give the same bytes.

Each kind of example is a file beside this one and a line in `CATALOGUE`:

| kind | one for | last message | expected_output |
|---|---|---|---|
| conversation | the trace | the whole chat of the agent that owns it | `{}` |
| agent_execution | each turn that acts | what the agent said and called, after the history that fits | the call |
| decision_making | each recorded decision | choice, reasoning, confidence | the same and what came of it |
| tool_selection | each turn with a choice of tools | the call alone, after state and last results | the call |
| error_handling | each error with an answer | the call that made it good, else the first answer | all attempts |
| user_interaction | a correction, an answer vouched for | the better answer; `rejected`: the given one | `{}` |
| multi_agent_coordination | each turn that hands over work | what the caller made of it | hand-off, result, next |
| workflow_optimization | a run with a slower twin | the fast way | the fast way |

They share the bounds of the policy: `max_trace_bytes` over all kinds, in the order of the catalogue,
`max_example_bytes` each, `max_step_examples` for agent_execution and `max_kind_examples` for every other kind, evenly
thinned. Columns `outcome` and `enrichment` are documented in `notes`, weights in `draft.example`.

What the other kinds and the enrichment add to conversation and agent_execution alone, on recorded runs: 6 % of bytes
where runs are long and have one tool, 10 % to 55 % where they have many, 120 % on runs of a few hundred tokens; 1.1 to
1.9 times as many examples, because the others carry short contexts.
"""

from dataclasses import dataclass
from typing import Any

from schemas.records import Example
from streams.core.policy import Policy
from streams.core.shape import (
    agent_execution,
    conversation,
    decision_making,
    error_handling,
    multi_agent_coordination,
    tool_selection,
    user_interaction,
    workflow_optimization,
)
from streams.core.shape.draft import ExampleKind, example, example_id, size_bytes
from streams.core.shape.judgement import Judgement, Twin
from streams.core.shape.material import Material
from streams.core.view import TraceView

__all__ = ["CATALOGUE", "Judgement", "Shaped", "Twin", "example_id", "shape"]

CATALOGUE: tuple[ExampleKind[Any], ...] = (
    conversation.KIND,
    workflow_optimization.KIND,
    user_interaction.KIND,
    decision_making.KIND,
    error_handling.KIND,
    multi_agent_coordination.KIND,
    agent_execution.KIND,
    tool_selection.KIND,
)


@dataclass(frozen=True)
class Shaped:
    """Examples in order, and whether some were left out."""

    examples: tuple[Example, ...]
    too_large: bool
    thinned: bool


def shape(view: TraceView, policy: Policy, judgement: Judgement) -> Shaped:
    """All examples that the policy wants of an accepted trace. Linear in the trace's size."""
    rules = policy.examples
    material = Material(view, policy, judgement)
    made: list[Example] = []
    room = rules.max_trace_bytes
    too_large = thinned = False
    for kind in CATALOGUE:
        if kind.name not in rules.types or (judgement.error_training_only and kind.name != error_handling.KIND.name):
            continue
        places = kind.places(material)
        limit = rules.max_step_examples if kind.every_turn else rules.max_kind_examples
        if len(places) > limit:
            thinned = True
            places = [places[number * len(places) // limit] for number in range(limit)]
        for place in places:
            draft = kind.draft(material, place)
            if draft is None:
                continue
            found = example(material, kind.name, draft)
            size = size_bytes(found)
            if size > min(rules.max_example_bytes, room):
                too_large = True
                continue
            room -= size
            made.append(found)
    return Shaped(tuple(made), too_large, thinned)
