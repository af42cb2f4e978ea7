"""What to request from the API.

An incremental run reads list pages from the newest down to what earlier runs have read, and then,
one by one, the jobs known to be open that those pages did not show: the cost follows the change,
not the history. A full run reads every page. Pages shift while they are read: new jobs repeat
records (the last one read wins), deleted ones hide records (a full run counts, and reads again).
"""

import time
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import FINAL_STATUSES
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.account import AccountCheck, pages_of_account
from telnyx_jobs.source.audit import Audit
from telnyx_jobs.source.changes import Changes
from telnyx_jobs.source.clock import clock_after
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.flatten import weight_of
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.open_jobs import OpenJobReader
from telnyx_jobs.source.page_cache import Found, PageCache
from telnyx_jobs.source.pages import PageReader, identity
from telnyx_jobs.source.retrieve import retrieve
from telnyx_jobs.source.short_lists import ListTrust
from telnyx_jobs.source.state import KeptState
from telnyx_jobs.source.walk import Coverage, Walk

SWEEPS = 3
"""How often a full run reads the list when jobs vanish from it meanwhile."""
BATCH_ROWS = 200_000
BATCH_BYTES = 16 * 1024 * 1024
"""Rows that are flattened together, and bytes of their answers: enough to be fast, few enough to
stay small in memory, even if each failure has a long text."""
PACKAGE_ROWS = 2_000_000
PACKAGE_SECONDS = 300.0
"""A package is loaded and published if it is this old or has this many rows, and at least as
many as are loaded: the cost of publishing grows with the file."""


class Extraction:
    """One run against the API, returned in packages until `is_done`.

    `cache` keeps pages that are read but not published; `mask` is the fingerprint of the key that
    the client masks phone numbers with. With `in_one_package` everything is one package.
    """

    def __init__(
        self,
        client: Client,
        loaded: Loaded,
        scope: Scope,
        counts: Counts,
        *,
        cache: PageCache | None = None,
        mask: str | None = None,
        report: Report = nothing,
        audit_pages: int = 1,
        in_one_package: bool = False,
    ) -> None:
        self.is_done = False
        self.stopped_by: RequestBudgetSpent | None = None
        """Set if the run ended early: what it read is loaded."""
        self._client = client
        self._loaded = loaded
        self._scope = scope
        self._counts = counts
        self._cache = cache
        self._mask = mask
        self._report = report
        self._audit_pages = audit_pages
        self._in_one_package = in_one_package
        self._now = clock_after(loaded.latest_observation())
        self._since = scope.since
        self._kept: KeptState | None = None
        self._coverage: dict[str, Coverage] = {}
        self._seen: set[str] = set()
        """Jobs that a list page of this run has shown."""
        self._known_before: set[str] = set()
        self._open_before: list[str] = []
        """Jobs that a killed run has read, and those of them that were open then."""
        self._ask_by_id: list[str] = []
        """Jobs that a page has shown, and that are not believed to be whole there."""
        self._totals: dict[str | None, int | None] = {}
        """Jobs that the API announces, by the type of the list."""
        self._pages = PageReader(client, counts, report)
        self._account = AccountCheck(client, loaded, skip=scope.same_account)
        self._changes = Changes(loaded, counts, self._now)
        self._found = self._finds()

    def package(self, kept: KeptState | None) -> Iterator[dict[str, pa.Table]]:
        """Tables of the next package, in batches; a job occurs in one of them at most.

        `kept` is what the run before left, of use for the first package only.
        """
        if self._kept is None:
            self._kept = kept or KeptState(is_demo=self._scope.is_demo, mask=self._mask)
            self._restore(self._kept)
            self._begin(self._kept)
        batch = self._changes.begin()
        if self._cache is not None:
            self._cache.base, self._cache.key = self._base(), self._client.key_fingerprint
        enough = max(PACKAGE_ROWS, self._loaded.row_count())
        started = time.monotonic()
        rows, received = 0, self._client.usage.received_bytes
        for found in self._until_stopped():
            batch += found
            rows += sum(weight_of(record) for record, _ in found)
            # decoded pages are large: this one goes before the next one comes
            found.clear()
            all_received = self._client.usage.received_bytes
            if rows >= BATCH_ROWS or all_received - received >= BATCH_BYTES:
                yield self._changes.tables(batch)
                batch, rows, received = [], 0, all_received
            is_old = time.monotonic() - started > PACKAGE_SECONDS
            is_full = is_old or self._changes.rows + rows >= enough
            if is_full and not self._in_one_package:
                break
        else:
            self.is_done = True
        yield self._changes.tables(batch)
        if not self._kept.has_parameters:
            self._kept.has_parameters = True
            yield from self._changes.parameter_tables()
        yield from self._changes.closing_tables()
        self._report("load", changed=self._counts.jobs_changed)
        if self._changes.waiting() and not self._in_one_package:
            self.is_done = False

    @property
    def appends(self) -> bool:
        """Whether the package goes into empty tables, where there is nothing to replace."""
        return self._changes.appends

    def state(self) -> KeptState:
        """What has been read so far, to keep with the package's rows for the next run."""
        return KeptState(
            is_demo=self._scope.is_demo,
            mask=self._mask,
            since=self._since,
            spans={name: coverage.spans for name, coverage in self._coverage.items()},
            waiting=[*self._changes.waiting(), *self._ask_by_id],
            has_parameters=True,
            audited_to=self._audit.read_to,
            filter_failed_at=self._open_jobs.filter_failed_at,
            lists_whole_at=self._trust.whole_at,
            lists_short_at=self._trust.short_at,
        )

    def forget_pages(self) -> None:
        """Delete the cached pages: what they hold is published."""
        if self._cache is not None:
            self._cache.clear()

    def _base(self) -> str:
        """What cached pages add to: pages masked another way are useless."""
        return f"{self._loaded.last_run_id()} {self._mask or 'plain'}"

    def _until_stopped(self) -> Iterator[list[Found]]:
        try:
            # not `yield from`, which would close what the next package continues with
            while (found := next(self._found, None)) is not None:
                yield found
        except RequestBudgetSpent as spent:
            self.stopped_by = spent

    # what to request

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
                walked = self._counts.pages
                yield from self._walk(job_type, skip_swept=True)
                walked = self._counts.pages - walked
                yield from self._read_besides(job_type, walked)
        ask = self._loaded.open_job_ids(self._now(), scope.job_types)
        ask += self._open_before
        ask += self._kept.waiting if self._kept else []
        if scope.full:
            ask += self._loaded.listed_job_ids(self._since, scope.job_types)
        ask += self._loaded.rejected_job_ids(self._now())
        ask = [job_id for job_id in ask if job_id not in self._seen]
        yield from self._retrieve(list(dict.fromkeys([*ask, *self._ask_by_id])))

    def _replayed(self) -> Iterator[list[Found]]:
        """Pages that a run read before it was killed, instead of requesting them again."""
        if self._cache is None:
            return
        for page in pages_of_account(self._cache, self._base(), self._loaded, self._client):
            self._restore(page.state)
            for record, _ in page.found:
                if isinstance(record, Record):
                    self._known_before.add(record.job_id)
                    if record.job.status not in FINAL_STATUSES:
                        self._open_before.append(record.job_id)
            yield page.found

    def _read_all(self, job_type: str | None) -> Iterator[list[Found]]:
        """Every page; again if fewer jobs were seen than the API announced at first."""
        for _ in range(SWEEPS):
            seen: set[str] = set()
            announced: list[int] = []

            def note(page: Page, seen: set[str] = seen, announced: list[int] = announced) -> None:
                seen.update(map(identity, page.records))
                announced.append(page.total_results or 0)

            yield from self._walk(job_type, skip_swept=False, note=note)
            expected = announced[0] if announced else 0
            if self._since is not None or len(seen) >= expected:
                return
        self._report(
            "warning",
            message=f"the API announces {expected} jobs but lists {len(seen)}: "
            "jobs disappear while the list is read, or its total is wrong",
        )

    def _walk(
        self,
        job_type: str | None,
        *,
        skip_swept: bool,
        note: Callable[[Page], None] = lambda page: None,
    ) -> Iterator[list[Found]]:
        """Pages from the newest on; with `skip_swept` without those that earlier runs have read."""
        coverage = self._spans(job_type)
        if not skip_swept:
            coverage.spans.clear()
        walk = Walk(coverage, skip_swept=skip_swept, page_size=self._client.page_size)
        found: list[Found] = []

        def keep(page: Page) -> None:
            nonlocal found
            note(page)
            self._totals[job_type] = page.total_results
            self._account.confirm(page.job_ids())
            found = self._listed(page)
            if self._cache is not None and walk.next_page is not None and not self._scope.full:
                self._cache.append(found, self.state())

        pages = self._pages.along(
            walk,
            job_type,
            is_known=self._known if skip_swept else lambda page: [],
            since=self._since,
            keep=keep,
        )
        for page in pages:
            page.records.clear()
            yield found

    def _read_besides(self, job_type: str | None, walked: int) -> Iterator[list[Found]]:
        """Pages out of turn: of the history, and what may show the open jobs not seen yet."""
        total = self._totals.get(job_type)
        if len(self._spans(job_type).spans) == 1:
            for page in self._audit.read(job_type, walked, total or 0):
                yield self._listed(page)
        types = [job_type] if job_type else []
        wanted = {*self._loaded.open_job_ids(self._now(), types)} - self._seen
        if wanted:
            for page in self._open_jobs.read(job_type, wanted, total, self._now()):
                yield self._listed(page)

    def _known(self, page: Page) -> list[bool]:
        """For each job of the page whether an earlier run has loaded or cached it."""
        loaded = self._loaded.versions(page.job_ids())
        return [r.job_id in loaded or r.job_id in self._known_before for r in page.records]

    def _listed(self, page: Page) -> list[Found]:
        """The records of a page that are in the run's scope."""
        self._counts.jobs_listed += len(page.records)
        now = self._now()
        versions = self._loaded.versions(page.job_ids())
        found: list[Found] = []
        for record in page.records:
            if isinstance(record, Record):
                created_at = record.job.created_at
                if self._since and created_at and created_at < self._since:
                    continue
                if not self._trust.is_believed(record, versions.get(record.job_id), now):
                    self._seen.add(record.job_id)
                    self._ask_by_id.append(record.job_id)
                    continue
            if record.job_id is not None:
                self._seen.add(record.job_id)
            found.append((record, now))
        return found

    def _retrieve(self, job_ids: Sequence[str]) -> Iterator[list[Found]]:
        """The jobs one by one, a few at a time; those the API does not know have vanished."""
        done = 0
        for answers in retrieve(self._client, job_ids):
            found: list[Found] = []
            for job_id, record in answers:
                if record is not None:
                    self._counts.jobs_retrieved += 1
                    found.append((record, self._now()))
                    continue
                self._changes.vanish(job_id)
                if job_id in self._scope.job_ids:
                    self._counts.unknown_job_ids.append(job_id)
            self._account.confirm([r.job_id for r, _ in found if isinstance(r, Record)])
            done += len(answers)
            self._report("retrieve", done=done, total=len(job_ids))
            yield found

    def _begin(self, kept: KeptState) -> None:
        """What earlier runs have learned about the API."""
        self._audit = Audit(
            self._pages,
            self._loaded,
            self._counts,
            count=self._audit_pages,
            page_size=self._client.page_size,
            read_to=kept.audited_to,
        )
        self._trust = ListTrust(self._client.job, kept.lists_whole_at, kept.lists_short_at)
        self._open_jobs = OpenJobReader(
            self._pages, self._loaded, self._client.page_size, kept.filter_failed_at
        )

    def _spans(self, job_type: str | None) -> Coverage:
        return self._coverage.setdefault(job_type or "*", Coverage())

    def _restore(self, state: KeptState) -> None:
        """Go on from what earlier runs have read, back to the earliest `since` of them all."""
        state.refuse_other(is_demo=self._scope.is_demo, mask=self._mask)
        self._coverage = state.coverage()
        if self._coverage and not self._scope.full:
            if state.since and self._since and self._since < state.since:
                for coverage in self._coverage.values():
                    coverage.reopen(state.since)
            else:
                self._since = state.since
