"""What a sync would request: the walk of a sync, which loads and writes nothing.

What decides about further requests is read: list pages, and a job that one page shows with too few
operations. What is only counted is not requested: jobs by their id, and the pages of a first sync,
which reads the list to its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Job, Page, Record, Rejected
from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.progress import Report
from telnyx_jobs.settings import Mode, Settings
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.loaded import NOTHING_LOADED, Loaded
from telnyx_jobs.source.page_cache import PageCache
from telnyx_jobs.source.removals import known_removals
from telnyx_jobs.source.retrieve import Answers
from telnyx_jobs.source.state import kept_state


@dataclass(frozen=True)
class Plan:
    """Requests of a sync if the API does not change."""

    mode: Mode
    list_pages: int
    retrieves: int

    @property
    def requests(self) -> int:
        return self.list_pages + self.retrieves

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"requests": self.requests}


class _PlanningClient(Client):
    """Counts requests, and sends only those whose answers decide about further ones."""

    reads_to_the_end = False
    list_pages = 0
    retrieves = 0
    _first_page: Page | None = None

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        self.list_pages += 1
        if number > 1 and self.reads_to_the_end and self._first_page is not None:
            first = self._first_page
            listed = range((number - 1) * self.page_size, first.total_results or 0)
            stand_ins = [Rejected(f"job {n}", "", "") for n in listed[: self.page_size]]
            return Page([*stand_ins], first.total_pages, first.total_results)
        page = super().page(number, job_type=job_type, statuses=statuses)
        if number == 1:
            self._first_page = page
        return page

    def job(self, job_id: str) -> Record | Rejected | None:
        self.retrieves += 1
        return super().job(job_id)

    def counted(self, _: Client, job_ids: Sequence[str]) -> Iterator[Answers]:
        """What only counts the jobs to be retrieved."""
        self.retrieves += len(job_ids)
        yield [(job_id, Record(Job(job_id))) for job_id in job_ids]


def plan(settings: Settings, destination: Destination, report: Report) -> Plan:
    """The requests that a sync would send with these settings. Raises as the client does."""
    destination.place.check_folder()
    with (
        destination.reading() as reader,
        _PlanningClient(
            settings.base_url,
            settings.api_key,
            page_size=settings.page_size,
            timeout=settings.timeout,
            max_retries=settings.max_retries,
            report=report,
        ) as client,
    ):
        kept = kept_state(reader.query) if reader else None
        client.reads_to_the_end = reader is None
        extraction = Extraction(
            client,
            Loaded(reader.query, removals=known_removals(reader.query))
            if reader
            else NOTHING_LOADED,
            settings.scope,
            Counts(),
            cache=PageCache(destination.place.pages, is_read_only=True),
            mask=kept.mask if kept else None,
            audit_pages=settings.audit_pages,
            report=report,
            in_one_package=True,
            retrieve=client.counted,
        )
        for _ in extraction.package(kept):
            pass
        return Plan(settings.scope.mode, client.list_pages, client.retrieves)
