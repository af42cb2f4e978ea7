"""Every raw table and column, once: type, key and meaning.

The Arrow schemas, the dlt hints, the DDL and the comments in the file all come from here.
"""

from dataclasses import dataclass
from typing import Literal

RAW_SCHEMA = "telnyx_raw"
VIEW_SCHEMA = "telnyx"

Type = Literal["text", "timestamp", "bigint", "double", "bool", "json"]

MARKER = "_dlt_deleted"
ROW_HASH = "_dlt_row_hash"

FORGOTTEN = "forgotten"
"""What stands where a phone number was forgotten."""

FINAL_STATUSES = ("completed", "failed", "expired")
"""Statuses after which a job does not change; any other, also an unknown one, is open."""


@dataclass(frozen=True)
class Column:
    name: str
    type: Type
    description: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One raw table. `key` is unique; `replaced_by` is what one load replaces rows by."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    replaced_by: str | None = None

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


def _key(name: str, type_: Type, description: str) -> Column:
    return Column(name, type_, description, nullable=False)


COUNTS = tuple(
    Column(f"{array}_count", "bigint", f"{meaning}; NULL when the API sent no array{more}.")
    for array, meaning, more in (
        ("phone_numbers", "Numbers asked for", ", 0 when it sent an empty one"),
        ("successful_operations", "Operations that succeeded", ""),
        ("pending_operations", "Operations not settled yet", ""),
        ("failed_operations", "Operations that failed", ""),
    )
)
_MARKER = Column(
    MARKER,
    "bool",
    "Technical: marks a key whose rows a load replaces. Such rows are never stored.",
)
_JOB_ID = _key("job_id", "text", "The job, telnyx_raw.jobs.id.")
_PHONE_NUMBER_ID = Column("phone_number_id", "text", "Telnyx id of the number; NULL when not sent.")
_PHONE_NUMBER = Column("phone_number", "text", "The number in E.164 form; NULL when not sent.")


def _child(name: str, description: str, key: tuple[str, ...], *columns: Column) -> Table:
    """A table of what belongs to jobs: a load replaces all rows of a job."""
    return Table(name, description, ("job_id", *key), (_JOB_ID, *columns, _MARKER), "job_id")


JOBS = Table(
    name="jobs",
    description="One row per phone-number job, as the API last showed it.",
    key=("id",),
    columns=(
        _key("id", "text", "Telnyx job id (UUID)."),
        Column("record_type", "text", "Kind of record in Telnyx's words: phone_numbers_job."),
        Column("type", "text", "What the job does, such as update_emergency_settings."),
        Column("status", "text", "pending, in_progress, completed, failed, expired or a new one."),
        Column("etc", "timestamp", "Estimated time of completion, UTC."),
        Column("created_at", "timestamp", "When the job was created, UTC."),
        Column("updated_at", "timestamp", "When the job last changed at Telnyx, UTC."),
        Column("parameters", "json", "Arguments saved with the job; external_pin is never kept."),
        *COUNTS,
        Column("extra", "json", "Every field of the record that has no column of its own."),
        Column("observed_at", "timestamp", "When a sync first saw the job as it is here, UTC."),
        Column("missing_since", "timestamp", "Since when the API no longer shows the job, UTC."),
        Column(ROW_HASH, "text", "Technical: hash of the record, shows whether a job changed."),
    ),
)
JOB_PHONE_NUMBERS = _child(
    "job_phone_numbers",
    "One row per number that a job was asked to change.",
    ("position",),
    _key("position", "bigint", "Place in the API's phone_numbers array, from 0."),
    _PHONE_NUMBER_ID,
    _PHONE_NUMBER,
)
JOB_OPERATIONS = _child(
    "job_operations",
    "One row per operation of a job on a number.",
    ("outcome", "position"),
    _key("outcome", "text", "successful, pending or failed: the array the operation is in."),
    _key("position", "bigint", "Place in that array, from 0."),
    _PHONE_NUMBER_ID,
    _PHONE_NUMBER,
)
JOB_OPERATION_ERRORS = _child(
    "job_operation_errors",
    "One row per error of a failed operation.",
    ("operation_position", "position"),
    _key("operation_position", "bigint", "Place of the operation in failed_operations."),
    _key("position", "bigint", "Place in the operation's errors array, from 0."),
    Column("code", "text", "Telnyx error code, such as 10015."),
    Column("title", "text", "Short text of the error."),
    Column("detail", "text", "What exactly was wrong."),
    Column("source_pointer", "text", "JSON pointer (RFC 6901) to the field at fault."),
    Column("source_parameter", "text", "Query parameter at fault."),
    Column("meta_url", "text", "Page that explains the error."),
)
JOB_PARAMETERS = _child(
    "job_parameters",
    "One row per leaf of a job's parameters, the numbers asked for left out.",
    ("pointer",),
    _key("pointer", "text", "JSON pointer (RFC 6901) to the value in jobs.parameters."),
    Column("value", "text", "A string as it is, anything else as JSON: false, null, 7, []."),
)
JOB_OBSERVATIONS = Table(
    name="job_observations",
    description="One row each time a sync saw a job changed.",
    key=("job_id", "observed_at"),
    columns=(
        _JOB_ID,
        _key("observed_at", "timestamp", "When the sync read the job, UTC."),
        Column("status", "text", "The job's status then."),
        Column("updated_at", "timestamp", "The job's updated_at then, UTC."),
        *COUNTS,
    ),
)
REJECTED_RECORDS = Table(
    name="rejected_records",
    description="One row per record of the API that could not be loaded, kept as it came.",
    key=("record_hash",),
    columns=(
        _key("record_hash", "text", "Hash of the record's text."),
        Column("job_id", "text", "The record's id, when it has one."),
        Column("reason", "text", "Why it could not be loaded."),
        Column("record", "text", "The record as JSON text; external_pin is never kept."),
        Column("observed_at", "timestamp", "When a sync first saw it, UTC."),
        _MARKER,
    ),
)
SYNC_RUNS = Table(
    name="sync_runs",
    description="One row per sync that published this file.",
    key=("run_id",),
    columns=(
        _key("run_id", "text", "Id of the run."),
        Column("mode", "text", "incremental, full or jobs."),
        Column("started_at", "timestamp", "When the run began, UTC."),
        Column("finished_at", "timestamp", "When its data was complete and tested, UTC."),
        Column("requests", "bigint", "HTTP requests sent, retries included."),
        Column("pages", "bigint", "List pages read."),
        Column("jobs_listed", "bigint", "Job records seen on list pages."),
        Column("jobs_retrieved", "bigint", "Jobs read one by one, by id."),
        Column("jobs_changed", "bigint", "Jobs new or changed, and so written."),
        Column("open_jobs", "bigint", "Jobs in the file that are not finished."),
        Column("missing_jobs", "bigint", "Jobs in the file that the API no longer shows."),
        Column("rejected_records", "bigint", "Records in the file that could not be loaded."),
        Column("rows", "json", "Rows written, by table."),
        Column("unknown_fields", "json", "Fields seen that have no column; kept in jobs.extra."),
        Column("new_failures", "json", "Pairs of error code and pointer never seen before."),
        Column("retries", "bigint", "Requests that were sent again."),
        Column("throttled_seconds", "double", "Seconds waited because of the API's rate limit."),
        Column("published", "bool", "Whether the run published the file: true for each row."),
        Column("database", "text", "Path of the published file."),
        Column("version", "text", "Version of the program that published."),
        Column("jobs_audited", "bigint", "Jobs of the history that were read again."),
        Column("stale_answers", "bigint", "Answers older than what was loaded, so left out."),
        Column("unknown_job_ids", "json", "Ids asked for by --job-id that the API does not know."),
        Column("history_read_since", "timestamp", "Since when each listed job has been read, UTC."),
    ),
)

CHILDREN = (JOB_PHONE_NUMBERS, JOB_OPERATIONS, JOB_OPERATION_ERRORS, JOB_PARAMETERS)
LOADED = (JOBS, *CHILDREN, JOB_OBSERVATIONS, REJECTED_RECORDS)
"""The tables that dlt loads."""
TABLES = (*LOADED, SYNC_RUNS)
REMOVALS = Table(
    name="removals",
    description="One row per phone number or id that was forgotten, and per date pruned before.",
    key=("kind", "value"),
    columns=(
        _key("kind", "text", "phone_number, phone_number_id, created_before or job_id."),
        _key(
            "value",
            "text",
            "A keyed fingerprint of the number or id; a time; or a pruned job that shows whose "
            "key is used.",
        ),
        Column("key_id", "text", "Which key the fingerprint is made with."),
        Column("jobs", "bigint", "Jobs pruned that the API still showed; NULL if not known."),
        Column("removed_at", "timestamp", "When it was removed, UTC."),
    ),
)
"""What must not come back. It stays where it is: it is not exported, and no view reads it."""
STORED = (*TABLES, REMOVALS)
"""Every table of a destination."""
