"""Packages while things break: kill -9, a full disk, an object store that fails, two builders at once."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.cli.main import main
from ops.stack import UnavailableError
from ops.supervisor import settings_environment
from schemas.errors import StorageUnavailable
from schemas.settings import Settings, StorageSettings
from sinks.packages.build import build
from sinks.packages.errors import PackageError
from sinks.packages.place import open_place
from sinks.packages.rebuild import rebuild
from sinks.packages.usage import Said, record, uses
from sinks.packages.verify import verify
from tests.unit.sinks.packages.building import RECIPE, built, plan
from tests.unit.sinks.packages.stocked import settings_at, stock
from tests.unit.sinks.servers import FaultyProxy, s3_service

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
BUILDER = """
import os, sys, time
from sinks.packages.build import build
from sinks.packages.place import open_place
from schemas.settings import load_settings
from tests.unit.sinks.packages.building import plan
settings = load_settings()
def on_progress(what, done, total):
    print(what, flush=True)
    if what == sys.argv[1]:
        time.sleep(60)
build(settings, open_place(settings), plan(), on_progress)
"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    try:
        with s3_service(tmp_path_factory.mktemp("s3")) as service:
            yield service
    except UnavailableError as error:
        pytest.skip(f"no S3 service on this machine: {error}")


def in_s3(service: dict[str, str], root: str, port: int | None = None) -> Settings:
    storage = {
        "root": f"s3://tdc/{root}",
        "endpoint_url": f"http://127.0.0.1:{port or service['port']}",
        "access_key_id": service["access_key"],
        "secret_access_key": service["secret_key"],
        "allow_http": True,
    }
    return Settings(storage=StorageSettings.model_validate(storage))


@pytest.fixture(params=["directory", "s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    made = (
        settings_at(tmp_path) if request.param == "directory" else in_s3(request.getfixturevalue("s3"), tmp_path.name)
    )
    stock(made, 20)
    return made


def builder(settings: Settings, stop_at: str) -> "subprocess.Popen[str]":
    """A build in a process of its own, that has come to this stage and waits there."""
    environment = {**os.environ, **settings_environment(settings), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", BUILDER, stop_at],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if said[-1] == stop_at:
            return process
    raise AssertionError(f"the build ended early: {said}")


def kill(process: "subprocess.Popen[str]") -> None:
    """kill -9."""
    process.kill()
    process.communicate()


@pytest.mark.parametrize("stage", ["choosing rows", "writing rows", "finishing files"])
def test_a_killed_build_leaves_nothing_to_see_and_the_next_one_succeeds(settings: Settings, stage: str) -> None:
    process = builder(settings, stage)
    place = open_place(settings)
    with pytest.raises(PackageError, match="another build of pack is running"):
        built(settings)
    kill(process)
    assert place.names() == []
    done = built(settings)
    assert done.manifest.version == "1.0.0"
    assert verify(place, done.manifest).faults == ()


def test_a_package_lives_in_an_object_store_as_in_a_directory(settings: Settings, tmp_path: Path) -> None:
    first = built(settings, RECIPE).manifest
    stock(settings, 4, first=20)
    assert built(settings, RECIPE).manifest.version == "1.1.0"
    place = open_place(settings)
    assert place.versions("pack") == ["1.0.0", "1.1.0"]
    assert rebuild(settings, place, "pack", "1.1.0").identical
    assert not place.write_new("pack/1.0.0/manifest.json", b"mine"), "what is published is never replaced"
    record(place, first, Said(run_id="r", package="pack", version="1.0.0", recorded_at=1))
    record(place, first, Said(run_id="r", package="pack", version="1.0.0", recorded_at=2, results={"x": 1}))
    assert uses(place, "pack", "1.0.0")[0].results == {"x": 1}
    assert verify(place, first).faults == ()
    elsewhere = open_place(settings, str(tmp_path / "copy"))
    assert built(settings, place=elsewhere).manifest.files != ()


def test_an_object_store_that_fails_publishes_nothing_and_says_so(s3: dict[str, str], tmp_path: Path) -> None:
    proxy = FaultyProxy(int(s3["port"]))
    try:
        settings = in_s3(s3, tmp_path.name, proxy.port)
        stock(settings, 10)
        place = open_place(settings)

        def on_progress(what: str, done: int, total: int) -> None:
            if what == "finishing files":
                proxy.set("unavailable")

        with pytest.raises(StorageUnavailable, match="nothing was published"):
            build(settings, place, plan(), on_progress)
        proxy.set("none")
        assert place.names() == []
        assert built(settings).manifest.version == "1.0.0"
    finally:
        proxy.close()


def test_a_full_disk_publishes_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sinks.packages.formats import shards

    settings = settings_at(tmp_path)
    stock(settings, 10)
    place = open_place(settings)
    real = shards.Shards.write

    def full(self: object, group: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shards.Shards, "write", full)
    with pytest.raises(PackageError, match="no space is left for writing the package; nothing was published"):
        built(settings)
    assert place.names() == []
    assert not Path(place.uri, "pack").exists()
    monkeypatch.setattr(shards.Shards, "write", real)
    assert built(settings).published


def test_a_lease_of_a_dead_machine_runs_out(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = in_s3(s3, tmp_path.name)
    stock(settings, 4)
    process = builder(settings, "writing rows")
    kill(process)
    place = open_place(settings)
    found = json.loads(place.read("pack/.building"))
    place.write("pack/.building", json.dumps(found | {"host": "another-machine"}).encode())
    with pytest.raises(PackageError, match="running on another-machine"):
        built(settings)
    monkeypatch.setattr("sinks.packages.turns.LEASE_SECONDS", 0)
    time.sleep(1)
    assert built(settings).published
    assert place.size("pack/.building") is None


@pytest.mark.parametrize("stage", ["choosing rows", "finishing files"])
def test_a_builder_that_lost_its_lease_stops_and_leaves_alone_what_the_next_one_wrote(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    settings = in_s3(s3, tmp_path.name)
    stock(settings, 4)
    place = open_place(settings)
    monkeypatch.setattr("sinks.packages.turns._RENEW_SECONDS", 0)

    def on_progress(what: str, done: int, total: int) -> None:
        if what == stage:
            place.write("pack/.building", b'{"host": "other", "pid": 1, "started": 0}')
            place.write("pack/1.0.0/parquet/train-of-the-other.parquet", b"rows")

    with pytest.raises(PackageError, match="another builder took over; nothing was published"):
        build(settings, place, plan(), on_progress)
    assert place.names() == []
    assert place.size("pack/1.0.0/parquet/train-of-the-other.parquet") == 4


@dataclass(frozen=True)
class Done:
    """What a command said, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def tdc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Done]:
    """`tdc package ...`, in this process: it starts a hundred times faster."""
    for name, value in settings_environment(settings_at(tmp_path)).items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["tdc", "package", *words])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def test_the_commands_work_and_end_with_the_right_codes(tdc: Callable[..., Done], tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    stock(settings, 20)

    def ok(*words: str) -> Any:
        done = tdc(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert ok("list") == []
    build_it = ("build", "tool_selection", "--purpose", "internal-research", "--format", "parquet", "--format", "csv")
    made = ok(*build_it)
    assert (made["version"], made["rows"], made["published"], made["formats"]) == (
        "1.0.0",
        40,
        True,
        ["parquet", "csv"],
    )
    assert (
        ok("build", "tool_selection", "--purpose", "internal-research", "--format", "parquet", "--format", "csv")[
            "published"
        ]
        is False
    )
    assert [found["name"] for found in ok("list")] == ["tool_selection"]
    assert ok("verify", "tool_selection")["sound"] is True
    assert ok("rebuild", "tool_selection@1.0.0")["identical"] is True
    assert ok("diff", "tool_selection", "tool_selection@1.0.0")["same"] is True
    ok("use", "tool_selection", "--run", "run-1", "--base-model", "m", "--notes", "n")
    assert ok("use", "tool_selection", "--run", "run-1", "--results", '{"accuracy": 0.5}')["results"] == {
        "accuracy": 0.5
    }
    assert ok("show", "tool_selection")["uses"][0]["base_model"] == "m"
    for words in (["list"], ["show", "tool_selection"], ["verify", "tool_selection"], ["build", "traces"]):
        done = tdc(*words)
        assert done.returncode == 0, done.stderr
        assert "1.0.0" in done.stdout
    (next(Path(made["path"]).glob("csv/columns/train*"))).write_bytes(b"x")
    for words, code, said in (
        (["verify", "tool_selection"], 1, "fault: csv/columns/train"),
        (["build", "tool_patterns"], 1, "no row of the tables fits"),
        (["build", "traces", "--purpose", "fun"], 2, "from narrow to wide"),
        (["build", "no-recipe"], 2, "there is no recipe no-recipe"),
        (["show", "nothing"], 1, "there is no package nothing"),
        (["build", "traces", "--version", "0.9.0"], 2, "does not come after 1.0.0"),
    ):
        done = tdc(*words)
        assert done.returncode == code, (words, done.stdout, done.stderr)
        assert said in " ".join((done.stdout + done.stderr).split())
        assert "Traceback" not in done.stderr


def test_a_bucket_that_is_not_there_is_no_empty_place(s3: dict[str, str]) -> None:
    settings = in_s3(s3, "anything")
    assert open_place(settings, "s3://tdc/a-prefix-without-objects").exists()
    assert not open_place(settings, "s3://mistyped/a-prefix").exists()
    with pytest.raises(StorageUnavailable):
        open_place(in_s3(s3, "anything", port=9)).exists()
