"""What a run did: the object of `sync --json`, the row of `sync_runs`, the line of `runs.jsonl`."""

import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from telnyx_jobs.run.new_failures import Rise
from telnyx_jobs.schema import SYNC_RUNS
from telnyx_jobs.settings import Mode
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.version import __version__


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
    rises: list[Rise] = field(default_factory=list)
    """Failure rates that began to rise with this run. Reported, not kept."""
    is_first: bool = False
    """Whether no run had published in the destination before. Reported, not kept."""
    retries: int = 0
    throttled_seconds: float = 0.0
    published: bool = False
    database: str = ""
    version: str = __version__

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON values, times as `2026-11-23T09:30:00.000000Z`."""
        values = {name: getattr(self, name) for name in SYNC_RUNS.column_names}
        return {
            name: value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
            for name, value in values.items()
        }

    def as_row(self) -> dict[str, Any]:
        """The row of `sync_runs`, JSON as text."""
        # whoever reads the row reads a published file
        published = replace(self, published=True)
        values = {name: getattr(published, name) for name in SYNC_RUNS.column_names}
        return {
            name: json.dumps(value) if isinstance(value, dict | list) else value
            for name, value in values.items()
        }


def new_summary(mode: Mode, database: str = "") -> Summary:
    """The summary of a run into `database` that begins now."""
    started_at = datetime.now(UTC)
    return Summary(
        run_id=new_run_id(started_at), mode=mode, started_at=started_at, database=database
    )


def new_run_id(started_at: datetime) -> str:
    """An id that sorts by the time the run began."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
