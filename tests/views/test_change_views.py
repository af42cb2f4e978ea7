"""Failure rates over weeks, and the newest 7 days beside the 28 before."""

from datetime import date

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import Error, Failure, Number, add_job, rows

RECENT, EARLIER, LONG_AGO = "2026-03-30T12:00:00Z", "2026-03-23T12:00:00Z", "2026-02-22T12:00:00Z"
ERROR = Error("1", pointer="/x")


def add(con: DuckDBPyConnection, job_id: str, at: str, failed: int, settled: int = 100) -> None:
    """Add a job with so many failed of so many settled operations."""
    add_job(
        con,
        job_id,
        updated_at=at,
        successful=[Number("1")] * (settled - failed),
        failed=[Failure("2", None, [ERROR])] * failed,
    )


@pytest.mark.parametrize(
    ("recent", "earlier", "change"),
    [
        (1, 0, "new"),
        (0, 1, "gone"),
        (30, 10, "rising"),
        (10, 30, "falling"),
        (12, 10, "steady"),
        # four times the rate, but the intervals overlap
        (4, 1, "steady"),
    ],
)
def test_a_change_is_one_of_five(
    con: DuckDBPyConnection, recent: int, earlier: int, change: str
) -> None:
    """A rate rises or falls only if the 95 % intervals do not overlap."""
    add(con, "recent", RECENT, recent)
    add(con, "earlier", EARLIER, earlier)
    assert rows(con, "failure_rate_changes") == [
        ("1", "/x", recent, 100, recent / 100, earlier, 100, earlier / 100, change)
    ]


def test_what_failed_before_both_spans_has_no_row(con: DuckDBPyConnection) -> None:
    """Exactly 7 days before the newest job is earlier, and exactly 35 days before is in neither."""
    add(con, "newest", RECENT, 0)
    add(con, "edge", EARLIER, 1)
    assert rows(con, "failure_rate_changes", "earlier_failed_operation_count") == [(1,)]
    con.execute("update telnyx_raw.jobs set updated_at = '2026-02-23T12:00:00Z' where id = 'edge'")
    assert rows(con, "failure_rate_changes") == []


def test_days_have_24_hours_in_every_time_zone(con: DuckDBPyConnection) -> None:
    """Half an hour less than 7 days before is recent, also across the start of summer time."""
    con.execute("set TimeZone = 'America/New_York'")
    add(con, "newest", "2026-03-10T12:00:00Z", 0)
    add(con, "edge", "2026-03-03T12:30:00Z", 1)
    assert rows(con, "failure_rate_changes", "recent_failed_operation_count") == [(1,)]
    assert len(rows(con, "new_failures")) == 1


def test_weeks_can_be_summed(con: DuckDBPyConnection) -> None:
    """A week without a failure has its row, and a week in which nothing settled has none."""
    add(con, "bad", EARLIER, 1, 10)
    add(con, "good", RECENT, 0, 90)
    add_job(con, "open", updated_at=LONG_AGO, pending=[Number("1")])
    found = rows(
        con, "failure_rates_weekly", "week, error_code, failed_operation_count, failure_rate"
    )
    assert found == [(date(2026, 3, 23), "1", 1, 0.1), (date(2026, 3, 30), "1", 0, 0.0)]
