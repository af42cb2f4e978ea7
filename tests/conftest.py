"""Settings of all tests, and the figures that some of them print when all are done."""

import shutil
import ssl
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings

from support.fault_trials import BEFORE, failure_of
from support.faulty_api import FaultyApi
from support.postgres import MISSING, NEEDED, Server, server_folder, serving
from support.syncs import TALLIES, Published, tally
from telnyx_jobs.api import rate_limit

TESTS = Path(__file__).parent

# the same examples at each run: a red test means a change, not bad luck;
# without the phase that explains a failure: it traces each line of each example, in twice the time
PHASES = [phase for phase in Phase if phase is not Phase.explain]
settings.register_profile("same", derandomize=True, deadline=None, phases=PHASES)
settings.load_profile("same")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for all tests of a process."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def empty_account(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with empty raw tables and the views over them."""
    # imported above, it would keep types of DuckDB, and its binding warns about them at the end if
    # hypothesis keeps them too
    from support.raw_account import open_account

    path = tmp_path_factory.mktemp("empty") / "account.duckdb"
    open_account(path).close()
    return path


@pytest.fixture
def con(empty_account: Path, tmp_path: Path) -> Iterator[Any]:
    """An empty account, copied: making it takes longer than most tests of a view."""
    from support.raw_account import connection_to

    path = tmp_path / empty_account.name
    shutil.copy(empty_account, path)
    with connection_to(path) as connection:
        yield connection


@pytest.fixture(scope="session")
def twelve_jobs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that a sync of twelve jobs has published, the oldest of them open; to be copied."""
    path = tmp_path_factory.mktemp("published") / "jobs.duckdb"
    with FaultyApi(BEFORE) as api:
        assert failure_of(api, path) is None
    return path


@pytest.fixture(scope="session")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """Publishes a file that a sync would, in the time of a copy if it has been published before."""
    return Published(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def short_waits() -> Iterator[None]:
    """The client's own waits last a millisecond; those that the API asks for last as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rate_limit, "_FIRST_BACKOFF_SECONDS", 0.001)
        patch.setattr(rate_limit, "_LONGEST_BACKOFF_SECONDS", 0.001)
        # reading the certificates for each client would take longer than everything else
        patch.setattr(ssl, "create_default_context", cache(ssl.create_default_context))
        yield


QUICK = {"api", "demo_api", "test_portability.py"}


def _place(item: pytest.Item) -> int:
    """Puts quick tests, which share no file, in the middle.

    Two processes begin with a half each, of about the same time, and the first one to end takes
    over from the end of the other's: there are only quick tests, whose fixtures cost nothing again.
    """
    parts = item.path.relative_to(TESTS).parts
    return 1 if QUICK.intersection(parts) else 2 * (parts[0] > "export")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Orders the tests, and leaves out what needs a server that is missing and not required."""
    items.sort(key=_place)
    if NEEDED or server_folder():
        return
    left_out = [item for item in items if "postgres" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Counts each test of a module that names a kind of trial."""
    report = yield
    kind = getattr(item.module, "EACH_TEST_IS_A_TRIAL_OF", None)
    if kind and report.when == "call":
        tally(kind, lost=report.failed)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process hands over its figures."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tallies"] = {k: dict(v) for k, v in TALLIES.items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the figures of a worker process."""
    for kind, counts in getattr(node, "workeroutput", {}).get("tallies", {}).items():
        tally(kind, **counts)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was left out, and how many trials of each kind ran and were lost."""
    if not (NEEDED or server_folder()):
        terminalreporter.section("left out: the tests with a warehouse")
        terminalreporter.write_line(MISSING)
    if not TALLIES:
        return
    terminalreporter.section("trials")
    width = max(map(len, TALLIES))
    for kind, counts in sorted(TALLIES.items()):
        terminalreporter.write_line(
            f"{kind:<{width}}  {counts['tried']:>6,} tried  {counts['lost']:>4,} lost"
        )
