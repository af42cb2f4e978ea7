"""The bounds of every failure rate, against the textbook's interval."""

import math
from statistics import NormalDist

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import (
    VIEWS,
    Error,
    Failure,
    Number,
    add_job,
    rows,
)

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
    """In every view with a failure rate its bounds are the Wilson interval at 95 %, to 1e-12."""
    add_job(
        con,
        "a",
        successful=[Number("1")] * (settled - failed),
        failed=[Failure("2", None, [Error("10015", pointer="/x")])] * failed,
        parameters={"x": "y"},
    )

    expected = [pytest.approx(wilson_bounds(failed, settled), rel=0, abs=1e-12)]
    views = [view for view, columns in VIEWS.items() if "failure_rate_low" in columns]
    assert {view: rows(con, view, BOUNDS) for view in views} == dict.fromkeys(views, expected)


def test_every_view_with_a_rate_has_its_bounds() -> None:
    """The bounds stand beside each failure rate: the last columns, but for parameters."""
    rated = {view for view, columns in VIEWS.items() if "failure_rate" in columns.split()}
    ended = {view for view in VIEWS if VIEWS[view].endswith(" failure_rate_low failure_rate_high")}

    assert rated == ended | {"jobs"}
    assert " failure_rate_low failure_rate_high customer_reference " in VIEWS["jobs"]


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
