"""The long run: `make chaos SEED=n ROUNDS=n`."""

import shutil
import sys
from pathlib import Path

import pytest

from ops.stack import UnavailableError
from streams.app import DEFAULT_POLICY
from tests.chaos.conftest import LINES
from tests.chaos.plan import draw
from tests.chaos.rounds import ChaosRun
from tests.chaos.site import Site
from tests.integration.line import ALONE
from tests.integration.ports import free_port_base


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_nothing_is_lost_or_doubled_whatever_breaks(
    pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = DEFAULT_POLICY if pytestconfig.getoption("--compared") else ALONE
    seed, rounds = pytestconfig.getoption("--seed"), pytestconfig.getoption("--rounds")
    place: Path = pytestconfig.getoption("--evidence") / f"seed-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    plan = draw(seed, rounds)
    plan.store(place / "plan.json")

    def say(line: str) -> None:
        with capfd.disabled():
            print(line, file=sys.stderr, flush=True)

    say(f"\nseed {seed}: {plan.counts().total()} faults in {rounds} rounds, written to {place / 'plan.json'}")
    try:
        with Site(place, free_port_base(), policy) as site:
            report = ChaosRun(site, plan, say=say).run(place / "report.json")
    except UnavailableError as error:
        pytest.skip(f"no stack on this machine: {error}")
    pytestconfig.stash[LINES] = [*report.table(), f"report: {place / 'report.json'}"]
    assert not report.violations, f"seed {seed}; evidence in {place}\n" + "\n".join(report.violations)
