"""Reading the list of jobs page by page, while it shifts.

New jobs on top repeat records on later pages; deleted jobs move others up past the reader.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record, Rejected
from telnyx_jobs.errors import ApiUnavailable
from telnyx_jobs.progress import Report
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.walk import Span, Walk, stretch_of

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Telnyx is younger: a creation time before this is wrong, as is one in the future."""


@dataclass
class PageReader:
    """Reads list pages along a walk, the next one while the caller works on the last."""

    client: Client
    counts: Counts
    report: Report

    def along(
        self,
        walk: Walk,
        job_type: str | None,
        *,
        is_known: Callable[[Page], list[bool]],
        since: datetime | None,
        keep: Callable[[Page], None],
    ) -> Iterator[Page]:
        """Each page of the walk. Stops at the list's end, or at a page wholly before `since`.

        `keep` is called with each page before the next one is requested, so a kill costs only the
        request in flight.
        """
        last_page = 1
        shown: list[str] = []
        ahead = ThreadPoolExecutor(1)
        try:
            coming = ahead.submit(self._page, walk.next_page or 1, job_type, [])
            while (number := walk.next_page) is not None:
                page = coming.result()
                previous, shown = shown, identities(page)
                # if no number of pages is announced, the list ends when nothing new comes
                goes_on = bool(shown) and shown != previous
                last_page = max(last_page, page.total_pages or number + goes_on)
                self.report("page", number=number, total=last_page, records=len(page.records))
                stretch = stretch_of(creation_times(page))
                walk.advance(
                    stretch,
                    is_known(page),
                    total=page.total_results,
                    is_last=number >= last_page or not page.records or _is_before(stretch, since),
                )
                keep(page)
                if walk.next_page is not None:
                    before = shown if walk.next_page == number + 1 else []
                    coming = ahead.submit(self._page, walk.next_page, job_type, before)
                yield page
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)

    def read(self, number: int, job_type: str | None, statuses: Sequence[str] = ()) -> Page:
        """One page by its number."""
        self.counts.pages += 1
        return self.client.page(number, job_type=job_type, statuses=statuses)

    def _page(self, number: int, job_type: str | None, previous: list[str]) -> Page:
        """The page; read again if it only repeats the page before, as a failing cache does.

        Raises ApiUnavailable if both pages are full and show the same records.
        """
        for _ in range(2):
            page = self.read(number, job_type)
            if not previous or identities(page) != previous:
                return page
        # as many new jobs as a page holds move its records on to the next one: then the page
        # before shows others by now. A page of one job moves with any; a short one ends the list.
        is_full = 1 < len(previous) == self.client.page_size
        if is_full and identities(self.read(number - 1, job_type)) == previous:
            raise ApiUnavailable(
                f"pages {number - 1} and {number} of the API's list show the same jobs: "
                "run again later"
            )
        return page


def identity(record: Record | Rejected) -> str:
    """The key of a record: the job's id, or a hash of a record without one."""
    return record.job_id or record.content_hash() if isinstance(record, Rejected) else record.job_id


def identities(page: Page) -> list[str]:
    return [identity(record) for record in page.records]


def creation_times(page: Page) -> list[datetime]:
    """Plausible creation times of the page's jobs only; others would mislead the walk."""
    times = (record.job.created_at for record in page.records if isinstance(record, Record))
    latest = datetime.now(UTC) + timedelta(days=1)
    return [time for time in times if time and EARLIEST <= time <= latest]


def _is_before(stretch: Span | None, since: datetime | None) -> bool:
    return bool(since and stretch and stretch.oldest and stretch.oldest < since)
