"""Pruning old jobs: what goes, what stays, and that later syncs bring nothing back."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.removals import traces_of
from support.syncs import (
    EPOCH,
    Jobs,
    Published,
    api_of,
    complaint,
    error,
    failure,
    job,
    numbers,
    rows,
    run,
    sync_once,
    tables,
)
from telnyx_jobs.checks.verify import verify
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.prune import prune as run_prune
from telnyx_jobs.settings import Settings

BEFORE = datetime(2026, 1, 1, 10, tzinfo=UTC)
"""Job 10 of the tests is created at this time."""


def account() -> Jobs:
    """Twenty finished jobs, one an hour; the third is open, the fourth cannot be loaded."""
    jobs = Jobs(
        job(
            n,
            phone_numbers=numbers(n),
            failed_operations=[failure(n, error("1", "/x"))],
            parameters={"note": f"of job {n}"},
        )
        for n in range(20)
    )
    jobs[3] |= {"status": "pending", "failed_operations": [], "pending_operations": numbers(3)}
    jobs[4] |= {"type": 4}
    return jobs


def published(publish: Published, folder: Path) -> Path:
    """The published file of the account, in this folder."""
    with api_of(account()) as api:
        publish(api, account(), folder / "jobs.duckdb")
    return folder / "jobs.duckdb"


@pytest.fixture
def synced(publish: Published, tmp_path: Path) -> Path:
    """The published file of the account."""
    return published(publish, tmp_path)


@pytest.fixture(scope="module")
def pruned_once(publish: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that file, pruned; to be copied."""
    database = published(publish, tmp_path_factory.mktemp("pruned"))
    prune(database)
    return database.parent


@pytest.fixture
def pruned(pruned_once: Path, tmp_path: Path) -> Path:
    """The published file of the account, pruned."""
    shutil.copytree(pruned_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "jobs.duckdb"


def prune(database: Path, before: datetime = BEFORE) -> dict[str, Any]:
    settings = Settings(database)
    return run_prune(settings, destination_for(settings), before).as_json()


def held(database: Path) -> list[str]:
    return [job_id for (job_id,) in rows(database, "select id from telnyx_raw.jobs order by id")]


def verified(api: Any, database: Path) -> tuple[list[Any], list[str]]:
    settings = Settings(database, base_url=api.url, api_key=api.key, max_retries=0, page_size=1)
    found = verify(settings, destination_for(settings), nothing)
    return found.differences, found.changed


KEPT = ["job-00003", *(f"job-{n:05}" for n in range(10, 20))]


def test_old_finished_jobs_go_with_everything(synced: Path) -> None:
    """Jobs created before the date go, with children, observations and rejected records."""
    done = prune(synced)

    assert held(synced) == KEPT
    assert done["rows"] == {
        "jobs": 8,
        "job_phone_numbers": 8,
        "job_operations": 8,
        "job_operation_errors": 8,
        "job_parameters": 8,
        "job_observations": 8,
        "rejected_records": 1,
    }
    for table, found in tables(synced).items():
        assert {row[0] for row in found} == (
            set() if table == "rejected_records" else set(KEPT)
        ) - ({"job-00003"} if table == "job_operation_errors" else set()), table
    assert traces_of(synced, "of job 7", "15550000007", "job-00007") == []


def test_they_are_not_loaded_again(pruned: Path) -> None:
    """Neither a sync, a full one, one by id nor audit pages bring a pruned job back."""
    database = pruned
    after = tables(database)
    with api_of(account()) as api:
        # seven pages hold all jobs of the account
        audited = {"audit_pages": 8}
        for options in (audited, {"full": True}, {"job_ids": ("job-00007", "job-00004")}):
            summary = sync_once(api, database, page_size=3, **options)
            assert (summary.jobs_changed, summary.missing_jobs) == (0, 0)
            assert (summary.rejected_records, summary.unknown_job_ids) == (0, [])
        assert tables(database) == after
        assert verified(api, database) == ([], [])


def test_a_full_sync_does_not_read_them(pruned: Path) -> None:
    """A full sync reads the list down to the date, and asks for the open job by its id."""
    with api_of(account()) as api:
        summary = sync_once(api, pruned, page_size=2, full=True)

    # ten jobs since the date, and one page more to see that it is reached
    assert (summary.pages, summary.jobs_retrieved) == (6, 1)


def test_audit_pages_reach_every_job_left(pruned: Path) -> None:
    """Within a few syncs the audit reads each remaining job, so that a change is found."""
    jobs = account()
    for n in range(10, 20):
        jobs[n]["parameters"] = {"note": "changed"}
    with api_of(jobs) as api:
        changed = sum(
            sync_once(api, pruned, page_size=2, audit_pages=2).jobs_changed for _ in range(3)
        )

    assert changed == 10


def test_an_open_job_is_kept_and_updated(pruned: Path) -> None:
    """A job that was open stays, also once it has finished; the next prune removes it."""
    database, jobs = pruned, account()
    with api_of(jobs) as api:
        jobs[3] |= {"status": "completed", "pending_operations": []}
        jobs[3] |= {"successful_operations": numbers(3)}
        assert sync_once(api, database).jobs_changed == 1
        assert rows(database, "select status from telnyx_raw.jobs where id = 'job-00003'") == [
            ("completed",)
        ]
        assert verified(api, database) == ([], [])
        prune(database)
        sync_once(api, database, full=True)
        assert held(database) == KEPT[1:]
        assert verified(api, database) == ([], [])


def test_new_jobs_are_loaded_as_before(pruned: Path) -> None:
    """Later jobs are loaded, and `verify` distinguishes new jobs from missing ones."""
    jobs = account()
    with api_of(jobs) as api:
        jobs += [job(n) for n in range(20, 26)]
        assert verified(api, pruned) == ([], ["job-00025"])
        assert sync_once(api, pruned).jobs_changed == 6
        del jobs[15]
        (lost,), _ = verified(api, pruned)
        assert lost.subject in ("all jobs", "job-00015")


def test_an_emptied_file_still_belongs_to_its_account(tmp_path: Path) -> None:
    """Once every job is pruned, another account's key is refused, and the own key is not."""
    database = tmp_path / "jobs.duckdb"
    others = Jobs(job(n, id=f"other-{n}") for n in range(3))
    later = datetime(2026, 2, 1, tzinfo=UTC)
    with api_of(account()[5:]) as api:
        sync_once(api, database)
        prune(database, later)
        prune(database, later)
        assert held(database) == []
        assert sync_once(api, database).jobs_changed == 0
        with api_of(others) as other, pytest.raises(BadConfiguration, match="another account"):
            sync_once(other, database)


def test_dates_only_grow(pruned: Path) -> None:
    """Pruning to an earlier date later brings nothing back."""
    assert prune(pruned, EPOCH)["jobs"] == 0
    with api_of(account()) as api:
        sync_once(api, pruned, full=True)

    assert held(pruned) == KEPT


def test_the_command(synced: Path, tmp_path: Path) -> None:
    """The command prints what it removed; a date in the future is 2, a missing file 78."""
    empty = tmp_path / "empty"
    empty.mkdir()
    options = ("--quiet", "--database", synced.name)
    missing = run(empty, "prune", "--before", "2026-01-01", *options)
    done = run(tmp_path, "prune", "--before", "2026-01-01T10:00:00Z", *options)
    future = run(tmp_path, "prune", "--before", "2999-01-01", *options)

    assert (missing.returncode, list(empty.iterdir())) == (78, [])
    assert "does not exist yet: run sync first" in complaint(missing)
    assert (done.returncode, done.stderr, future.returncode) == (0, "", 2)
    assert done.stdout.splitlines()[0] == (
        "Removed 8 finished jobs created before 2026-01-01 10:00 UTC from jobs.duckdb"
    )
