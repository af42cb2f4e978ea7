"""Whole syncs: a real HTTP server, dlt, and the rows of the published DuckDB file."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from support.syncs import (
    EPOCH,
    Jobs,
    api_of,
    error,
    failure,
    job,
    numbers,
    rows,
    sync_once,
    tables,
    text,
)
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import LOADED
from telnyx_jobs.views.files import view_texts


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def test_an_empty_account_has_every_table_and_view(database: Path) -> None:
    """Before the first job all tables and views exist, without rows."""
    with api_of([]) as api:
        summary = sync_once(api, database)

    assert list(tables(database).values()) == [[]] * len(LOADED)
    views = [
        name
        for (name,) in rows(
            database, "select view_name from duckdb_views() where schema_name = 'telnyx'"
        )
    ]
    counted = " union all ".join(f"select '{name}', count(*) from telnyx.{name}" for name in views)
    with_rows = {name for name, count in rows(database, counted) if count}
    assert set(views) == view_texts().keys()
    assert with_rows == {"data_dictionary", "sync_runs"}
    assert (summary.pages, summary.requests, summary.published) == (1, 1, True)


def test_a_second_sync_changes_no_table(database: Path) -> None:
    """If nothing changed at the API no row is written, no observation either."""
    jobs = [
        job(1, failed_operations=[failure(1, error("10015", "/a"))], created_by="x"),
        job(2, status="in_progress", pending_operations=numbers(1, 2)),
        {"id": "no times"},
        {"id": 7},
    ]
    with api_of(jobs) as api:
        sync_once(api, database)
        before = tables(database)
        summary = sync_once(api, database)

    assert tables(database) == before
    assert summary.jobs_changed == 0
    assert set(summary.rows.values()) == {0}


def test_a_changed_job_replaces_its_rows(database: Path) -> None:
    """A job that changed has its newest arrays and no row of the older ones, even if empty."""
    jobs = Jobs(
        [
            job(
                1,
                status="in_progress",
                phone_numbers=numbers(1, 2, 3),
                pending_operations=numbers(1, 2),
                failed_operations=[failure(3, error("1", "/a"), error("2", "/b"))],
            ),
            job(2, successful_operations=numbers(9)),
        ]
    )
    with api_of(jobs) as api:
        sync_once(api, database)
        jobs[0] |= {
            "status": "completed",
            "phone_numbers": [],
            "pending_operations": [],
            "successful_operations": numbers(2),
            "failed_operations": [failure(1)],
        }
        summary = sync_once(api, database)

    assert rows(
        database,
        "select job_id, outcome, position, phone_number_id from telnyx.job_operations order by all",
    ) == [
        ("job-00001", "failed", 0, "id-1"),
        ("job-00001", "successful", 0, "id-2"),
        ("job-00002", "successful", 0, "id-9"),
    ]
    assert rows(database, "select * from telnyx_raw.job_operation_errors") == []
    assert rows(database, "select * from telnyx_raw.job_phone_numbers") == []
    assert (summary.jobs_changed, summary.rows["job_operations"]) == (1, 2)


def test_each_change_is_observed_once(database: Path) -> None:
    """A job has one observation for each version that a sync saw."""
    jobs = Jobs([job(1, status="pending", pending_operations=numbers(1))])
    with api_of(jobs) as api:
        sync_once(api, database)
        jobs[0] |= {"status": "in_progress"}
        sync_once(api, database)
        jobs[0] |= {"status": "failed", "pending_operations": []}
        sync_once(api, database)

    assert rows(
        database,
        "select status, pending_operations_count from telnyx_raw.job_observations "
        "order by observed_at",
    ) == [("pending", 1), ("in_progress", 1), ("failed", 0)]
    assert rows(
        database,
        "select count(*) from telnyx_raw.jobs j join telnyx_raw.job_observations o "
        "on o.job_id = j.id and o.observed_at = j.observed_at",
    ) == [(1,)]


BAD = job(300, phone_numbers="all of them")
MOMENT = EPOCH + timedelta(milliseconds=123)


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """One sync of 249 jobs and a bad record, in pages of 50; a job is listed twice."""
    database = tmp_path_factory.mktemp("synced") / "jobs.duckdb"
    early = job(400, status="in_progress", pending_operations=numbers(1, 2))
    late = job(400, status="completed", successful_operations=numbers(1, 2))
    unknown = job(301, region="eu", successful_operations=[{"id": "1", "took": 3}])
    jobs = [early, BAD, unknown, job(302, etc=text(MOMENT)), *(job(n) for n in range(246)), late]
    with api_of(jobs) as api:
        return database, sync_once(api, database, page_size=50)


def test_one_bad_record_is_kept_aside_and_the_others_load(synced: tuple[Path, Summary]) -> None:
    """A record that cannot be read is kept with its reason; the rest of its page loads."""
    database, summary = synced

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(249,)]
    ((job_id, reason, record),) = rows(
        database, "select job_id, reason, record from telnyx_raw.rejected_records"
    )
    assert (job_id, json.loads(record)) == ("job-00300", BAD)
    assert "phone_numbers" in reason
    assert summary.rejected_records == 1


def test_a_job_seen_twice_in_a_sync_is_loaded_as_last_seen(synced: tuple[Path, Summary]) -> None:
    """If a job repeats with another content, the last one read wins, with all its rows."""
    database, _ = synced

    assert rows(database, "select status from telnyx_raw.jobs where id = 'job-00400'") == [
        ("completed",)
    ]
    assert rows(
        database,
        "select outcome, position from telnyx_raw.job_operations where job_id = 'job-00400'",
    ) == [("successful", 0), ("successful", 1)]


def test_unknown_fields_are_kept_and_named(synced: tuple[Path, Summary]) -> None:
    """A field that has no column is in `extra`, at its place, and in the summary."""
    database, summary = synced

    ((extra,),) = rows(database, "select extra from telnyx_raw.jobs where id = 'job-00301'")
    assert json.loads(extra) == {"region": "eu", "successful_operations": {"0": {"took": 3}}}
    assert summary.unknown_fields == ["region", "successful_operations[].took"]


def test_times_are_kept_to_the_millisecond(synced: tuple[Path, Summary]) -> None:
    """A time from Telnyx is the time in the table, in UTC."""
    database, _ = synced

    assert rows(database, "select etc from telnyx_raw.jobs where id = 'job-00302'") == [(MOMENT,)]


def test_a_record_mended_later_leaves_the_rejected(database: Path) -> None:
    """A rejected record is deleted once its job is loaded, even if no page shows it any more."""
    jobs = Jobs([job(0, status=7)] + [job(number) for number in range(1, 301)])
    with api_of(jobs) as api:
        sync_once(api, database)
        assert rows(database, "select job_id from telnyx_raw.rejected_records") == [("job-00000",)]
        jobs[0]["status"] = "completed"
        sync_once(api, database)

    assert rows(database, "select job_id from telnyx_raw.rejected_records") == []
    assert rows(database, "select status from telnyx_raw.jobs where id = 'job-00000'") == [
        ("completed",)
    ]


def test_new_failures_are_named_once(database: Path) -> None:
    """A pair of code and pointer is new in the sync that first sees it, and in no later one."""
    jobs = Jobs([job(1, failed_operations=[failure(1, error("10015", "/a/0"))])])
    with api_of(jobs) as api:
        first = sync_once(api, database)
        jobs.append(job(2, failed_operations=[failure(2, error("10015", "/a/7"), {"code": "9"})]))
        second = sync_once(api, database)

    assert first.new_failures == [{"error_code": "10015", "error_pointer_pattern": "/a/*"}]
    assert second.new_failures == [{"error_code": "9", "error_pointer_pattern": None}]


def test_a_failure_without_errors_is_a_new_one(database: Path) -> None:
    """An operation that failed without any error is new once, beside others with errors."""
    known = error("10015", "/a/0")
    jobs = Jobs([job(1, failed_operations=[failure(1, known, known), failure(2, known)])])
    with api_of(jobs) as api:
        sync_once(api, database)
        jobs.append(job(2, failed_operations=[failure(3, known, known), failure(4)]))
        second = sync_once(api, database)
        jobs.append(job(3, failed_operations=[failure(5)]))
        third = sync_once(api, database)

    assert second.new_failures == [{"error_code": None, "error_pointer_pattern": None}]
    assert third.new_failures == []
