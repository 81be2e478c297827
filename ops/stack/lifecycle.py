"""`tdc up`, `tdc down` and their kin: the whole stack, and single parts for tests that break things."""

from __future__ import annotations

import contextlib
import signal as signals
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from ops.stack import keys, processes, starting
from ops.stack.cache import locked
from ops.stack.errors import NotReadyError, PartFailedError, StackError, UnavailableError
from ops.stack.kafka import Kafka
from ops.stack.model import Endpoints, PartStatus, Ports, Progress, Stack, default_cache, silent
from ops.stack.parts import Part
from ops.stack.redis import Redis
from ops.stack.registry import Registry
from ops.stack.s3 import S3, tables_directory
from ops.stack.state import State, load
from ops.stack.versions import DEFAULT_PORT_BASE, REDIS_MAXMEMORY, S3_BUCKET

# In the order in which `down` ends them: what others lean on goes last.
_PARTS: tuple[Part, ...] = (Registry(), S3(), Kafka(), Redis())
PART_NAMES = tuple(part.name for part in _PARTS)


def up(
    home: Path,
    port_base: int = DEFAULT_PORT_BASE,
    *,
    progress: Progress = silent,
    with_s3: bool | None = None,
    cache: Path | None = None,
    redis_maxmemory: str = REDIS_MAXMEMORY,
) -> list[PartStatus]:
    """Start every part that does not run, and return when all answer. Harmless when all run.

    `with_s3`: True insists on the object store, False keeps tables in `home/tables`; None prefers the store.
    The first start decides for good. Raises StackError; parts that did start stay up.
    """
    home = home.absolute()
    ports = Ports.from_base(port_base)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _exclusive(home):
        held = load(home)
        if held and held.stack.ports != ports and any(map(processes.alive, held.processes.values())):
            raise StackError(
                f"the stack of {home} runs at port base {held.stack.ports.base}, not {port_base}: "
                "run `tdc down` first, or use another TDC_HOME"
            )
        state = State(
            stack=Stack(home, ports, (cache or default_cache()).absolute(), redis_maxmemory),
            object_store=held.object_store if held else None,
            processes=held.processes if held else {},
        )
        state.save()
        keys.pseudonym_key_file(home)
        wanted = {name: partial(_ensure, _part(name), state, progress) for name in PART_NAMES if name != S3.name}
        wanted[S3.name] = partial(_ensure_object_store, state, progress, with_s3)
        return _all_at_once(wanted)


def down(home: Path) -> list[PartStatus]:
    """Stop every part, also ones that an interrupted `up` left behind. Data and downloads stay."""
    home = home.absolute()
    if not home.is_dir():
        return []
    with _exclusive(home):
        state = load(home)
        if state is None:
            return []
        return [starting.stop(part, state) for part in _in_use(state)]


def status(home: Path) -> list[PartStatus]:
    """What runs and answers now; empty when no stack was ever started at `home`."""
    state = load(home.absolute())
    if state is None:
        return []
    rows = _all_at_once({part.name: partial(_look_at, part, state) for part in _in_use(state)})
    return rows if state.object_store == "s3" else [*rows, _directory_row(state.stack.home)]


def stop_part(home: Path, part: str, *, signal: int = signals.SIGTERM) -> PartStatus:
    """Send one part `signal` and wait until it is gone. Raises StackError when no stack is known."""
    with _known(home.absolute()) as state:
        return starting.stop(_part(part), state, signal)


def start_part(home: Path, part: str) -> PartStatus:
    """Start one part of a known stack and wait until it answers; harmless when it runs."""
    with _known(home.absolute()) as state:
        return _ensure(_part(part), state, silent)


def restart(home: Path, part: str, *, signal: int = signals.SIGTERM) -> PartStatus:
    """Stop one part with `signal` (SIGKILL for a crash) and start it again."""
    with _known(home.absolute()) as state:
        starting.stop(_part(part), state, signal)
        return _ensure(_part(part), state, silent)


def endpoints(home: Path) -> Endpoints:
    """Where clients find the stack of `home`, with its credentials. Raises StackError when none is known."""
    home = home.absolute()
    state = load(home)
    if state is None:
        raise StackError(f"no stack was started in {home}: run `tdc up`")
    stack = state.stack
    common = Endpoints(
        bootstrap_servers=Kafka().address(stack),
        registry_url=Registry().address(stack),
        redis_url=Redis().address(stack),
        tables_url=str(tables_directory(home)),
        pseudonym_key_file=keys.pseudonym_key_file(home),
    )
    if state.object_store != "s3":
        return common
    held = keys.s3_credentials(home)
    return Endpoints(
        bootstrap_servers=common.bootstrap_servers,
        registry_url=common.registry_url,
        redis_url=common.redis_url,
        tables_url=f"s3://{S3_BUCKET}/tables",
        pseudonym_key_file=common.pseudonym_key_file,
        s3_endpoint=S3().address(stack),
        s3_access_key=held.access_key,
        s3_secret_key=held.secret_key,
    )


def _ensure(part: Part, state: State, progress: Progress) -> PartStatus:
    say = partial(progress, part.name)
    identity = starting.running(part, state)
    if identity is not None:
        try:
            starting.wait_until_healthy(part, state.stack, identity)
        except PartFailedError:
            # A process that was just killed looks alive for a moment longer; then it is started anew.
            if processes.alive(identity):
                raise
        else:
            say("already up")
            return PartStatus(part.name, part.address(state.stack), True, identity.pid, "already up")
    # What an interrupted start left behind at other ports would hold the data directory.
    starting.stop(part, state)
    return starting.start(part, state, part.fetch(state.stack.cache, say), say)


def _ensure_object_store(state: State, progress: Progress, with_s3: bool | None) -> PartStatus:
    held = state.object_store
    if with_s3 is not None and held is not None and with_s3 != (held == "s3"):
        # Every table would seem to have vanished.
        raise StackError(
            f"s3: the tables of {state.stack.home} are kept in {held!r}; use another TDC_HOME to change that"
        )
    wanted = with_s3 if held is None else held == "s3"
    reason = ""
    if wanted is not False:
        try:
            row = _ensure(S3(), state, progress)
        except UnavailableError as error:
            if wanted:
                raise
            reason = str(error)
        else:
            state.object_store = "s3"
            state.save()
            return row
    state.object_store = "directory"
    state.save()
    row = _directory_row(state.stack.home, reason)
    progress(S3.name, row.detail)
    return row


def _directory_row(home: Path, reason: str = "") -> PartStatus:
    directory = tables_directory(home)
    directory.mkdir(parents=True, exist_ok=True)
    detail = "no object store: tables are kept in a local directory" + (f" ({reason})" if reason else "")
    return PartStatus(S3.name, str(directory), True, None, detail)


def _look_at(part: Part, state: State) -> PartStatus:
    identity = state.processes.get(part.name)
    address = part.address(state.stack)
    if identity is None:
        return PartStatus(part.name, address, False, None, "not running")
    if not processes.alive(identity):
        return PartStatus(part.name, address, False, None, f"died (was pid {identity.pid}): `tdc up` starts it again")
    try:
        part.probe(state.stack)
    except NotReadyError as reason:
        return PartStatus(part.name, address, True, identity.pid, f"runs but {reason}")
    return PartStatus(part.name, address, True, identity.pid, "healthy")


def _all_at_once(work: Mapping[str, Callable[[], PartStatus]]) -> list[PartStatus]:
    """Do the work of all parts in parallel; when some fail, say all that failed in one error."""
    rows: list[PartStatus] = []
    failures: list[StackError] = []
    with ThreadPoolExecutor(max_workers=max(1, len(work)), thread_name_prefix="stack") as pool:
        tasks = {name: pool.submit(task) for name, task in work.items()}
        for name, task in sorted(tasks.items()):
            try:
                rows.append(task.result())
            except StackError as error:
                failures.append(error)
            except OSError as error:
                failures.append(PartFailedError(f"{name}: {error}"))
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise StackError("\n".join(map(str, failures)))
    return rows


def _in_use(state: State) -> list[Part]:
    return [part for part in _PARTS if part.name != S3.name or state.object_store == "s3" or S3.name in state.processes]


def _part(name: str) -> Part:
    for part in _PARTS:
        if part.name == name:
            return part
    raise StackError(f"the stack has no part {name!r}: it has {', '.join(sorted(PART_NAMES))}")


@contextlib.contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    # `up` and `down` at the same moment must not start twice what they then record once.
    with locked(home / "stack.lock"):
        yield


@contextlib.contextmanager
def _known(home: Path) -> Iterator[State]:
    if not home.is_dir():
        raise StackError(f"no stack was started in {home}: run `tdc up`")
    with _exclusive(home):
        state = load(home)
        if state is None:
            raise StackError(f"no stack was started in {home}: run `tdc up`")
        yield state
