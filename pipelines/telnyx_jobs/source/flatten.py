"""Jobs to Arrow tables, one per raw table; pure.

Positions count from 0 in the order of the API's arrays. Each job also leaves one marker row in each
child table: the load deletes a job's old rows by it, also where an array has become empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.json import ParseOptions, ReadOptions, read_json

from telnyx_jobs.api.models import (
    ErrorSource,
    JobError,
    Member,
    Record,
    Rejected,
)
from telnyx_jobs.schema import (
    CHILDREN,
    JOB_OBSERVATIONS,
    JOB_OPERATION_ERRORS,
    JOB_OPERATIONS,
    JOB_PARAMETERS,
    JOB_PHONE_NUMBERS,
    JOBS,
    MARKER,
    REJECTED_RECORDS,
    Table,
)
from telnyx_jobs.source.parameters import leaves

ARROW_TYPES = {
    "text": pa.string(),
    "json": pa.string(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
}
_json_encoder = msgspec.json.Encoder(decimal_format="number")
"""Some drivers give integers as decimals."""


@dataclass(slots=True)
class Observed:
    """A record, its hash, and when the API said it (UTC)."""

    record: Record
    content_hash: str
    at: datetime


def weight_of(record: Record | Rejected) -> int:
    """Rows that the record will make, about."""
    if isinstance(record, Rejected):
        return 1
    return 1 + sum(len(members or ()) for members in record.job.arrays().values())


def arrow_schema(table: Table) -> pa.Schema:
    return pa.schema(
        [pa.field(c.name, ARROW_TYPES[c.type], nullable=c.nullable) for c in table.columns]
    )


def job_tables(observed: Sequence[Observed], *, marked: bool = True) -> dict[str, pa.Table]:
    """The jobs with their children and one observation each. A job may occur only once.

    `marked` is whether older rows of the jobs may have to go.
    """
    tables = {
        JOBS.name: table_of(JOBS, map(_job_row, observed)),
        JOB_OBSERVATIONS.name: table_of(JOB_OBSERVATIONS, map(_observation_row, observed)),
        JOB_PHONE_NUMBERS.name: _phone_numbers(observed),
        JOB_OPERATIONS.name: _operations(observed),
        JOB_OPERATION_ERRORS.name: _errors(observed),
        JOB_PARAMETERS.name: _parameters(
            (o.record.job_id, o.record.job.parameters) for o in observed
        ),
    }
    for child in CHILDREN if marked else ():
        tables[child.name] = pa.concat_tables([tables[child.name], _markers(child, observed)])
    return tables


def rejected_table(
    kept: Mapping[str, tuple[Rejected, datetime]], loaded_since: Iterable[str]
) -> pa.Table:
    """Rejected records by their hash, and a marker for each hash whose job loads by now."""
    rows: list[tuple[Any, ...]] = [
        (record_hash, record.job_id, record.reason, record.text, at, None)
        for record_hash, (record, at) in kept.items()
    ]
    rows += [(record_hash, None, None, None, None, True) for record_hash in loaded_since]
    return table_of(REJECTED_RECORDS, rows)


def stored_jobs_table(rows: Iterable[Sequence[Any]], missing_since: datetime | None) -> pa.Table:
    """Rows of `jobs` as they are stored, with another `missing_since`."""
    place = JOBS.column_names.index("missing_since")
    return table_of(JOBS, ((*row[:place], missing_since, *row[place + 1 :]) for row in rows))


def stored_parameters_table(jobs: Iterable[tuple[str, str | None]]) -> pa.Table:
    """Rows of `job_parameters` from ids of jobs and their parameters as stored, as JSON text."""
    return _parameters((job_id, text and msgspec.json.decode(text)) for job_id, text in jobs)


def table_of(table: Table, rows: Iterable[Sequence[Any]]) -> pa.Table:
    """The rows, each with a value for every column of the table."""
    columns = list(zip(*rows, strict=True)) or [()] * len(table.columns)
    schema = arrow_schema(table)
    return pa.Table.from_arrays(_arrays(columns, schema.types), schema=schema)


def _arrays(columns: Sequence[Sequence[Any]], types: Sequence[pa.DataType]) -> list[pa.Array]:
    """One array per column; the columns may have different lengths.

    Through JSON, because `pa.array` imports pandas: 0.2 s and 40 MB in every sync. It is faster by
    itself, but wins that time back only from a million numbers on.
    """
    names = [str(place) for place in range(len(columns))]
    text = _json_encoder.encode(dict(zip(names, columns, strict=True)))
    lists = pa.schema([(name, pa.list_(kind)) for name, kind in zip(names, types, strict=True)])
    table = read_json(
        pa.BufferReader(text),
        # all columns are one record, which has to lie in one block
        ReadOptions(use_threads=False, block_size=len(text)),
        ParseOptions(explicit_schema=lists),
    )
    return [column.chunk(0).values for column in table.columns]


def _markers(child: Table, observed: Sequence[Observed]) -> pa.Table:
    blank = {"text": "", "bigint": -1}
    row = [None if c.nullable else blank[c.type] for c in child.columns[1:-1]]
    return table_of(child, ((o.record.job_id, *row, True) for o in observed))


def _job_row(observed: Observed) -> tuple[Any, ...]:
    job = observed.record.job
    return (
        job.id,
        job.record_type,
        job.type,
        job.status,
        job.etc,
        job.created_at,
        job.updated_at,
        _json(job.parameters),
        *_counts(observed),
        _json(observed.record.unknown),
        observed.at,
        None,
        observed.content_hash,
    )


def _observation_row(observed: Observed) -> tuple[Any, ...]:
    job = observed.record.job
    return (job.id, observed.at, job.status, job.updated_at, *_counts(observed))


def _counts(observed: Observed) -> list[int | None]:
    arrays = observed.record.job.arrays()
    return [None if array is None else len(array) for array in arrays.values()]


def _json(value: Any) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _phone_numbers(observed: Sequence[Observed]) -> pa.Table:
    jobs = [o.record.job for o in observed]
    keys = {"job_id": [job.id for job in jobs]}
    return _numbers(JOB_PHONE_NUMBERS, keys, [job.phone_numbers or () for job in jobs])


def _operations(observed: Sequence[Observed]) -> pa.Table:
    arrays: list[tuple[str, str, Sequence[Member]]] = [
        (job.id, name.removesuffix("_operations"), members or ())
        for job in (o.record.job for o in observed)
        for name, members in job.arrays().items()
        if name.endswith("_operations")
    ]
    keys = {"job_id": [array[0] for array in arrays], "outcome": [array[1] for array in arrays]}
    return _numbers(JOB_OPERATIONS, keys, [array[2] for array in arrays])


def _numbers(
    table: Table, keys: Mapping[str, Sequence[str]], arrays: Sequence[Sequence[Member]]
) -> pa.Table:
    """A row for each member of the arrays: its array's keys, its place there, what it says.

    Only what it says becomes Python objects one by one; a backfill has millions of members.
    """
    ids = [[member.id for member in array] for array in arrays]
    phone_numbers = [[member.phone_number for member in array] for array in arrays]
    texts = [pa.string()] * len(keys)
    lists = [pa.list_(pa.string())] * 2
    *keys_of_arrays, by_array, numbers = _arrays(
        [*keys.values(), ids, phone_numbers], texts + lists
    )
    array_of_member = pc.list_parent_indices(by_array)
    member_count = len(array_of_member)
    columns = {
        name: key.take(array_of_member) for name, key in zip(keys, keys_of_arrays, strict=True)
    }
    starts = by_array.offsets.take(array_of_member)
    columns["position"] = pc.subtract(pa.arange(0, member_count), starts)
    columns["phone_number_id"] = by_array.values
    columns["phone_number"] = numbers.values
    columns[MARKER] = pa.nulls(member_count, pa.bool_())
    return pa.Table.from_pydict(columns, schema=arrow_schema(table))


def _errors(observed: Sequence[Observed]) -> pa.Table:
    return table_of(
        JOB_OPERATION_ERRORS,
        (
            (o.record.job_id, operation_position, position, *_error_fields(error), None)
            for o in observed
            for operation_position, operation in enumerate(o.record.job.failed_operations or ())
            for position, error in enumerate(operation.errors or ())
        ),
    )


def _parameters(jobs: Iterable[tuple[str, Any]]) -> pa.Table:
    rows = ((job_id, *leaf, None) for job_id, found in jobs for leaf in leaves(found))
    return table_of(JOB_PARAMETERS, rows)


def _error_fields(error: JobError) -> tuple[str | None, ...]:
    # until 2025 `source` was documented as the bare pointer
    source = ErrorSource(error.source) if isinstance(error.source, str) else error.source
    return (
        error.code,
        error.title,
        error.detail,
        source.pointer if source else None,
        source.parameter if source else None,
        error.meta.url if error.meta else None,
    )
