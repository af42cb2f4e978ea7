"""Jobs to Arrow tables: every row in its place, and nothing else."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from telnyx_jobs.api.models import Record
from telnyx_jobs.api.parsing import read_job
from telnyx_jobs.schema import CHILDREN, JOB_OBSERVATIONS, LOADED, MARKER
from telnyx_jobs.source.flatten import Observed, arrow_schema, job_tables, table_of

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def observed(value: Any) -> Observed:
    record = read_job(json.dumps({"data": value}).encode())
    assert isinstance(record, Record)
    return Observed(record, "hash", NOW)


def loaded(table: pa.Table) -> list[dict[str, Any]]:
    """The rows that a load keeps: all but the markers."""
    return [row for row in table.to_pylist() if not row.pop(MARKER, None)]


def test_tables_have_the_schema_of_the_contract() -> None:
    """Each table of a batch has exactly the columns of its schema, even without a job."""
    for tables in (job_tables([]), job_tables([observed({"id": "a"})])):
        for table in LOADED:
            if table.name in tables:
                assert tables[table.name].schema == arrow_schema(table)


def test_a_job_leaves_a_marker_in_each_child_table() -> None:
    """One marker per job makes the load delete the job's old rows."""
    tables = job_tables([observed({"id": "a"}), observed({"id": "b", "phone_numbers": [{}]})])

    for child in CHILDREN:
        marked = [row["job_id"] for row in tables[child.name].to_pylist() if row[MARKER]]
        assert marked == ["a", "b"]


def test_counts_tell_no_array_from_an_empty_one() -> None:
    """A count is NULL for an array that was not sent and 0 for an empty one."""
    job: dict[str, Any] = {"id": "a", "phone_numbers": [], "failed_operations": None}

    (row,) = loaded(job_tables([observed(job)])["jobs"])

    counts = [row[f"{name}_count"] for name in ("phone_numbers", "failed_operations")]
    assert counts == [0, None]
    assert row["pending_operations_count"] is None


texts = st.none() | st.text(max_size=3)
phone_numbers = st.lists(st.fixed_dictionaries({"id": texts, "phone_number": texts}), max_size=4)
errors = st.lists(
    st.fixed_dictionaries(
        {
            "code": texts,
            "title": texts,
            "detail": texts,
            "source": st.none()
            | st.text(max_size=3)
            | st.fixed_dictionaries({"pointer": texts, "parameter": texts}),
            "meta": st.none() | st.fixed_dictionaries({"url": texts}),
        }
    ),
    max_size=3,
)
failed_operations = st.lists(
    st.fixed_dictionaries({"id": texts, "phone_number": texts, "errors": st.none() | errors}),
    max_size=4,
)
jobs = st.fixed_dictionaries(
    {
        "phone_numbers": st.none() | phone_numbers,
        "successful_operations": st.none() | phone_numbers,
        "pending_operations": st.none() | phone_numbers,
        "failed_operations": st.none() | failed_operations,
    }
)


@given(st.lists(jobs, max_size=4))
def test_every_element_becomes_its_row(drawn: list[dict[str, Any]]) -> None:
    """The arrays of the API can be written back from the rows, element by element."""
    sent = [{"id": f"job-{place}"} | value for place, value in enumerate(drawn)]

    tables = {
        name: loaded(table) for name, table in job_tables([observed(v) for v in sent]).items()
    }

    numbers = [
        {"job_id": job["id"], "position": position, **_number(number)}
        for job in sent
        for position, number in enumerate(job["phone_numbers"] or [])
    ]
    operations = [
        {"job_id": job["id"], "outcome": outcome, "position": position, **_number(operation)}
        for job in sent
        for outcome in ("successful", "pending", "failed")
        for position, operation in enumerate(job[f"{outcome}_operations"] or [])
    ]
    errors = [
        {"job_id": job["id"], "operation_position": place, "position": position, **_error(error)}
        for job in sent
        for place, operation in enumerate(job["failed_operations"] or [])
        for position, error in enumerate(operation["errors"] or [])
    ]
    assert tables["job_phone_numbers"] == numbers
    assert tables["job_operations"] == operations
    assert tables["job_operation_errors"] == errors
    assert [row["id"] for row in tables["jobs"]] == [job["id"] for job in sent]


long_texts = st.text(st.characters(exclude_categories=["Cs"]))
zones = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(timezones=zones)
integers = st.integers(-(2**63), 2**63 - 1)
counts = st.none() | integers | integers.map(Decimal)


@given(
    st.lists(st.tuples(long_texts, times, st.none() | long_texts, st.none() | times, *[counts] * 4))
)
def test_values_are_what_arrow_makes_of_them(drawn: list[tuple[Any, ...]]) -> None:
    """Texts, times of any offset, integers and decimals come through as they are, NULLs too."""
    schema = arrow_schema(JOB_OBSERVATIONS)

    table = table_of(JOB_OBSERVATIONS, drawn)

    rows = [dict(zip(schema.names, row, strict=True)) for row in drawn]
    assert table == pa.Table.from_pylist(rows, schema)


def _number(element: dict[str, Any]) -> dict[str, Any]:
    return {"phone_number_id": element["id"], "phone_number": element["phone_number"]}


def _error(error: dict[str, Any]) -> dict[str, Any]:
    source = error["source"] if isinstance(error["source"], dict) else {"pointer": error["source"]}
    return {
        "code": error["code"],
        "title": error["title"],
        "detail": error["detail"],
        "source_pointer": source.get("pointer"),
        "source_parameter": source.get("parameter"),
        "meta_url": (error["meta"] or {}).get("url"),
    }
