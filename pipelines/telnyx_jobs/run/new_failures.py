"""Which kinds of failure no earlier run has seen."""

import json
from datetime import UTC, datetime

from telnyx_jobs.schema import RAW_SCHEMA
from telnyx_jobs.source.query import Query

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED = f"""
select distinct errors.code, pointers.error_pointer_pattern
from {RAW_SCHEMA}.job_operations as operations
inner join {RAW_SCHEMA}.jobs as jobs on operations.job_id = jobs.id
left join {RAW_SCHEMA}.job_operation_errors as errors
    on operations.job_id = errors.job_id and operations.position = errors.operation_position
left join telnyx.error_pointers as pointers
    on errors.source_pointer = pointers.error_pointer
where operations.outcome = 'failed' and jobs.observed_at >= ?
"""


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
    found = query(_FAILED, [since])
    # sorted here, because each warehouse sorts texts differently
    return [
        {"error_code": code, "error_pointer_pattern": pattern}
        for code, pattern in sorted(found, key=lambda pair: [(text is None, text) for text in pair])
        if (code, pattern) not in seen
    ]
