"""How long jobs take, by week, on raw tables written by hand."""

from datetime import date

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import Failure, Number, add_job, rows

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
