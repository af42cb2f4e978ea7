"""What to ask the API for.

An incremental run reads list pages from the newest down to what earlier runs have read, and then,
one by one, the jobs known to be open that those pages did not show: the cost follows the change,
not the history. A full run reads every page. Pages shift while they are read: new jobs repeat
records (the last one read wins), vanished ones hide records (a full run counts, and reads again).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record, Rejected
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.errors import ApiUnavailable, BadConfiguration
from telnyx_jobs.progress import Report
from telnyx_jobs.schema import FINAL_STATUSES
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.changes import Changes
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.loaded import Stored
from telnyx_jobs.source.page_cache import Found, Spool
from telnyx_jobs.source.walk import Coverage, Span, Walk, stretch_of

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Telnyx is younger: a creation time before this is a mistake, as is one in the future."""
SWEEPS = 3
"""How often a full run reads the list when jobs vanish from it meanwhile."""
RETRIEVES_AT_ONCE = 4
BATCH_ROWS = 200_000
BATCH_BYTES = 16 * 1024 * 1024
"""Rows that are flattened together, and answers that they come from: enough to be fast, little
enough to stay small in memory, also where each failure has a long story to tell."""
PACKAGE_ROWS = 2_000_000
PACKAGE_SECONDS = 300.0
"""A package is loaded and published when it is this old or holds this many rows, and no fewer than
are stored: publishing costs as much as the file is large."""


class Extraction:
    """One run against the API, handed out in packages until `is_done`; counts go into `counts`."""

    def __init__(
        self,
        client: Client,
        stored: Stored,
        spool: Spool,
        scope: Scope,
        counts: Counts,
        report: Report,
        mask: str | None = None,
    ) -> None:
        self.is_done = False
        self.stopped_by: RequestBudgetSpent | None = None
        """Set when the run ended before its work: what it read is loaded all the same."""
        self._client = client
        self._stored = stored
        self._spool = spool
        self._scope = scope
        self._counts = counts
        self._report = report
        self._mask = mask
        """Fingerprint of the key that the client masks numbers with, if it does."""
        self._now = _clock(stored.latest_observation())
        self._since = scope.since
        self._coverage: dict[str, Coverage] | None = None
        self._seen: set[str] = set()
        """Jobs that a list page of this run has shown."""
        self._known_before: set[str] = set()
        self._open_before: list[str] = []
        """Jobs that a killed run has read, and those of them that were open then."""
        self._changes = Changes(stored, counts, self._now)
        self._found = self._finds()

    def package(self, coverage: dict[str, Any]) -> Iterator[dict[str, pa.Table]]:
        """Tables of the next package, in batches; a job occurs in one of them at most.

        `coverage` is what the run before left, of use for the first package only.
        """
        if self._coverage is None:
            self._coverage = self._restore(coverage)
        batch = self._changes.begin()
        self._spool.base = self._base()
        enough = max(PACKAGE_ROWS, self._stored.row_count())
        started = time.monotonic()
        rows, received = 0, self._client.usage.received_bytes
        for found in self._until_stopped():
            batch += found
            rows += sum(_weight(record) for record, _ in found)
            # decoded pages are large: this one goes before the next one comes
            found.clear()
            all_received = self._client.usage.received_bytes
            if rows >= BATCH_ROWS or all_received - received >= BATCH_BYTES:
                yield self._changes.tables(batch)
                batch, rows, received = [], 0, all_received
            too_old = time.monotonic() - started > PACKAGE_SECONDS
            if too_old or self._changes.rows + rows >= enough:
                break
        else:
            self.is_done = True
        yield self._changes.tables(batch)
        yield from self._changes.closing_tables()
        if self._changes.has_held:
            self.is_done = False

    @property
    def is_first_load(self) -> bool:
        """Whether the package goes into empty tables, where there is nothing to replace."""
        return self._changes.is_first_load

    def coverage(self) -> dict[str, Any]:
        """What has been read so far, to be kept with the package's rows for the next run."""
        spans = {name: spans.to_json() for name, spans in (self._coverage or {}).items()}
        return {
            "is_demo": self._scope.is_demo,
            "mask": self._mask,
            "since": self._since.isoformat() if self._since else None,
            "spans": spans,
        }

    def _base(self) -> str:
        """What spooled pages go on top of: pages masked another way are no use."""
        return f"{self._stored.last_run_id()} {self._mask or 'plain'}"

    def _until_stopped(self) -> Iterator[list[Found]]:
        try:
            # not `yield from`, which would close what the next package goes on with
            while (found := next(self._found, None)) is not None:
                yield found
        except RequestBudgetSpent as spent:
            self.stopped_by = spent

    # what to ask for

    def _finds(self) -> Iterator[list[Found]]:
        """All records of the run, in the order read, a page or some retrieves at a time."""
        scope = self._scope
        if scope.job_ids:
            yield from self._retrieve(list(dict.fromkeys(scope.job_ids)))
            return
        if not scope.full:
            yield from self._replayed()
        for job_type in scope.lists:
            if scope.full or not self._spans(job_type).spans:
                yield from self._read_all(job_type)
            else:
                for _, found in self._pages(job_type, skip_swept=True):
                    yield found
        ask = self._stored.open_job_ids(self._now(), scope.job_types)
        ask += self._open_before
        if scope.full:
            ask += self._stored.listed_job_ids(self._since, scope.job_types)
        ask += self._stored.rejected_job_ids(self._now())
        yield from self._retrieve([i for i in dict.fromkeys(ask) if i not in self._seen])

    def _replayed(self) -> Iterator[list[Found]]:
        """Pages that a run read before it was killed, in place of asking for them again."""
        for spooled in self._spool.replay(self._base()):
            self._coverage = self._restore(spooled.coverage)
            for record, _ in spooled.found:
                if isinstance(record, Record):
                    self._known_before.add(record.job_id)
                    if record.job.status not in FINAL_STATUSES:
                        self._open_before.append(record.job_id)
            yield spooled.found

    def _read_all(self, job_type: str | None) -> Iterator[list[Found]]:
        """Every page; again when fewer jobs were seen than the API announced at first."""
        for _ in range(SWEEPS):
            seen: set[str] = set()
            announced = None
            for page, found in self._pages(job_type, skip_swept=False):
                seen.update(map(_identity, page.records))
                announced = (page.total_results or 0) if announced is None else announced
                yield found
            if self._since is not None or len(seen) >= (announced or 0):
                return
        self._report(
            "warning",
            message=f"the API announces {announced} jobs but lists {len(seen)}: "
            "jobs vanish while the list is read, or its total is wrong",
        )

    def _pages(
        self, job_type: str | None, *, skip_swept: bool
    ) -> Iterator[tuple[Page, list[Found]]]:
        """Pages from the newest on; with `skip_swept` without those that earlier runs have read."""
        coverage = self._spans(job_type)
        if not skip_swept:
            coverage.spans.clear()
        walk = Walk(coverage, skip_swept=skip_swept, page_size=self._client.page_size)
        last_page = 1
        shown: list[str] = []
        # the next page is on its way while this one is flattened
        ahead = ThreadPoolExecutor(1)
        try:
            coming = ahead.submit(self._page, walk.next_page or 1, job_type, [])
            while (number := walk.next_page) is not None:
                page = coming.result()
                previous, shown = shown, _identities(page)
                # where no number of pages is announced, the list ends when nothing new comes
                goes_on = bool(shown) and shown != previous
                last_page = max(last_page, page.total_pages or number + goes_on)
                self._report("page", number=number, total=last_page, records=len(page.records))
                stretch = stretch_of(_creation_times(page))
                walk.advance(
                    stretch,
                    self._known(page) if skip_swept else [],
                    total=page.total_results,
                    is_last=number >= last_page
                    or not page.records
                    or self._is_before_since(stretch),
                )
                found = self._listed(page)
                if walk.next_page is not None:
                    # kept first, so that a kill costs no more than the request in flight
                    if not self._scope.full:
                        self._spool.append(found, self.coverage())
                    is_next = walk.next_page == number + 1
                    before = shown if is_next else []
                    coming = ahead.submit(self._page, walk.next_page, job_type, before)
                yield page, found
                page.records.clear()
        finally:
            ahead.shutdown(wait=False, cancel_futures=True)

    def _known(self, page: Page) -> list[bool]:
        """For each job of the page whether an earlier run has loaded or spooled it."""
        stored = self._stored.versions(_job_ids(page))
        return [r.job_id in stored or r.job_id in self._known_before for r in page.records]

    def _page(self, number: int, job_type: str | None, previous: list[str]) -> Page:
        """The page; read again when it only repeats the page before, as a failing cache does.

        Raises ApiUnavailable when both pages show the same records, all that a page can hold.
        """
        for _ in range(2):
            page = self._read(number, job_type)
            if not previous or _identities(page) != previous:
                return page
        # as many new jobs as a page holds move its records on to the next one: then the page
        # before shows others by now. A page of one job moves with any; a short one ends the list.
        is_full = 1 < len(previous) == self._client.page_size
        if is_full and _identities(self._read(number - 1, job_type)) == previous:
            raise ApiUnavailable(
                f"pages {number - 1} and {number} of the API's list show the same jobs: "
                "run again later"
            )
        return page

    def _read(self, number: int, job_type: str | None) -> Page:
        self._counts.pages += 1
        return self._client.page(number, job_type=job_type)

    def _listed(self, page: Page) -> list[Found]:
        """The records of a page that the run is asked for."""
        self._counts.jobs_listed += len(page.records)
        now = self._now()
        found: list[Found] = []
        for record in page.records:
            if isinstance(record, Record):
                created_at = record.job.created_at
                if self._since and created_at and created_at < self._since:
                    continue
            if record.job_id is not None:
                self._seen.add(record.job_id)
            found.append((record, now))
        return found

    def _retrieve(self, job_ids: Sequence[str]) -> Iterator[list[Found]]:
        """The jobs one by one, a few at a time; those the API does not know have vanished."""
        at_once = RETRIEVES_AT_ONCE * 4
        pool = ThreadPoolExecutor(RETRIEVES_AT_ONCE)
        try:
            for first in range(0, len(job_ids), at_once):
                asked = job_ids[first : first + at_once]
                found: list[Found] = []
                stopped: RequestBudgetSpent | None = None
                for job_id, answer in [(i, pool.submit(self._client.job, i)) for i in asked]:
                    try:
                        record = answer.result()
                    except RequestBudgetSpent as spent:
                        stopped = spent
                        continue
                    if record is None:
                        self._changes.vanish(job_id)
                    else:
                        self._counts.jobs_retrieved += 1
                        found.append((record, self._now()))
                self._report("retrieve", done=first + len(asked), total=len(job_ids))
                yield found
                if stopped:
                    raise stopped
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    # small things

    def _spans(self, job_type: str | None) -> Coverage:
        assert self._coverage is not None
        return self._coverage.setdefault(job_type or "*", Coverage())

    def _is_before_since(self, stretch: Span | None) -> bool:
        return bool(self._since and stretch and stretch.oldest and stretch.oldest < self._since)

    def _restore(self, state: dict[str, Any]) -> dict[str, Coverage]:
        """The coverage that earlier runs left, and the earliest `since` of them all."""
        if state and state["is_demo"] != self._scope.is_demo:
            raise BadConfiguration(
                "the demo's jobs and an account's do not go into one file: give another --database"
            )
        if state and state.get("mask") != self._mask:
            raise BadConfiguration(_other_mask(state.get("mask"), self._mask))
        spans = {name: Coverage.from_json(value) for name, value in state.get("spans", {}).items()}
        if spans and not self._scope.full:
            floor = datetime.fromisoformat(state["since"]) if state["since"] else None
            if floor and self._since and self._since < floor:
                for coverage in spans.values():
                    coverage.reopen(floor)
            else:
                self._since = floor
        return spans


def _clock(latest: datetime | None) -> Callable[[], datetime]:
    """The present time in UTC, always later than `latest`, also when the clock was set back."""
    offset = timedelta(0)
    if latest is not None:
        offset = max(offset, latest - datetime.now(UTC) + timedelta(microseconds=1))
    return lambda: datetime.now(UTC) + offset


def _other_mask(in_file: str | None, now: str | None) -> str:
    """Why numbers masked one way must not join numbers masked another way, and what to do."""
    if now is None:
        return "the file's phone numbers are masked: add --mask-phone-numbers, or give another file"
    if in_file is None:
        return "the file's phone numbers are not masked: give another --database to mask them"
    return (
        "the file's phone numbers are masked with another key: put its mask.key back into the "
        "state folder, or give another --database"
    )


def _types(job_type: str | None) -> Sequence[str]:
    return [job_type] if job_type else []


def _identity(record: Record | Rejected) -> str:
    return record.job_id or record.content_hash() if isinstance(record, Rejected) else record.job_id


def _identities(page: Page) -> list[str]:
    return [_identity(record) for record in page.records]


def _job_ids(page: Page) -> list[str]:
    return [record.job_id for record in page.records if isinstance(record, Record)]


def _creation_times(page: Page) -> list[datetime]:
    """When the page's jobs were created; times that cannot be tell no walk where it is."""
    times = (record.job.created_at for record in page.records if isinstance(record, Record))
    latest = datetime.now(UTC) + timedelta(days=1)
    return [time for time in times if time and EARLIEST <= time <= latest]


def _weight(record: Record | Rejected) -> int:
    """Rows that the record will make, about."""
    if isinstance(record, Rejected):
        return 1
    return 1 + sum(len(members) for members in record.job.arrays().values() if members)
