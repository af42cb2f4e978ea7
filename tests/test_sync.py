"""Whole syncs: a real HTTP server, dlt, and the rows of the published DuckDB file."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import (
    EPOCH,
    Jobs,
    Json,
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
from telnyx_jobs.client import RequestBudgetSpent
from telnyx_jobs.errors import BadConfiguration, KeyRefused, TryAgainLater

PAYLOADS = Path(__file__).parent / "data" / "payloads"

EXAMPLE_ID = "42587e44-3a3e-46de-9255-0c9a7a1d1ec7"
CREATED = datetime(2020, 10, 23, 18, 10, tzinfo=UTC)
COUNTS = (
    "phone_numbers_count, successful_operations_count, "
    "pending_operations_count, failed_operations_count"
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def payload(name: str) -> Json:
    data = json.loads((PAYLOADS / f"{name}.json").read_bytes())["data"]
    found: Json = data[0] if isinstance(data, list) else data
    return found


def sync_payload(name: str, database: Path) -> None:
    with api_of([payload(name)]) as api:
        sync_once(api, database)


def children(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the child tables, without the job's id."""
    return {
        "numbers": rows(
            database,
            "select position, phone_number_id, phone_number "
            "from telnyx_raw.job_phone_numbers order by all",
        ),
        "operations": rows(
            database,
            "select outcome, position, phone_number_id, phone_number "
            "from telnyx_raw.job_operations order by all",
        ),
        "errors": rows(
            database,
            "select operation_position, position, code, title, detail, source_pointer, "
            "source_parameter, meta_url from telnyx_raw.job_operation_errors order by all",
        ),
    }


BAD_ADDRESS = (0, 0, "10015", "Bad Request", "The field is invalid.")


@pytest.mark.parametrize("name", ["job_retrieve_seed", "job_list_docs", "job_example_spec_2021-10"])
def test_the_documented_example_gives_its_rows(name: str, database: Path) -> None:
    """The documented job, with `source` as object or as string, gives the rows worked out."""
    sync_payload(name, database)

    assert rows(
        database,
        f"select id, record_type, type, status, etc, created_at, updated_at, parameters, {COUNTS}, "
        "extra, missing_since from telnyx_raw.jobs",
    ) == [
        (
            EXAMPLE_ID,
            "phone_numbers_job",
            "update_emergency_settings",
            "pending",
            CREATED + timedelta(days=7),
            CREATED,
            CREATED + timedelta(seconds=1),
            None,
            *(4, 2, 1, 1),
            None,
            None,
        )
    ]
    assert children(database) == {
        "numbers": [
            (0, "2637816387126861836", None),
            (1, None, "+19715555098"),
            (2, None, "+19705555099"),
            (3, "3388768018273", None),
        ],
        "operations": [
            ("failed", 0, "3388768018273", "+19705551234"),
            ("pending", 0, "2637816387126861837", "+19705555099"),
            ("successful", 0, "2637816387126861836", "+19705555098"),
            ("successful", 1, "33081887126861836", "+19715555098"),
        ],
        "errors": [(*BAD_ADDRESS, "/emergency_address_id", None, None)],
    }
    assert rows(
        database,
        "select error_code, error_title, failed_operation_count, settled_operation_count, "
        "failure_rate from telnyx.failure_rates_by_error_code",
    ) == [("10015", "Bad Request", 1, 3, pytest.approx(1 / 3))]


@pytest.mark.parametrize(
    ("name", "pending", "successful", "extra"),
    [
        (
            "job_example_spec_2020-12",
            None,
            [("2637816387126861836", "+19705555098"), ("33081887126861836", "+19715555098")],
            '{"created_by":"015e81fc-11b7-4170-974d-5592ce987da7"}',
        ),
        (
            "job_example_spec_2021-08a",
            ("2637816387126861835", "+19705555095"),
            [("2637816387126861836", "+19705555098"), ("33081887126861837", "+19715555099")],
            '{"created_by":"015e81fc-11b7-4170-974d-5592ce987da7"}',
        ),
        (
            "job_example_spec_2021-08b",
            ("2637816387126861837", "+19705555099"),
            [("2637816387126861836", "+19705555098"), ("33081887126861836", "+19715555098")],
            None,
        ),
    ],
)
def test_older_shapes_give_their_rows(
    name: str,
    pending: tuple[str, str] | None,
    successful: list[tuple[str, str]],
    extra: str | None,
    database: Path,
) -> None:
    """The shapes of 2020 and 2021, with arrays not yet there, give the rows worked out."""
    sync_payload(name, database)

    assert rows(database, f"select id, {COUNTS}, extra from telnyx_raw.jobs") == [
        (EXAMPLE_ID, None, 2, 1 if pending else None, 1, extra)
    ]
    assert children(database) == {
        "numbers": [],
        "operations": [
            ("failed", 0, "3388768018273", "+19705551234"),
            *([("pending", 0, *pending)] if pending else []),
            *[("successful", place, *number) for place, number in enumerate(successful)],
        ],
        "errors": [(*BAD_ADDRESS, "/emergency_address_id", None, None)],
    }


def test_the_block_job_gives_its_row(database: Path) -> None:
    """A job of the sibling endpoint, with empty and absent arrays, is a job without children."""
    sync_payload("block_job_list_docs", database)

    assert rows(database, f"select id, type, {COUNTS}, extra from telnyx_raw.jobs") == [
        (EXAMPLE_ID, "delete_phone_number_block", None, 0, None, 0, None)
    ]
    assert children(database) == {"numbers": [], "operations": [], "errors": []}


def test_the_newest_shape_gives_its_rows_without_the_pin(database: Path) -> None:
    """A job with saved parameters keeps them all, mixed types and nulls too, but not the PIN."""
    sync_payload("job_with_parameters_2026-10", database)

    ((parameters,),) = rows(database, "select parameters from telnyx_raw.jobs")
    expected = payload("job_with_parameters_2026-10")["parameters"]
    del expected["external_pin"]
    assert json.loads(parameters) == expected
    assert children(database) == {
        "numbers": [(0, "2637816387126861836", None), (1, None, "+19715550198")],
        "operations": [
            ("failed", 0, "33081887126861836", "+19715550198"),
            ("successful", 0, "2637816387126861836", "+19705550198"),
        ],
        "errors": [
            (
                *(0, 0, "10036", "Resource is being processed", "SYNTHETIC", "/base", None),
                "https://developers.telnyx.com/docs/overview/errors/10036",
            )
        ],
    }
    assert b"123456" not in database.read_bytes()


def test_the_expired_job_gives_its_rows(database: Path) -> None:
    """An expired job with empty arrays leaves its numbers unaccounted for."""
    sync_payload("job_expired_2026-10", database)

    assert rows(database, f"select status, {COUNTS}, parameters from telnyx_raw.jobs") == [
        ("expired", 2, 0, 0, 0, "{}")
    ]
    assert rows(
        database,
        "select position, phone_number_id, phone_number, job_type, status "
        "from telnyx.unaccounted_phone_numbers order by all",
    ) == [
        (0, "2637816387126861836", None, "delete_phone_numbers", "expired"),
        (1, None, "+19715550198", "delete_phone_numbers", "expired"),
    ]


def test_an_empty_account_has_every_table_and_view(database: Path) -> None:
    """Before the first job all tables and views are there, without rows."""
    with api_of([]) as api:
        summary = sync_once(api, database)

    assert list(tables(database).values()) == [[]] * 6
    views = [
        name
        for (name,) in rows(
            database, "select view_name from duckdb_views() where schema_name = 'telnyx'"
        )
    ]
    with_rows = {name for name in views if rows(database, f"select 1 from telnyx.{name} limit 1")}
    assert len(views) == 16
    assert with_rows == {"data_dictionary", "sync_runs"}
    assert (summary.pages, summary.requests, summary.published) == (1, 1, True)


def test_a_second_sync_changes_no_table(database: Path) -> None:
    """When nothing changed at the API no row is written, whatever the rows are."""
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
    """A job that moved on has its newest arrays and no row of the older ones, also where empty."""
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
    """A job has one observation for each version that a sync saw, and none for seeing no change."""
    jobs = Jobs([job(1, status="pending", pending_operations=numbers(1))])
    with api_of(jobs) as api:
        sync_once(api, database)
        sync_once(api, database)
        jobs[0] |= {"status": "in_progress"}
        sync_once(api, database)
        jobs[0] |= {"status": "failed", "pending_operations": []}
        sync_once(api, database)
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


def test_one_bad_record_is_kept_aside_and_the_others_load(database: Path) -> None:
    """A record that cannot be read is kept with its reason; the rest of its page loads."""
    jobs = Jobs([job(number) for number in range(249)])
    bad = job(300, phone_numbers="all of them")
    jobs.append(bad)
    with api_of(jobs) as api:
        summary = sync_once(api, database)

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(249,)]
    ((job_id, reason, record),) = rows(
        database, "select job_id, reason, record from telnyx_raw.rejected_records"
    )
    assert (job_id, json.loads(record)) == ("job-00300", bad)
    assert "phone_numbers" in reason
    assert summary.rejected_records == 1


def test_a_record_mended_later_leaves_the_rejected(database: Path) -> None:
    """A rejected record goes when its job is loaded whole, also when no page shows it any more."""
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


def test_a_job_seen_twice_in_a_sync_is_loaded_as_last_seen(database: Path) -> None:
    """When a job repeats with another content the last one read wins, all its rows with it."""
    early = job(1, status="in_progress", pending_operations=numbers(1, 2))
    late = job(1, status="completed", successful_operations=numbers(1, 2))
    with api_of([early, job(0), late]) as api:
        sync_once(api, database, page_size=2)

    assert rows(database, "select id, status from telnyx_raw.jobs order by id") == [
        ("job-00000", "completed"),
        ("job-00001", "completed"),
    ]
    assert rows(database, "select outcome, position from telnyx_raw.job_operations") == [
        ("successful", 0),
        ("successful", 1),
    ]


def test_unknown_fields_are_kept_and_named(database: Path) -> None:
    """A field that has no column is in `extra`, at its place, and in the summary."""
    with api_of([job(1, region="eu", successful_operations=[{"id": "1", "took": 3}])]) as api:
        summary = sync_once(api, database)

    ((extra,),) = rows(database, "select extra from telnyx_raw.jobs")
    assert json.loads(extra) == {"region": "eu", "successful_operations": {"0": {"took": 3}}}
    assert summary.unknown_fields == ["region", "successful_operations[].took"]


def test_new_failures_are_named_once(database: Path) -> None:
    """A pair of code and pointer is new in the sync that first sees it, and in no later one."""
    jobs = Jobs([job(1, failed_operations=[failure(1, error("10015", "/a/0"))])])
    with api_of(jobs) as api:
        first = sync_once(api, database)
        jobs.append(job(2, failed_operations=[failure(2, error("10015", "/a/7"), {"code": "9"})]))
        second = sync_once(api, database)

    assert first.new_failures == [{"error_code": "10015", "error_pointer_pattern": "/a/*"}]
    assert second.new_failures == [{"error_code": "9", "error_pointer_pattern": None}]


def test_open_jobs_that_no_page_shows_are_retrieved(database: Path) -> None:
    """An old open job is asked for by its id, however many newer jobs there are."""
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
    """What the API no longer shows keeps its rows and gets `missing_since`, until it is shown."""
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
    """A full sync reads every page, so finished jobs that changed or went are seen as well."""
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
    """With job ids exactly these jobs are asked for, one by one."""
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


def test_a_sync_after_named_jobs_still_fills_the_file(database: Path) -> None:
    """Jobs loaded by their ids do not pass for a list that has been read."""
    jobs = Jobs([job(number) for number in range(9)])
    with api_of(jobs) as api:
        sync_once(api, database, job_ids=("job-00008",))
        sync_once(api, database, page_size=2)

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(9,)]


def test_job_types_narrow_the_list(database: Path) -> None:
    """With job types only those lists are asked for, and only those jobs load."""
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


def test_since_bounds_the_first_sync_and_the_later_ones(database: Path) -> None:
    """No job created before `since` is loaded, and later syncs do not go back further either."""
    jobs = Jobs([job(number) for number in range(40)])
    with api_of(jobs) as api:
        first = sync_once(api, database, page_size=4, since=EPOCH + timedelta(hours=30))
        jobs.append(job(40))
        sync_once(api, database, page_size=4)

    assert rows(database, "select min(id), max(id), count(*) from telnyx_raw.jobs") == [
        ("job-00030", "job-00040", 11)
    ]
    assert first.pages <= 4


def test_an_earlier_since_goes_back_further(database: Path) -> None:
    """A later sync with an earlier `since` reads the stretch in between."""
    jobs = Jobs([job(number) for number in range(40)])
    with api_of(jobs) as api:
        sync_once(api, database, page_size=4, since=EPOCH + timedelta(hours=30))
        sync_once(api, database, page_size=4, since=EPOCH + timedelta(hours=10))

    assert rows(database, "select min(id), count(*) from telnyx_raw.jobs") == [("job-00010", 30)]


def test_a_spent_budget_publishes_what_was_read_and_the_next_run_goes_on(database: Path) -> None:
    """Runs with a bound on their requests fill the file together, reading few pages twice."""
    jobs = Jobs([job(number) for number in range(100)])
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

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(100,)]
    assert spent >= 3
    assert requests <= 20 + 2 * (spent + 1)


def test_a_failed_sync_leaves_the_file_and_no_leftovers(database: Path) -> None:
    """A sync that fails changes no byte of the published file and leaves no build behind."""
    jobs = Jobs([job(1)])
    with api_of(jobs) as api:
        sync_once(api, database)
        before = database.read_bytes()
        jobs.append(job(2))
        api.key = "another"
        with pytest.raises(KeyRefused):
            sync_once(_Refused(api.url), database)

    assert database.read_bytes() == before
    left = {path.name for path in (database.parent / ".jobs.duckdb.state").iterdir()}
    assert left == {"lock", "runs.jsonl"}


class _Refused:
    """The address of a server with a key that it does not accept."""

    key = "KEY_wrong"

    def __init__(self, url: str) -> None:
        self.url = url


def test_every_run_leaves_a_line(database: Path) -> None:
    """`runs.jsonl` has one line per run, with the exit code, failed ones too."""
    with api_of([job(1)]) as api:
        sync_once(api, database)
        with pytest.raises(KeyRefused):
            sync_once(_Refused(api.url), database)

    lines = (database.parent / ".jobs.duckdb.state" / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["exit_code"] for line in lines] == [0, 77]
    assert [json.loads(line)["published"] for line in lines] == [True, False]


def test_published_runs_are_in_the_file(database: Path) -> None:
    """`sync_runs` holds the summary of each published run."""
    with api_of([job(1)]) as api:
        summaries = [sync_once(api, database), sync_once(api, database, full=True)]

    assert rows(
        database,
        "select run_id, mode, started_at, finished_at, requests, pages, jobs_listed, "
        "jobs_changed, published, database from telnyx.sync_runs order by started_at",
    ) == [
        (s.run_id, s.mode, s.started_at, s.finished_at, 1, 1, 1, s.jobs_changed, True, s.database)
        for s in summaries
    ]


def test_modes_keep_the_state_private_and_the_file_read_only(database: Path) -> None:
    """The published file is 0444, the state folder 0700 and what is in it 0600."""
    with api_of([job(1)]) as api:
        sync_once(api, database)

    state = database.parent / ".jobs.duckdb.state"
    assert _mode(database) == 0o444
    assert _mode(state) == 0o700
    assert {_mode(path) for path in state.iterdir()} == {0o600}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_is_no_database_is_refused_and_kept(database: Path) -> None:
    """A published file that DuckDB cannot open is left alone, and the message names it."""
    database.write_text("notes")

    with api_of([]) as api, pytest.raises(BadConfiguration, match=r"jobs\.duckdb"):
        sync_once(api, database)

    assert database.read_text() == "notes"


@pytest.mark.parametrize("name", ["telnyx.duckdb", "telnyx_raw.duckdb"])
def test_a_file_named_as_a_schema_is_refused(name: str, tmp_path: Path) -> None:
    """A file whose name would make every query on it ambiguous is not made."""
    with api_of([]) as api, pytest.raises(BadConfiguration, match="another --database"):
        sync_once(api, tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_two_databases_are_two_pipelines(tmp_path: Path) -> None:
    """Another path is filled from the beginning, whatever the first one holds."""
    one, other = tmp_path / "one.duckdb", tmp_path / "other.duckdb"
    with api_of([job(1), job(2)]) as api:
        sync_once(api, one)
        sync_once(api, other)

    assert tables(other)["job_phone_numbers"] == tables(one)["job_phone_numbers"]
    assert rows(other, "select id from telnyx_raw.jobs order by id") == [
        ("job-00001",),
        ("job-00002",),
    ]


def test_the_demo_and_an_account_do_not_mix(database: Path) -> None:
    """A file filled from an account refuses the demo's jobs."""
    with api_of([job(1)]) as api:
        sync_once(api, database)
        with pytest.raises(BadConfiguration, match="demo"):
            sync_once(api, database, is_demo=True)


def test_a_running_sync_keeps_others_out(database: Path) -> None:
    """While one sync works another one ends at once, and says so."""

    def while_listing() -> list[Json]:
        with pytest.raises(TryAgainLater, match="another sync"):
            sync_once(served[0], database)
        return [job(1)]

    served: list[Any] = []
    with _serving(while_listing) as api:
        served.append(api)
        sync_once(api, database)

    assert rows(database, "select id from telnyx_raw.jobs") == [("job-00001",)]


def _serving(jobs: Callable[[], list[Json]]) -> Any:
    from telnyx_jobs.fake_api import serve

    return serve(jobs)


def test_times_are_kept_to_the_millisecond(database: Path) -> None:
    """A time that Telnyx gives is the time in the table, in UTC."""
    moment = EPOCH + timedelta(milliseconds=123)
    with api_of([job(1, etc=text(moment))]) as api:
        sync_once(api, database)

    assert rows(database, "select etc from telnyx_raw.jobs") == [(moment,)]
