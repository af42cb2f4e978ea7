"""Reading the history again, a page or so in each run, the one read longest ago.

A job that Telnyx changes after it has finished is on no page that a run would read otherwise.
"""

from collections.abc import Iterator
from datetime import datetime

from telnyx_jobs.api.models import Page
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.pages import PageReader, creation_times


class Audit:
    """Reads `count` pages a run. `read_to`: when the oldest job of the last one was created."""

    def __init__(
        self,
        pages: PageReader,
        loaded: Loaded,
        counts: Counts,
        *,
        count: int,
        page_size: int,
        read_to: datetime | None,
    ) -> None:
        self.read_to = read_to
        self._pages = pages
        self._loaded = loaded
        self._counts = counts
        self._count = count
        self._page_size = page_size

    def read(self, job_type: str | None, walked: int, total: int) -> Iterator[Page]:
        """Pages of the list behind the `walked` ones; `total` jobs are announced in it."""
        types = [job_type] if job_type else []
        moved = total - self._loaded.visible_count(types)
        first = walked * self._page_size
        for _ in range(self._count):
            if total <= first:
                return
            rank = 0
            if self.read_to is not None:
                rank = self._loaded.count_created_since(self.read_to, types) + moved
            if not first <= rank < total:
                # around again, from the newest that the walk has not read
                rank = first
            page = self._pages.read(rank // self._page_size + 1, job_type)
            self.read_to = min(creation_times(page), default=None)
            self._counts.jobs_audited += len(page.records)
            yield page
