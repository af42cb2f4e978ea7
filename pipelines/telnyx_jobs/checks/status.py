"""How fresh the published data is, and how the last run ended. Sends no request."""

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from telnyx_jobs.destinations.base import CLOCK_SECONDS, Destination, Reader
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS


@dataclass(frozen=True)
class Status:
    """What `status` reports. `age_seconds` counts from the end of the newest published sync."""

    database: str
    published_at: datetime | None
    age_seconds: float | None
    open_jobs: int | None
    overdue_jobs: int | None
    history_read_since: datetime | None
    """Since when each job of the list has been read; None if that is unknown."""
    pending_pages: int | None
    """Pages that a stopped run read and the next one publishes without another request."""
    last_run: dict[str, Any] | None
    """The newest line of `runs.jsonl`: the last run that began, failed or not."""
    private: str | None
    """The state folder, if only its owner may read it: it knows pending pages and the last run."""

    @property
    def is_in_future(self) -> bool:
        """Whether the newest sync ended later than now: its clock or this one is wrong."""
        return self.age_seconds is not None and self.age_seconds < -CLOCK_SECONDS

    def is_older_than(self, seconds: float) -> bool:
        return self.age_seconds is None or self.age_seconds > seconds

    def as_json(self) -> dict[str, Any]:
        times = {"published_at": self.published_at, "history_read_since": self.history_read_since}
        return asdict(self) | {
            name: time and time.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name, time in times.items()
        }


def read_status(destination: Destination) -> Status:
    """The state of a destination, also before its first sync."""
    published_at = history_read_since = None
    age = open_jobs = overdue_jobs = None
    with destination.reading() as reader:
        if reader is not None:
            ((published_at, open_jobs, overdue_jobs),) = reader.query(
                "select (select max(finished_at) from telnyx.sync_runs), count(*), "
                "coalesce(sum(case when is_overdue then 1 else 0 end), 0) from telnyx.open_jobs"
            )
            history_read_since = _history_read_since(reader)
    if published_at is not None:
        age = (datetime.now(UTC) - published_at).total_seconds()
    state = destination.place.state
    is_private = state.exists() and not os.access(state, os.R_OK | os.X_OK)
    return Status(
        database=destination.name,
        published_at=published_at,
        age_seconds=age,
        open_jobs=open_jobs,
        overdue_jobs=overdue_jobs and int(overdue_jobs),
        history_read_since=history_read_since,
        pending_pages=None if is_private else len(list(destination.place.pages.glob("*.json"))),
        last_run=None if is_private else _last_run(destination.place),
        private=str(state) if is_private else None,
    )


def _history_read_since(reader: Reader) -> datetime | None:
    """As the newest sync has noted it; earlier versions did not."""
    if not reader.has_table(SYNC_RUNS):
        return None
    found = reader.query(
        f"select history_read_since from {RAW_SCHEMA}.{SYNC_RUNS.name} "
        "order by started_at desc limit 1"
    )
    return found[0][0] if found else None


def _last_run(place: Place) -> dict[str, Any] | None:
    try:
        lines = place.runs.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    run: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return run
