"""One round of a chaos run, small enough for every day."""

from pathlib import Path

import pytest

from ops.stack import UnavailableError
from tests.chaos.plan import Fault, Plan
from tests.chaos.rounds import ChaosRun
from tests.chaos.site import Site
from tests.integration.ports import free_port_base

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FAULTS = (
    Fault("kill assemble", 1.0, 0.2, 0.3),
    Fault("s3 lost", 2.0, 3.0, 0.6),
    Fault("cut redis", 3.0, 1.0, 1.0),
    Fault("kill supervisor", 4.5, 0.2, 0.3),
    Fault("flush redis", 6.0, 0.1, 1.0),
    Fault("rival sink", 6.5, 3.0, 1.0),
)


def test_one_round_of_faults_loses_and_doubles_nothing(tmp_path: Path) -> None:
    try:
        with Site(tmp_path, free_port_base()) as site:
            run = ChaosRun(site, Plan(1, (FAULTS,)), runs=24)
            report = run.run(tmp_path / "report.json", large=False)
    except UnavailableError as error:
        pytest.skip(f"no stack on this machine: {error}")
    assert not report.violations, report.violations
    assert report.struck().total() == len(FAULTS), report.rounds
    assert report.rounds[0].traces >= 24
