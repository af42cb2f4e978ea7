"""What a sync would ask for: the dry run. Reads the first page of each list, writes nothing."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page
from telnyx_jobs.destinations.duckdb_file import Place, connect
from telnyx_jobs.settings import DUCKDB, Mode, Scope, Settings, prepare_dlt
from telnyx_jobs.source.loaded import Query, Stored
from telnyx_jobs.source.resource import kept_coverage
from telnyx_jobs.source.walk import Coverage


@dataclass(frozen=True)
class Plan:
    """Requests of a sync that meets no change but those known now."""

    mode: Mode
    list_pages: int
    retrieves: int

    @property
    def requests(self) -> int:
        return self.list_pages + self.retrieves

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"requests": self.requests}


def plan(settings: Settings, client: Client) -> Plan:
    """The requests that `sync` would send with these settings. Raises as the client does."""
    scope = settings.scope
    if scope.job_ids:
        return Plan(scope.mode, 0, len(set(scope.job_ids)))
    first_pages = {job_type: client.page(1, job_type=job_type) for job_type in scope.lists}
    with _reading(settings) as query:
        if query is None:
            pages = sum(_pages(page.total_results or 0, settings) for page in first_pages.values())
            return Plan(scope.mode, pages, 0)
        return _plan_on(query, settings, first_pages)


@contextmanager
def _reading(settings: Settings) -> Iterator[Query | None]:
    """What runs queries on the loaded tables; None before the first sync."""
    if settings.destination != DUCKDB:
        prepare_dlt()
        from telnyx_jobs.destinations.warehouse import Destination

        with tempfile.TemporaryDirectory() as folder:
            destination = Destination(Place(Path(folder, "plan")), settings.destination)
            with destination.reading() as query:
                yield query
    elif settings.database.exists():
        with connect(settings.database, read_only=True) as connection:
            yield lambda sql, parameters: connection.execute(sql, list(parameters)).fetchall()
    else:
        yield None


def _plan_on(query: Query, settings: Settings, first_pages: Mapping[str | None, Page]) -> Plan:
    scope = settings.scope
    stored = Stored(query)
    spans = kept_coverage(query).get("spans", {})
    pages = 0
    shows_all = True
    for job_type, page in first_pages.items():
        coverage = Coverage.from_json(spans.get(job_type or "*", []))
        shows_all = shows_all and (scope.full or not coverage.spans)
        known = len(stored.listed_job_ids(None, [job_type] if job_type else []))
        pages += _pages_to_read(coverage, scope, known, page.total_results or 0, settings)
    now = datetime.now(UTC)
    asked = {*stored.open_job_ids(now, scope.job_types), *stored.rejected_job_ids(now)}
    shown = {record.job_id for page in first_pages.values() for record in page.records}
    return Plan(scope.mode, pages, 0 if shows_all else len(asked - shown))


def _pages_to_read(
    coverage: Coverage, scope: Scope, known: int, total: int, settings: Settings
) -> int:
    if scope.full or not coverage.spans:
        return _pages(total, settings)
    gaps = [span for span in coverage.spans if span.oldest is not None]
    left = sum(_pages(total - span.read, settings) for span in gaps)
    return left + _pages(total - known if not gaps else 0, settings)


def _pages(jobs: int, settings: Settings) -> int:
    """Pages that hold so many jobs; the first one is always read."""
    return max(1, ceil(jobs / settings.page_size))
