"""What many tests need: jobs, a sync against a server of them, and rows of the published file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from telnyx_jobs.fake_api import FakeApi, serve
from telnyx_jobs.progress import nothing
from telnyx_jobs.schema import LOADED, RAW_SCHEMA
from telnyx_jobs.settings import Scope, Settings
from telnyx_jobs.summary import Summary
from telnyx_jobs.sync import new_summary, sync

Json = dict[str, Any]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Jobs(list[Json]):
    """The jobs of an account, to be changed between syncs; the API shows them newest first."""

    def newest_first(self) -> list[Json]:
        return sorted(self, key=lambda job: str(job.get("created_at") or ""), reverse=True)


def job(number: int, **fields: Any) -> Json:
    """A finished job without numbers, created `number` hours after the epoch of the tests."""
    created_at = EPOCH + timedelta(hours=number)
    return {
        "id": f"job-{number:05}",
        "record_type": "phone_numbers_job",
        "type": "update_phone_numbers",
        "status": "completed",
        "created_at": text(created_at),
        "updated_at": text(created_at),
        "phone_numbers": [],
        "successful_operations": [],
        "pending_operations": [],
        "failed_operations": [],
    } | fields


def text(time: datetime) -> str:
    """The time as Telnyx writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def numbers(*ordinals: int) -> list[Json]:
    """Operations on these numbers."""
    return [{"id": f"id-{n}", "phone_number": f"+1555{n:07}"} for n in ordinals]


def failure(ordinal: int, *errors: Json) -> Json:
    """A failed operation on this number."""
    return numbers(ordinal)[0] | {"errors": list(errors)}


def error(code: str, pointer: str) -> Json:
    return {"code": code, "title": f"title {code}", "source": {"pointer": pointer}}


@contextmanager
def api_of(jobs: Sequence[Mapping[str, Any]]) -> Iterator[FakeApi]:
    """A server of these jobs, as they are at each request."""
    listed = jobs.newest_first if isinstance(jobs, Jobs) else lambda: jobs
    with serve(listed) as api:
        yield api


def sync_once(
    api: Any, database: Path, *, page_size: int = 250, max_requests: int | None = None, **scope: Any
) -> Summary:
    """One sync of a server with `url` and `key`. Raises as the sync does."""
    settings = Settings(
        database=database,
        base_url=api.url,
        api_key=api.key,
        scope=Scope(**scope),
        page_size=page_size,
        max_requests=max_requests,
        max_retries=0,
        timeout=10.0,
    )
    summary = new_summary(settings.scope.mode, database)
    sync(settings, summary, nothing)
    return summary


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """All rows that a query gives on the published file."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every loaded table, sorted."""
    return {
        table.name: rows(database, f"select * from {RAW_SCHEMA}.{table.name} order by all")
        for table in LOADED
    }
