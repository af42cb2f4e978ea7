"""Which kinds of failure no earlier run has seen, and which rates began to rise with this run."""

import json
from datetime import UTC, datetime
from typing import TypedDict

from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.schema import RAW_SCHEMA
from telnyx_jobs.source.query import Query

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED = f"""
with changed as (
    select id, failed_operations_count
    from {RAW_SCHEMA}.jobs
    where observed_at >= ?
),
kinds as (
    select changed.id, errors.operation_position, errors.code, pointers.error_pointer_pattern
    from changed
    inner join {RAW_SCHEMA}.job_operation_errors as errors on changed.id = errors.job_id
    left join telnyx.error_pointers as pointers
        on errors.source_pointer = pointers.error_pointer
),
with_errors as (
    select id, count(distinct operation_position) as operation_count
    from kinds
    group by id
)
select distinct code, error_pointer_pattern
from kinds
union all
select null, null
from changed
left join with_errors on changed.id = with_errors.id
where changed.failed_operations_count > coalesce(with_errors.operation_count, 0)
"""
"""The last part: a failed operation without any error, without a look at all operations."""
_VIEW = "failure_rate_changes"
_RISING = f"""
select error_code, error_pointer_pattern, recent_failure_rate, earlier_failure_rate
from telnyx.{_VIEW}
where change = 'rising'
"""


class Rise(TypedDict):
    """A kind of failure, and its share of all operations: the newest 7 days, the 28 before."""

    error_code: str | None
    error_pointer_pattern: str | None
    recent_failure_rate: float
    earlier_failure_rate: float


def new_failures(query: Query, run_id: str, started_at: datetime) -> list[dict[str, str | None]]:
    """Pairs of error code and pointer pattern, sorted, NULL last."""
    earlier = query(
        "select cast(new_failures as varchar), started_at "
        f"from {RAW_SCHEMA}.sync_runs where run_id <> ?",
        [run_id],
    )
    seen = {
        (pair["error_code"], pair["error_pointer_pattern"])
        for pairs, _ in earlier
        for pair in json.loads(pairs)
    }
    # only a job observed since the last published run can fail in a new way: by this run, or by
    # one that was killed
    since = min(started_at, max((at for _, at in earlier), default=_EVER))
    found = set(query(_FAILED, [since]))
    # sorted here, because each warehouse sorts texts differently
    return [
        {"error_code": code, "error_pointer_pattern": pattern}
        for code, pattern in sorted(found, key=lambda pair: [(text is None, text) for text in pair])
        if (code, pattern) not in seen
    ]


def rising(destination: Destination) -> list[Rise] | None:
    """The rates that rise now, the steepest first. None if no sync has created the view yet."""
    if not destination.has_view(_VIEW):
        return None
    rises = [
        Rise(
            error_code=code,
            error_pointer_pattern=pattern,
            recent_failure_rate=recent,
            earlier_failure_rate=earlier,
        )
        for code, pattern, recent, earlier in destination.query(_RISING)
    ]
    return sorted(
        rises,
        key=lambda rise: (rise["earlier_failure_rate"] - rise["recent_failure_rate"], _kind(rise)),
    )


def begun(before: list[Rise] | None, now: list[Rise] | None) -> list[Rise]:
    """Those that rise now and did not before. Nothing is known of what the first sync finds."""
    if before is None or now is None:
        return []
    known = {_kind(rise) for rise in before}
    return [rise for rise in now if _kind(rise) not in known]


def _kind(rise: Rise) -> tuple[str, ...]:
    """The kind of failure, so that it can be compared and sorted."""
    return tuple(repr(rise[name]) for name in ("error_code", "error_pointer_pattern"))
