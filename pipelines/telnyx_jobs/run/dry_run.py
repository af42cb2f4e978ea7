"""What a sync would request: the walk of a sync, which loads and writes nothing.

What decides about further requests is read: list pages, a job that one page shows with too few
operations, and a loaded job that shows whose key it is. What is only counted is not requested: jobs
by their id, and the pages of a first sync, which reads the list to its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Filter, Job, Page, Record, Rejected
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.destinations.base import Destination, known_removals
from telnyx_jobs.progress import Report
from telnyx_jobs.run.keys import forgotten_of, mask_to_use
from telnyx_jobs.settings import Mode, Settings
from telnyx_jobs.source.account import known_ids
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.loaded import NOTHING_LOADED, Loaded
from telnyx_jobs.source.page_cache import PageCache
from telnyx_jobs.source.retrieve import BATCH, Answers
from telnyx_jobs.source.state import kept_state


@dataclass(frozen=True)
class Plan:
    """Requests of a sync if the API does not change."""

    mode: Mode
    list_pages: int
    retrieves: int
    ends_early: bool = False
    """Whether `--max-requests` ends the sync before it has read everything, with exit code 75."""

    @property
    def requests(self) -> int:
        return self.list_pages + self.retrieves

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"requests": self.requests}


class _PlanningClient(Client):
    """Counts requests, and sends only those whose answers decide about further ones.

    `most` requests are admitted, sent or not.
    """

    reads_to_the_end = False
    list_pages = 0
    retrieves = 0
    most: int | None = None
    _first_page: Page | None = None

    def page(
        self, number: int, *, job_type: str | None = None, statuses: Sequence[str] = ()
    ) -> Page:
        self._admit()
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
        self.count_retrieve()
        return super().job(job_id)

    def count_retrieve(self) -> None:
        """Count a job that a sync would request."""
        self._admit()
        self.retrieves += 1

    def _admit(self) -> None:
        if self.most is not None and self.list_pages + self.retrieves >= self.most:
            raise RequestBudgetSpent(self.most)


class _Retrieval:
    """Jobs by their ids: counted, and requested only until a loaded one shows whose key it is."""

    def __init__(self, client: _PlanningClient, loaded: Loaded, *, is_settled: bool) -> None:
        self._client = client
        self._loaded = loaded
        self._is_settled = is_settled

    def __call__(self, _: Client, job_ids: Sequence[str]) -> Iterator[Answers]:
        for first in range(0, len(job_ids), BATCH):
            answers: Answers = []
            try:
                for job_id in job_ids[first : first + BATCH]:
                    answers.append((job_id, self._answer(job_id)))
            except RequestBudgetSpent:
                yield answers
                raise
            yield answers
            # the account has been asked for by now, or the run has ended
            self._is_settled = True

    def _answer(self, job_id: str) -> Record | Rejected | None:
        if self._is_settled:
            self._client.count_retrieve()
            return Record(Job(job_id))
        record = self._client.job(job_id)
        self._is_settled = isinstance(record, Record) and bool(self._loaded.versions([job_id]))
        return record


def plan(settings: Settings, destination: Destination, report: Report) -> Plan:
    """The requests that a sync would send with these settings. Raises as the sync does."""
    place, scope = destination.place, settings.scope
    place.check_folder()
    with destination.reading() as reader:
        loaded = NOTHING_LOADED
        if reader:
            loaded = Loaded(reader.query, removals=known_removals(reader))
        masks = settings.mask_phone_numbers
        mask = mask_to_use(place, loaded.query, is_read_only=True) if masks else None
        with _client(settings, report, forgotten_of(place, loaded.removals), mask) as client:
            client.reads_to_the_end = reader is None
            is_settled = scope.same_account or not scope.job_ids or not known_ids(loaded)
            extraction = Extraction(
                client,
                loaded,
                scope,
                Counts(),
                cache=PageCache(place.pages, is_read_only=True),
                mask=mask.fingerprint if mask else None,
                audit_pages=settings.audit_pages,
                report=report,
                in_one_package=True,
                retrieve=_Retrieval(client, loaded, is_settled=is_settled),
            )
            for _ in extraction.package(kept_state(loaded.query)):
                pass
            ends_early = extraction.stopped_by is not None
            return Plan(scope.mode, client.list_pages, client.retrieves, ends_early)


def _client(settings: Settings, report: Report, *filters: Filter | None) -> _PlanningClient:
    client = _PlanningClient(
        settings.base_url,
        settings.api_key,
        page_size=settings.page_size,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
        report=report,
        filters=[each for each in filters if each],
    )
    client.most = settings.max_requests
    return client
