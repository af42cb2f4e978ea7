"""Open jobs that no list page has shown yet, read in as few requests as possible.

In one request the API returns a page of up to 250 jobs, or one job by its id. So open jobs are read
from the list of open ones (`filter[status][]`), or from the list pages where they should be by
their rank among the loaded jobs, whichever is cheaper. What neither has shown is left to be asked
for by id: a wrong guess, or an API without the filter, costs a request and no row.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.errors import ApiUnavailable, UnreadableAnswer
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.pages import PageReader

OPEN_STATUSES = ("pending", "in_progress")
"""What the filter is asked for. A job of a status unknown to us is asked for by id."""
FILTER_REST = timedelta(days=1)
"""How long a filter that did not work is not tried again."""
_OPERATIONS_PER_REQUEST = 20_000
"""Operations that take as long to send as a request takes: 2 MB of JSON."""


class OpenJobReader:
    """Reads pages that should show open jobs. `filter_failed_at` is when the filter last failed."""

    def __init__(
        self, pages: PageReader, loaded: Loaded, page_size: int, filter_failed_at: datetime | None
    ) -> None:
        self.filter_failed_at = filter_failed_at
        self._pages = pages
        self._loaded = loaded
        self._page_size = page_size

    def read(
        self, job_type: str | None, wanted: set[str], total: int | None, now: datetime
    ) -> Iterator[Page]:
        """Pages of the list, worth their requests. What they show is removed from `wanted`.

        `total` is how many jobs the API announces in this list.
        """
        types = [job_type] if job_type else []
        places = self._loaded.open_job_places(types)
        known = self._loaded.visible_count(types)
        moved = 0 if total is None else total - known
        last_page = ceil((total or known) / self._page_size)
        counts = Counter(
            number
            for job_id, place in places.items()
            if job_id in wanted
            and 0 < (number := (place - 1 + moved) // self._page_size + 1) <= last_page
        )
        weight = 1 + self._loaded.row_count() / max(known, 1) * self._page_size / (
            _OPERATIONS_PER_REQUEST
        )
        by_place = sum(min(float(count), weight) for count in counts.values())
        by_place += len(wanted) - counts.total()
        by_filter = ceil(len(places) / self._page_size)
        rests = self.filter_failed_at and now - self.filter_failed_at < FILTER_REST
        if by_filter <= by_place and by_filter < len(wanted) and not rests:
            yield from self._by_filter(job_type, wanted, now)
        for number, count in counts.most_common():
            if count <= weight or len(wanted) < 2:
                break
            page = self._pages.read(number, job_type)
            shown = _remove(page, wanted)
            yield page
            if shown < count / 2:
                # the list has moved otherwise than expected
                break

    def _by_filter(self, job_type: str | None, wanted: set[str], now: datetime) -> Iterator[Page]:
        number, last_page = 0, 1
        while number < last_page:
            number += 1
            try:
                page = self._pages.read(number, job_type, OPEN_STATUSES)
            except (ApiUnavailable, UnreadableAnswer):
                self.filter_failed_at = now
                return
            last_page = page.total_pages or 1
            jobs = [record.job for record in page.records if isinstance(record, Record)]
            if not jobs or any(job.status not in OPEN_STATUSES for job in jobs):
                self.filter_failed_at = now
                last_page = number
            _remove(page, wanted)
            yield page


def _remove(page: Page, wanted: set[str]) -> int:
    """Take out what the page shows; returns how many that were."""
    shown = wanted & {record.job_id for record in page.records if isinstance(record, Record)}
    wanted -= shown
    return len(shown)
