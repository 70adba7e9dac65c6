"""Print what the tests of each area took beside what they may take, and the slowest tests.

The budget is in budget.toml. It is looked at and not asserted: how long a test takes says as much about the
machine as about the test.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("budget.toml")
SLOWEST = 10

#: Of each test, with its fixtures.
_seconds: dict[str, float] = defaultdict(float)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _seconds[report.nodeid] += report.duration


def area(nodeid: str) -> str:
    """The folder below tests/ that a test is in."""
    folder = nodeid.partition("::")[0].removeprefix("tests/").partition("/")
    return folder[0] if folder[1] else "platform"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if len(_seconds) < 100:
        return  # A few tests of somebody's own choice.
    command = "slow" if config.option.markexpr == "slow" else "quick"
    budget = tomllib.loads(FILE.read_text())[command]
    took: dict[str, float] = defaultdict(float)
    for nodeid, seconds in _seconds.items():
        took[area(nodeid)] += seconds
    terminalreporter.section("seconds by area, of those in tests/budget.toml")
    for name in sorted({*took, *budget}):
        over = "  over budget" if took[name] > budget.get(name, 0) else ""
        terminalreporter.line(f"{name:12} {took[name]:7.1f} of {budget.get(name, 0):4d}{over}")
    terminalreporter.line(f"{'in all':12} {sum(took.values()):7.1f} of {sum(budget.values()):4d}")
    terminalreporter.section(f"slowest {SLOWEST} tests")
    for nodeid, seconds in sorted(_seconds.items(), key=lambda item: -item[1])[:SLOWEST]:
        terminalreporter.line(f"{seconds:7.1f} s  {nodeid}")
