"""What the command line writes, for machines and where nobody looks at a terminal."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import IO

import pytest

from ops.cli.data import _told_apart
from ops.cli.output import print_json

ROOT = Path(__file__).parents[3]


def tdc(
    *arguments: str, folder: Path, variables: Mapping[str, str], stdout: int | IO[str] = subprocess.PIPE
) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a folder."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'producer'}", **variables}
    command = [sys.executable, "-m", "ops.cli.main", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60
    )


def test_json_holds_numbers_as_numbers_and_never_what_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"sum": Decimal(87), "part": Decimal("1.5"), "none": math.nan, "far": [math.inf], "raw": b"\xaa"}])
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [
        {"sum": 87, "part": 1.5, "none": None, "far": [None], "raw": "aa"}
    ]


def test_columns_of_one_name_are_told_apart() -> None:
    assert _told_apart(["a", "b", "a", "a_1", "a"]) == ["a", "b", "a_2", "a_1", "a_3"]


def test_a_query_with_two_columns_of_one_name_gives_both(tmp_path: Path) -> None:
    ran = tdc(
        "query",
        "--json",
        "SELECT 1 AS a, 2 AS a, sum(3) AS s",
        folder=tmp_path,
        variables={"TDC_STORAGE__ROOT": str(tmp_path / "t")},
    )
    assert (ran.returncode, json.loads(ran.stdout)) == (0, [{"a": 1, "a_1": 2, "s": 3}])


@pytest.mark.parametrize(
    ("toml", "variables", "said"),
    [
        (b"foo = ", {}, "tdc.toml"),
        (b"\xff\xfe", {}, "tdc.toml"),
        (b"", {"TDC_KAFKA": "x"}, "kafka"),
        (b"", {"TDC_KAFKA__SECURITY_PROTOCOL": "foo"}, "kafka.security_protocol"),
        (b"", {"TDC_REDIS__URL": "garbage"}, "redis.url"),
    ],
)
def test_wrong_settings_are_named_without_a_stack_trace(
    tmp_path: Path, toml: bytes, variables: dict[str, str], said: str
) -> None:
    (tmp_path / "tdc.toml").write_bytes(toml)
    ran = tdc("status", folder=tmp_path, variables=variables)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_full_disk_is_said_in_a_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        ran = tdc(
            "query",
            "--json",
            "SELECT 1",
            folder=tmp_path,
            stdout=full,
            variables={"TDC_STORAGE__ROOT": str(tmp_path / "t")},
        )
    assert "Traceback" not in ran.stderr
    assert "No space left" in ran.stderr


@pytest.mark.parametrize("place", ["file.md", "ftp://somewhere/x"])
def test_what_can_hold_no_packages_is_not_taken_for_an_empty_place(tmp_path: Path, place: str) -> None:
    (tmp_path / "file.md").write_text("no folder")
    ran = tdc("package", "list", "--at", place, folder=tmp_path, variables={})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert place in ran.stderr


def test_a_place_that_is_not_there_is_no_empty_place(tmp_path: Path) -> None:
    ran = tdc("package", "list", "--at", str(tmp_path / "mistyped"), folder=tmp_path, variables={})
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "mistyped is not there" in " ".join(ran.stderr.split())
    (tmp_path / "empty").mkdir()
    ran = tdc("package", "list", "--at", str(tmp_path / "empty"), folder=tmp_path, variables={})
    assert ran.returncode == 0
    assert "no package is published" in ran.stdout


def test_help_waits_for_no_library_that_only_some_commands_need() -> None:
    heavy = {"boto3", "confluent_kafka", "deltalake", "duckdb", "pandas", "pyarrow", "redis", "faust"}
    program = f"import ops.cli.main, sys; print(sorted({heavy!r} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
