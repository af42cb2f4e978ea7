"""The views of failure rates, over all jobs and by day, on raw tables written by hand."""

from datetime import UTC, date, datetime

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import (
    DAILY_KEY,
    RATE_VIEWS,
    VIEWS,
    Error,
    Failure,
    Number,
    add_failed_job,
    add_job,
    add_successful_job,
    rows,
)

# --- failure rates ---------------------------------------------------------------------------


def test_failure_without_any_error_keeps_a_row(con: DuckDBPyConnection) -> None:
    """A failed operation without an error counts under NULL, and not as an error."""
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
