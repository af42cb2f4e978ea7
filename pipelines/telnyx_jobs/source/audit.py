"""Reading the history again, a page or so in each run, the one read longest ago.

A job that Telnyx changes after it has finished, or that appears hours late, is on no page that a
run would read otherwise. A place counts jobs from the list's head; it moves with the list, and is
rather taken too near than too far, so that no job is passed over.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from telnyx_jobs.api.models import Page
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.pages import PageReader, creation_times
from telnyx_jobs.source.state import Reading


class Head(NamedTuple):
    """What a walk has shown of a list: how many jobs it passed, and how many of them were new."""

    passed: int
    new: int
    total: int | None
    """Jobs that the API announces in the list."""


@dataclass(kw_only=True)
class Audit:
    """Reads `count` pages of each list a run. `readings` are by job type, or `*` for all jobs."""

    pages: PageReader
    counts: Counts
    readings: dict[str, Reading]
    count: int
    page_size: int
    since: datetime | None

    def read(self, job_type: str | None, head: Head, now: datetime) -> Iterator[Page]:
        """Pages of the list behind its head."""
        reading = self.readings.setdefault(job_type or "*", Reading(now))
        total = head.total or 0
        if total <= head.passed:
            self.note_whole(job_type, now)
            return
        if reading.passed:
            # jobs that came elsewhere than at the head may lie behind this place
            reading.passed += min(total - reading.total, head.new)
        reading.total = total
        reading.passed = max(reading.passed, head.passed)
        for _ in range(self.count):
            if reading.passed >= total:
                break
            number = reading.passed // self.page_size + 1
            page = self.pages.read(number, job_type)
            self.counts.jobs_audited += len(page.records)
            reading.passed = number * self.page_size
            if not page.records or self._is_before_since(page):
                reading.passed = total
            yield page
        if reading.passed >= total:
            self.readings[job_type or "*"] = Reading(now, whole_since=reading.began_at)

    def note_whole(self, job_type: str | None, since: datetime) -> None:
        """The whole list has been read from this time on."""
        self.readings[job_type or "*"] = Reading(since, whole_since=since)

    def whole_since(self, job_types: Iterable[str | None]) -> datetime | None:
        """Since when every job of these lists has been read; None if that is unknown."""
        found = [self.readings.get(job_type or "*") for job_type in job_types]
        times = [reading.whole_since for reading in found if reading and reading.whole_since]
        return min(times) if len(times) == len(found) else None

    def _is_before_since(self, page: Page) -> bool:
        newest = max(creation_times(page), default=None)
        return bool(self.since and newest and newest < self.since)
