"""The views in sql/views and the data tests in sql/tests, on raw tables written by hand."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from telnyx_jobs.warehouse import create_tables, create_views

SQL = Path(__file__).parents[1] / "sql"

# view -> its columns, in order: what users script against
VIEWS = {
    "jobs": (
        "job_id job_type status is_open created_at updated_at estimated_completion_at"
        " requested_count successful_count pending_count failed_count settled_count failure_rate"
        " duration_seconds is_overdue observed_at missing_since failure_rate_low failure_rate_high"
    ),
    "job_phone_numbers": "job_id position phone_number_id phone_number",
    "job_operations": (
        "job_id outcome position phone_number_id phone_number job_type job_status job_created_at"
        " job_updated_at error_count"
    ),
    "job_operation_errors": (
        "job_id operation_position error_position phone_number_id phone_number job_type"
        " job_created_at job_updated_at error_code error_title error_detail error_pointer"
        " error_pointer_pattern error_parameter error_url"
    ),
    "failure_rates_by_error_code": (
        "error_code error_title failed_operation_count settled_operation_count failure_rate"
        " job_count phone_number_count first_failed_at last_failed_at failure_rate_low"
        " failure_rate_high"
    ),
    "failure_rates_by_pointer": (
        "error_pointer_pattern failed_operation_count settled_operation_count failure_rate"
        " job_count phone_number_count first_failed_at last_failed_at failure_rate_low"
        " failure_rate_high"
    ),
    "failure_rates_by_error_code_and_pointer": (
        "error_code error_pointer_pattern failed_operation_count settled_operation_count"
        " failure_rate job_count phone_number_count first_failed_at last_failed_at"
        " failure_rate_low failure_rate_high"
    ),
    "failure_rates_by_job_type": (
        "job_type failed_operation_count settled_operation_count failure_rate job_count"
        " phone_number_count first_failed_at last_failed_at failure_rate_low failure_rate_high"
    ),
    "failure_rates_daily": (
        "day job_type error_code error_pointer_pattern failed_operation_count"
        " settled_operation_count failure_rate failure_rate_low failure_rate_high"
    ),
    "new_failures": (
        "error_code error_pointer_pattern error_title first_failed_at last_failed_at"
        " failed_operation_count job_count phone_number_count"
    ),
    "job_durations_weekly": (
        "job_type week job_count median_duration_seconds p90_duration_seconds max_duration_seconds"
        " late_job_count late_rate operation_count estimated_job_count"
    ),
    "failing_phone_numbers": (
        "phone_number_id phone_number job_type last_job_id last_failed_at consecutive_failures"
        " error_codes error_pointers"
    ),
    "unaccounted_phone_numbers": "job_id position phone_number_id phone_number job_type status",
    "open_jobs": (
        "job_id job_type status created_at estimated_completion_at is_overdue pending_count"
        " age_seconds"
    ),
    "sync_runs": (
        "run_id mode started_at finished_at requests pages jobs_listed jobs_retrieved jobs_changed"
        " open_jobs missing_jobs rejected_records rows unknown_fields new_failures retries"
        " throttled_seconds published database"
    ),
    "data_dictionary": "relation column_name data_type description",
}

# the three rate views, and the columns each of them is keyed by
RATE_VIEWS = {
    "failure_rates_by_error_code": "error_code",
    "failure_rates_by_pointer": "error_pointer_pattern",
    "failure_rates_by_error_code_and_pointer": "error_code, error_pointer_pattern",
}

DAILY_KEY = "day, job_type, error_code, error_pointer_pattern"

# the bounds of a rate of 1 in 3, worked out apart from this code
THIRD_BOUNDS = (
    pytest.approx(0.0614919447203962, rel=0, abs=1e-12),
    pytest.approx(0.7923403991979523, rel=0, abs=1e-12),
)

Row = tuple[object, ...]


class Number(NamedTuple):
    """A phone number asked for, or a successful or pending operation."""

    phone_number_id: str | None = None
    phone_number: str | None = None


class Error(NamedTuple):
    """An error of a failed operation, in the order of the raw table's columns."""

    code: str | None = None
    title: str | None = None
    detail: str | None = None
    pointer: str | None = None
    parameter: str | None = None
    url: str | None = None


class Failure(NamedTuple):
    """A failed operation."""

    phone_number_id: str | None = None
    phone_number: str | None = None
    errors: Sequence[Error] = ()


def open_account() -> DuckDBPyConnection:
    """Return an in-memory database with empty raw tables and the views over them."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    create_tables(con)
    con.execute("create table telnyx_raw._dlt_loads (load_id varchar)")
    create_views(con)
    return con


def insert(con: DuckDBPyConnection, table: str, columns: str, rows: Sequence[Row]) -> None:
    """Append rows to a raw table."""
    marks = ", ".join("?" for _ in columns.split(","))
    for row in rows:
        con.execute(f"insert into telnyx_raw.{table} ({columns}) values ({marks})", row)


def add_job(
    con: DuckDBPyConnection,
    job_id: str,
    *,
    job_type: str | None = "update_phone_numbers",
    status: str | None = "completed",
    created_at: str | None = "2026-03-01T08:00:00Z",
    updated_at: str | None = "2026-03-01T09:00:00Z",
    etc: str | None = None,
    asked: Sequence[Number] | None = (),
    successful: Sequence[Number] | None = (),
    pending: Sequence[Number] | None = (),
    failed: Sequence[Failure] | None = (),
) -> None:
    """Write one job with its children; None stands for an array the API did not send."""
    counts = [None if each is None else len(each) for each in (asked, successful, pending, failed)]
    insert(
        con,
        "jobs",
        "id, type, status, created_at, updated_at, etc, phone_numbers_count,"
        " successful_operations_count, pending_operations_count, failed_operations_count,"
        " observed_at",
        [(job_id, job_type, status, created_at, updated_at, etc, *counts, "2026-03-05T00:00:00Z")],
    )
    insert(
        con,
        "job_phone_numbers",
        "job_id, position, phone_number_id, phone_number",
        [(job_id, position, *number) for position, number in enumerate(asked or ())],
    )
    outcomes: dict[str, Sequence[Number | Failure] | None] = {
        "successful": successful,
        "pending": pending,
        "failed": failed,
    }
    insert(
        con,
        "job_operations",
        "job_id, outcome, position, phone_number_id, phone_number",
        [
            (job_id, outcome, position, operation.phone_number_id, operation.phone_number)
            for outcome, operations in outcomes.items()
            for position, operation in enumerate(operations or ())
        ],
    )
    insert(
        con,
        "job_operation_errors",
        "job_id, operation_position, position, code, title, detail, source_pointer,"
        " source_parameter, meta_url",
        [
            (job_id, operation_position, position, *error)
            for operation_position, failure in enumerate(failed or ())
            for position, error in enumerate(failure.errors)
        ],
    )


def add_documented_job(con: DuckDBPyConnection) -> None:
    """Write the example job of Telnyx's documentation."""
    add_job(
        con,
        "42587e44",
        job_type="update_emergency_settings",
        status="pending",
        created_at="2020-10-23T18:10:00.000Z",
        updated_at="2020-10-23T18:10:01.000Z",
        etc="2020-10-30T18:10:00.000Z",
        asked=[
            Number("2637816387126861836"),
            Number(None, "+19715555098"),
            Number(None, "+19705555099"),
            Number("3388768018273"),
        ],
        successful=[
            Number("2637816387126861836", "+19705555098"),
            Number("33081887126861836", "+19715555098"),
        ],
        pending=[Number("2637816387126861837", "+19705555099")],
        failed=[
            Failure(
                "3388768018273",
                "+19705551234",
                [Error("10015", "Bad Request", "The field is invalid.", "/emergency_address_id")],
            )
        ],
    )


def add_failed_job(
    con: DuckDBPyConnection,
    job_id: str,
    *errors: Error,
    number: str | None = "1",
    job_type: str | None = "update_phone_numbers",
    updated_at: str | None = "2026-03-01T09:00:00Z",
) -> None:
    """Write a job that failed for one phone number, known by its id."""
    failure = Failure(number, None, errors)
    add_job(con, job_id, job_type=job_type, updated_at=updated_at, failed=[failure])


def add_successful_job(
    con: DuckDBPyConnection,
    job_id: str,
    *,
    number: str | None = "1",
    job_type: str | None = "update_phone_numbers",
    updated_at: str | None = "2026-03-01T09:00:00Z",
) -> None:
    """Write a job that succeeded for one phone number, known by its id."""
    add_job(con, job_id, job_type=job_type, updated_at=updated_at, successful=[Number(number)])


def rows(con: DuckDBPyConnection, view: str, columns: str = "*") -> list[Row]:
    """Return the rows of a view, sorted by all columns, so that tests can spell them out."""
    return con.execute(f"select {columns} from telnyx.{view} order by all nulls last").fetchall()


def offending_rows(con: DuckDBPyConnection, data_test: str) -> list[Row]:
    """Return what a data test finds wrong."""
    return con.execute((SQL / "tests" / f"{data_test}.sql").read_text()).fetchall()


@pytest.fixture
def con() -> Iterator[DuckDBPyConnection]:
    """Give an empty account."""
    with open_account() as connection:
        yield connection


# --- the contract ---------------------------------------------------------------------------


def test_views_have_the_promised_columns_in_order(con: DuckDBPyConnection) -> None:
    """The schema telnyx holds exactly the promised views, with their columns in order."""
    found = con.execute(
        """
        select table_name, string_agg(column_name, ' ' order by column_index)
        from duckdb_columns()
        where schema_name = 'telnyx'
        group by table_name
        """
    ).fetchall()

    assert dict(found) == VIEWS


def test_every_view_and_column_has_a_comment(con: DuckDBPyConnection) -> None:
    """No view and no column of a view lacks its comment."""
    silent = con.execute(
        """
        select view_name, null from duckdb_views()
        where schema_name = 'telnyx' and coalesce(comment, '') = ''
        union all
        select table_name, column_name from duckdb_columns()
        where schema_name = 'telnyx' and coalesce(comment, '') = ''
        """
    ).fetchall()

    assert silent == []


@pytest.mark.parametrize("path", sorted((SQL / "views").glob("*.sql")), ids=lambda path: path.stem)
def test_first_line_of_a_view_states_its_grain(path: Path) -> None:
    """Each view's file begins with its grain."""
    assert path.read_text().startswith("-- One row per ")


def test_empty_account_has_empty_views(con: DuckDBPyConnection) -> None:
    """On an account without jobs every view exists and, but for the dictionary, has no row."""
    views = VIEWS.keys() - {"data_dictionary"}

    assert {view: rows(con, view) for view in views} == {view: [] for view in views}


def test_no_view_depends_on_the_time_zone_of_the_session(con: DuckDBPyConnection) -> None:
    """Every view has the same rows in Auckland as in UTC."""
    add_documented_job(con)
    add_failed_job(con, "late", Error("10015"), updated_at="2026-03-01T23:30:00Z")

    con.execute("begin")  # so that the moment of the query is one and the same
    utc = {view: rows(con, view) for view in VIEWS}
    con.execute("set TimeZone = 'Pacific/Auckland'")
    auckland = {view: rows(con, view) for view in VIEWS}

    assert auckland == utc


# --- the documented example ------------------------------------------------------------------


def test_documented_job_in_jobs(con: DuckDBPyConnection) -> None:
    """The documented job is open, overdue, and failed for one of three settled operations."""
    add_documented_job(con)

    assert rows(con, "jobs") == [
        (
            "42587e44",
            "update_emergency_settings",
            "pending",
            True,
            datetime(2020, 10, 23, 18, 10, 0, tzinfo=UTC),
            datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC),
            datetime(2020, 10, 30, 18, 10, 0, tzinfo=UTC),
            4,
            2,
            1,
            1,
            3,
            1 / 3,
            None,
            True,
            datetime(2026, 3, 5, tzinfo=UTC),
            None,
            *THIRD_BOUNDS,
        )
    ]


def test_documented_job_in_job_phone_numbers(con: DuckDBPyConnection) -> None:
    """The numbers asked for keep their order and the way they were asked for."""
    add_documented_job(con)

    assert rows(con, "job_phone_numbers") == [
        ("42587e44", 0, "2637816387126861836", None),
        ("42587e44", 1, None, "+19715555098"),
        ("42587e44", 2, None, "+19705555099"),
        ("42587e44", 3, "3388768018273", None),
    ]


def test_documented_job_in_job_operations(con: DuckDBPyConnection) -> None:
    """Each operation carries its job's facts; only the failed one at place 0 carries the error."""
    add_documented_job(con)

    job = (
        "update_emergency_settings",
        "pending",
        datetime(2020, 10, 23, 18, 10, 0, tzinfo=UTC),
        datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC),
    )
    assert rows(con, "job_operations") == [
        ("42587e44", "failed", 0, "3388768018273", "+19705551234", *job, 1),
        ("42587e44", "pending", 0, "2637816387126861837", "+19705555099", *job, 0),
        ("42587e44", "successful", 0, "2637816387126861836", "+19705555098", *job, 0),
        ("42587e44", "successful", 1, "33081887126861836", "+19715555098", *job, 0),
    ]


def test_documented_job_in_job_operation_errors(con: DuckDBPyConnection) -> None:
    """The error names the number that failed and the field at fault."""
    add_documented_job(con)

    assert rows(con, "job_operation_errors") == [
        (
            "42587e44",
            0,
            0,
            "3388768018273",
            "+19705551234",
            "update_emergency_settings",
            datetime(2020, 10, 23, 18, 10, 0, tzinfo=UTC),
            datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC),
            "10015",
            "Bad Request",
            "The field is invalid.",
            "/emergency_address_id",
            "/emergency_address_id",
            None,
            None,
        )
    ]


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("failure_rates_by_error_code", ("10015", "Bad Request")),
        ("failure_rates_by_pointer", ("/emergency_address_id",)),
        ("failure_rates_by_error_code_and_pointer", ("10015", "/emergency_address_id")),
    ],
)
def test_documented_job_fails_at_a_rate_of_a_third(
    con: DuckDBPyConnection, view: str, key: Row
) -> None:
    """In each rate view the documented job gives one row, with a rate of 1 in 3."""
    add_documented_job(con)

    moment = datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC)
    assert rows(con, view) == [(*key, 1, 3, 1 / 3, 1, 1, moment, moment, *THIRD_BOUNDS)]


def test_documented_job_in_failure_rates_daily(con: DuckDBPyConnection) -> None:
    """The documented job fails on the UTC day of its last change."""
    add_documented_job(con)

    assert rows(con, "failure_rates_daily") == [
        (
            date(2020, 10, 23),
            "update_emergency_settings",
            "10015",
            "/emergency_address_id",
            1,
            3,
            1 / 3,
            *THIRD_BOUNDS,
        )
    ]


def test_documented_job_in_failing_phone_numbers(con: DuckDBPyConnection) -> None:
    """The number that failed is listed though its job is still open."""
    add_documented_job(con)

    assert rows(con, "failing_phone_numbers") == [
        (
            "3388768018273",
            "+19705551234",
            "update_emergency_settings",
            "42587e44",
            datetime(2020, 10, 23, 18, 10, 1, tzinfo=UTC),
            1,
            "10015",
            "/emergency_address_id",
        )
    ]


# --- jobs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "is_open"),
    [
        ("pending", True),
        ("in_progress", True),
        ("paused_by_moonlight", True),
        (None, True),
        ("completed", False),
        ("failed", False),
        ("expired", False),
    ],
)
def test_only_known_final_statuses_close_a_job(
    con: DuckDBPyConnection, status: str | None, is_open: bool
) -> None:
    """A job is open unless its status is known to be final, and has a duration only when closed."""
    add_job(con, "a", status=status)

    duration = None if is_open else 3600.0
    assert rows(con, "jobs", "status, is_open, duration_seconds") == [(status, is_open, duration)]


def test_duration_keeps_fractions_of_a_second(con: DuckDBPyConnection) -> None:
    """A duration is exact to the millisecond, the precision of the API."""
    add_job(con, "a", created_at="2026-03-01T08:00:00.900Z", updated_at="2026-03-01T08:00:01.025Z")

    assert rows(con, "jobs", "duration_seconds") == [(0.125,)]


@pytest.mark.parametrize(
    ("status", "etc", "is_overdue"),
    [
        ("pending", "2020-01-01T00:00:00Z", True),
        ("pending", "2999-01-01T00:00:00Z", False),
        ("pending", None, False),
        ("completed", "2020-01-01T00:00:00Z", False),
    ],
)
def test_only_open_jobs_past_their_estimate_are_overdue(
    con: DuckDBPyConnection, status: str, etc: str | None, is_overdue: bool
) -> None:
    """A job is overdue when it is open and its estimate has passed, else not; never NULL."""
    add_job(con, "a", status=status, etc=etc)

    assert rows(con, "jobs", "is_overdue") == [(is_overdue,)]


def test_missing_and_empty_arrays_stay_apart(con: DuckDBPyConnection) -> None:
    """A count is NULL without an array and 0 for an empty one; the settled count is never NULL."""
    add_job(con, "empty")
    add_job(con, "missing", asked=None, successful=None, pending=None, failed=None)
    add_job(con, "partly", asked=None, successful=[Number("1")], pending=None, failed=None)

    columns = "job_id, requested_count, successful_count, pending_count, failed_count"
    assert rows(con, "jobs", columns + ", settled_count, failure_rate") == [
        ("empty", 0, 0, 0, 0, 0, None),
        ("missing", None, None, None, None, 0, None),
        ("partly", None, 1, None, None, 1, 0.0),
    ]


def test_open_jobs_have_an_age(con: DuckDBPyConnection) -> None:
    """An open job's age runs from its creation to the moment of the query."""
    con.execute("begin")  # the current time stands still within a transaction
    add_job(con, "closed")
    add_job(con, "dateless", status="pending", created_at=None)
    add_job(con, "open", status="pending", pending=[Number("1")])
    con.execute(
        "update telnyx_raw.jobs set created_at = current_timestamp - interval 90 seconds"
        " where id = 'open'"
    )

    assert rows(con, "open_jobs", "job_id, is_overdue, pending_count, age_seconds") == [
        ("dateless", False, 0, None),
        ("open", False, 1, 90.0),
    ]


# --- errors and pointers ---------------------------------------------------------------------


def test_errors_of_an_operation_are_counted(con: DuckDBPyConnection) -> None:
    """Errors belong to the failed operation at their place, not to others at the same place."""
    add_job(
        con,
        "a",
        successful=[Number("1"), Number("2")],
        pending=[Number("3")],
        failed=[Failure("4"), Failure("5", None, [Error("10015"), Error("10015")])],
    )

    assert rows(con, "job_operations", "outcome, position, error_count") == [
        ("failed", 0, 0),
        ("failed", 1, 2),
        ("pending", 0, 0),
        ("successful", 0, 0),
        ("successful", 1, 0),
    ]


def test_every_field_of_an_error_is_kept(con: DuckDBPyConnection) -> None:
    """An error's six fields arrive in their own columns."""
    add_failed_job(con, "a", Error("10015", "title", "detail", "/pointer", "parameter", "url"))

    columns = "error_code, error_title, error_detail, error_pointer, error_parameter, error_url"
    assert rows(con, "job_operation_errors", columns) == [
        ("10015", "title", "detail", "/pointer", "parameter", "url")
    ]


@pytest.mark.parametrize(
    ("pointer", "pattern"),
    [
        pytest.param("/base", "/base", id="no index"),
        pytest.param("/phone_numbers/17/tags", "/phone_numbers/*/tags", id="index within"),
        pytest.param("/tags/0", "/tags/*", id="index at the end"),
        pytest.param("/a/0/1", "/a/*/*", id="two indexes in a row"),
        pytest.param("/a/0/1/2/b", "/a/*/*/*/b", id="three indexes in a row"),
        pytest.param("page/3/x", "page/*/x", id="no leading slash"),
        pytest.param("3", "*", id="an index alone"),
        pytest.param("/a/007", "/a/007", id="leading zeros make a name"),
        pytest.param("/a/-1", "/a/-1", id="a sign makes a name"),
        pytest.param("/a/1b/c2", "/a/1b/c2", id="digits within a name"),
        pytest.param("/a/~1", "/a/~1", id="an escaped slash"),
        pytest.param("/a~10/0", "/a~10/*", id="an escape before a digit"),
        pytest.param("/a//0", "/a//*", id="an empty name"),
        pytest.param("//", "//", id="only empty names"),
        pytest.param("/a/0/", "/a/*/", id="an empty name at the end"),
        pytest.param("/ä/0/号", "/ä/*/号", id="letters beyond ASCII"),
        pytest.param("/a/*/0", "/a/*/*", id="a star of its own"),
        pytest.param("", "", id="the whole document"),
        pytest.param(None, None, id="no pointer"),
    ],
)
def test_pointer_pattern(con: DuckDBPyConnection, pointer: str | None, pattern: str | None) -> None:
    """Each array index of a pointer becomes a star, and nothing else changes."""
    add_failed_job(con, "a", Error("10015", pointer=pointer))

    assert rows(con, "job_operation_errors", "error_pointer, error_pointer_pattern") == [
        (pointer, pattern)
    ]


# --- failure rates ---------------------------------------------------------------------------


def test_failure_without_any_error_keeps_a_row(con: DuckDBPyConnection) -> None:
    """A failed operation that carries no error counts under NULL, and is no error."""
    add_job(con, "a", successful=[Number("1")], failed=[Failure("2")])

    figures = "failed_operation_count, settled_operation_count, failure_rate"
    assert {view: rows(con, view, f"{key}, {figures}") for view, key in RATE_VIEWS.items()} == {
        "failure_rates_by_error_code": [(None, 1, 2, 0.5)],
        "failure_rates_by_pointer": [(None, 1, 2, 0.5)],
        "failure_rates_by_error_code_and_pointer": [(None, None, 1, 2, 0.5)],
    }
    assert rows(con, "failure_rates_daily", f"{DAILY_KEY}, {figures}") == [
        (date(2026, 3, 1), "update_phone_numbers", None, None, 1, 2, 0.5)
    ]
    assert rows(con, "job_operation_errors") == []


def test_error_without_code_or_pointer_keeps_a_row(con: DuckDBPyConnection) -> None:
    """An error without a code or without a pointer counts under NULL in that place alone."""
    add_failed_job(con, "a", Error(None, pointer="/x"), number="1")
    add_failed_job(con, "b", Error("10015", pointer=None), number="2")

    figures = "failed_operation_count, settled_operation_count"
    assert {view: rows(con, view, f"{key}, {figures}") for view, key in RATE_VIEWS.items()} == {
        "failure_rates_by_error_code": [("10015", 1, 2), (None, 1, 2)],
        "failure_rates_by_pointer": [("/x", 1, 2), (None, 1, 2)],
        "failure_rates_by_error_code_and_pointer": [("10015", None, 1, 2), (None, "/x", 1, 2)],
    }


def test_operation_counts_once_per_code_however_many_errors(con: DuckDBPyConnection) -> None:
    """The same code twice counts once; two codes count the operation under each."""
    add_failed_job(
        con,
        "a",
        Error("10015", pointer="/x"),
        Error("10015", pointer="/x"),
        Error("10015", pointer="/y"),
        Error("10036", pointer="/x"),
    )

    figures = "failed_operation_count, settled_operation_count, failure_rate"
    assert {view: rows(con, view, f"{key}, {figures}") for view, key in RATE_VIEWS.items()} == {
        "failure_rates_by_error_code": [("10015", 1, 1, 1.0), ("10036", 1, 1, 1.0)],
        "failure_rates_by_pointer": [("/x", 1, 1, 1.0), ("/y", 1, 1, 1.0)],
        "failure_rates_by_error_code_and_pointer": [
            ("10015", "/x", 1, 1, 1.0),
            ("10015", "/y", 1, 1, 1.0),
            ("10036", "/x", 1, 1, 1.0),
        ],
    }
    assert rows(con, "failure_rates_daily", f"error_code, error_pointer_pattern, {figures}") == [
        ("10015", "/x", 1, 1, 1.0),
        ("10015", "/y", 1, 1, 1.0),
        ("10036", "/x", 1, 1, 1.0),
    ]


def test_one_fault_at_many_indexes_is_one_row(con: DuckDBPyConnection) -> None:
    """Pointers that differ in array indexes alone share a row."""
    add_job(
        con,
        "a",
        failed=[
            Failure(str(place), None, [Error("10015", pointer=f"/phone_numbers/{place}/tags")])
            for place in (0, 1, 17)
        ],
    )

    assert rows(
        con, "failure_rates_by_pointer", "error_pointer_pattern, failed_operation_count"
    ) == [("/phone_numbers/*/tags", 3)]


def test_pending_operations_count_nowhere(con: DuckDBPyConnection) -> None:
    """Pending operations are in neither side of any rate."""
    add_job(
        con,
        "a",
        status="in_progress",
        successful=[Number("1")],
        pending=[Number("2"), Number("3"), Number("4")],
        failed=[Failure("5", None, [Error("10015")])],
    )

    figures = "failed_operation_count, settled_operation_count, failure_rate"
    assert rows(con, "failure_rates_by_error_code", figures) == [(1, 2, 0.5)]
    assert rows(con, "failure_rates_daily", figures) == [(1, 2, 0.5)]
    assert rows(con, "jobs", "failed_count, settled_count, failure_rate") == [(1, 2, 0.5)]


def test_rate_is_null_when_nothing_settled(con: DuckDBPyConnection) -> None:
    """Where no operation is settled a job's rate is NULL, not NaN, and no rate view has a row."""
    add_job(con, "a", status="pending", pending=[Number("1")])

    assert rows(con, "jobs", "settled_count, failure_rate") == [(0, None)]
    assert {view: rows(con, view) for view in (*RATE_VIEWS, "failure_rates_daily")} == {
        "failure_rates_by_error_code": [],
        "failure_rates_by_pointer": [],
        "failure_rates_by_error_code_and_pointer": [],
        "failure_rates_daily": [],
    }


def test_rates_are_over_every_job(con: DuckDBPyConnection) -> None:
    """The denominator holds the settled operations of all jobs, of whatever type and code."""
    add_failed_job(con, "a", Error("10015"), number="1")
    add_failed_job(con, "b", Error("10036"), number="2")
    add_successful_job(con, "c", number="3", job_type="delete_phone_numbers")
    add_successful_job(con, "d", number="4", job_type=None)

    columns = "error_code, failed_operation_count, settled_operation_count, failure_rate"
    assert rows(con, "failure_rates_by_error_code", columns) == [
        ("10015", 1, 4, 0.25),
        ("10036", 1, 4, 0.25),
    ]


@pytest.mark.parametrize("view", sorted(RATE_VIEWS))
def test_rates_name_jobs_numbers_and_times(con: DuckDBPyConnection, view: str) -> None:
    """Jobs and numbers count once each, a number by its id or else by itself; times span them."""
    error = [Error("10015", pointer="/x")]
    add_job(
        con,
        "a",
        updated_at="2026-03-02T00:00:00Z",
        failed=[Failure("1", "+1", error), Failure(None, "+2", error), Failure(None, None, error)],
    )
    add_job(
        con,
        "b",
        updated_at="2026-03-04T00:00:00Z",
        failed=[Failure("1", "+1 moved", error), Failure(None, "+2", error)],
    )
    add_job(con, "c", updated_at=None, failed=[Failure("3", None, error)])

    columns = (
        "failed_operation_count, job_count, phone_number_count, first_failed_at, last_failed_at"
    )
    assert rows(con, view, columns) == [
        (6, 3, 3, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
    ]


def test_title_of_a_code_is_its_most_frequent(con: DuckDBPyConnection) -> None:
    """A code takes its most frequent title, the first in the alphabet on a tie, NULL without."""
    add_failed_job(
        con,
        "a",
        Error("1", "seldom"),
        Error("1", "usual"),
        Error("1", "usual"),
        Error("1", None),
        Error("1", None),
        Error("1", None),
        Error("2", "b"),
        Error("2", "a"),
        Error("3", None),
        Error(None, "title of no code"),
    )

    assert rows(con, "failure_rates_by_error_code", "error_code, error_title") == [
        ("1", "usual"),
        ("2", "a"),
        ("3", None),
        (None, "title of no code"),
    ]


def test_rates_by_job_type_do_not_overlap(con: DuckDBPyConnection) -> None:
    """Each type has its own denominator; an operation counts once; types without failures stay."""
    march, april = "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"
    add_failed_job(con, "a", Error("1"), Error("2"), job_type="update", updated_at=march)
    add_failed_job(con, "b", Error("1"), job_type="update", updated_at=april)
    add_job(
        con, "c", job_type="update", updated_at="2026-05-01T00:00:00Z", successful=[Number("1")] * 2
    )
    add_successful_job(con, "d", job_type="delete")
    add_job(con, "e", job_type="idle", pending=[Number("1")])
    add_job(con, "f", job_type=None, failed=[Failure(None, "+1"), Failure()], updated_at=None)

    columns = VIEWS["failure_rates_by_job_type"].replace(" ", ", ").split(", failure_rate_low")[0]
    assert rows(con, "failure_rates_by_job_type", columns) == [
        ("delete", 0, 1, 0.0, 0, 0, None, None),
        ("idle", 0, 0, None, 0, 0, None, None),
        (
            "update",
            2,
            4,
            0.5,
            2,
            1,
            datetime(2026, 3, 1, tzinfo=UTC),
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
        (None, 2, 2, 1.0, 1, 1, None, None),
    ]


# --- bounds of a rate ------------------------------------------------------------------------

BOUNDS = "failure_rate_low, failure_rate_high"


def wilson_bounds(failed: int, settled: int) -> tuple[float, float]:
    """Return the Wilson score interval at 95 %, as its textbook has it, clipped to 0..1."""
    z = NormalDist().inv_cdf(0.975)
    share = failed / settled
    centre = share + z * z / (2 * settled)
    spread = z * math.sqrt(share * (1 - share) / settled + z * z / (4 * settled * settled))
    shrink = 1 + z * z / settled
    return max(0.0, (centre - spread) / shrink), min(1.0, (centre + spread) / shrink)


@pytest.mark.parametrize(
    ("failed", "settled"), [(1, 1), (1, 2), (1, 3), (3, 4), (1, 300), (7, 300), (299, 300)]
)
def test_bounds_are_wilson_scores(con: DuckDBPyConnection, failed: int, settled: int) -> None:
    """In every view with a rate its bounds are the Wilson score interval at 95 %, to 1e-12."""
    add_job(
        con,
        "a",
        successful=[Number("1")] * (settled - failed),
        failed=[Failure("2", None, [Error("10015", pointer="/x")])] * failed,
    )

    expected = [pytest.approx(wilson_bounds(failed, settled), rel=0, abs=1e-12)]
    views = [view for view, columns in VIEWS.items() if "failure_rate_low" in columns]
    assert {view: rows(con, view, BOUNDS) for view in views} == dict.fromkeys(views, expected)


def test_every_view_with_a_rate_has_its_bounds() -> None:
    """The bounds are the last columns of each view that has a failure rate."""
    rated = {view for view, columns in VIEWS.items() if "failure_rate" in columns.split()}
    ended = {view for view in VIEWS if VIEWS[view].endswith(" failure_rate_low failure_rate_high")}

    assert rated == ended


def test_bounds_end_at_0_and_1_exactly(con: DuckDBPyConnection) -> None:
    """No failure makes the lower bound 0, no success the upper one 1, to the last bit."""
    for settled in range(1, 30):
        add_job(con, f"good-{settled}", successful=[Number("1")] * settled)
        add_job(con, f"bad-{settled}", failed=[Failure("1")] * settled)

    good = con.execute("select distinct failure_rate_low from telnyx.jobs where failed_count = 0")
    assert good.fetchall() == [(0.0,)]
    bad = con.execute("select distinct failure_rate_high from telnyx.jobs where failed_count > 0")
    assert bad.fetchall() == [(1.0,)]


def test_bounds_are_null_where_the_rate_is(con: DuckDBPyConnection) -> None:
    """Where nothing settled the bounds are NULL, not 0 to 1."""
    add_job(con, "a", status="pending", pending=[Number("1")])

    assert rows(con, "jobs", BOUNDS) == [(None, None)]
    assert rows(con, "failure_rates_by_job_type", BOUNDS) == [(None, None)]


# --- failures never seen before --------------------------------------------------------------


def test_new_failures_are_of_the_newest_week_of_the_file(con: DuckDBPyConnection) -> None:
    """A failure is new when it first came less than 7 days before the newest job's change."""
    fault = Error("1", "title", pointer="/new/3")
    add_failed_job(con, "a", Error("old", pointer="/x"), updated_at="2020-01-01T00:00:00Z")
    add_failed_job(con, "b", Error("edge", pointer="/x"), updated_at="2020-03-01T00:00:00Z")
    add_failed_job(con, "c", fault, fault, updated_at="2020-03-01T00:00:00.001Z")
    add_failed_job(con, "d", Error("old", pointer="/x"), fault, updated_at="2020-03-07T00:00:00Z")
    add_failed_job(con, "e", number="2", updated_at="2020-03-08T00:00:00Z")
    add_failed_job(con, "f", Error("timeless"), updated_at=None)

    assert rows(con, "new_failures") == [
        (
            "1",
            "/new/*",
            "title",
            datetime(2020, 3, 1, 0, 0, 0, 1000, tzinfo=UTC),
            datetime(2020, 3, 7, tzinfo=UTC),
            2,
            2,
            1,
        ),
        (None, None, None, *[datetime(2020, 3, 8, tzinfo=UTC)] * 2, 1, 1, 1),
    ]


def test_title_of_a_new_failure_is_that_of_its_code_and_pattern(con: DuckDBPyConnection) -> None:
    """A pair takes its own most frequent title, the first in the alphabet on a tie."""
    add_failed_job(
        con,
        "a",
        Error("1", "b", pointer="/x"),
        Error("1", "a", pointer="/x"),
        Error("1", "c", pointer="/y"),
        Error("1", "c", pointer="/y"),
        Error("1", None),
        Error(None, "no code", pointer="/x"),
    )

    assert rows(con, "new_failures", "error_code, error_pointer_pattern, error_title") == [
        ("1", "/x", "a"),
        ("1", "/y", "c"),
        ("1", None, None),
        (None, "/x", "no code"),
    ]


# --- durations -------------------------------------------------------------------------------


def test_durations_are_those_of_closed_jobs(con: DuckDBPyConnection) -> None:
    """Closed jobs alone count; percentiles are interpolated; late is closed past the estimate."""
    for minutes, etc in ((10, "08:10"), (20, "08:10"), (40, "08:39"), (50, None)):
        add_job(
            con,
            f"a-{minutes}",
            status="expired",
            created_at="2026-03-04T08:00:00Z",
            updated_at=f"2026-03-04T08:{minutes}:00Z",
            etc=etc and f"2026-03-04T{etc}:00Z",
            successful=[Number("1")],
            pending=[Number("2")],
            failed=[Failure("3")] * 2,
        )
    add_job(con, "b", status="pending", pending=[Number("1")], etc="2020-01-01T00:00:00Z")
    add_job(con, "c", job_type=None, created_at=None, etc="2026-03-01T08:00:00Z", successful=None)
    add_job(con, "d", job_type="untimed", created_at="2026-03-01T00:00:00Z", updated_at=None)

    assert rows(con, "job_durations_weekly") == [
        ("untimed", date(2026, 2, 23), 1, None, None, None, 0, None, 0, 0),
        (
            "update_phone_numbers",
            date(2026, 3, 2),
            4,
            1800.0,
            pytest.approx(2820.0),
            3000.0,
            2,
            2 / 3,
            16,
            3,
        ),
        (None, None, 1, None, None, None, 1, 1.0, 0, 1),
    ]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_weeks_begin_on_monday_in_utc(con: DuckDBPyConnection, zone: str) -> None:
    """A job belongs to the ISO week of its creation in UTC, wherever and whenever that is."""
    con.execute(f"set TimeZone = '{zone}'")
    late = "9999-01-01T00:00:00Z"
    add_job(con, "a", created_at="0001-01-01T00:00:00Z", updated_at=late)
    add_job(con, "b", created_at="1969-12-28T23:59:59.999Z", updated_at=late)
    add_job(con, "c", created_at="1969-12-29T00:00:00Z", updated_at=late)
    add_job(con, "d", created_at="2027-01-03T23:59:59.999Z", updated_at=late)
    add_job(con, "e", created_at="2027-01-04T00:00:00Z", updated_at=late)

    assert rows(con, "job_durations_weekly", "week, job_count") == [
        (date(1, 1, 1), 1),
        (date(1969, 12, 22), 1),
        (date(1969, 12, 29), 1),
        (date(2026, 12, 28), 1),
        (date(2027, 1, 4), 1),
    ]


# --- days ------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_days_are_utc_days(con: DuckDBPyConnection, zone: str) -> None:
    """An operation belongs to the UTC day of its job's last change, wherever one asks."""
    con.execute(f"set TimeZone = '{zone}'")
    add_failed_job(con, "a", Error("10015"), updated_at="2026-03-01T00:00:00Z")
    add_failed_job(con, "b", Error("10015"), updated_at="2026-03-01T23:59:59.999Z")
    add_failed_job(con, "c", Error("10015"), updated_at="2026-03-02T00:00:00Z")

    assert rows(con, "failure_rates_daily", "day, failed_operation_count") == [
        (date(2026, 3, 1), 2),
        (date(2026, 3, 2), 1),
    ]


def test_daily_rates_are_within_the_day_and_type(con: DuckDBPyConnection) -> None:
    """A day's denominator is of that day and type, NULLs included; no failure, no row."""
    march, april = "2026-03-01T12:00:00Z", "2026-04-01T12:00:00Z"
    add_failed_job(con, "a", Error("1", pointer="/x"), job_type="update", updated_at=march)
    add_failed_job(con, "b", Error("2", pointer="/y"), job_type="update", updated_at=march)
    add_successful_job(con, "c", job_type="update", updated_at=march)
    add_successful_job(con, "d", job_type="delete", updated_at=march)
    add_failed_job(con, "e", Error("1", pointer="/x"), job_type="update", updated_at=april)
    add_failed_job(con, "f", Error("1", pointer="/x"), job_type=None, updated_at=None)
    add_successful_job(con, "g", job_type=None, updated_at=None)

    figures = "failed_operation_count, settled_operation_count, failure_rate"
    assert rows(con, "failure_rates_daily", f"{DAILY_KEY}, {figures}") == [
        (date(2026, 3, 1), "update", "1", "/x", 1, 3, 1 / 3),
        (date(2026, 3, 1), "update", "2", "/y", 1, 3, 1 / 3),
        (date(2026, 4, 1), "update", "1", "/x", 1, 1, 1.0),
        (None, None, "1", "/x", 1, 2, 0.5),
    ]


# --- phone numbers that fail -----------------------------------------------------------------

FAILING = "phone_number_id, job_type, last_job_id, consecutive_failures"


def test_number_is_failing_until_it_succeeds(con: DuckDBPyConnection) -> None:
    """Only numbers whose newest settled operation failed are listed, per type of job."""
    early, late = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
    add_failed_job(con, "a", number="recovered", job_type="update", updated_at=early)
    add_successful_job(con, "b", number="recovered", job_type="update", updated_at=late)
    add_successful_job(con, "c", number="broken", job_type="update", updated_at=early)
    add_failed_job(con, "d", number="broken", job_type="update", updated_at=late)
    add_failed_job(con, "e", number="half", job_type="update", updated_at=early)
    add_successful_job(con, "f", number="half", job_type="delete", updated_at=late)
    add_failed_job(con, "g", number="typeless", job_type=None, updated_at=early)
    add_successful_job(con, "h", number="typeless", job_type=None, updated_at=late)

    assert rows(con, "failing_phone_numbers", FAILING) == [
        ("broken", "update", "d", 1),
        ("half", "update", "e", 1),
    ]


def test_consecutive_failures_end_at_the_newest_success(con: DuckDBPyConnection) -> None:
    """Failures count back to the newest success; earlier ones and other types do not count."""
    add_failed_job(con, "a", updated_at="2026-03-01T00:00:00Z")
    add_successful_job(con, "b", updated_at="2026-03-02T00:00:00Z")
    add_failed_job(con, "c", updated_at="2026-03-03T00:00:00Z")
    add_failed_job(con, "d", updated_at="2026-03-04T00:00:00Z")
    add_failed_job(con, "e", updated_at="2026-03-05T00:00:00Z", job_type=None)

    assert rows(con, "failing_phone_numbers", FAILING) == [
        ("1", "update_phone_numbers", "d", 2),
        ("1", None, "e", 1),
    ]


def test_pending_operations_do_not_end_a_streak(con: DuckDBPyConnection) -> None:
    """A newer operation that is still pending says nothing about a number."""
    add_failed_job(con, "a", updated_at="2026-03-01T00:00:00Z")
    add_job(con, "b", updated_at="2026-03-02T00:00:00Z", pending=[Number("1")])

    assert rows(con, "failing_phone_numbers", FAILING) == [("1", "update_phone_numbers", "a", 1)]


@pytest.mark.parametrize("time", ["2026-03-01T00:00:00Z", None])
def test_ties_on_time_break_on_the_job_id(con: DuckDBPyConnection, time: str | None) -> None:
    """Of jobs changed at the same time, or at none, the one with the greatest id is the newest."""
    add_failed_job(con, "b", number="broken", updated_at=time)
    add_successful_job(con, "a", number="broken", updated_at=time)
    add_successful_job(con, "d", number="mended", updated_at=time)
    add_failed_job(con, "c", number="mended", updated_at=time)

    assert rows(con, "failing_phone_numbers", FAILING) == [
        ("broken", "update_phone_numbers", "b", 1)
    ]


def test_jobs_without_a_time_are_the_oldest(con: DuckDBPyConnection) -> None:
    """A job with a time is newer than any without, whatever their ids."""
    add_failed_job(con, "a", updated_at="2026-03-01T00:00:00Z")
    add_successful_job(con, "z", updated_at=None)

    assert rows(con, "failing_phone_numbers", FAILING) == [("1", "update_phone_numbers", "a", 1)]


def test_a_job_has_one_verdict_per_number(con: DuckDBPyConnection) -> None:
    """A job that both failed and succeeded for a number has failed, once, as its failures say."""
    add_successful_job(con, "a", updated_at="2026-03-01T00:00:00Z")
    add_job(
        con,
        "b",
        updated_at="2026-03-02T00:00:00Z",
        successful=[Number("1", "+9")],
        failed=[Failure("2", "+2", [Error("10015")]), Failure("1", "+1"), Failure("1", "+1")],
    )

    moment = datetime(2026, 3, 2, tzinfo=UTC)
    assert rows(con, "failing_phone_numbers") == [
        ("1", "+1", "update_phone_numbers", "b", moment, 1, None, None),
        ("2", "+2", "update_phone_numbers", "b", moment, 1, "10015", None),
    ]


def test_errors_of_a_failing_number_are_those_of_its_newest_job(con: DuckDBPyConnection) -> None:
    """Codes and raw pointers are distinct, sorted, joined by a comma, of the newest job alone."""
    add_failed_job(con, "a", Error("old", pointer="/old"), updated_at="2026-03-01T00:00:00Z")
    add_job(
        con,
        "b",
        updated_at="2026-03-02T00:00:00Z",
        failed=[
            Failure("1", None, [Error("2", pointer="/x/1"), Error("1", pointer="/x/0")]),
            Failure("1", "+1", [Error("2", pointer=None), Error(None, pointer="/x/1")]),
            Failure("other", None, [Error("3", pointer="/other")]),
            Failure("silent"),
        ],
    )

    moment = datetime(2026, 3, 2, tzinfo=UTC)
    assert rows(con, "failing_phone_numbers") == [
        ("1", "+1", "update_phone_numbers", "b", moment, 2, "1, 2", "/x/0, /x/1"),
        ("other", None, "update_phone_numbers", "b", moment, 1, "3", "/other"),
        ("silent", None, "update_phone_numbers", "b", moment, 1, None, None),
    ]


def test_numbers_are_told_apart_by_id_or_else_by_number(con: DuckDBPyConnection) -> None:
    """Without an id the number itself is the identity; without both nothing can be followed."""
    early, late = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"
    add_job(con, "a", updated_at=early, failed=[Failure("1", "+1"), Failure(None, "+2"), Failure()])
    add_job(con, "b", updated_at=late, successful=[Number("1", "+1 moved"), Number(None, "+3")])

    assert rows(con, "failing_phone_numbers", "phone_number_id, phone_number") == [(None, "+2")]


# --- phone numbers nobody answered for -------------------------------------------------------


def test_unaccounted_numbers_have_no_operation(con: DuckDBPyConnection) -> None:
    """A number is accounted for by an operation with its id or with its number, of any outcome."""
    add_job(
        con,
        "a",
        asked=[
            Number("1"),
            Number(None, "+2"),
            Number("3", "+3"),
            Number("4", "+4"),
            Number("lost"),
            Number(None, "+lost"),
            Number(),
        ],
        successful=[Number("1", "+1"), Number("3", "+3 moved")],
        pending=[Number("2", "+2")],
        failed=[Failure("4 moved", "+4")],
    )

    assert rows(con, "unaccounted_phone_numbers") == [
        ("a", 4, "lost", None, "update_phone_numbers", "completed"),
        ("a", 5, None, "+lost", "update_phone_numbers", "completed"),
        ("a", 6, None, None, "update_phone_numbers", "completed"),
    ]


def test_operations_of_other_jobs_do_not_account_for_a_number(con: DuckDBPyConnection) -> None:
    """Only operations of the same job answer for its numbers."""
    add_job(con, "a", status="expired", asked=[Number("1"), Number(None, "+1")])
    add_job(con, "b", successful=[Number("1", "+1")])

    assert rows(con, "unaccounted_phone_numbers") == [
        ("a", 0, "1", None, "update_phone_numbers", "expired"),
        ("a", 1, None, "+1", "update_phone_numbers", "expired"),
    ]


def test_open_jobs_have_no_unaccounted_numbers(con: DuckDBPyConnection) -> None:
    """An open job may still answer."""
    add_job(con, "a", status="in_progress", asked=[Number("1")])

    assert rows(con, "unaccounted_phone_numbers") == []


# --- runs and dictionary ---------------------------------------------------------------------


def test_sync_runs_are_the_table(con: DuckDBPyConnection) -> None:
    """The view of runs has the rows of its table."""
    run = (
        "run-1",
        "full",
        datetime(2026, 3, 1, 8, tzinfo=UTC),
        datetime(2026, 3, 1, 9, tzinfo=UTC),
        *range(8),
        '{"jobs": 1}',
        "[]",
        '[["10015", "/x"]]',
        8,
        0.5,
        True,
        "telnyx_jobs.duckdb",
    )
    insert(con, "sync_runs", VIEWS["sync_runs"].replace(" ", ", "), [run])

    assert rows(con, "sync_runs") == [run]


def test_data_dictionary_describes_every_column(con: DuckDBPyConnection) -> None:
    """The dictionary lists columns with type and comment, not the loader's own."""
    con.execute("comment on column telnyx_raw.job_phone_numbers.position is 'Place.'")

    listed = con.execute(
        """
        select * from telnyx.data_dictionary
        where relation = 'telnyx_raw.job_phone_numbers'
        order by all
        """
    ).fetchall()
    assert listed == [
        ("telnyx_raw.job_phone_numbers", "job_id", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "phone_number", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "phone_number_id", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "position", "BIGINT", "Place."),
    ]

    views = con.execute(
        """
        select relation, column_name from telnyx.data_dictionary
        where relation like 'telnyx.%' and description is not null
        """
    ).fetchall()
    assert set(views) == {
        (f"telnyx.{view}", column) for view, columns in VIEWS.items() for column in columns.split()
    }

    relations = con.execute("select distinct relation from telnyx.data_dictionary").fetchall()
    assert ("telnyx_raw._dlt_loads",) not in relations


# --- data tests ------------------------------------------------------------------------------


def rate_view(view: str, key: str) -> str:
    """Return a statement that replaces a rate view by one row that makes no sense."""
    keys = "".join(f"null as {column}, " for column in key.split(", "))
    return (
        f"create or replace view telnyx.{view} as select {keys}"
        " 4 as failed_operation_count, 3 as settled_operation_count,"
        " cast('nan' as double) as failure_rate, 0.0 as failure_rate_low, 1.0 as failure_rate_high"
    )


def delete_from(table: str, where: str = "true") -> str:
    """Return a statement that loses rows of a raw table."""
    return f"delete from telnyx_raw.{table} where {where}"


def empty_view(view: str) -> str:
    """Return a statement that replaces a view by one with its columns and no row."""
    columns = ", ".join(f"null as {column}" for column in VIEWS[view].split())
    return f"create or replace view telnyx.{view} as select {columns} where false"


# data test -> a statement that breaks the documented job, and the rows the test then returns;
# a NaN is never equal to itself, so the columns after the counts are left out of the comparison
BREAKAGES: dict[str, tuple[str, list[Row]]] = {
    "failure_rates_by_error_code__failure_rate_is_a_share": (
        rate_view("failure_rates_by_error_code", "error_code"),
        [(None, 4, 3)],
    ),
    "failure_rates_by_error_code__leaves_no_failure_out": (
        empty_view("failure_rates_by_error_code"),
        [(1, 0)],
    ),
    "failure_rates_by_error_code_and_pointer__failure_rate_is_a_share": (
        rate_view("failure_rates_by_error_code_and_pointer", "error_code, error_pointer_pattern"),
        [(None, None, 4, 3)],
    ),
    "failure_rates_by_error_code_and_pointer__leaves_no_failure_out": (
        empty_view("failure_rates_by_error_code_and_pointer"),
        [(1, 0)],
    ),
    "failure_rates_by_job_type__failure_rate_is_a_share": (
        rate_view("failure_rates_by_job_type", "job_type"),
        [(None, 4, 3)],
    ),
    "failure_rates_by_job_type__types_add_up": (
        empty_view("failure_rates_by_job_type"),
        [(1, 0, 3, 0)],
    ),
    "failure_rates_by_pointer__failure_rate_is_a_share": (
        rate_view("failure_rates_by_pointer", "error_pointer_pattern"),
        [(None, 4, 3)],
    ),
    "failure_rates_by_pointer__leaves_no_failure_out": (
        empty_view("failure_rates_by_pointer"),
        [(1, 0)],
    ),
    "failure_rates_daily__days_add_up": (
        empty_view("failure_rates_daily"),
        [("10015", "/emergency_address_id", None, 1)],
    ),
    "failure_rates_daily__failure_rate_is_a_share": (
        rate_view("failure_rates_daily", DAILY_KEY),
        [(None, None, None, None, 4, 3)],
    ),
    "job_durations_weekly__late_rate_is_a_share": (
        "create or replace view telnyx.job_durations_weekly as"
        " select 'a' as job_type, null as week, 3 as job_count, 2 as late_job_count,"
        " 1 as estimated_job_count, 2.0 as late_rate",
        [("a", None, 3, 2, 1, 2.0)],
    ),
    "job_durations_weekly__leaves_no_closed_job_out": (
        "update telnyx_raw.jobs set status = 'completed';" + empty_view("job_durations_weekly"),
        [(1, 0)],
    ),
    "job_observations__have_their_job": (
        "insert into telnyx_raw.job_observations (job_id, observed_at)"
        " values ('stray', '2026-03-01T00:00:00Z')",
        [("stray", 1)],
    ),
    "job_observations__key_is_unique": (
        "insert into telnyx_raw.job_observations (job_id, observed_at)"
        " select '42587e44', cast('2026-03-01T00:00:00Z' as timestamptz) from range(2)",
        [("42587e44", datetime(2026, 3, 1, tzinfo=UTC), 2)],
    ),
    "job_operation_errors__have_their_operation": (
        delete_from("job_operations", "outcome = 'failed'"),
        [("42587e44", 0, 0)],
    ),
    "job_operation_errors__keeps_every_error": (
        empty_view("job_operation_errors"),
        [(1, 0)],
    ),
    "job_operation_errors__key_is_unique": (
        "insert into telnyx_raw.job_operation_errors from telnyx_raw.job_operation_errors",
        [("42587e44", 0, 0, 2)],
    ),
    "job_operations__have_their_job": (delete_from("jobs"), [("42587e44", 4)]),
    "job_operations__key_is_unique": (
        "update telnyx_raw.job_operations set position = 0",
        [("42587e44", "successful", 0, 2)],
    ),
    "job_operations__outcome_is_known": (
        "update telnyx_raw.job_operations set outcome = 'lost' where outcome = 'pending'",
        [("42587e44", "lost", 0)],
    ),
    "job_phone_numbers__have_their_job": (delete_from("jobs"), [("42587e44", 4)]),
    "job_phone_numbers__key_is_unique": (
        "alter table telnyx_raw.job_phone_numbers alter column position drop not null;"
        "update telnyx_raw.job_phone_numbers set position = null where position = 3",
        [("42587e44", None, 1)],
    ),
    "jobs__failure_rate_is_a_share": (
        "create or replace view telnyx.jobs as"
        " select 'a' as job_id, 0 as failed_count, 0 as settled_count,"
        " cast('nan' as double) as failure_rate,"
        " cast(null as double) as failure_rate_low, cast(null as double) as failure_rate_high",
        [("a", 0, 0)],
    ),
    "jobs__key_is_unique": (
        "insert into telnyx_raw.jobs from telnyx_raw.jobs",
        [("42587e44", 2)],
    ),
    "jobs__operations_counts_agree": (
        "update telnyx_raw.jobs set pending_operations_count = null",
        [("42587e44", 2, 2, None, 1, 1, 1)],
    ),
    "jobs__phone_numbers_count_agrees": (
        delete_from("job_phone_numbers"),
        [("42587e44", 4, None)],
    ),
    "new_failures__are_failures": (
        "create or replace view telnyx.new_failures as select error_code, error_pointer_pattern,"
        " 7 as failed_operation_count, first_failed_at"
        " from telnyx.failure_rates_by_error_code_and_pointer",
        [("10015", "/emergency_address_id", 7)],
    ),
    "rejected_records__key_is_unique": (
        "insert into telnyx_raw.rejected_records (record_hash) values ('a'), ('a')",
        [("a", 2)],
    ),
    "sync_runs__key_is_unique": (
        "alter table telnyx_raw.sync_runs alter column run_id drop not null;"
        "insert into telnyx_raw.sync_runs (run_id) values (null)",
        [(None, 1)],
    ),
}


def test_every_data_test_is_tried() -> None:
    """The table of breakages above names every data test there is."""
    assert sorted(BREAKAGES) == sorted(path.stem for path in (SQL / "tests").glob("*.sql"))


def test_data_tests_pass_on_an_empty_account(con: DuckDBPyConnection) -> None:
    """Without jobs no data test finds anything."""
    found = {data_test: offending_rows(con, data_test) for data_test in BREAKAGES}

    assert found == {data_test: [] for data_test in BREAKAGES}


def test_data_tests_pass_on_sound_data(con: DuckDBPyConnection) -> None:
    """Missing arrays, errors without a code and jobs without a time offend no data test."""
    add_documented_job(con)
    add_job(con, "missing", asked=None, successful=None, pending=None, failed=None)
    add_failed_job(con, "bare", job_type=None, updated_at=None)
    add_failed_job(con, "mixed", Error("1"), Error("1"), Error(None, pointer="/x/0"), number=None)

    found = {data_test: offending_rows(con, data_test) for data_test in BREAKAGES}

    assert found == {data_test: [] for data_test in BREAKAGES}


@pytest.mark.parametrize("data_test", sorted(BREAKAGES))
def test_data_test_finds_what_is_broken(con: DuckDBPyConnection, data_test: str) -> None:
    """Each data test returns exactly the rows that are wrong."""
    add_documented_job(con)
    statement, expected = BREAKAGES[data_test]
    con.execute(statement)

    width = len(expected[0])
    assert [row[:width] for row in offending_rows(con, data_test)] == expected
