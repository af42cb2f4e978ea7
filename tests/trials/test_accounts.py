"""A file or a warehouse belongs to one account: another account's key changes nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.fault_trials import code_of
from support.killed_command import DRIVER
from support.postgres import Server
from support.syncs import (
    EPOCH,
    Jobs,
    access,
    environment,
    expected,
    held,
    job,
    numbers,
    rows,
    sync_once,
)
from support.warehouse_syncs import CREDENTIALS, sync_to
from telnyx_jobs.checks.verify import verify
from telnyx_jobs.demo_api import FakeApi, serve
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import TelnyxJobsError
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.dry_run import Plan, plan
from telnyx_jobs.settings import Scope, Settings

EACH_TEST_IS_A_TRIAL_OF = "accounts"
PAGE_SIZE = 2


def account(name: str, *ordinals: int) -> Jobs:
    """Jobs of one account, created at the hours of the ordinals."""
    return Jobs(
        job(n, id=f"{name}-{n}", phone_numbers=numbers(n), successful_operations=numbers(n))
        for n in ordinals
    )


MINE = account("mine", *range(10, 16))
THEIRS: dict[str, Jobs] = {
    "as old": account("theirs", *range(10, 16)),
    "newer": account("theirs", *range(20, 30)),
    "older": account("theirs", *range(3)),
    "without jobs": Jobs(),
}
SCOPES: dict[str, dict[str, Any]] = {
    "incremental": {},
    "full": {"full": True},
    "since": {"since": EPOCH},
    "one type": {"job_types": ("update_phone_numbers",)},
    "a job of theirs": {"job_ids": ("theirs-10",)},
    "a job of nobody": {"job_ids": ("nobody",)},
}


@contextmanager
def api_with(jobs: Jobs, key: str) -> Iterator[FakeApi]:
    """A server of an account's jobs, with a key of that account."""
    with serve(jobs.newest_first, key=key) as api:
        yield api


def plan_once(api: FakeApi, database: Path, **scope: Any) -> Plan:
    """The plan of one sync."""
    settings = Settings(database, api.url, api.key, Scope(**scope), PAGE_SIZE, max_retries=0)
    return plan(settings, destination_for(settings), nothing)


def failure_of(sync: Callable[..., object], *arguments: Any, **options: Any) -> Any:
    try:
        sync(*arguments, **options)
    except TelnyxJobsError as error:
        return error
    return None


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What a sync of my account publishes."""
    database = tmp_path_factory.mktemp("mine") / "jobs.duckdb"
    with api_with(MINE, "KEY_mine") as api:
        sync_once(api, database, page_size=PAGE_SIZE)
    return database.read_bytes()


@pytest.fixture
def database(published: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "jobs.duckdb"
    path.write_bytes(published)
    return path


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)
def test_another_accounts_key_changes_nothing(
    theirs: Jobs, scope: dict[str, Any], published: bytes, database: Path
) -> None:
    """Dry run and sync end with 78, say what to do, and leave the file byte for byte."""
    with api_with(theirs, "KEY_theirs") as api:
        planned = failure_of(plan_once, api, database, **scope)
        error = failure_of(sync_once, api, database, page_size=PAGE_SIZE, audit_pages=1, **scope)

    assert (code_of(error), "--same-account" in str(error)) == (78, True)
    assert (code_of(planned), str(planned)) == (78, str(error))
    assert database.read_bytes() == published


@pytest.mark.parametrize("scope", [{}, *({"job_ids": (i,)} for i in ("mine-10", "mine-99"))])
def test_a_dry_run_with_the_right_key_is_exact(scope: dict[str, Any], database: Path) -> None:
    """Whether jobs that are asked for exist or not, the dry run counts the sync's requests."""
    with api_with(MINE, "KEY_mine") as api:
        planned = plan_once(api, database, **scope)
        before = len(api.requests)
        sync_once(api, database, page_size=PAGE_SIZE, audit_pages=1, **scope)
        asked = len(api.requests) - before

    assert (planned.requests, planned.ends_early) == (asked, False)


@pytest.mark.parametrize("theirs", THEIRS.values(), ids=THEIRS)
def test_verify_refuses_another_accounts_key(theirs: Jobs, database: Path) -> None:
    """`verify` ends with 78 and the words of a sync, before it compares anything."""
    with api_with(theirs, "KEY_theirs") as api:
        settings = Settings(database, api.url, api.key, page_size=1, max_retries=0)
        error = failure_of(verify, settings, destination_for(settings), nothing)
        asked = len(api.requests)
        refused = failure_of(sync_once, api, database, page_size=PAGE_SIZE)

    assert (code_of(error), str(error)) == (78, str(refused))
    # the newest job, and three that are loaded
    assert asked == 1 + 3


def test_a_rotated_key_continues(database: Path) -> None:
    """A new key of the same account is accepted, and costs no further request."""
    changed = Jobs([*MINE, *account("mine", 20)])
    asked = []
    for key in ("KEY_mine", "KEY_rotated"):
        with api_with(changed, key) as api:
            sync_once(api, database, page_size=50)
            asked.append(len(api.requests))

    assert asked == [1, 1]
    assert held(database) == expected(changed)


def test_an_account_whose_jobs_are_all_deleted(published: bytes, database: Path) -> None:
    """It is refused with 78, and `--same-account` loads the new jobs beside the missing ones."""
    new = account("mine", 30)
    with api_with(new, "KEY_mine") as api:
        refused = failure_of(sync_once, api, database, page_size=PAGE_SIZE)
        is_whole = database.read_bytes() == published
        sync_once(api, database, page_size=PAGE_SIZE, full=True, same_account=True)

    missing = rows(database, "select id from telnyx_raw.jobs where missing_since is not null")
    assert (code_of(refused), is_whole) == (78, True)
    assert held(database) == expected([*MINE, *new])
    assert sorted(missing) == [(each["id"],) for each in MINE]


def killed_first_sync(folder: Path, jobs: Jobs) -> None:
    """A first sync that has read every page of my account, and is killed before it publishes."""
    step = "telnyx_jobs.destinations.duckdb_file:DuckDBFile.finish:before:1"
    options = ("--quiet", "--database", "jobs.duckdb", "--page-size", str(PAGE_SIZE))
    with api_with(jobs, "KEY_mine") as api:
        done = subprocess.run(
            [sys.executable, "-c", DRIVER, step, "sync", *options],
            cwd=folder,
            env=environment(folder) | access(api),
            check=False,
        )
    assert done.returncode == -signal.SIGKILL
    assert list((folder / ".jobs.duckdb.state" / "spool").glob("*.json"))


@pytest.mark.parametrize(
    ("key", "jobs"),
    [
        *(("KEY_theirs", theirs) for theirs in THEIRS.values()),
        ("KEY_mine", MINE),
        ("KEY_rotated", MINE),
    ],
    ids=[*THEIRS, "mine", "mine, with another key"],
)
def test_pages_of_a_killed_first_sync_stay_with_their_account(
    key: str, jobs: Jobs, tmp_path: Path
) -> None:
    """The next sync publishes exactly the jobs of its own account."""
    killed_first_sync(tmp_path, MINE)
    database = tmp_path / "jobs.duckdb"
    with api_with(jobs, key) as api:
        sync_once(api, database, page_size=PAGE_SIZE)

    assert held(database) == expected(jobs)


@pytest.fixture(scope="module")
def my_warehouse(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database that a sync of my account has filled, which further syncs go into."""
    name = postgres.new_database()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CREDENTIALS, postgres.url(name))
        with api_with(MINE, "KEY_mine") as api:
            sync_to(api, tmp_path_factory.mktemp("mine"))
        yield name


@pytest.mark.parametrize("scope", SCOPES.values(), ids=SCOPES)
def test_another_accounts_key_changes_no_warehouse(
    scope: dict[str, Any], my_warehouse: str, postgres: Server, tmp_path: Path
) -> None:
    """A PostgreSQL database refuses another account likewise, and no row changes."""

    def stored() -> list[list[tuple[Any, ...]]]:
        tables = ("jobs", "job_operations", "job_observations", "sync_runs")
        return [
            postgres.rows(my_warehouse, f"select t::text from telnyx_raw.{table} t order by 1")
            for table in tables
        ]

    before = stored()
    with api_with(THEIRS["newer"], "KEY_theirs") as api:
        error = failure_of(sync_to, api, tmp_path, scope=Scope(**scope))

    assert (code_of(error), len(before[0])) == (78, len(MINE))
    assert stored() == before
