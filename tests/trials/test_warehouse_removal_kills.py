"""`forget` and `prune` in PostgreSQL, killed: done or not done, and a second run finishes."""

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.killed_command import DRIVER
from support.postgres import Server
from support.removals import ID, NUMBER, jobs_with_the_number
from support.syncs import api_of, environment, tally
from support.warehouse_syncs import CREDENTIALS, settings_for, sync_to
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.run.forget import forget
from telnyx_jobs.run.prune import prune
from telnyx_jobs.schema import RAW_SCHEMA, TABLES

BEFORE = datetime(2026, 1, 1, 3, tzinfo=UTC)
OPTIONS = ("--quiet", "--destination", "postgres", "--database", "jobs.duckdb")
WAREHOUSE = "telnyx_jobs.destinations.warehouse:Warehouse"
CONNECTION = "telnyx_jobs.destinations.connection:Connection"
FORGET_STEPS = {
    "the rows": ("telnyx_jobs.run.forget:update", "after", 3),
    "the commit": (f"{WAREHOUSE}._commit", "before", 1),
    "committed": (f"{WAREHOUSE}._commit", "after", 1),
    "the vacuum": (f"{CONNECTION}.vacuum", "after", 1),
}
PRUNE_STEPS = {
    "the commit": (f"{WAREHOUSE}._commit", "before", 1),
    "committed": (f"{WAREHOUSE}._commit", "after", 1),
}
DONE = {"committed", "the vacuum"}
"""Steps after which the change stands."""
LOSING = """
import os, sys
import psycopg2
from importlib import import_module

module_name, path, is_after, count = sys.argv.pop(1).split(":")
module = import_module(module_name)
*owners, name = path.split(".")
owner = module
for each in owners:
    owner = getattr(owner, each)
real, calls = getattr(owner, name), []

def cut():
    with psycopg2.connect(os.environ["CREDENTIALS_TO_CUT"]) as connection:
        connection.cursor().execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )

def losing(*arguments, **options):
    calls.append(1)
    is_time = len(calls) == int(count)
    if is_time and is_after == "before":
        cut()
    result = real(*arguments, **options)
    if is_time and is_after == "after":
        cut()
    return result

setattr(owner, name, losing)
from telnyx_jobs.cli import commands
commands.main()
"""
"""The command, whose connections the server ends at a step of its work."""


@pytest.fixture(scope="module")
def loaded(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a number in rows, texts, parameters and a rejected record."""
    name = postgres.new_database()
    with pytest.MonkeyPatch.context() as patch, api_of(jobs_with_the_number(6)) as api:
        patch.setenv(CREDENTIALS, postgres.url(name))
        sync_to(api, tmp_path_factory.mktemp("loaded"))
    return name


@pytest.fixture
def database(loaded: str, postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of it, the destination of this process."""
    name = postgres.new_database(loaded)
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


def _ended(
    driver: str, step: tuple[str, str, int], folder: Path, url: str, *command: str
) -> subprocess.CompletedProcess[str]:
    """The command, ended at a step."""
    function, is_after, count = step
    return subprocess.run(
        [sys.executable, "-c", driver, f"{function}:{is_after}:{count}", *command, *OPTIONS],
        cwd=folder,
        env=environment(folder) | {CREDENTIALS: url, "CREDENTIALS_TO_CUT": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def _stored(server: Server, database: str) -> dict[str, list[str]]:
    """Every row of every table as text."""
    return {
        table.name: [
            text
            for (text,) in server.rows(
                database, f"select t::text from {RAW_SCHEMA}.{table.name} t order by 1"
            )
        ]
        for table in TABLES
    }


def _holding(server: Server, database: str, *texts: str) -> int:
    stored = _stored(server, database)
    return sum(any(text in row for text in texts) for rows in stored.values() for row in rows)


def _counts(server: Server, database: str) -> list[int]:
    return [len(rows) for name, rows in _stored(server, database).items() if name != "removals"]


@pytest.mark.parametrize(
    ("driver", "step"),
    [
        *((DRIVER, step) for step in FORGET_STEPS),
        *((LOSING, step) for step in ("the rows", "committed")),
    ],
    ids=[*FORGET_STEPS, "connection lost in the rows", "connection lost, committed"],
)
def test_forget_is_done_or_not_done(
    step: str, driver: str, database: str, postgres: Server, tmp_path: Path
) -> None:
    """Ended at a step, no row has the number, or each is as it was; a second run finishes."""
    before, counts = _stored(postgres, database), _counts(postgres, database)
    url, asked = postgres.url(database), ("forget", "--phone-number", NUMBER)
    ended = _ended(driver, FORGET_STEPS[step], tmp_path, url, *asked)
    is_done = _holding(postgres, database, "5550004711", ID) == 0
    is_right = is_done if step in DONE else _stored(postgres, database) == before
    settings = settings_for(api_of_nobody, tmp_path, "postgres")
    again = forget(settings, destination_for(settings), [NUMBER], [])

    held_true = [
        is_right,
        _has_ended(ended, driver),
        again.found == (0 if is_done else 1),
        _holding(postgres, database, "5550004711", ID) == 0,
        _counts(postgres, database) == counts,
        _tests_pass(tmp_path),
    ]
    tally("kills of forget and prune", lost=not all(held_true))
    assert all(held_true), (held_true, ended.returncode, ended.stderr)


@pytest.mark.parametrize(
    ("driver", "step"),
    [*((DRIVER, step) for step in PRUNE_STEPS), (LOSING, "the commit")],
    ids=[*PRUNE_STEPS, "connection lost before the commit"],
)
def test_prune_is_done_or_not_done(
    step: str, driver: str, database: str, postgres: Server, tmp_path: Path
) -> None:
    """Ended at a step, the old jobs are gone with everything, or each row is as it was."""
    before = _stored(postgres, database)
    url, asked = postgres.url(database), ("prune", "--before", f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}")
    ended = _ended(driver, PRUNE_STEPS[step], tmp_path, url, *asked)
    is_done = _holding(postgres, database, "of job 1") == 0
    is_right = is_done if step in DONE else _stored(postgres, database) == before
    settings = settings_for(api_of_nobody, tmp_path, "postgres")
    again = prune(settings, destination_for(settings), BEFORE)

    held_true = [
        is_right,
        _has_ended(ended, driver),
        again.jobs == (0 if is_done else 3),
        _holding(postgres, database, "of job 0", "of job 1", "of job 2") == 0,
        len(_stored(postgres, database)["jobs"]) == 3,
        _tests_pass(tmp_path),
    ]
    tally("kills of forget and prune", lost=not all(held_true))
    assert all(held_true), (held_true, ended.returncode, ended.stderr)


class _Nobody:
    """An API that is never asked."""

    url, key = "http://127.0.0.1:9/v2", "KEY_of_nobody"


api_of_nobody = _Nobody()


def _has_ended(ended: subprocess.CompletedProcess[str], driver: str) -> bool:
    """Whether the process died at the step, or reported in a line that the server has gone."""
    if driver is DRIVER:
        return ended.returncode == -signal.SIGKILL
    return ended.returncode == 74 and "Traceback" not in ended.stderr


def _tests_pass(folder: Path) -> bool:
    """Whether the data tests find nothing."""
    settings = settings_for(api_of_nobody, folder, "postgres")
    with destination_for(settings).reading() as reader:
        return reader is not None and not any(reader.failed_tests().values())
