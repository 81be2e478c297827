"""A directory with a small package and its tests: files are really changed, tests are really run."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_TEST_SECONDS = 20.0
_LONGEST_OUTPUT_CHARS = 4_000


@dataclass(frozen=True)
class TestRun:
    """What a run of the tests gave."""

    __test__ = False  # not a test itself, whatever its name says to pytest

    passed: bool
    exit_code: int
    output: str


class Workspace:
    """Files under one root. Raises OSError and ValueError for paths that do not exist or lead outside."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self._root = root
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def list_files(self) -> list[str]:
        """Paths of all Python files, in order."""
        return sorted(path.relative_to(self._root).as_posix() for path in self._root.rglob("*.py"))

    def read(self, name: str) -> str:
        """Content of a file."""
        return self._path(name).read_text(encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> int:
        """Replace the one place where `old` stands; gives its line number. ValueError when there is not exactly one."""
        content = self.read(name)
        if content.count(old) != 1:
            raise ValueError(f"the text to replace stands {content.count(old)} times in {name}, not once")
        self._path(name).write_text(content.replace(old, new), encoding="utf-8")
        return content[: content.index(old)].count("\n") + 1

    def run_tests(self) -> TestRun:
        """Run all tests in a process of their own, without this process's environment."""
        command = [sys.executable, "-E", "-s", "-S", "-B", "-m", "unittest", "discover", "-t", ".", "-s", "tests"]
        try:
            done = subprocess.run(
                command, cwd=self._root, env={"PATH": os.defpath}, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=_TEST_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return TestRun(False, -1, f"the tests did not end within {_TEST_SECONDS:g} s")
        output = done.stderr.replace(str(self._root), ".")[-_LONGEST_OUTPUT_CHARS:]
        return TestRun(done.returncode == 0, done.returncode, output)

    def _path(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"{name} lies outside of the workspace")
        return path
