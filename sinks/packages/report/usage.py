"""usage_guidelines.md: how to train on the package, and what not to do with it."""

from sinks.packages.facts import PackageFacts
from sinks.packages.report.advice import biases, lengths, limits
from sinks.packages.report.card import terms_table, top
from sinks.packages.report.escape import Safe
from sinks.packages.report.figures import number, percent, share
from sinks.packages.report.render import bullets, markdown_page


def usage_guidelines(facts: PackageFacts) -> bytes:
    """The document."""
    return markdown_page(
        "usage.md.j2",
        facts=facts,
        training=bullets(_training(facts)),
        simulation=_simulation(facts),
        limits=bullets([*limits(facts), *biases(facts)]),
        terms=terms_table(facts),
        modes=top(facts.execution_modes, "Execution mode", facts.rows),
        untermed=_without_terms(facts),
    )


def _training(facts: PackageFacts) -> list[object]:
    points: list[object] = []
    if facts.recipe.kind == "pairs":
        points += _preferences(facts)
    elif facts.recipe.kind == "examples":
        points.append(Safe("Supervised fine-tuning: compute the loss on the last assistant message only. What came "
                           "before it is what the agent knew, and holds turns that may be wrong."))  # fmt: skip
    if facts.weights.count:
        points.append(_weights(facts))
    bad = share(facts.outcomes.of("failure"), facts.outcomes.named)
    if bad:
        points.append(
            f"{percent(bad)} of the rows ended in failure. Leave them out of imitation (outcome = failure), or use "
            "them as the worse side of preference pairs."
        )
    if (size := lengths(facts)) is not None:
        points.append(size)
    train = next((split.rows for split in facts.splits if split.name == "train"), 0)
    held = [split for split in facts.splits if split.name != "train" and split.rows]
    if train and held:
        names = " and ".join(split.name for split in held)
        points.append(
            f"Keep {names} out of training, prompts and examples in prompts. They share no task, cluster or content "
            "with train, so mixing splits undoes what makes them a test."
        )
    points.append(
        "Weigh or cap scenarios by the counts in the report rather than by taking rows as they come; and evaluate by "
        "scenario, not on the average alone."
    )
    points.append("Name the package and its version with every model you train on it: record the run with the package.")
    return points


def _preferences(facts: PackageFacts) -> list[object]:
    runs, turns = facts.run_pairs, facts.rows - facts.run_pairs
    points: list[object] = []
    if turns:
        points.append(
            Safe(
                f"Preference training (DPO, KTO and the like) on single turns, {number(turns)} rows (`prompt_messages` "
                "is null): the prompt is all of `messages` but the last, which is to be preferred to `rejected`. "
                "It is the turn where a good and a failed run part by what they call, or their whole answer, or what a "
                "person corrected; `parts_in` in `context` says which (tool_calls or words). How a run ended is known "
                "of the whole run: the turn need not be what decided it."
            )
        )
    if runs:
        points += [
            Safe(
                f"Preference training on whole runs, {number(runs)} rows (`prompt_messages` is set): the prompt is the "
                "first `prompt_messages` of `messages`; the rest of `messages`, how a good run went on, is to be "
                "preferred to `rejected`, how a failed one did. The preference is one for the trajectory, as in "
                "tuning agents by trial and error: it does not say which turn was the mistake, and users and tools "
                "said other things on each side."
            ),
            Safe(
                "In whole runs mask the loss (the log-probabilities of both sides) to the turns of the assistant; what "
                "users and tools say is not the model's to learn. Trainers that take everything after the prompt for "
                "the answer need such a mask of their own. Run lengths differ: normalise by the number of tokens that "
                "count."
            ),
            Safe(
                "Where users said something else the sides of a whole run begin with the user. TRL takes them in "
                "`trl-preference` (its completion begins where both sides diverge), and unpaired in `kto`, where the "
                "first words of each side's user belong to the prompt of that side (a good run stands there once for "
                "each of its pairs). Runs that share the system's words alone have no prompt that TRL renders: they "
                "stand in `trl-reward`, as whole chats, and in `kto`. No goal is made up for a prompt. A recipe with "
                "`pairs` of turns alone leaves whole runs out."
            ),
        ]
    return points


def _weights(facts: PackageFacts) -> object:
    weights = facts.weights
    return Safe(
        f"Draw rows in proportion to `training_weight` (median {number(weights.median)}, mean {number(weights.mean)}), "
        "or multiply the loss of a row by it; never both. It is the quality score, 1 where a person vouched for the "
        "run, and less where the row's own tool call failed."
    )


def _simulation(facts: PackageFacts) -> str:
    part = facts.simulation_share
    if not facts.execution_modes.named:
        return "The rows do not say in which mode their run was executed."
    if not part:
        return "No row comes from a SIMULATION run."
    return (
        f"{percent(part)} of the rows come from SIMULATION runs: users, tools or both were played by a program or a "
        "model. They teach when to call a tool and how; what people said and what came back may be unlike anything "
        "real. Leave them out for what depends on real answers (error handling, recovery, cost and latency), and "
        "never evaluate on them alone."
    )


def _without_terms(facts: PackageFacts) -> str | None:
    covered = sum(term.rows for term in facts.terms)
    left = facts.rows - covered
    if left <= 0 or not facts.models.named:
        return None
    return f"For {number(left)} rows no terms are known: nobody has said that training on them is allowed."
