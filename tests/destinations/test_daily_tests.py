"""When a sync tests the whole file, and when only what it has changed."""

import shutil
from pathlib import Path

import duckdb
import pytest

from support.syncs import Jobs, api_of, job, numbers, rows, sync_once
from telnyx_jobs.errors import Bug
from telnyx_jobs.run.summary import Summary

DAMAGE = "update telnyx_raw.job_operations set position = 7 where job_id = 'job-00001'"
"""A row with a wrong position, in a job that no sync changes; totals do not show it."""


def change_file(database: Path, *statements: str) -> None:
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        for sql in statements:
            connection.execute(sql)


def account() -> Jobs:
    return Jobs(
        job(number, phone_numbers=numbers(number), successful_operations=numbers(number))
        for number in (1, 2)
    )


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A folder with a damaged file, to be copied, and what a sync reported that did not see it."""
    folder = tmp_path_factory.mktemp("damaged")
    jobs = account()
    with api_of(jobs) as api:
        sync_once(api, folder / "jobs.duckdb")
        change_file(folder / "jobs.duckdb", DAMAGE)
        jobs[1]["status"] = "failed"
        return folder, sync_once(api, folder / "jobs.duckdb")


@pytest.mark.parametrize(
    "statement",
    [
        "update telnyx_raw.sync_runs set started_at = started_at - interval 1 day",
        "update telnyx_raw.sync_runs set version = '0.1.0'",
        "delete from telnyx_raw.job_phone_numbers where job_id = 'job-00001'",
    ],
    ids=["first of a day", "another version", "totals"],
)
def test_damage_elsewhere_is_found(
    statement: str, damaged: tuple[Path, Summary], tmp_path: Path
) -> None:
    """The first sync of a UTC day or of a version tests everything, any sync the totals."""
    folder, summary = damaged
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    database = tmp_path / "jobs.duckdb"
    change_file(database, statement)
    # the file has it as failed
    with api_of(account()) as api, pytest.raises(Bug):
        sync_once(api, database)

    assert summary.jobs_changed == 1
    assert rows(database, "select status from telnyx_raw.jobs where id = 'job-00002'") == [
        ("failed",)
    ]


def test_a_sync_without_changes_compares_the_totals(tmp_path: Path) -> None:
    """A sync that finds nothing new counts the rows of the file, and tests nothing else."""
    jobs = account()
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database)
        change_file(database, DAMAGE)
        sync_once(api, database)
        change_file(database, "delete from telnyx_raw.job_phone_numbers where job_id = 'job-00001'")

        with pytest.raises(Bug):
            sync_once(api, database)
