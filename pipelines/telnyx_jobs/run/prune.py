"""Removing finished jobs that were created before a date, and not loading them again."""

from collections.abc import Sequence
from datetime import UTC, datetime

from telnyx_jobs.api.models import Rejected
from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.run.removed import Removed, delete, delete_files, note, removing
from telnyx_jobs.schema import (
    CHILDREN,
    FINAL_STATUSES,
    JOB_OBSERVATIONS,
    JOBS,
    RAW_SCHEMA,
    REJECTED_RECORDS,
    REMOVALS,
)
from telnyx_jobs.settings import Settings
from telnyx_jobs.source.account import ASKED
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.query import Query
from telnyx_jobs.source.removals import BEFORE, JOB, Removals, kept_removals
from telnyx_jobs.source.state import kept_state

_JOBS = f"{RAW_SCHEMA}.{JOBS.name}"
_PRUNED = f"status in ({', '.join('?' * len(FINAL_STATUSES))}) and created_at < ?"


def prune(settings: Settings, destination: Destination, before: datetime) -> Removed:
    """Remove finished jobs created before this time, with all that belongs to them.

    Raises TelnyxJobsError; then nothing is removed.
    """
    result = Removed(database=destination.name)

    def change() -> None:
        _prune(destination.query, before, result)
        result.files += delete_files(destination.place)

    with removing(settings, destination, result):
        destination.remove(change)
    return result


def _prune(query: Query, before: datetime, result: Removed) -> None:
    pruned = [*FINAL_STATUSES, before]
    doomed = _doomed_records(query, before, pruned)
    shown = _ids(query, f"{_PRUNED} and missing_since is null", pruned)
    # the API may show the rejected ones, too
    shown |= {job_id or record_hash for record_hash, job_id in doomed}
    _keep(query, before, len(shown))
    for record_hash, _ in doomed:
        delete(query, REJECTED_RECORDS, [record_hash])
    result.rows[REJECTED_RECORDS.name] = len(doomed)
    for table in (*CHILDREN, JOB_OBSERVATIONS, JOBS):
        where = f"{table.columns[0].name} in (select id from {_JOBS} where {_PRUNED})"
        name = f"{RAW_SCHEMA}.{table.name}"
        ((rows,),) = query(f"select count(*) from {name} where {where}", pruned)
        query(f"delete from {name} where {where}", pruned)
        result.rows[table.name] = rows
    result.jobs = result.rows[JOBS.name]


def _doomed_records(
    query: Query, before: datetime, pruned: Sequence[object]
) -> list[tuple[str, str | None]]:
    """Hashes and job ids of the rejected records of pruned jobs, and of those that say so."""
    covered = Removals(before=before)
    jobs = _ids(query, _PRUNED, pruned)
    kept = _ids(query, "1 = 1", []) - jobs
    rows = query(
        f"select record_hash, job_id, record from {RAW_SCHEMA}.{REJECTED_RECORDS.name}", []
    )
    return [
        (record_hash, job_id)
        for record_hash, job_id, text in rows
        if job_id in jobs
        or (job_id not in kept and covered.covers(Rejected(job_id, "", text or "")))
    ]


def _ids(query: Query, where: str, values: Sequence[object]) -> set[str]:
    return {job_id for (job_id,) in query(f"select id from {_JOBS} where {where}", values)}


def _keep(query: Query, before: datetime, shown: int) -> None:
    """Keep the date, how many jobs the API still shows beyond those loaded, and whose they are."""
    kept, state = kept_removals(query), kept_state(query)
    spans = state.spans.get("*", []) if state and not state.since else []
    is_whole = len(spans) == 1 and spans[0].oldest is None
    hidden = kept.hidden_jobs + shown if is_whole and kept.hidden_jobs is not None else None
    query(f"delete from {RAW_SCHEMA}.{REMOVALS.name} where kind = ?", [BEFORE])
    until = max(before, kept.before or before).astimezone(UTC).isoformat()
    note(query, BEFORE, until, jobs=hidden)
    newest = Loaded(query).newest_job_ids(ASKED)
    if newest:
        query(f"delete from {RAW_SCHEMA}.{REMOVALS.name} where kind = ?", [JOB])
    for job_id in newest:
        note(query, JOB, job_id)
