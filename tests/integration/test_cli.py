"""The command line, run for real: exit codes, `--json`, and words instead of stack traces."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.line import Line

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

Done = subprocess.CompletedProcess[str]


def conversation(number: int, *, broken: bool = False) -> str:
    """One line of `openai-messages`."""
    if broken:
        return '{"messages": [{"role": "user", "content": "canary-42'
    return json.dumps({
        "messages": [
            {"role": "user", "content": f"Mail anna.{number}@example.org, please, order {number}"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "mail", "arguments": "{\"to\": \"x\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "sent"},
            {"role": "assistant", "content": f"Done with {number}."},
        ],
    })  # fmt: skip


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(conversation(number) + "\n" for number in range(5)))
    return path


def ok(done: Done) -> Any:
    """Parsed output of a command that must have worked, and must have kept stderr free of library noise."""
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert not re.search(r"^%\d\|", done.stderr, re.MULTILINE), f"librdkafka speaks for itself: {done.stderr}"
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout


def refused(done: Done, code: int, *words: str) -> None:
    """The command must have failed with this code, in words."""
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 2000
    for word in words:
        assert word in done.stderr, done.stderr


def test_up_twice_is_harmless_and_says_where_parts_listen(line: Line) -> None:
    first, second = ok(line.tdc("up", "--json")), ok(line.tdc("up", "--json"))
    assert {row["name"] for row in first} >= {"kafka", "redis", "registry"}
    assert all(row["running"] and row["listening"] for row in second)
    assert [row["pid"] for row in first] == [row["pid"] for row in second]


def test_import_run_and_look_at_what_came_of_it(line: Line, runs: Path) -> None:
    report = ok(
        line.tdc("import", "openai-messages", str(runs), "--consent", "granted", "--basis", "contract", "--json")
    )
    assert (report["files"], report["runs"], report["broken_count"]) == (1, 5, 0)
    first = ok(line.tdc("run", "--until-idle", "--json"))
    assert first["balanced"]
    assert first["traces"]["assembled"] == 5
    for name in ("events", "traces", "rejections", "close_reasons", "examples", "lag"):
        assert isinstance(first[name], dict)

    ok(line.tdc("import", "openai-messages", str(runs), "--consent", "granted", "--basis", "contract", "--json"))
    again = ok(line.tdc("run", "--until-idle", "--json"))
    assert again["balanced"]
    assert again["traces"] == first["traces"]
    assert again["examples"] == first["examples"]
    assert again["events"]["duplicate"] == first["events"]["received"]
    assert again["events"]["assembled"] == first["events"]["assembled"]
    status = ok(line.tdc("status", "--json"))
    assert {name: status[name] for name in ("events", "traces", "lag")} == {
        name: again[name] for name in ("events", "traces", "lag")
    }
    assert f"tables at {line.settings.storage_root()}" in line.tdc("status").stdout

    rows = ok(line.tdc("query", "SELECT trace_id, events FROM traces ORDER BY 1", "--json"))
    assert len(rows) == 5
    assert "example.org" not in json.dumps(rows)
    assert ok(line.tdc("query", "-", "--json", stdin="SELECT count(*) AS n FROM traces")) == [{"n": 5}]
    found = ok(line.tdc("explain", rows[0]["trace_id"], "--json"))
    assert found["trace_id"] == rows[0]["trace_id"]
    assert ok(line.tdc("explain", rows[0]["trace_id"]))


def test_consent_decides_what_becomes_of_a_run(line: Line, tmp_path: Path) -> None:
    for number, consent in enumerate(("granted", "denied", "unknown")):
        path = tmp_path / f"{consent}.jsonl"
        path.write_text(conversation(100 + number) + "\n")
        ok(line.tdc("import", "openai-messages", str(path), "--consent", consent, "--json"))
    status = ok(line.tdc("run", "--until-idle", "--json"))
    rows = ok(line.tdc("query", "SELECT verdict, reasons[1] AS reason FROM decisions ORDER BY ALL", "--json"))
    assert {"verdict": "rejected", "reason": "consent_denied"} in rows
    assert {"verdict": "quarantined", "reason": "consent_unknown"} in rows
    assert status["traces"]["withheld"] == 1
    assert ok(line.tdc("query", "SELECT count(*) AS n FROM traces", "--json")) == [{"n": 2}]


def test_broken_records_are_named_and_the_rest_goes_on(line: Line, tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    path.write_text(conversation(1) + "\n" + conversation(2, broken=True) + "\n" + conversation(3) + "\n")
    done = line.tdc("import", "openai-messages", str(path))
    refused(done, 1, "mixed.jsonl", "line 2")
    assert "canary-42" not in done.stderr + done.stdout
    assert "2 runs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("query", "SELECT nothing FROM nowhere"), 2, ("nowhere",)),
        (("query", "DROP TABLE traces"), 2, ("reads",)),
        (("explain", "no-such-trace"), 2, ("no-such-trace",)),
        (("import", "openai-messages", "/no/such/file.jsonl"), 2, ("/no/such/file.jsonl",)),
        (("import", "no-such-format", "."), 2, ("no-such-format", "tau-bench")),
        (("import", "openai-messages", ".", "--consent", "perhaps"), 2, ("perhaps",)),
        (("worker", "no-such-stage"), 2, ("no-such-stage",)),
        (("dead-letters", "no-such-command"), 2, ("no-such-command",)),
        (("no-such-command",), 2, ("no-such-command",)),
        (("run", "--workers", "0"), 2, ("workers",)),
        (("bench", "no-such-benchmark"), 2, ("no-such-benchmark",)),
        ((), 2, ()),
    ],
)
def test_wrong_usage_is_told_in_words(
    line: Line, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    refused(line.tdc(*arguments), code, *words)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TDC_KAFKA__PARTITIONS", "many"),
        ("TDC_ASSEMBLE__IDLE_SECONDS", "-1"),
        ("TDC_NO_SUCH_SECTION__SETTING", "1"),
        ("TDC_KAFKA__NO_SUCH_SETTING", "1"),
        ("TDC_POLICY", "/no/such/policy.toml"),
    ],
)
def test_a_wrong_setting_is_named_without_a_stack_trace(line: Line, name: str, value: str) -> None:
    done = line.tdc("worker", "curate", environment={name: value})
    refused(done, 2)
    told = done.stderr.lower()
    assert name.lower() in told or name.removeprefix("TDC_").replace("__", ".").lower() in told, done.stderr


def test_a_stack_that_is_not_there_is_told_in_words(line: Line, tmp_path: Path) -> None:
    nowhere = {"TDC_PORT_BASE": "9100", "TDC_HOME": str(tmp_path / "none")}
    done = line.tdc("status", environment=nowhere)
    refused(done, 1, "Kafka")
    assert not re.search(r"^%\d\|", done.stderr, re.MULTILINE), done.stderr


def test_redact_filters_lines_and_gives_offsets(line: Line) -> None:
    text = "Write to anna@example.org or +1 (415) 555-0132."
    done = line.tdc("redact", stdin=text + "\n" + json.dumps({"to": "anna@example.org", "n": 1}) + "\n")
    assert done.returncode == 0, done.stderr
    assert "anna@" not in done.stdout
    assert "0132" not in done.stdout
    assert json.loads(done.stdout.splitlines()[1])["n"] == 1
    spans = json.loads(line.tdc("redact", "--spans", stdin=text + "\n").stdout)
    assert spans["text"] == text
    assert {text[span["start"] : span["end"]] for span in spans["spans"]} >= {"anna@example.org"}


def test_dead_letters_are_listed_without_content(line: Line) -> None:
    world = line.world(81)
    supervisor = line.start()
    world.send([world.broken(b"\x09zebra-canary@example.org", b"someone") for _ in range(3)])
    line.settle(supervisor, world.ledger)
    supervisor.stop()
    listed = ok(line.tdc("dead-letters", "list", "--limit", "2", "--json"))
    assert len(listed) == 2
    assert {row["error"] for row in listed} == {"InvalidWireFormat"}
    assert "zebra" not in json.dumps(listed)
    assert ok(line.tdc("dead-letters", "replay", "--dry-run", "--json")) == {"messages": 3, "dry_run": True}
    assert "zebra" not in line.tdc("dead-letters", "list").stdout
    refused(line.tdc("dead-letters", "list", "--limit", "0"), 2)
