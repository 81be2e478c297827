"""Apicurio Registry: Confluent's schema registry API, kept in an H2 file so that ids survive every restart."""

from __future__ import annotations

import http.client
import tarfile
from pathlib import Path

from ops.stack import cache as downloads
from ops.stack import maven
from ops.stack.errors import NotReadyError
from ops.stack.java import find_java
from ops.stack.model import LOOPBACK, Command, Ports, Say, Stack
from ops.stack.versions import REGISTRY_HEAP, REGISTRY_SHA256, REGISTRY_VERSION

_ARCHIVE = maven.Artifact("io.apicurio", "apicurio-registry-app", REGISTRY_VERSION, "tar.gz", "all")
_API = "/apis/ccompat/v7"
_DATABASE = "schemas"
_HAS_SERVED = "has-served"
_PROBE_SECONDS = 2.0


def environment(port: int, database: Path) -> dict[str, str]:
    """The registry's settings, as the environment variables it reads (the container reads the same)."""
    return {
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
        # In memory, the default, a restart would hand out ids again that messages already carry. H2 delays
        # writing by half a second unless told not to: an id could be in Kafka and not in the file.
        "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{database};WRITE_DELAY=0",
        # The default opens 20 connections at start, seconds that nobody gains from.
        "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "2",
        "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "2",
        "QUARKUS_HTTP_HOST": LOOPBACK,
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
    }


class Registry:
    """The schema registry."""

    name = "registry"
    start_seconds = 90.0
    stop_seconds = 15.0

    def ports(self, ports: Ports) -> tuple[int, ...]:
        return (ports.registry,)

    def address(self, stack: Stack) -> str:
        return f"http://{LOOPBACK}:{stack.ports.registry}{_API}"

    def fetch(self, cache: Path, say: Say) -> Path:
        find_java()
        return downloads.fetched(cache, f"apicurio-registry-{REGISTRY_VERSION}", _download, say, lock="maven")

    def command(self, stack: Stack, program: Path) -> Command:
        home = stack.home / "registry"
        scratch = home / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        _set_aside_unfinished(home)
        # The serial collector and the first compiler alone: it starts in 2 s instead of 8, and idles small.
        small = (f"-Xmx{REGISTRY_HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
        jar = program / f"apicurio-registry-app-{REGISTRY_VERSION}-runner.jar"
        argv = (find_java(), *small, f"-Djava.io.tmpdir={scratch}", "-jar", str(jar))
        return Command(argv, environment(stack.ports.registry, home / _DATABASE), home)

    def probe(self, stack: Stack) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, stack.ports.registry, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", f"{_API}/subjects")
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NotReadyError("does not answer") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise NotReadyError(f"answers with status {answer.status}")
        (stack.home / "registry" / _HAS_SERVED).touch()


def _set_aside_unfinished(home: Path) -> None:
    # Apicurio makes its tables in many steps and cannot resume: killed in between, it would never start
    # again. A database that never answered holds no schema yet.
    database = home / f"{_DATABASE}.mv.db"
    if database.exists() and not (home / _HAS_SERVED).exists():
        database.replace(database.with_suffix(".unfinished"))


def _download(into: Path, say: Say) -> None:
    say(f"downloading Apicurio Registry {REGISTRY_VERSION} (109 MB, once)")
    archive = maven.fetch_file(_ARCHIVE, into)
    downloads.verify(archive, REGISTRY_SHA256)
    say("unpacking")
    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(into, filter="data")
        else:  # Python before 3.11.4; the archive is the pinned one, so nothing is lost
            tar.extractall(into)
    archive.unlink()
