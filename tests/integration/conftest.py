"""One real stack a session; a clean slate a test."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ops.stack import UnavailableError, down, endpoints, up
from ops.stack.versions import S3_BUCKET
from tests.integration.line import Line, fresh_topics, quick_settings, registered
from tests.integration.ports import free_port_base

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def line_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """Home and port base of the stack that tests of the whole line share."""
    home = tmp_path_factory.mktemp("line") / "home"
    port_base = free_port_base()
    try:
        up(home, port_base)
    except UnavailableError as error:
        down(home)
        pytest.skip(f"no stack on this machine: {error}")
    try:
        yield home, port_base
    finally:
        down(home)


@pytest.fixture
def line(line_stack: tuple[Path, int], tmp_path: Path) -> Iterator[Line]:
    """The pipeline on fresh topics, with its own state, and tables in a directory."""
    yield from _line(line_stack, tmp_path, {"root": str(tmp_path / "tables")})


@pytest.fixture
def stored_line(line_stack: tuple[Path, int], tmp_path: Path) -> Iterator[Line]:
    """The same with tables in the object store."""
    home, port_base = line_stack
    up(home, port_base)
    store = endpoints(home)
    if store.s3_endpoint is None:
        pytest.skip("no object store on this machine")
    storage = {
        "root": f"s3://{S3_BUCKET}/{tmp_path.name}",
        "endpoint_url": store.s3_endpoint,
        "access_key_id": store.s3_access_key,
        "secret_access_key": store.s3_secret_key,
    }
    yield from _line(line_stack, tmp_path, storage)


def _line(line_stack: tuple[Path, int], directory: Path, storage: Mapping[str, str | None]) -> Iterator[Line]:
    home, port_base = line_stack
    up(home, port_base)  # a test may have killed a part
    settings = quick_settings(home, port_base, f"t{next(_numbers)}", storage)
    fresh_topics(settings)
    made = Line(home, settings, registered(settings), directory)
    try:
        yield made
    finally:
        made.stop()
