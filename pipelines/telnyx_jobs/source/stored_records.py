"""Records as the API sent them, from the rows that they were flattened to."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from telnyx_jobs.api.models import (
    ARRAYS,
    ErrorMeta,
    ErrorSource,
    FailedOperation,
    Job,
    JobError,
    Member,
    Record,
)
from telnyx_jobs.schema import (
    CHILDREN,
    JOB_OPERATION_ERRORS,
    JOB_OPERATIONS,
    JOB_PHONE_NUMBERS,
    JOBS,
    MARKER,
    RAW_SCHEMA,
    ROW_HASH,
    Table,
)
from telnyx_jobs.source.loaded import as_text
from telnyx_jobs.source.query import Query

Row = dict[str, Any]

NOT_OF_API = {"observed_at", "missing_since", ROW_HASH, MARKER}
"""Columns of the loaded tables that do not come from the API."""

_FIELDS = ("record_type", "type", "status", "etc", "created_at", "updated_at")


class Stored(NamedTuple):
    """A job's rows by table and key, the record that they come from, and whether it is exact.

    It is not if what the rows leave open, such as a list that is empty or missing, has no
    solution with the stored hash.
    """

    rows: dict[str, dict[tuple[Any, ...], Row]]
    record: Record
    is_exact: bool


class _Blanks(NamedTuple):
    """What the API sent where the rows show nothing."""

    errors: list[JobError] | None
    source: ErrorSource | None
    meta: ErrorMeta | None
    is_bare_source: bool


_BLANKS = [
    _Blanks(errors, source, meta, is_bare)
    for errors in (None, list[JobError]())
    for source in (None, ErrorSource())
    for meta in (None, ErrorMeta())
    for is_bare in (False, True)
]


def stored_jobs(query: Query, job_ids: Sequence[str]) -> Iterator[Stored]:
    """The jobs with all of their rows."""
    found: dict[str, dict[str, dict[tuple[Any, ...], Row]]] = {}
    for table in (JOBS, *CHILDREN):
        for row in stored_rows(query, table, job_ids):
            job_id = row[table.columns[0].name]
            of_job = found.setdefault(job_id, {each.name: {} for each in (JOBS, *CHILDREN)})
            of_job[table.name][key_of(table, row)] = row
    for of_job in found.values():
        (job,) = of_job[JOBS.name].values()
        for blanks in _BLANKS:
            record = _record(job, of_job, blanks)
            if record.content_hash() == job[ROW_HASH]:
                yield Stored(of_job, record, is_exact=True)
                break
        else:
            yield Stored(of_job, _record(job, of_job, _BLANKS[0]), is_exact=False)


def key_of(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in table.key)


def comparable(value: Any) -> Any:
    """The value; JSON text without regard to spaces and the order of keys."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def stored_rows(query: Query, table: Table, job_ids: Sequence[str]) -> Iterator[Row]:
    """The rows of these jobs, each by column, JSON as text."""
    marks = ", ".join("?" * len(job_ids))
    rows = query(
        f"select {', '.join(map(as_text, table.columns))} from {RAW_SCHEMA}.{table.name} "
        f"where {table.columns[0].name} in ({marks})",
        job_ids,
    )
    for row in rows:
        yield dict(zip(table.column_names, row, strict=True))


def _record(job: Row, rows: Mapping[str, Mapping[Any, Row]], blanks: _Blanks) -> Record:
    errors = defaultdict(list)
    for row in _in_order(rows[JOB_OPERATION_ERRORS.name]):
        errors[row["operation_position"]].append(_error(row, blanks))
    arrays: dict[str, list[Any] | None] = {
        name: None if job[f"{name}_count"] is None else [] for name in ARRAYS
    }
    for row in _in_order(rows[JOB_PHONE_NUMBERS.name]):
        _add(arrays, "phone_numbers", Member(row["phone_number_id"], row["phone_number"]))
    for row in _in_order(rows[JOB_OPERATIONS.name]):
        said = (row["phone_number_id"], row["phone_number"])
        if row["outcome"] == "failed":
            of_operation = errors.get(row["position"], blanks.errors)
            _add(arrays, "failed_operations", FailedOperation(*said, of_operation))
        else:
            _add(arrays, f"{row['outcome']}_operations", Member(*said))
    record = Record(Job(job["id"], parameters=_value(job["parameters"])), _value(job["extra"]))
    for name in _FIELDS:
        setattr(record.job, name, job[name])
    for name, members in arrays.items():
        setattr(record.job, name, members)
    return record


def _error(row: Row, blanks: _Blanks) -> JobError:
    pointer, parameter, url = row["source_pointer"], row["source_parameter"], row["meta_url"]
    source: ErrorSource | str | None = blanks.source
    if pointer is not None or parameter is not None:
        is_bare = blanks.is_bare_source and pointer is not None and parameter is None
        source = pointer if is_bare else ErrorSource(pointer, parameter)
    meta = blanks.meta if url is None else ErrorMeta(url)
    return JobError(row["code"], row["title"], row["detail"], source, meta)


def _add(arrays: dict[str, list[Any] | None], name: str, member: Any) -> None:
    members = arrays[name]
    if members is not None:
        members.append(member)


def _in_order(rows: Mapping[tuple[Any, ...], Row]) -> list[Row]:
    return [rows[key] for key in sorted(rows)]


def _value(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)
