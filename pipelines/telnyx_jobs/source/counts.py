"""What one extraction read and wrote, in numbers."""

from dataclasses import dataclass, field
from datetime import datetime

from telnyx_jobs.schema import LOADED


@dataclass(kw_only=True)
class Counts:
    """Counts of one extraction. `rows` maps each loaded table to the rows written."""

    pages: int = 0
    jobs_listed: int = 0
    jobs_retrieved: int = 0
    jobs_changed: int = 0
    rows: dict[str, int] = field(default_factory=lambda: {table.name: 0 for table in LOADED})
    unknown_fields: list[str] = field(default_factory=list)
    unknown_job_ids: list[str] = field(default_factory=list)
    jobs_audited: int = 0
    stale_answers: int = 0
    history_read_since: datetime | None = None
    """Since when every job of the list has been read; None if that is unknown."""
