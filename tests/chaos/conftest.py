"""Options of chaos runs, and the table at their end."""

from pathlib import Path

import pytest

from tests.integration.conftest import line as line
from tests.integration.conftest import line_stack as line_stack
from tests.integration.line import ROOT

LINES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos")
    group.addoption("--seed", type=int, default=1, help="what is sent and what is broken follows from it")
    group.addoption("--rounds", type=int, default=5, help="twelve faults a round")
    group.addoption(
        "--compared", action="store_true", help="compare runs with one another: near-duplicates, windows, patterns"
    )
    group.addoption(
        "--evidence", type=Path, default=ROOT / ".tdc" / "chaos", help="directory of plans, reports and logs"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for row in config.stash.get(LINES, []):
        terminalreporter.write_line(row)
