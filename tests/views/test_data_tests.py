"""The data tests in sql/tests, each tried on what it must find."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import (
    DAILY_KEY,
    SQL,
    VIEWS,
    Error,
    Row,
    add_documented_job,
    add_failed_job,
    add_job,
    offending_rows,
    open_account,
)
from telnyx_jobs.destinations.duckdb_tests import failed_tests, failed_tests_of

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
    "failure_rates_by_error_code__failures_add_up": (
        empty_view("failure_rates_by_error_code"),
        [(None, None, None, 1, None)],
    ),
    "failure_rates_by_error_code_and_pointer__failures_add_up": (
        empty_view("failure_rates_by_error_code_and_pointer"),
        [(None, None, None, None, 1, None)],
    ),
    "failure_rates_by_job_type__failures_add_up": (
        empty_view("failure_rates_by_job_type"),
        [(None, None, None, 1, None, 3, None)],
    ),
    "failure_rates_by_pointer__failures_add_up": (
        empty_view("failure_rates_by_pointer"),
        [(None, None, None, 1, None)],
    ),
    "failure_rates_daily__failures_add_up": (
        empty_view("failure_rates_daily"),
        [(None, None, None, None, None, None, 1, None)],
    ),
    "failure_rates_weekly__failures_add_up": (
        empty_view("failure_rates_weekly"),
        [("10015", 1, None)],
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
        [("42587e44", "successful", 2, 0)],
    ),
    "job_operations__rows_add_up": (delete_from("job_operations", "position = 1"), [(4, 3)]),
    "job_operations__outcome_is_known": (
        "update telnyx_raw.job_operations set outcome = 'lost' where outcome = 'pending'",
        [("42587e44", "lost", 0)],
    ),
    "job_parameters__have_their_job": (delete_from("jobs"), [("42587e44", 2)]),
    "job_parameters__key_is_unique": (
        "update telnyx_raw.job_parameters set pointer = '/x'",
        [("42587e44", "/x", 2)],
    ),
    "job_phone_numbers__have_their_job": (delete_from("jobs"), [("42587e44", 4)]),
    "job_phone_numbers__key_is_unique": (
        "alter table telnyx_raw.job_phone_numbers alter column position drop not null;"
        "update telnyx_raw.job_phone_numbers set position = null where position = 3",
        [("42587e44", 4, 2)],
    ),
    "job_phone_numbers__rows_add_up": (
        "insert into telnyx_raw.job_phone_numbers from telnyx_raw.job_phone_numbers",
        [(4, 8)],
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


@pytest.mark.parametrize(
    "data_test",
    [name for name, (statement, _) in BREAKAGES.items() if " view " not in statement],
)
def test_data_test_finds_what_is_broken_in_a_changed_job(
    con: DuckDBPyConnection, data_test: str
) -> None:
    """Tested by itself, a job shows what is wrong with it; totals show what is wrong elsewhere."""
    add_documented_job(con)
    con.execute(BREAKAGES[data_test][0])
    not_of_a_job = {"rejected_records__key_is_unique", "sync_runs__key_is_unique"}
    strays = {"job_observations__have_their_job"}

    found = failed_tests_of(con, ["42587e44"])
    assert (data_test in found) == (data_test not in not_of_a_job | strays)


@pytest.mark.parametrize(
    ("view", "key"),
    [
        ("failure_rates_by_error_code", "error_code"),
        ("failure_rates_by_pointer", "error_pointer_pattern"),
        ("failure_rates_by_error_code_and_pointer", "error_code, error_pointer_pattern"),
        ("failure_rates_daily", DAILY_KEY),
    ],
)
def test_data_test_finds_a_rate_that_is_no_share(
    con: DuckDBPyConnection, view: str, key: str
) -> None:
    """A rate that is NaN, of more failures than operations, is found though the sum is right."""
    add_documented_job(con)
    con.execute(rate_view(view, key).replace("4 as", "1 as").replace("3 as", "0 as"))

    ((*found, _, _, _),) = offending_rows(con, f"{view}__failures_add_up")
    assert found == [*[None] * len(key.split(", ")), 1, 0, 1, 1]


def test_data_test_finds_a_rate_of_a_type_that_is_no_share(con: DuckDBPyConnection) -> None:
    """A rate that is NaN is found though both sums are right."""
    add_documented_job(con)
    con.execute(rate_view("failure_rates_by_job_type", "job_type").replace("4 as", "1 as"))

    ((*found, _, _, _),) = offending_rows(con, "failure_rates_by_job_type__failures_add_up")
    assert found == [None, 1, 3, 1, 1, 3, 3]


def test_data_tests_get_the_memory_that_they_need(tmp_path: Path) -> None:
    """A data test that does not fit into the memory of a build is run all the same."""
    with open_account(tmp_path / "account.duckdb") as con:
        con.execute(
            "insert into telnyx_raw.job_operation_errors (job_id, operation_position, position)"
            " select range::varchar, 0, 0 from range(100_000)"
        )
        con.execute("checkpoint")
        # nothing can go to the disk in its place
        con.execute("set temp_directory = ''")
        con.execute("set memory_limit = '4MB'")
        with pytest.raises(duckdb.OutOfMemoryException):
            offending_rows(con, "job_operation_errors__key_is_unique")

        assert len(failed_tests(con)["job_operation_errors__have_their_operation"]) == 5
