"""What a run did: the object of `sync --json`, the row of `sync_runs`, the line of `runs.jsonl`."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from telnyx_jobs.settings import Mode
from telnyx_jobs.source.counts import Counts


@dataclass(kw_only=True)
class Summary(Counts):
    """Counts of one run; `open_jobs`, `missing_jobs`, `rejected_records` are those in the file."""

    run_id: str
    mode: Mode
    started_at: datetime
    finished_at: datetime | None = None
    requests: int = 0
    open_jobs: int = 0
    missing_jobs: int = 0
    rejected_records: int = 0
    new_failures: list[dict[str, str | None]] = field(default_factory=list)
    retries: int = 0
    throttled_seconds: float = 0.0
    published: bool = False
    database: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, times as `2026-11-23T09:30:00.000000Z`."""
        return {
            name: value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }
