"""Open jobs that no list page has shown yet, read in as few requests as possible.

In one request the API returns a page of up to 250 jobs, or one job by its id. So open jobs are read
from the list of open ones (`filter[status][]`), or from the list pages where they should be by
their rank among the loaded jobs, whichever is cheaper. What neither has shown is left to be asked
for by id: a wrong guess, or an API without the filter, costs a request and no row.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from statistics import median_low

from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.errors import ApiUnavailable, UnreadableAnswer
from telnyx_jobs.source.audit import Head
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.pages import PageReader, identities

OPEN_STATUSES = ("pending", "in_progress")
"""What the filter is asked for. A job of a status unknown to us is asked for by id."""
FILTER_REST = timedelta(days=1)
"""How long a filter that did not work is left alone."""
_OPERATIONS_PER_REQUEST = 20_000
"""Operations that take as long to send as a request takes: 2 MB of JSON."""


@dataclass
class OpenJobReader:
    """Reads pages that should show open jobs. `filter_failed_at` is when the filter last failed."""

    pages: PageReader
    loaded: Loaded
    page_size: int
    filter_failed_at: datetime | None
    left_out: set[str] = field(default_factory=set)
    """Jobs that the list of open ones has not shown."""

    def read(
        self, job_type: str | None, wanted: set[str], head: Head, now: datetime
    ) -> Iterator[Page]:
        """Pages of the list, worth their requests. What they show is removed from `wanted`."""
        types = [job_type] if job_type else []
        placed = self.loaded.open_jobs_placed(types)
        places = {job_id: place for job_id, place, _ in placed if place is not None}
        filtered = {job_id for job_id, _, status in placed if status in OPEN_STATUSES}
        last_page = ceil((head.total or self.loaded.visible_count(types)) / self.page_size)
        weight = self._weight()
        counts = self._by_page(wanted & filtered, places, head.new, last_page)
        by_place = sum(min(float(count), weight) for count in counts.values())
        by_place += len(wanted & filtered) - counts.total()
        by_filter = ceil(len(filtered) / self.page_size)
        rests = self.filter_failed_at and now - self.filter_failed_at < FILTER_REST
        if by_filter <= by_place and by_filter < len(wanted & filtered) and not rests:
            yield from self._by_filter(job_type, wanted, now)
            self.left_out = wanted & filtered
        moved, is_certain = head.new, False
        read: set[int] = set()
        while len(wanted) > 1:
            counts = self._by_page(wanted, places, moved, last_page)
            number, count = max(
                ((n, count) for n, count in counts.most_common() if n not in read),
                key=lambda each: each[1],
                default=(0, 0),
            )
            if count <= weight:
                return
            read.add(number)
            page = self.pages.read(number, job_type)
            shown = _remove(page, wanted)
            seen_move = self._move(page, number, types)
            yield page
            if shown < count / 2:
                # the list has moved otherwise than expected; once more, from what the page shows
                if is_certain or seen_move in (None, moved):
                    return
                moved, is_certain = seen_move or 0, True

    def note(self, record: Record, now: datetime) -> None:
        """A job was read; if the list of open ones left it out although it is, the filter failed.

        An empty list is right where every job has ended.
        """
        if record.job_id in self.left_out and record.job.status in OPEN_STATUSES:
            self.filter_failed_at = now

    def _weight(self) -> float:
        """How many requests a list page is worth, by its bytes."""
        average = self.loaded.row_count() / max(self.loaded.visible_count([]), 1)
        return 1 + average * self.page_size / _OPERATIONS_PER_REQUEST

    def _by_page(
        self, jobs: set[str], places: dict[str, int], moved: int, last_page: int
    ) -> Counter[int]:
        """How many of the jobs should lie on each page, if all moved down by so many places."""
        numbers = ((places[i] - 1 + moved) // self.page_size + 1 for i in jobs if i in places)
        return Counter(number for number in numbers if 0 < number <= last_page)

    def _move(self, page: Page, number: int, types: list[str]) -> int | None:
        """How much further down the page's jobs lie than in the order of the loaded ones."""
        places = self.loaded.places(page.job_ids(), types)
        first = (number - 1) * self.page_size + 1
        moves = [
            first + n - places[record.job_id]
            for n, record in enumerate(page.records)
            if record.job_id in places
        ]
        return median_low(moves) if moves else None

    def _by_filter(self, job_type: str | None, wanted: set[str], now: datetime) -> Iterator[Page]:
        number, last_page = 0, 1
        shown: set[str] = set()
        while number < last_page and wanted:
            number += 1
            try:
                page = self.pages.read(number, job_type, OPEN_STATUSES)
            except (ApiUnavailable, UnreadableAnswer):
                self.filter_failed_at = now
                return
            last_page = page.total_pages or 1
            jobs = [record.job for record in page.records if isinstance(record, Record)]
            repeats = bool(page.records) and shown.issuperset(identities(page))
            if repeats or any(job.status not in OPEN_STATUSES for job in jobs):
                self.filter_failed_at = now
                last_page = number
            if not page.records:
                last_page = number
            shown.update(identities(page))
            _remove(page, wanted)
            yield page


def _remove(page: Page, wanted: set[str]) -> int:
    """Take out what the page shows; returns how many that were."""
    shown = wanted & {record.job_id for record in page.records if isinstance(record, Record)}
    wanted -= shown
    return len(shown)
