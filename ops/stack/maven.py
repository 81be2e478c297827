"""Fetching Java artefacts: jars and their dependencies with `mvn` where there is one, all else with `jgo`.

A single file never goes through `mvn`: it insists on the file's parent POM, and Apicurio's was not published.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.stack.errors import UnavailableError
from ops.stack.model import Say
from ops.stack.versions import MAVEN_DEPENDENCY_PLUGIN

_REQUEST_SECONDS = 60
_TAIL_LINES = 8
_NO_WAY = "Java artefacts cannot be downloaded: install Maven (`mvn`), or `pip install jgo`"


@dataclass(frozen=True)
class Artifact:
    """A Maven artefact: group, name, version, and for what is not a plain jar its packaging and classifier."""

    group: str
    name: str
    version: str
    packaging: str = "jar"
    classifier: str = ""

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}{'-' if self.classifier else ''}{self.classifier}.{self.packaging}"


def fetch_with_dependencies(
    artifacts: Sequence[Artifact], into: Path, say: Say, *, mvn: str | None = None, repository: Path | None = None
) -> None:
    """Copy jars, and all that they need at run time, into a directory.

    `mvn` is the Maven program to use, "" for none; by default the one on PATH. `repository` is the local
    repository, by default Maven's own. Raises UnavailableError when neither way works.
    """
    program = shutil.which("mvn") if mvn is None else mvn
    failure = ""
    if program:
        try:
            _copy_with_mvn(program, artifacts, into, say, repository)
            return
        except UnavailableError as error:
            failure = f"{error}\n"
            say("mvn failed, trying jgo")
    try:
        _copy_with_jgo(artifacts, into, say, repository)
    except UnavailableError as error:
        raise UnavailableError(f"{failure}{error}") from error


def fetch_file(artifact: Artifact, into: Path, *, repository: Path | None = None) -> Path:
    """Copy one artefact, and nothing that it depends on, into a directory. Raises UnavailableError."""
    with _jgo_errors():
        from jgo.maven import MavenContext

        context = MavenContext(repo_cache=repository, timeout=_REQUEST_SECONDS)
        version = context.project(artifact.group, artifact.name).at_version(artifact.version)
        found = version.artifact(classifier=artifact.classifier, packaging=artifact.packaging).resolve()
        return Path(shutil.copyfile(found, into / artifact.file_name))


def _copy_with_mvn(mvn: str, artifacts: Sequence[Artifact], into: Path, say: Say, repository: Path | None) -> None:
    pom = into / "pom.xml"
    pom.write_text(_pom(artifacts), encoding="utf-8")
    command = [mvn, "-B", "-f", str(pom), f"{MAVEN_DEPENDENCY_PLUGIN}:copy-dependencies"]
    command += [f"-DoutputDirectory={into}", "-DincludeScope=runtime"]
    if repository is not None:
        command.append(f"-Dmaven.repo.local={repository}")
    lines: list[str] = []
    downloaded = 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Downloaded from " in line:
                downloaded += 1
                if downloaded % 10 == 0:
                    say(f"downloading with mvn: {downloaded} files")
        code = process.wait()
    pom.unlink()
    if code != 0:
        reasons = [line for line in lines if line.startswith("[ERROR]")] or lines
        raise UnavailableError("mvn failed:\n" + "\n".join(f"    {line}" for line in reasons[:_TAIL_LINES]))


def _copy_with_jgo(artifacts: Sequence[Artifact], into: Path, say: Say, repository: Path | None) -> None:
    with _jgo_errors():
        from jgo.maven import MavenContext
        from jgo.parse import Coordinate

        say("resolving dependencies with jgo")
        context = MavenContext(repo_cache=repository, timeout=_REQUEST_SECONDS)
        wanted = [
            context.create_dependency(
                dataclasses.replace(Coordinate.parse(f"{a.group}:{a.name}:{a.version}"), scope="compile")
            )
            for a in artifacts
        ]
        direct, further = context.resolver.resolve(wanted)
        found = [*direct, *(dependency for dependency in further if dependency.scope in ("compile", "runtime"))]
        for count, dependency in enumerate(found, start=1):
            shutil.copyfile(dependency.artifact.resolve(), into / dependency.artifact.filename)
            if count % 10 == 0:
                say(f"downloading with jgo: {count} of {len(found)} files")


@contextmanager
def _jgo_errors() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise UnavailableError(_NO_WAY) from error
    except Exception as error:  # jgo and requests raise many kinds; each means the same to the caller
        raise UnavailableError(f"jgo could not download Java artefacts: {error}") from error


def _pom(artifacts: Sequence[Artifact]) -> str:
    dependencies = "\n".join(
        f"<dependency><groupId>{a.group}</groupId><artifactId>{a.name}</artifactId>"
        f"<version>{a.version}</version></dependency>"
        for a in artifacts
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion>"
        "<groupId>tdc</groupId><artifactId>downloads</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>\n{dependencies}\n</dependencies></project>\n"
    )
