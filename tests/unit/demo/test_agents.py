"""The sample agents do what the demo promises: successes, failures, recoveries, corrections, and no secret survives."""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest

from ops.demo.agents import bugfix, handoff, research
from ops.demo.planted import PLANTED, spellings
from schemas.records import Event, Trace
from streams.core.curate import Curated

Runs = dict[str, tuple[Event, ...]]


def kinds(events: tuple[Event, ...]) -> Counter[str]:
    return Counter(event.kind for event in events)


def errors(events: tuple[Event, ...]) -> list[str]:
    return [event.error_raised.error_kind for event in events if event.error_raised]


def worked(events: tuple[Event, ...]) -> list[bool | None]:
    return [event.recovery_attempted.worked for event in events if event.recovery_attempted]


def verdicts(runs: Runs, judge: Any) -> list[tuple[Trace, Curated]]:
    return [judge(events) for events in runs.values()]


def assert_nothing_planted_in(judged: list[tuple[Trace, Curated]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for trace, curated in judged:
        text = msgspec.json.encode((trace, curated)).decode()
        for planted in PLANTED:
            assert not any(spelling in text for spelling in spellings(planted.value)), planted.kind
        found.update(trace.redaction.counts)
    return found


def test_research_recovers_from_what_can_be_recovered_and_admits_the_rest(run_agent: Any, judge: Any) -> None:
    runs: Runs = run_agent(research.run, range(9))
    seen = [errors(events) for events in runs.values()]
    assert seen[0] == []
    assert seen[1] == ["timeout", "timeout"]
    assert seen[2] == ["server_error"]
    assert seen[3] == ["blocked"]
    assert seen[7] == ["timeout", "timeout", "blocked", "server_error", "server_error"]
    assert True in worked(list(runs.values())[2])
    judged = verdicts(runs, judge)
    assert [c.decision.verdict for _, c in judged] == [
        "accepted", "accepted", "accepted", "accepted", "accepted", "rejected", "accepted", "quarantined", "accepted",
    ]  # fmt: skip
    assert judged[5][1].decision.reasons == ("consent_denied",)
    assert {"EMAIL", "PHONE", "API_KEY", "CARD"} <= assert_nothing_planted_in(judged).keys()


def test_an_outdated_figure_gives_no_more_than_how_errors_were_met(run_agent: Any, judge: Any) -> None:
    [events] = run_agent(research.run, range(1), seed=5).values()
    trace, curated = judge(events)
    assert trace.reward == 0
    assert curated.decision.reasons == ("error_training_only",)
    assert {example.type for example in curated.examples} == {"error_handling"}


def test_bugfix_ends_with_passing_tests_or_says_that_it_failed(run_agent: Any, judge: Any) -> None:
    runs: Runs = run_agent(bugfix.run, range(5))
    ends = [event.agent_ended for events in runs.values() for event in events if event.agent_ended]
    assert [end.completion_status for end in ends] == ["successful"] * 4 + ["failed"]
    judged = verdicts(runs, judge)
    assert [c.decision.verdict for _, c in judged] == ["accepted"] * 4 + ["rejected"]
    assert judged[4][1].decision.reasons[0] == "negative_outcome"
    retried = list(runs.values())[1]
    assert worked(retried) == [True]
    misquoted = list(runs.values())[2]
    assert "ValueError" in errors(misquoted)
    assert True in worked(misquoted)
    # Each failure is seen twice: as what the tool gave back, and as an error of the run.
    assert judged[2][0].tool_error_count == judged[2][0].error_count == 2


@pytest.mark.parametrize("number", range(9))
def test_every_bug_can_be_fixed(number: int, run_agent: Any) -> None:
    [events] = run_agent(bugfix.run, range(1), seed=number * 10).values()
    assert events[-1].agent_ended is not None
    assert events[-1].agent_ended.completion_status == "successful"


def test_the_masked_card_never_leaves_a_test_failure(run_agent: Any, judge: Any) -> None:
    [events] = run_agent(bugfix.run, range(1), seed=8).values()
    raw = msgspec.json.encode(events).decode()
    assert "4111111111111111" in raw
    assert assert_nothing_planted_in([judge(events)])["CARD"] > 0


def test_handoff_is_corrected_by_the_customer(run_agent: Any, judge: Any) -> None:
    runs: Runs = run_agent(handoff.run, range(5))
    judged = verdicts(runs, judge)
    assert [c.decision.verdict for _, c in judged] == ["accepted"] * 5
    corrected = list(runs.values())[1]
    corrections = [event.feedback_given.correction for event in corrected if event.feedback_given]
    assert [bool(words) for words in corrections] == [True, False]
    assert judged[1][0].agents == ("FrontDeskAgent", "AnalystAgent")
    assert all(example.human_validated for example in judged[1][1].examples)
    guessed = list(runs.values())[2]
    assert "OperationalError" in errors(guessed)
    assert_nothing_planted_in(judged)


def test_a_person_may_reject_a_run(run_agent: Any, judge: Any) -> None:
    [events] = run_agent(handoff.run, range(1), seed=10).values()
    _, curated = judge(events)
    assert curated.decision.reasons[0] == "rejected_by_human"


@pytest.mark.parametrize("agent", [research, bugfix, handoff])
def test_every_capture_kind_is_there(agent: Any, run_agent: Any) -> None:
    seen: Counter[str] = Counter()
    for events in run_agent(agent.run, range(4)).values():
        seen += kinds(events)
    wanted = {"agent_started", "agent_ended", "model_called", "tool_called", "tool_returned", "state_changed",
              "decision_made", "decision_outcome", "user_message", "step_started"}  # fmt: skip
    assert wanted <= seen.keys()
    assert {"error_raised", "recovery_attempted"} <= seen.keys()


def test_reasoning_speaks_of_the_state(run_agent: Any) -> None:
    runs: Runs = run_agent(research.run, range(4))
    reasons = [
        event.model_called.output.reasoning
        for events in runs.values()
        for event in events
        if event.model_called and event.model_called.output
    ]
    assert all(reasons)
    assert len(set(reasons)) > 0.8 * len(reasons)


def test_arguments_name_tools_that_exist(run_agent: Any) -> None:
    for events in run_agent(handoff.run, range(1, 2)).values():
        declared = {tool.name for event in events if event.agent_started for tool in event.agent_started.tools}
        for event in events:
            if event.tool_called:
                assert event.tool_called.tool in declared
                assert isinstance(json.loads(event.tool_called.parameters_json), dict)


def test_agents_import_nothing_of_this_project_but_the_demo() -> None:
    program = (
        "import sys\n"
        "from ops.demo.agents import bugfix, handoff, research\n"
        "foreign = [n for n in sys.modules if n.split('.')[0] in ('schemas', 'streams', 'sinks', 'rich', 'pyarrow')"
        " or n.startswith('ops.') and not n.startswith('ops.demo')]\n"
        "assert not foreign, foreign\n"
    )
    path = [entry for entry in sys.path if entry]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n" + program], check=True)
