"""Index of near-duplicates in memory: for tests and simulations; the same contract suite runs on it and on Redis."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from streams.core.near_duplicates.records import (
    ESTIMATE_MARGIN,
    Candidate,
    Claim,
    Rules,
    Twin,
    Withdrawal,
    estimate,
)
from streams.state.near_duplicates import MAX_COMPARED, bands_of, key_of
from streams.state.port import StateFull


@dataclass(frozen=True)
class _Known:
    """A trace that was answered; without an answer it was withdrawn."""

    revision: int
    candidate: Candidate | None
    claim: Claim | None
    heir: str | None = None
    """Who stands for it now."""

    @property
    def live(self) -> bool:
        return self.claim is not None and self.claim.accepted


@dataclass
class _Window:
    started: int = 0
    count: int = 0
    known: dict[str, _Known] = field(default_factory=dict)
    bands: dict[tuple[int, bytes], list[str]] = field(default_factory=lambda: defaultdict(list))
    scenarios: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, Twin] = field(default_factory=dict)


@dataclass
class _Exact:
    started: int = 0
    count: int = 0
    traces: dict[bytes, str] = field(default_factory=dict)


class MemoryNearDuplicates:
    """The index in dictionaries."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.full = False
        """Behave as Redis does at `maxmemory`."""
        self.flush()

    def flush(self) -> None:
        """Forget everything."""
        self._now: _Window | None = None
        self._before = _Window()
        self._exact: _Exact | None = None
        self._exact_before = _Exact()

    async def claim(self, asked: Sequence[Candidate | Withdrawal]) -> list[Claim]:
        if self.full:
            raise StateFull("no memory left")
        found: list[Claim] = []
        for one in asked:
            if isinstance(one, Candidate):
                found.append(self._claim(one))
            else:
                self._withdraw(one)
        return found

    def _withdraw(self, gone: Withdrawal) -> None:
        known, _ = self._find(gone.trace_id)
        if known is None or (known.revision, known.claim is None) > (gone.revision, False):
            return
        window, _ = self._rotate(gone.closed_ms)
        known, where = self._find(gone.trace_id)
        if known is None:
            return
        self._forget(gone.trace_id)
        if where is not window:
            window.count += 1
        window.known[gone.trace_id] = _Known(gone.revision, None, None)
        self._before.known.pop(gone.trace_id, None)

    def _rotate(self, now_ms: int) -> tuple[_Window, _Exact]:
        """The windows that what happened at this time is stored in."""
        rules = self.rules
        window = self._now
        if window is None:
            window = _Window(now_ms)
        elif now_ms >= window.started + rules.window_ms or window.count >= rules.max_docs_per_window:
            silent = now_ms >= window.started + 2 * rules.window_ms
            self._before = _Window() if silent else window
            window = _Window(now_ms)
        exact = self._exact
        if exact is None:
            exact = _Exact(now_ms)
        elif now_ms >= exact.started + rules.exact_window_ms or exact.count >= rules.max_exact_per_window:
            silent = now_ms >= exact.started + 2 * rules.exact_window_ms
            self._exact_before = _Exact() if silent else exact
            exact = _Exact(now_ms)
        self._now, self._exact = window, exact
        return window, exact

    def _windows(self) -> list[_Window]:
        return [self._now, self._before] if self._now else []

    def _find(self, trace_id: str) -> tuple[_Known | None, _Window | None]:
        for window in self._windows():
            if trace_id in window.known:
                return window.known[trace_id], window
        return None, None

    def _forget(self, trace_id: str) -> None:
        known, where = self._find(trace_id)
        if not known or not where or not known.live or not known.candidate or not known.claim:
            return
        for exact in (self._exact, self._exact_before):
            if exact and exact.traces.get(known.candidate.fingerprint.exact) == trace_id:
                del exact.traces[known.candidate.fingerprint.exact]
        if known.claim.supersedes is None:
            where.scenarios[known.candidate.scenario] -= 1
        task = known.candidate.task_key
        for window in self._windows():
            if task and task in window.tasks and window.tasks[task].trace_id == trace_id:
                del window.tasks[task]

    def _claim(self, candidate: Candidate) -> Claim:
        name = candidate.trace_id
        known, where = self._find(name)
        if known and known.claim and known.revision == candidate.revision:
            return known.claim
        if known and self._now and candidate.revision < known.revision:
            return self._judge(candidate, self._now)[0]
        window, exact = self._rotate(candidate.closed_ms)
        known, where = self._find(name)
        if known:
            self._forget(name)
        claim, replaced = self._judge(candidate, window)
        self._before.known.pop(name, None)
        if where is not window:
            window.count += 1
        if claim.accepted:
            if candidate.task_key:
                claim = structs.replace(claim, twin=self._slow_twin(candidate, candidate.task_key, window))
            if replaced and replaced != name:
                old, place = self._find(replaced)
                if old and place:
                    place.known[replaced] = replace(old, heir=name)
            if claim.supersedes is None:
                window.scenarios[candidate.scenario] += 1
            exact.traces[candidate.fingerprint.exact] = name
            exact.count += 1
            for band in enumerate(bands_of(candidate)):
                window.bands[band].append(name)
        window.known[name] = _Known(candidate.revision, candidate, claim)
        return claim

    def _exact_twin(self, candidate: Candidate) -> str | None:
        print_ = candidate.fingerprint
        for exact in (self._exact, self._exact_before):
            name = exact.traces.get(print_.exact) if exact else None
            if name is None or name == candidate.trace_id:
                continue
            known, _ = self._find(name)
            if known is None:
                return name
            if known.live and known.candidate and known.candidate.fingerprint.exact == print_.exact:
                return name
        return None

    def _near_twin(self, candidate: Candidate) -> tuple[str | None, float, float]:
        """The nearest one that it may be a duplicate of, their similarity, and the highest similarity to any."""
        hits = Counter(
            name
            for band in enumerate(bands_of(candidate))
            for window in self._windows()
            for name in window.bands.get(band, ())
        )
        best: tuple[float, str | None] = (-1.0, None)
        likest = 0.0
        for name in sorted(hits, key=lambda one: (-hits[one], key_of(one)))[:MAX_COMPARED]:
            known, _ = self._find(name)
            if name == candidate.trace_id or not known or not known.live or not known.candidate:
                continue
            theirs = known.candidate.fingerprint
            similarity = estimate(candidate.fingerprint.signature, theirs.signature)
            likest = max(likest, similarity)
            if (
                similarity >= self.rules.min_similarity - ESTIMATE_MARGIN
                and theirs.particulars == candidate.fingerprint.particulars
                and (similarity > best[0] or (similarity == best[0] and key_of(name) < key_of(best[1] or "")))
            ):
                best = (similarity, name)
        return best[1], best[0], likest

    def _judge(self, candidate: Candidate, window: _Window) -> tuple[Claim, str | None]:
        """The answer, and who gives up its place."""
        rules, own = self.rules, candidate.trace_id
        twin, similarity, likest = self._exact_twin(candidate), 1.0, 1.0
        if twin is None:
            twin, similarity, likest = self._near_twin(candidate)
        if twin is None:
            full = bool(rules.scenario_cap) and window.scenarios[candidate.scenario] >= rules.scenario_cap
            return Claim(own, 1 - likest, own, over_cap=full), None
        stands = twin
        for _ in range(64):
            known, _where = self._find(stands)
            heir = self._find(known.heir)[0] if known and known.heir and stands != own else None
            if not known or not known.heir or not heir or not heir.live:
                break
            stands = known.heir
        theirs = self._find(twin)[0]
        exact = similarity == 1 and (
            theirs is None
            or theirs.candidate is None
            or theirs.candidate.fingerprint.exact == candidate.fingerprint.exact
        )
        standing = self._find(stands)[0]
        better = (
            rules.keep == "better"
            and standing is not None
            and standing.candidate is not None
            and candidate.quality_score >= standing.candidate.quality_score + rules.better_by
        )
        if stands == own or better:
            replaced = twin if stands == own else stands
            return Claim(own, 1 - likest, own, None, similarity, exact, supersedes=replaced), replaced
        return Claim(own, 1 - likest, stands, twin, similarity, exact), None

    def _slow_twin(self, candidate: Candidate, task: str, window: _Window) -> Twin | None:
        slowest = window.tasks.get(task) or self._before.tasks.get(task)
        if slowest and slowest.trace_id == candidate.trace_id:
            slowest = None
        if slowest is None or slowest.summary.duration_seconds < candidate.summary.duration_seconds:
            window.tasks[task] = Twin(candidate.trace_id, candidate.revision, candidate.summary)
        else:
            window.tasks[task] = slowest
        return slowest
