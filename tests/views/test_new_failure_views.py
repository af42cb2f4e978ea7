"""Failures never seen before, on raw tables written by hand."""

from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from support.raw_account import Error, add_failed_job, rows

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
