"""Phone numbers that fail, and those nobody answered for, on raw tables written by hand."""

from datetime import UTC, datetime

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import (
    Error,
    Failure,
    Number,
    add_failed_job,
    add_job,
    add_successful_job,
    rows,
)

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
    add_successful_job(con, "d", number="fixed", updated_at=time)
    add_failed_job(con, "c", number="fixed", updated_at=time)

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
