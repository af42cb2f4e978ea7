"""The example job of Telnyx's documentation, in every view that shows it."""

from datetime import UTC, date, datetime

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import THIRD_BOUNDS, Row, add_documented_job, rows

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
            *(None, None, None, "53829456729313", None),
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
            "53829456729313",
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
