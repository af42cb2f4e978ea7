"""The views of single jobs, operations and errors, on raw tables written by hand."""

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import Error, Failure, Number, add_failed_job, add_job, rows

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
