"""A sync into PostgreSQL, killed: readers find the old rows or the new ones, the next is exact."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.killed_command import DRIVER
from support.postgres import Server
from support.syncs import (
    Json,
    access,
    api_of,
    command,
    environment,
    error,
    failure,
    job,
    numbers,
    tally,
)
from support.warehouse_syncs import CREDENTIALS, sync_to
from telnyx_jobs.settings import Scope

WAREHOUSE = "telnyx_jobs.destinations.warehouse"
OPTIONS = ("--quiet", "--destination", "postgres", "--database", "jobs.duckdb", "--page-size", "2")
HELD = (
    "select id, status from telnyx_raw.jobs order by id",
    "select job_id, outcome, position from telnyx_raw.job_operations order by 1, 2, 3",
    "select job_id, count(*) from telnyx_raw.job_observations group by job_id order by job_id",
)
STATUSES = {"pending": "pending", "successful": "completed", "failed": "failed"}


def _job(number: int, outcome: str) -> Json:
    done = failure(number, error(str(number), "/p")) if outcome == "failed" else numbers(number)[0]
    operations = {f"{outcome}_operations": [done], "status": STATUSES[outcome]}
    return job(number, phone_numbers=numbers(number), **operations)


BEFORE = [_job(5, "failed"), _job(4, "pending"), _job(3, "successful"), _job(1, "pending")]
"""Newest first; the last one is open and beyond the pages that the next sync reads."""
NOW = [_job(6, "successful"), *BEFORE[:1], _job(4, "successful"), BEFORE[2], _job(1, "failed")]


def _held(server: Server, database: str) -> list[list[Any]]:
    return [server.rows(database, sql) for sql in HELD]


def _told(jobs: list[Json], seen: dict[str, int]) -> list[list[Any]]:
    operations = [
        (job["id"], outcome, 0)
        for job in jobs
        for outcome in STATUSES
        if job[f"{outcome}_operations"]
    ]
    statuses = [(job["id"], job["status"]) for job in jobs]
    return [sorted(statuses), sorted(operations), sorted(seen.items())]


OLD = _told(BEFORE, {job["id"]: 1 for job in BEFORE})
NEW = _told(NOW, {job["id"]: 1 + (job["id"] in ("job-00001", "job-00004")) for job in NOW})


@pytest.fixture(scope="module")
def loaded(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that holds what the API said before."""
    name = postgres.new_database()
    with pytest.MonkeyPatch.context() as patch, api_of(BEFORE) as api:
        patch.setenv(CREDENTIALS, postgres.url(name))
        sync_to(api, tmp_path_factory.mktemp("loaded"))
    return name


@pytest.fixture
def database(loaded: str, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of it, the destination of syncs of this process."""
    name = postgres.new_database(loaded)
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


@contextmanager
def _running(folder: Path, api: Any, url: str, program: list[str]) -> Iterator[Any]:
    process = subprocess.Popen(
        program,
        cwd=folder,
        env=environment(folder) | access(api) | {CREDENTIALS: url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


STEPS = {
    "staging, first table": ("dlt.load.load:Load.w_run_job", "before", 1),
    "staging, some tables": ("dlt.load.load:Load.w_run_job", "after", 4),
    "staged, not recorded": ("dlt.load.load:Load.complete_package", "before", 1),
    "staged whole": ("dlt.load.load:Load.complete_package", "after", 1),
    "taking over, some tables": (
        f"{WAREHOUSE}:Warehouse._taking_over",
        "before",
        3,
    ),
    "taken over, not tested": (
        f"{WAREHOUSE}:Warehouse.failed_tests",
        "before",
        1,
    ),
    "the run's row": (f"{WAREHOUSE}:Warehouse._insert_run", "after", 1),
    "commit": (f"{WAREHOUSE}:Warehouse.publish", "before", 1),
    "committed": (f"{WAREHOUSE}:Warehouse.publish", "after", 1),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_a_step_is_made_good(
    step: str, database: str, postgres: Server, tmp_path: Path
) -> None:
    """Killed at a step, a sync changed all or nothing; the next is exact, each version once."""
    function, is_after, count = STEPS[step]
    program = [sys.executable, "-c", DRIVER, f"{function}:{is_after}:{count}", "sync", *OPTIONS]
    with api_of(NOW) as api:
        with _running(tmp_path, api, postgres.url(database), program) as process:
            assert process.wait(60) == -signal.SIGKILL
        between = _held(postgres, database)
        sync_to(api, tmp_path)
    after = _held(postgres, database)

    is_exact = (between, after) == (NEW if step == "committed" else OLD, NEW)
    tally("kills with a warehouse", lost=not is_exact)
    assert is_exact


def test_a_lost_machine_is_made_good(database: str, postgres: Server, tmp_path: Path) -> None:
    """What a killed run staged is taken over without its folder, even if the API lost it."""
    program = [
        sys.executable,
        "-c",
        DRIVER,
        f"{WAREHOUSE}:Warehouse.finish:before:1",
    ]
    with (
        api_of(NOW) as api,
        _running(tmp_path, api, postgres.url(database), [*program, "sync", *OPTIONS]) as process,
    ):
        assert process.wait(60) == -signal.SIGKILL
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with api_of([]) as api:
        summary = sync_to(api, elsewhere, scope=Scope(same_account=True))

    assert _held(postgres, database) == NEW
    # this run reports it, because no other did
    assert summary.new_failures == [{"error_code": "1", "error_pointer_pattern": "/p"}]


def test_kills_at_any_moment(database: str, postgres: Server, tmp_path: Path) -> None:
    """Killed at random moments, one after another, syncs change all or nothing each time."""
    chance, lost, trials = random.Random(2026), 0, 40 if os.environ.get("TELNYX_JOBS_LONG") else 4
    url = postgres.url(database)
    for _ in range(trials):
        with api_of(NOW) as api, _running(tmp_path, api, url, command("sync", *OPTIONS)) as process:
            # a random moment: no condition to wait for
            time.sleep(chance.uniform(0.6, 2.5))
            process.kill()
        lost += _held(postgres, database) not in (OLD, NEW)
    with api_of(NOW) as api:
        sync_to(api, tmp_path)
    lost += _held(postgres, database) != NEW

    tally("kills with a warehouse", tried=trials, lost=lost)
    assert lost == 0
