"""An account written by hand into the raw tables, with the views over them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from duckdb import DuckDBPyConnection

from telnyx_jobs.destinations.duckdb_tables import create_views, update_tables
from telnyx_jobs.source.parameters import leaves

SQL = Path(__file__).parents[2] / "sql"

# view -> its columns, in order: what users script against
VIEWS = {
    "jobs": (
        "job_id job_type status is_open created_at updated_at estimated_completion_at"
        " requested_count successful_count pending_count failed_count settled_count failure_rate"
        " duration_seconds is_overdue observed_at missing_since failure_rate_low failure_rate_high"
        " customer_reference connection_id billing_group_id emergency_address_id tags"
    ),
    "job_phone_numbers": "job_id position phone_number_id phone_number",
    "job_operations": (
        "job_id outcome position phone_number_id phone_number job_type job_status job_created_at"
        " job_updated_at error_count"
    ),
    "job_operation_errors": (
        "job_id operation_position error_position phone_number_id phone_number job_type"
        " job_created_at job_updated_at error_code error_title error_detail error_pointer"
        " error_pointer_pattern error_parameter error_url sent_value"
    ),
    "failures": (
        "job_id operation_position phone_number_id phone_number job_type failed_at error_code"
        " error_pointer_pattern"
    ),
    "error_pointers": "error_pointer error_pointer_pattern error_count",
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
    "job_parameters": "job_id job_type job_created_at pointer value",
    "failure_rates_by_parameter": (
        "pointer value failed_operation_count settled_operation_count failure_rate job_count"
        " phone_number_count first_failed_at last_failed_at failure_rate_low failure_rate_high"
    ),
    "failure_rates_weekly": (
        "week job_type error_code failed_operation_count settled_operation_count failure_rate"
        " failure_rate_low failure_rate_high"
    ),
    "failure_rate_changes": (
        "error_code error_pointer_pattern recent_failed_operation_count"
        " recent_settled_operation_count recent_failure_rate earlier_failed_operation_count"
        " earlier_settled_operation_count earlier_failure_rate change"
    ),
    "recoveries": (
        "phone_number_id phone_number job_type first_failed_at last_failed_at failed_attempts"
        " error_codes recovered_at hours_to_recovery first_job_id recovered_job_id"
    ),
    "recovery_rates_by_error_code": (
        "error_code failing_count retried_count recovered_count recovery_rate recovery_rate_low"
        " recovery_rate_high median_attempts median_hours"
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
        " throttled_seconds published database version jobs_audited stale_answers"
        " unknown_job_ids history_read_since"
    ),
    "data_dictionary": "relation column_name data_type description ordinal_position",
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


def connection_to(path: Path | None) -> DuckDBPyConnection:
    """Return a connection in UTC to this database, or to a new one in memory."""
    con = duckdb.connect(path or ":memory:")
    con.execute("set TimeZone = 'UTC'")
    return con


def open_account(path: Path | None = None) -> DuckDBPyConnection:
    """Return a new database, else in memory, with empty raw tables and the views over them."""
    con = connection_to(path)
    update_tables(con)
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
    parameters: Mapping[str, object] | None = None,
) -> None:
    """Write one job with its children; None stands for an array the API did not send."""
    counts = [None if each is None else len(each) for each in (asked, successful, pending, failed)]
    insert(
        con,
        "jobs",
        "id, type, status, created_at, updated_at, etc, phone_numbers_count,"
        " successful_operations_count, pending_operations_count, failed_operations_count,"
        " observed_at, parameters",
        [
            (
                *(job_id, job_type, status, created_at, updated_at, etc, *counts),
                *("2026-03-05T00:00:00Z", parameters and json.dumps(parameters)),
            )
        ],
    )
    insert(
        con,
        "job_phone_numbers",
        "job_id, position, phone_number_id, phone_number",
        [(job_id, position, *number) for position, number in enumerate(asked or ())],
    )
    insert(
        con,
        "job_parameters",
        "job_id, pointer, value",
        [(job_id, *leaf) for leaf in leaves(parameters)],
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
        parameters={"emergency_enabled": True, "emergency_address_id": "53829456729313"},
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
