"""A chaos run: rounds of faults under traffic, each followed by calm and a verdict."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from ops.stack.errors import StackError
from tests.chaos.faults import NotStruckError, doing
from tests.chaos.plan import Fault, Plan
from tests.chaos.sender import Spooled, spool, unsent
from tests.chaos.site import SENDERS, Site
from tests.chaos.traffic import Due, Traffic
from tests.chaos.verdict import Verdict
from tests.integration.world import World

TRAFFIC_SECONDS = 16.0
_SENT_SECONDS = 240.0
_CALM_SECONDS = 420.0


class Struck(msgspec.Struct, frozen=True):
    """What became of a fault."""

    round: int
    kind: str
    began_seconds: float
    """After the start of its round; faults on one target wait for each other."""
    lasted_seconds: float
    problem: str | None = None
    """Why it did not strike."""


class RoundReport(msgspec.Struct, frozen=True):
    """One round."""

    number: int
    faults: tuple[Struck, ...]
    fault_seconds: float
    calm_seconds: float
    check_seconds: float
    events: int
    traces: int
    duplicates: int
    """Traces whose verdict is that they repeat another one."""
    violations: tuple[str, ...]


class Report(msgspec.Struct):
    """A whole run."""

    seed: int
    rounds: list[RoundReport] = []
    restarts: dict[str, int] = {}
    """Supervisors and senders that were started again."""
    hits: dict[str, int] = {}
    """What the proxies broke: requests, connections, waits."""

    @property
    def violations(self) -> list[str]:
        """All that was found."""
        return [f"round {one.number}: {words}" for one in self.rounds for words in one.violations]

    def struck(self) -> Counter[str]:
        """Faults that struck, by kind."""
        return Counter(fault.kind for one in self.rounds for fault in one.faults if fault.problem is None)

    def table(self) -> list[str]:
        """Lines for people."""
        counts = self.struck()
        missed = Counter(fault.kind for one in self.rounds for fault in one.faults if fault.problem is not None)
        lines = [f"{'fault':<20}{'struck':>8}{'missed':>8}"]
        lines += [f"{kind:<20}{counts[kind]:>8}{missed[kind]:>8}" for kind in sorted(counts | missed)]
        last = self.rounds[-1] if self.rounds else None
        traces, events, duplicates = (last.traces, last.events, last.duplicates) if last else (0, 0, 0)
        lines.append(f"{'all':<20}{counts.total():>8}{missed.total():>8}")
        lines.append(
            f"seed {self.seed}: {counts.total()} faults in {len(self.rounds)} rounds, {traces} traces, "
            f"{duplicates} of them near-duplicates, {events} events, {len(self.violations)} violations"
        )
        return lines


class ChaosRun:
    """Rounds on one site; the world goes on from round to round."""

    def __init__(self, site: Site, plan: Plan, *, runs: int = 48, say: Callable[[str], None] = print) -> None:
        self._site = site
        self._plan = plan
        self._runs = runs
        self._say = say
        self._world = World(plan.seed, None, site.schema_ids)
        self._traffic = Traffic(self._world)
        self.verdict = Verdict(site.settings, self._world)
        self.report = Report(plan.seed)

    def run(self, report_path: Path, *, large: bool = True) -> Report:
        """All rounds, up to the first violation. The report is written after each."""
        for number, faults in enumerate(self._plan.rounds):
            done = self._round(number, faults, large=large and number == len(self._plan.rounds) - 1)
            self.report.rounds.append(done)
            self.report.restarts = dict(self._site.restarts)
            self.report.hits = dict(self._site.network.hits)
            report_path.write_bytes(msgspec.json.format(msgspec.json.encode(self.report), indent=1))
            kinds = ", ".join(fault.kind for fault in done.faults)
            self._say(
                f"round {number} of seed {self._plan.seed}: {kinds}; {done.fault_seconds:.0f} s, calm after "
                f"{done.calm_seconds:.0f} s, checked in {done.check_seconds:.0f} s, {done.traces} traces, "
                f"{len(done.violations)} violations"
            )
            if done.violations:
                break
        return self.report

    def _round(self, number: int, faults: tuple[Fault, ...], *, large: bool) -> RoundReport:
        started = time.monotonic()
        self._send(number, self._traffic.round(self._runs, TRAFFIC_SECONDS, oversize=number % 3 == 0, large=large))
        struck = self._strike(number, faults)
        struck_at = time.monotonic()
        self.verdict.violations.clear()
        status = self.verdict.settle(_CALM_SECONDS) if self._all_sent() else None
        calm_at = time.monotonic()
        if status is not None:
            pids = [pid for name in ("assemble", "curate") for pid in self._site.pids(name)]
            self.verdict.look(self._site.logs(), pids)
        return RoundReport(
            number,
            tuple(struck),
            struck_at - started,
            calm_at - struck_at,
            time.monotonic() - calm_at,
            status.events.received if status else 0,
            status.traces.assembled if status else 0,
            status.traces.duplicate if status else 0,
            tuple(self.verdict.violations),
        )

    def _send(self, number: int, messages: list[Due]) -> None:
        """Hand the messages to the senders, at random but for the same seed always the same way."""
        start = time.time() + 0.2
        shares: list[list[Spooled]] = [[] for _ in range(SENDERS)]
        for due in messages:
            one = due.message
            shares[self._world.random.randrange(SENDERS)].append(
                Spooled(start + due.seconds, one.key, one.value, one.headers)
            )
        for which, share in enumerate(shares):
            spool(self._site.spool(which), number, share)

    def _all_sent(self) -> bool:
        until = time.monotonic() + _SENT_SECONDS
        while any(unsent(self._site.spool(which)) for which in range(SENDERS)):
            if time.monotonic() > until:
                self.verdict.violations.append(f"the senders are not through after {_SENT_SECONDS:.0f} s")
                return False
            time.sleep(0.1)
        return True

    def _strike(self, number: int, faults: tuple[Fault, ...]) -> list[Struck]:
        """Do all faults of a round, each at its time, and wait until the last one is undone."""
        started = time.monotonic()
        locks = {fault.target: threading.Lock() for fault in faults}
        struck: list[Struck] = []

        def strike(fault: Fault) -> None:
            time.sleep(max(0.0, started + fault.at_seconds - time.monotonic()))
            with locks[fault.target]:
                began, problem = time.monotonic(), None
                try:
                    with doing(fault.kind)(self._site, fault):
                        time.sleep(fault.lasts_seconds)
                except (NotStruckError, ProcessLookupError, StackError) as error:
                    problem = f"{type(error).__name__}: {error}"
                struck.append(Struck(number, fault.kind, began - started, time.monotonic() - began, problem))

        threads = [threading.Thread(target=strike, args=(fault,), name=fault.kind) for fault in faults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return struck
