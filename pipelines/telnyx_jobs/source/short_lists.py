"""Whether list pages show jobs whole, or with fewer operations than the job has.

Telnyx documents the same content for both, and nobody knows for how long lists keep it. So a job
that shrank on a page is asked for by its id before the page is believed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.source.loaded import Version

TRUST = timedelta(days=1)
"""How long one comparison of page and job counts for all jobs."""


class ListTrust:
    """Decides on jobs of list pages. `whole_at` and `short_at`: when a job was last found so."""

    def __init__(
        self,
        ask: Callable[[str], Record | Rejected | None],
        whole_at: datetime | None,
        short_at: datetime | None,
    ) -> None:
        self.whole_at = whole_at
        self.short_at = short_at
        self._ask = ask

    def is_believed(self, record: Record, version: Version | None, now: datetime) -> bool:
        """Whether the page's record may be loaded. If not, the job must be asked for by its id."""
        if not _has_shrunk(record, version):
            return True
        if self.short_at and now - self.short_at < TRUST:
            return False
        if self.whole_at and now - self.whole_at < TRUST:
            return True
        asked = self._ask(record.job_id)
        if isinstance(asked, Record) and _operations(asked) > _operations(record):
            self.short_at = now
            return False
        self.whole_at = now
        return True


def _has_shrunk(record: Record, version: Version | None) -> bool:
    """Whether the record is a change to fewer operations than stored, or than numbers asked for."""
    count = _operations(record)
    if version is not None and version.content_hash == record.content_hash():
        return False
    expected = max(len(record.job.phone_numbers or ()), version.operations if version else 0)
    return count < expected


def _operations(record: Record) -> int:
    arrays = record.job.arrays()
    return sum(len(members or ()) for name, members in arrays.items() if name != "phone_numbers")
