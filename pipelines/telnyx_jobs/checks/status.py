"""How fresh the published file is, and how the last run ended; asks no API and imports no dlt."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telnyx_jobs.destinations.duckdb_file import Place, connect


@dataclass(frozen=True)
class Status:
    """What `status` tells. `age_seconds` counts from the end of the newest published sync."""

    database: str
    published_at: datetime | None
    age_seconds: float | None
    open_jobs: int | None
    overdue_jobs: int | None
    pending_pages: int
    """Pages that a stopped run has read and the next one will publish without asking again."""
    last_run: dict[str, Any] | None
    """The newest line of `runs.jsonl`: the last run that began, failed or not."""

    def is_older_than(self, seconds: float) -> bool:
        return self.age_seconds is None or self.age_seconds > seconds

    def as_json(self) -> dict[str, Any]:
        published_at = self.published_at and self.published_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return asdict(self) | {"published_at": published_at}


def read_status(database: Path) -> Status:
    """The state of a database, also of one that is not there yet."""
    place = Place(database)
    published_at: datetime | None = None
    age = open_jobs = overdue_jobs = None
    if database.exists():
        with connect(database, read_only=True) as connection:
            ((published_at, open_jobs, overdue_jobs),) = connection.execute(
                "select (select max(finished_at) from telnyx.sync_runs), count(*), "
                "count(*) filter (where is_overdue) from telnyx.open_jobs"
            ).fetchall()
    if published_at is not None:
        age = (datetime.now(UTC) - published_at).total_seconds()
    return Status(
        database=str(database),
        published_at=published_at,
        age_seconds=age,
        open_jobs=open_jobs,
        overdue_jobs=overdue_jobs,
        pending_pages=len(list(place.spool.glob("*.json"))),
        last_run=_last_run(place),
    )


def _last_run(place: Place) -> dict[str, Any] | None:
    try:
        lines = place.runs.read_text().splitlines()
    except FileNotFoundError:
        return None
    run: dict[str, Any] | None = json.loads(lines[-1]) if lines else None
    return run
