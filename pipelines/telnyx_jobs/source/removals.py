"""What was removed for good, and must not come back with a later answer of the API."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.schema import FINAL_STATUSES, RAW_SCHEMA, REMOVALS
from telnyx_jobs.source.forgetting import ID, NUMBER
from telnyx_jobs.source.query import Query

BEFORE, JOB = "created_before", "job_id"
"""Kinds beside the forgotten ones: a date pruned before, and a pruned job."""


@dataclass(frozen=True)
class Removals:
    """What was forgotten and pruned. `numbers` and `ids` are fingerprints."""

    numbers: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()
    key_id: str | None = None
    before: datetime | None = None
    """Finished jobs that were created before this time are not loaded."""
    hidden_jobs: int | None = 0
    """Pruned jobs that the API may still show; None if not known."""
    job_ids: list[str] = field(default_factory=list)
    """Pruned jobs that show whose key is used when no other job is left."""

    def covers(self, record: Record | Rejected) -> bool:
        """Whether the record is a finished job that was created before the date."""
        if self.before is None:
            return False
        if isinstance(record, Rejected):
            status, created_at = _known(record)
        else:
            status, created_at = record.job.status, record.job.created_at
        return status in FINAL_STATUSES and created_at is not None and created_at < self.before

    def later_of(self, since: datetime | None) -> datetime | None:
        """Back to when lists are read."""
        return max((time for time in (since, self.before) if time), default=None)


NOTHING_REMOVED = Removals()


def kept_removals(query: Query) -> Removals:
    """What the destination has kept."""
    rows = query(f"select kind, value, key_id, jobs from {RAW_SCHEMA}.{REMOVALS.name}", [])
    dates = [(parsed(value), jobs) for kind, value, _, jobs in rows if kind == BEFORE]
    hidden = [jobs for _, jobs in dates]
    return Removals(
        numbers=frozenset(value for kind, value, *_ in rows if kind == NUMBER),
        ids=frozenset(value for kind, value, *_ in rows if kind == ID),
        key_id=next((key_id for _, _, key_id, _ in rows if key_id), None),
        before=max((date for date, _ in dates if date), default=None),
        hidden_jobs=None if None in hidden else sum(hidden),
        job_ids=sorted(value for kind, value, *_ in rows if kind == JOB),
    )


def parsed(text: object) -> datetime | None:
    """A time in UTC from ISO 8601; None from anything else."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.replace(tzinfo=time.tzinfo or UTC)


def _known(record: Rejected) -> tuple[str | None, datetime | None]:
    """Status and time of a record that cannot be loaded, as far as they can be read."""
    try:
        value = json.loads(record.text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return None, None
    status = value.get("status")
    return status if isinstance(status, str) else None, parsed(value.get("created_at"))
