"""What a sync requests: pages, open jobs, and the limits of its options."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.syncs import (
    EPOCH,
    Jobs,
    access,
    api_of,
    failure,
    job,
    numbers,
    rows,
    run,
    sync_once,
)
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.source.changes import Changes
from telnyx_jobs.source.page_cache import Found


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def test_open_jobs_that_no_page_shows_are_retrieved(database: Path) -> None:
    """An old open job is requested by its id, however many newer jobs exist."""
    jobs = Jobs([job(number) for number in range(1, 400)])
    jobs.append(job(0, status="in_progress", pending_operations=numbers(1)))
    with api_of(jobs) as api:
        sync_once(api, database)
        jobs[-1] |= {"status": "completed", "pending_operations": []}
        before = len(api.requests)
        summary = sync_once(api, database)
        asked = [target for _, target in api.requests[before:]]

    assert asked == [
        "/v2/phone_numbers/jobs?page[number]=1&page[size]=250",
        "/v2/phone_numbers/jobs/job-00000",
    ]
    assert (summary.jobs_retrieved, summary.jobs_changed, summary.open_jobs) == (1, 1, 0)
    assert rows(database, "select status from telnyx_raw.jobs where id = 'job-00000'") == [
        ("completed",)
    ]


def test_an_open_job_that_vanished_is_missing_until_it_is_back(database: Path) -> None:
    """A missing job keeps its rows and has `missing_since` until the API returns it again."""
    jobs = Jobs([job(1), job(2, status="pending", pending_operations=numbers(1))])
    with api_of(jobs) as api:
        sync_once(api, database)
        gone = jobs.pop()
        summary = sync_once(api, database)
        operations = rows(database, "select job_id, outcome from telnyx_raw.job_operations")
        missing = rows(database, "select id from telnyx_raw.jobs where missing_since is not null")
        jobs.append(gone)
        back = sync_once(api, database)

    assert missing == [("job-00002",)]
    assert operations == [("job-00002", "pending")]
    assert (summary.missing_jobs, back.missing_jobs) == (1, 0)
    assert rows(database, "select count(*) from telnyx_raw.job_observations") == [(2,)]


def test_a_full_sync_finds_what_changed_and_vanished_anywhere(database: Path) -> None:
    """A full sync reads every page, so it sees finished jobs that changed or are missing too."""
    jobs = Jobs([job(number) for number in range(20)])
    with api_of(jobs) as api:
        sync_once(api, database, page_size=5)
        jobs[3]["status"] = "failed"
        del jobs[7]
        summary = sync_once(api, database, page_size=5, full=True)

    assert (summary.mode, summary.pages, summary.jobs_changed) == ("full", 4, 1)
    assert rows(database, "select id from telnyx_raw.jobs where missing_since is not null") == [
        ("job-00007",)
    ]
    assert rows(database, "select id from telnyx_raw.jobs where status = 'failed'") == [
        ("job-00003",)
    ]


def test_named_jobs_are_retrieved_and_nothing_else(database: Path) -> None:
    """With job ids exactly these jobs are requested, one by one."""
    jobs = Jobs([job(number) for number in range(5)])
    with api_of(jobs) as api:
        summary = sync_once(api, database, job_ids=("job-00003", "job-00001", "job-00003"))
        asked = [target for _, target in api.requests]

    assert sorted(asked) == [f"/v2/phone_numbers/jobs/job-0000{number}" for number in (1, 3)]
    assert summary.mode == "jobs"
    assert rows(database, "select id from telnyx_raw.jobs order by id") == [
        ("job-00001",),
        ("job-00003",),
    ]


def test_an_unknown_job_is_named(tmp_path: Path) -> None:
    """`--job-id` of an unknown id publishes the others, names it, and ends with 1."""
    with api_of([job(1), job(2)]) as api:
        asked = ("--job-id", "job-00001", "--job-id", "nobody")
        done = run(tmp_path, "sync", "--json", "--quiet", *asked, environ=access(api))

    printed = json.loads(done.stdout)
    assert (done.returncode, printed["published"]) == (1, True)
    assert printed["unknown_job_ids"] == ["nobody"]
    assert rows(tmp_path / "telnyx_jobs.duckdb", "select job_id from telnyx.jobs") == [
        ("job-00001",)
    ]


def test_a_sync_after_named_jobs_still_fills_the_file(database: Path) -> None:
    """Jobs loaded by their ids do not count as a list that was read."""
    jobs = Jobs([job(number) for number in range(9)])
    with api_of(jobs) as api:
        sync_once(api, database, job_ids=("job-00008",))
        sync_once(api, database, page_size=2)

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(9,)]


def test_job_types_narrow_the_list(database: Path) -> None:
    """With job types only those lists are requested, and only those jobs load."""
    jobs = Jobs(
        [
            job(1, type="delete_phone_numbers"),
            job(2, type="update_phone_numbers"),
            job(3, type="update_emergency_settings"),
        ]
    )
    with api_of(jobs) as api:
        sync_once(api, database, job_types=("delete_phone_numbers", "update_emergency_settings"))
        asked = [target for _, target in api.requests]

    first = "/v2/phone_numbers/jobs?page[number]=1&page[size]=250&filter[type]="
    assert asked == [first + "delete_phone_numbers", first + "update_emergency_settings"]
    assert rows(database, "select id from telnyx_raw.jobs order by id") == [
        ("job-00001",),
        ("job-00003",),
    ]


@pytest.fixture(scope="module")
def since_30(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A folder with the file of a first sync since the thirtieth of forty jobs; to be copied."""
    folder = tmp_path_factory.mktemp("since")
    with api_of(Jobs([job(number) for number in range(40)])) as api:
        return folder, sync_once(
            api, folder / "jobs.duckdb", page_size=4, since=EPOCH + timedelta(hours=30)
        )


def test_since_bounds_the_first_sync_and_the_later_ones(
    since_30: tuple[Path, Summary], database: Path
) -> None:
    """No job created before `since` is loaded, and later syncs do not go back further either."""
    folder, first = since_30
    shutil.copytree(folder, database.parent, dirs_exist_ok=True)
    with api_of(Jobs([job(number) for number in range(41)])) as api:
        sync_once(api, database, page_size=4)

    assert rows(database, "select min(id), max(id), count(*) from telnyx_raw.jobs") == [
        ("job-00030", "job-00040", 11)
    ]
    assert first.pages <= 4


def test_an_earlier_since_goes_back_further(since_30: tuple[Path, Summary], database: Path) -> None:
    """A later sync with an earlier `since` reads the stretch in between."""
    shutil.copytree(since_30[0], database.parent, dirs_exist_ok=True)
    with api_of(Jobs([job(number) for number in range(40)])) as api:
        sync_once(api, database, page_size=4, since=EPOCH + timedelta(hours=10))

    assert rows(database, "select min(id), count(*) from telnyx_raw.jobs") == [("job-00010", 30)]


def test_a_spent_budget_publishes_what_was_read_and_the_next_run_goes_on(database: Path) -> None:
    """Runs with a limit on requests fill the file together, and read few pages twice."""
    jobs = Jobs([job(number) for number in range(55)])
    spent = 0
    with api_of(jobs) as api:
        for _ in range(20):
            try:
                sync_once(api, database, page_size=5, max_requests=6)
            except RequestBudgetSpent:
                spent += 1
            else:
                break
        requests = len(api.requests)

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(55,)]
    assert spent >= 2
    assert requests <= 11 + 2 * (spent + 1)


@pytest.mark.parametrize(
    ("batch_bytes", "most"), [(40_000, 3), (10_000_000, 20)], ids=["long texts", "short ones"]
)
def test_long_answers_are_flattened_a_few_at_a_time(
    batch_bytes: int, most: int, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs with long errors are held in memory in smaller numbers."""
    batches: list[int] = []
    original = Changes.tables

    def tables(changes: Changes, found: list[Found]) -> Any:
        batches.append(len(found))
        return original(changes, found)

    monkeypatch.setattr(Changes, "tables", tables)
    monkeypatch.setattr("telnyx_jobs.source.extraction.BATCH_BYTES", batch_bytes)
    story = {"code": "10015", "detail": "x" * 20_000}
    jobs = [job(number, failed_operations=[failure(1, story)]) for number in range(20)]
    with api_of(jobs) as api:
        sync_once(api, database, page_size=1)

    # the page that is on its way is counted already
    assert max(batches) <= most
    assert max(batches) > most // 4
    assert sum(batches) == 20
    assert rows(
        database,
        "select job_id from telnyx_raw.job_operation_errors where length(detail) = 20000 "
        "order by job_id",
    ) == [(f"job-{number:05}",) for number in range(20)]
