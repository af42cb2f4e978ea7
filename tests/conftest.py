"""Settings of all tests, and the figures that some of them tell when all are done."""

from typing import Any

import pytest
from hypothesis import settings

from support import TALLIES, tally

# the same examples at each run: a red test is a change, not bad luck
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process hands its figures over."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tallies"] = {k: dict(v) for k, v in TALLIES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the figures of a worker process."""
    for kind, counts in getattr(node, "workeroutput", {}).get("tallies", {}).items():
        tally(kind, **counts)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line for each kind of trial: how many there were, and how many were lost."""
    if not TALLIES:
        return
    terminalreporter.section("trials")
    width = max(map(len, TALLIES))
    for kind, counts in sorted(TALLIES.items()):
        terminalreporter.write_line(
            f"{kind:<{width}}  {counts['tried']:>6,} tried  {counts['lost']:>4,} lost"
        )
