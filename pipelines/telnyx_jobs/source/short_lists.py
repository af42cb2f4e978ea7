"""Whether list pages show jobs whole, or with fewer operations than the job has.

Telnyx documents the same content for both, and nobody knows for how long lists keep it. So a job
that shrank on a page is asked for by its id before the page is believed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.schema import FINAL_STATUSES
from telnyx_jobs.source.changes import is_older
from telnyx_jobs.source.loaded import Version

TRUST = timedelta(days=1)
"""How long one comparison of page and job counts for all jobs."""


@dataclass
class ListTrust:
    """Decides on jobs of list pages. `whole_at` and `short_at`: when a job was last found so."""

    ask: Callable[[str], Record | Rejected | None]
    ask_by_id: dict[str, None]
    """Jobs to be asked for by id, as no page has shown them whole."""
    whole_at: datetime | None
    short_at: datetime | None

    def takes(self, record: Record, version: Version | None, now: datetime) -> bool:
        """Whether the page's record may be loaded; else it is stored, or asked for by its id."""
        if self._is_as_stored(record, version, now):
            return False
        if self._is_believed(record, version, now):
            return True
        self.ask_by_id[record.job_id] = None
        return False

    def _is_believed(self, record: Record, version: Version | None, now: datetime) -> bool:
        if not _has_shrunk(record, version):
            return True
        if self.short_at and now - self.short_at < TRUST:
            return False
        if self.whole_at and now - self.whole_at < TRUST:
            return True
        try:
            asked = self.ask(record.job_id)
        except RequestBudgetSpent:
            return False
        if not isinstance(asked, Record):
            # it has gone meanwhile, or has no whole answer: the page is all there is of it
            return True
        if _operations(asked) > _operations(record):
            self.short_at = now
            return False
        self.whole_at = now
        return True

    def _is_as_stored(self, record: Record, version: Version | None, now: datetime) -> bool:
        """Whether a finished job, shown by lists that cut operations, has not changed since."""
        return bool(
            version
            and self.short_at
            and now - self.short_at < TRUST
            and not version.is_missing
            and version.status == record.job.status
            and version.status in FINAL_STATUSES
            and version.updated_at == record.job.updated_at is not None
            and _operations(record) < version.operations
        )


def _has_shrunk(record: Record, version: Version | None) -> bool:
    """Whether the record is a change to fewer operations than stored, or than numbers asked for."""
    count = _operations(record)
    expected = max(len(record.job.phone_numbers or ()), version.operations if version else 0)
    if count >= expected:
        return False
    # hashed last: it reads every operation
    return version is None or not (
        is_older(record, version.updated_at) or version.content_hash == record.content_hash()
    )


def _operations(record: Record) -> int:
    arrays = record.job.arrays()
    return sum(len(members or ()) for name, members in arrays.items() if name != "phone_numbers")
