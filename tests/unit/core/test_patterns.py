"""Which tool sequences are counted, what is told of them, and which stand out."""

import json
import random
from collections.abc import Mapping, Sequence
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import AgentStarted, ExecutionMode, FeedbackGiven, Pattern, ToolCalled, ToolDefinition
from schemas.render import tool_execution_pattern
from streams.core.patterns.counters import SEP, TOTAL, Bucket, Cell, Counted, Group, Window, batched, parse_group
from streams.core.patterns.families import family_of, pattern_type
from streams.core.patterns.inputs import label_of, shapes_of
from streams.core.patterns.mine import PatternRules, mine, name_of, pattern_id
from streams.core.patterns.observe import MAX_CALLS, MAX_SEQUENCES, counts_of
from streams.core.view import view_of
from tests.unit.core.build import Run

HOUR = 3_600_000_000


def run_of(*tools: str, trace_id: str = "t", failing: str = "") -> Run:
    run = Run(trace_id).starts().says("I act.")
    for tool in tools:
        failed = tool == failing
        run.calls(tool, {}).returns(success=not failed, error_kind="timeout" if failed else None, latency_seconds=0.5)
    return run.ends()


def counts(run: Run, successful: bool | None = True) -> dict[str, list[int]]:
    return counts_of(view_of(run.trace()), successful)


def sequences(found: Mapping[str, Sequence[int]]) -> dict[str, int]:
    """Sequence, written with spaces, to its occurrences."""
    return {" ".join(name.split(SEP)[1:]): sums[1] for name, sums in found.items() if name[0] == "p"}


def window_of(*hours: Sequence[Counted], followed: Sequence[str] = (), lost: int = 0) -> Window:
    """A window with a bucket for each of `hours`."""
    items = [item for hour in hours for item in hour]
    buckets = batched(items, HOUR)
    return Window(
        Group("Shop Support"),
        version=1,
        revision=1_800_000_000,
        read_at=5 * HOUR,
        newest=max(buckets),
        buckets=tuple(Bucket(number, cells, lost) for number, cells in sorted(buckets.items())),
        followed=frozenset(followed),
    )


def traces(run: Run, count: int, *, hour: int = 0, successful: bool | None = True, first: int = 0) -> list[Counted]:
    found = counts(run, successful)
    return [Counted(n, f"h{hour}-{first + n}", Group("Shop Support"), hour * HOUR, found) for n in range(count)]


def named(patterns: Sequence[Pattern]) -> dict[str, Pattern]:
    return {" ".join(pattern.tools): pattern for pattern in patterns}


def test_runs_of_a_tool_are_one_element_and_all_short_sequences_are_counted() -> None:
    found = counts(run_of("a", "a", "b", "c"))
    assert sequences(found) == {"a": 1, "a b": 1, "a b c": 1, "b": 1, "b c": 1, "c": 1}
    assert found[name_of(["a", "b"])] == [1, 1, 1, 1, 2, 2, 2, 1_000_000, 2, 1, 1, 1, 500_000, 1]
    assert found[TOTAL] == [1, 1, 1]


def test_sequences_have_five_elements_at_most_and_no_repetition_is_a_sequence() -> None:
    assert max(name.count(" ") for name in sequences(counts(run_of(*"abcdefg")))) == 4
    found = sequences(counts(run_of(*"ababab")))
    assert found == {"a": 3, "b": 3, "a b": 3, "b a": 2, "a b a": 2, "b a b": 2}


def test_what_is_not_known_of_a_run_is_not_counted_as_failure() -> None:
    unknown, failed = counts(run_of("a"), None), counts(run_of("a"), False)
    assert (unknown[TOTAL], failed[TOTAL]) == ([1, 0, 0], [1, 1, 0])
    run = Run().starts().says("x").calls("a").ends()  # a call without a result
    assert counts(run)[name_of(["a"])] == [1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_sub_agents_have_sequences_of_their_own_and_calls_of_users_do_not_count() -> None:
    run = Run().starts().says("x").calls("a").returns()
    run.add(AgentStarted(root=False), span="sub", agent="Helper")
    run.calls("u", by="user").returns()
    run.add(ToolCalled(tool="b", parameters_json="{}"), span="inner", parent="sub", agent="Helper")
    run.calls("c").returns()
    assert sequences(counts(run.ends())) == {"a": 1, "a c": 1, "c": 1, "b": 1}


def test_real_times_stand_in_for_a_latency_that_is_not_stated() -> None:
    run = Run().starts().says("x").calls("a").returns().calls("a").returns(latency_seconds=-4.0).ends()
    assert counts(run)[name_of(["a"])][-2:] == [1_000_000, 1]


def test_a_clock_that_says_1970_states_no_latency() -> None:
    run = Run().starts().says("x").calls("a").returns().ends()
    event = next(event for event in run.events if event.tool_called)
    run.events[run.events.index(event)] = msgspec.structs.replace(event, occurred_at=0)
    assert counts(run)[name_of(["a"])][-2:] == [0, 0]


def test_failures_ratings_and_inputs_are_counted_by_tool() -> None:
    run = run_of("a", "b", "b", failing="b")
    span = next(event.span_id for event in run.events if event.tool_called)
    run.add(FeedbackGiven(rating=0.75, target_span_id=span)).add(FeedbackGiven(rating=7.0, target_span_id="x"))
    found = counts(run)
    assert found[SEP.join(("f", "b", "timeout"))] == [1]
    assert found[SEP.join(("q", "a"))] == [1, 750_000]


def test_a_long_run_is_bounded() -> None:
    chance = random.Random(1)
    run = run_of(*(f"tool{chance.randint(0, 30)}" for _ in range(MAX_CALLS + 500)))
    found = counts(run)
    assert len(sequences(found)) == MAX_SEQUENCES
    assert sum(sums[4] for name, sums in found.items() if name.count(SEP) == 1 and name[0] == "p") == MAX_CALLS


CANARIES = ("Ada", "ada.lovelace", "ada@example.org", "lovelace", "7 Byron Street", "tiger-secret", "hunter2")


@given(
    st.dictionaries(
        st.sampled_from(["user", "query", "path", "url", "command", "cabin", "Ada Lovelace", "ada@example.org", "n"]),
        st.one_of(
            st.sampled_from(CANARIES),
            st.sampled_from(CANARIES).map(lambda word: f"/home/{word}/src/{word}.py"),
            st.sampled_from(CANARIES).map(lambda word: f"https://{word.replace(' ', '')}.example.com/{word}?q={word}"),
            st.sampled_from(CANARIES).map(lambda word: f"cd /{word} && grep {word} | {word} -x"),
            st.lists(st.sampled_from(CANARIES)),
            st.dictionaries(st.sampled_from(CANARIES), st.sampled_from(CANARIES)),
            st.integers(),
            st.booleans(),
            st.none(),
        ),
    ),
    st.sampled_from(["bash", "send", "write_file"]),
)
def test_no_value_of_an_argument_is_counted(arguments: dict[str, object], tool: str) -> None:
    run = Run().starts().says("x").calls(tool, arguments).returns(success=False, error_kind="no user ada@example.org")
    text = "\n".join(counts(run.ends())).lower()
    assert not [canary for canary in CANARIES if canary.lower() in text]


@pytest.mark.parametrize(
    ("tool", "arguments", "shapes"),
    [
        ("WebFetch", {"url": "https://github.com/a/b"}, [("url_patterns", "code_repositories")]),
        ("WebFetch", {"url": "https://en.wikipedia.org/wiki/X"}, [("url_patterns", "encyclopedias")]),
        ("WebFetch", {"url": "https://openai.com/pricing"}, [("url_patterns", "company_websites")]),
        ("WebFetch", {"url": "http://10.0.0.1:8080/x"}, [("url_patterns", "internal_addresses")]),
        ("Write", {"file": "reports/a.md"}, [("output_formats", "markdown"), ("file_structures", "reports")]),
        ("Read", {"file": "C:\\x\\tests\\a.PY"}, [("file_formats", "python"), ("file_structures", "tests")]),
        ("bash", {"command": "cd /x && grep a b | head -3"}, [("commands", "grep"), ("commands", "head")]),
        ("ask", {"q": "Where is it?", "why": "so"}, [("q", "question"), ("why", "word")]),
        ("ask", {"id": "A-17", "at": "a/b", "of": ""}, [("id", "identifier"), ("at", "path"), ("of", "empty")]),
        ("find", {"sort": "desc", "day": "2026-01-02", "n": 3, "all": True, "ids": [1], "of": {}, "none": None},
         [("sort", "desc"), ("day", "date"), ("n", "number"), ("all", "true"), ("ids", "list"), ("of", "object")]),
    ],
)  # fmt: skip
def test_inputs_are_told_by_kind(tool: str, arguments: object, shapes: list[tuple[str, str]]) -> None:
    assert shapes_of(tool, json.dumps(arguments), None) == shapes


def test_declared_words_are_told_and_undeclared_arguments_are_not() -> None:
    schema = '{"properties": {"size": {"enum": ["tall", "grande", 3]}, "name": {"type": "string"}}}'
    assert shapes_of("order", '{"size": "grande", "name": "Ada", "ada": 1}', schema) == [
        ("size", "grande"),
        ("name", "word"),
    ]
    assert shapes_of("order", '{"size": "huge"}', schema) == [("size", "word")]
    odd = '{"properties": {"size": {"enum": ["Ada Lovelace", "a\\u001fb"]}}}'
    assert shapes_of("order", '{"size": "a\\u001fb"}', odd) == [("size", "short_text")]
    assert shapes_of("order", '{"size": "Ada Lovelace"}', odd) == [("size", "short_text")]
    assert shapes_of("order", '{"size": "grande"}', None) == [("size", "word")]


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "[" * 5000, '{"a":' * 400, "null", "7", '{"a": "\\ud800"}'])
def test_arguments_that_are_no_object_have_no_shapes(text: str) -> None:
    assert shapes_of("bash", text, text) in ([], [("a", "word")])
    assert label_of("bash", text) == "bash"


def test_a_shell_is_named_with_its_program() -> None:
    assert label_of("bash", '{"command": "cd /x && FOO=1 timeout 5 /usr/bin/python -m x"}') == "bash(python)"
    assert label_of("run_command", '{"cmd": ["git", "status"]}') == "run_command(git)"
    assert label_of("bash", '{"command": "ada-secret-tool --now"}') == "bash"
    assert label_of("search", '{"command": "git"}') == "search"


@pytest.mark.parametrize(
    ("tool", "family"),
    [
        ("RealWebFetchTool", "information_gathering"), ("RealSummarizationAgent", "analysis"),
        ("FileWriterTool", "file_editing"), ("update_file", "file_editing"), ("book_reservation", "transaction"),
        ("transfer_to_human_agents", "delegation"), ("run_tests", "execution"), ("bash(pytest)", "verification"),
        ("bash(zork)", "execution"), ("bash(create)", "file_editing"), ("mcp__github__create_issue", "transaction"),
        ("TodoWrite", "planning"), ("get_user_details", "information_gathering"), ("zork", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_families_are_told_from_names(tool: str, family: str) -> None:
    assert family_of(tool) == family


def test_a_sequence_is_of_the_family_most_of_its_tools_belong_to() -> None:
    assert pattern_type(["RealWebFetchTool", "RealSummarizationAgent", "FileWriterTool"]) == "information_gathering"
    assert pattern_type(["get_user", "cancel_order", "refund_order"]) == "transaction"
    assert pattern_type(["zork", "cancel_order"]) == "transaction"
    assert pattern_type(["zork"]) == "other"


def test_patterns_are_told_as_the_exchange_format_wants_them() -> None:
    tool = ToolDefinition(name="fetch_page", parameters_json='{"properties": {"url": {}, "mode": {"enum": ["fast"]}}}')
    run = Run().add(AgentStarted(root=True, tools=(tool,)))
    run.says("x").calls("fetch_page", {"url": "https://bbc.co.uk", "mode": "fast"})
    run.returns(success=False, error_kind="timeout", latency_seconds=8.5).calls("FileWriter", {"path": "a.csv"})
    found = mine(window_of(traces(run.returns(latency_seconds=0.25).ends(), 4)), PatternRules())
    (pattern,) = found  # its parts say the same
    told = tool_execution_pattern(pattern)["tool_execution_pattern"]
    assert told == {
        "pattern_id": "shop_support_fetch_page_to_file_writer_" + pattern.pattern_id[-8:],
        "pattern_type": "information_gathering",
        "frequency": "high",
        "success_rate": 1.0,
        "sequence": [
            {
                "tool": "fetch_page",
                "typical_inputs": {"mode": ["fast"], "url_patterns": ["news_articles"]},
                "performance": {
                    "avg_latency": "8.5s",
                    "success_rate": 0.0,
                    "common_failures": ["timeout"],
                    "quality_score": None,
                },
            },
            {
                "tool": "FileWriter",
                "typical_inputs": {"output_formats": ["csv"]},
                "performance": {
                    "avg_latency": "0.25s",
                    "success_rate": 1.0,
                    "common_failures": [],
                    "quality_score": None,
                },
            },
        ],
    }
    assert (pattern.avg_latency_seconds, pattern.trace_count, pattern.support) == (8.75, 4, 1.0)
    assert (pattern.window_end, pattern.window_start, pattern.created_at) == (HOUR, -23 * HOUR, 5 * HOUR)
    assert len(pattern.trace_ids) == 3


def test_inputs_and_failures_of_too_few_traces_are_not_told() -> None:
    run = Run().starts().says("x").calls("a", {"odd_name": "x"}).returns(success=False, error_kind="rare").ends()
    rules = PatternRules(min_traces=1)
    for count, told in ((2, False), (3, True)):
        (pattern,) = mine(window_of(traces(run, count)), rules)
        assert bool(pattern.sequence[0].typical_inputs) is told
        assert bool(pattern.sequence[0].common_failures) is told


def test_a_part_of_a_longer_sequence_is_told_only_where_it_is_seen_alone() -> None:
    always, alone = run_of("a", "b", "c"), run_of("b")
    assert list(named(mine(window_of(traces(always, 20)), PatternRules()))) == ["a b c"]
    mixed = window_of([*traces(always, 20), *traces(alone, 10, first=20)])
    assert set(named(mine(mixed, PatternRules()))) == {"a b c", "b"}


def test_support_decides_what_stands_out_and_how_frequent_it_is() -> None:
    window = window_of(
        [
            *traces(run_of("often"), 60), *traces(run_of("some"), 15, first=60),
            *traces(run_of("seldom"), 22, first=75), *traces(run_of("rare"), 2, first=97),
            *traces(run_of("never"), 1, first=99, successful=False),
        ]
    )  # fmt: skip
    found = named(mine(window, PatternRules(medium=0.2)))
    assert {name: pattern.frequency for name, pattern in found.items()} == {
        "often": "high", "seldom": "medium", "some": "low"
    }  # fmt: skip
    assert list(named(mine(window, PatternRules(top=1)))) == ["often"]


def test_the_strongest_come_first_by_traces_times_tools() -> None:
    window = window_of(
        [*traces(run_of("a"), 10), *traces(run_of("b", "c"), 6, first=10), *traces(run_of("d"), 11, first=16)]
    )
    assert list(named(mine(window, PatternRules()))) == ["b c", "d", "a"]


def test_success_and_latency_are_null_where_nothing_is_known() -> None:
    run = Run().starts().says("x").calls("a").ends()
    (pattern,) = mine(window_of(traces(run, 5, successful=None)), PatternRules())
    assert (pattern.success_rate, pattern.avg_latency_seconds, pattern.sequence[0].success_rate) == (None, None, None)
    half = window_of([*traces(run_of("a"), 3), *traces(run_of("a"), 1, first=3, successful=False)])
    assert mine(half, PatternRules())[0].success_rate == 0.75
    mixed = window_of([*traces(run_of("a"), 3), *traces(run_of("b"), 3, first=3, successful=False)])
    found = named(mine(mixed, PatternRules()))
    assert [(one.success_rate, one.scenario_success_rate) for one in found.values()] == [(1.0, 0.5), (0.0, 0.5)]


def trend_of(earlier: tuple[int, int], recent: tuple[int, int], lost: int = 0) -> str:
    """Trend of `a`, from (traces with it, all traces) before and in the newest quarter of the window."""
    hours = []
    for hour, (own, total) in ((0, earlier), (20, recent)):
        hours += traces(run_of("a"), own, hour=hour)
        hours += traces(run_of("b"), total - own, hour=hour, first=own)
    return named(mine(window_of(hours, lost=lost), PatternRules()))["a"].trend


@pytest.mark.parametrize(
    ("earlier", "recent", "trend"),
    [
        ((10, 100), (40, 100), "emerging"),
        ((0, 100), (15, 100), "new"),
        ((40, 100), (10, 100), "fading"),
        ((30, 100), (36, 100), "steady"),  # chance
        ((900, 1000), (990, 1000), "steady"),  # too little to matter
        ((1, 19), (90, 100), "steady"),  # nothing to hold it against
        ((0, 0), (90, 100), "steady"),
        ((0, 100), (4, 100), "steady"),
    ],
)
def test_a_trend_needs_more_than_chance(earlier: tuple[int, int], recent: tuple[int, int], trend: str) -> None:
    assert trend_of(earlier, recent) == trend


def test_what_pruning_may_have_hidden_weakens_a_trend() -> None:
    assert trend_of((0, 100), (15, 100), lost=2) == "emerging"
    assert trend_of((0, 100), (15, 100), lost=12) == "steady"
    assert trend_of((40, 100), (10, 100), lost=20) == "steady"


def test_a_followed_pattern_that_stands_out_no_more_is_told_once_more() -> None:
    known = [name_of(["gone"]), name_of(["a"])]
    found = mine(window_of(traces(run_of("a"), 9), followed=known), PatternRules())
    assert [(pattern.tools, pattern.active, pattern.trace_count) for pattern in found] == [
        (("a",), True, 9),
        (("gone",), False, 0),
    ]
    assert found[1].support == 0.0


def test_an_empty_window_has_no_patterns() -> None:
    assert mine(Window(Group("s"), 0, 1, 0, -1, (), frozenset({name_of(["a"])})), PatternRules()) == ()


def test_ids_are_readable_stable_and_different() -> None:
    airline = Group("tau-bench Airline")
    assert pattern_id(airline, ["get_user"]) == pattern_id(airline, ["get_user"])
    assert pattern_id(airline, ["get_user"]).startswith("tau_bench_airline_get_user_")
    simulated = Group("tau-bench Airline", "SIMULATION")
    assert pattern_id(simulated, ["get_user"]).startswith("tau_bench_airline_simulation_get_user_")
    groups = [Group(s, mode) for s in ("a", "A", "ab") for mode in get_args(ExecutionMode)]
    sequences = (["b", "c"], ["b", "x", "c"], ["bc"], ["b", "c", "b"])
    ids = {pattern_id(group, tools) for group in groups for tools in sequences}
    assert len({one.rsplit("_", 1)[1] for one in ids}) == len(ids) == 36
    assert pattern_id(Group("é" * 300), ["ü" * 300]).startswith("x_x_")


def test_a_pattern_says_how_its_runs_were_made() -> None:
    cells = batched(traces(run_of("a", "b"), 4), HOUR)
    window = Window(Group("s", "SIMULATION"), 0, 1, 0, 0, (Bucket(0, cells[0]),), frozenset())
    assert {pattern.execution_mode for pattern in mine(window, PatternRules())} == {"SIMULATION"}


@given(st.text(), st.sampled_from(get_args(ExecutionMode)))
def test_a_group_comes_back_from_its_text(scenario: str, mode: ExecutionMode) -> None:
    assert parse_group(Group(scenario, mode).text) == Group(scenario, mode)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=8), st.randoms())
def test_sums_do_not_depend_on_order(made: list[list[str]], chance: "random.Random") -> None:
    items = [
        Counted(n, f"t{n}", Group("s"), (n % 3) * HOUR, counts(run_of(*tools, trace_id=f"t{n}")))
        for n, tools in enumerate(made)
    ]
    expected = batched(items, HOUR)
    chance.shuffle(items)
    assert batched(items, HOUR) == expected
    for cells in expected.values():
        for name, cell in cells.items():
            assert isinstance(cell, Cell)
            assert cell.sums[0] <= cells[TOTAL].sums[0], name
