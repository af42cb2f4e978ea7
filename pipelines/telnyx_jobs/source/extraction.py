"""What to request from the API, and in which packages it is loaded.

An incremental run reads list pages from the newest down to what earlier runs have read, then the
jobs known to be open that those pages did not show, then a page of the history: the cost follows
the change, not the history. A full run reads every page.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

import pyarrow as pa

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Record
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import FINAL_STATUSES
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.account import AccountCheck, pages_of_account
from telnyx_jobs.source.audit import Head
from telnyx_jobs.source.changes import Changes
from telnyx_jobs.source.clock import clock_after
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.flatten import weight_of
from telnyx_jobs.source.lists import Lists
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.page_cache import Found, PageCache
from telnyx_jobs.source.retrieve import Retrieve, retrieve
from telnyx_jobs.source.state import KeptState

BATCH_ROWS = 200_000
BATCH_BYTES = 16 * 1024 * 1024
"""Rows that are flattened together, and bytes of their answers: enough to be fast, few enough to
stay small in memory, even if each failure has a long text."""
PACKAGE_ROWS = 2_000_000
PACKAGE_SECONDS = 300.0
"""A package is loaded and published if it is this old or has this many rows, and at least as
many as are loaded: the cost of publishing grows with the file."""


@dataclass
class Extraction:
    """One run against the API, returned in packages until `is_done`.

    `cache` keeps pages that are read but not published; `mask` is the fingerprint of the key that
    the client masks phone numbers with. With `in_one_package` everything is one package.
    """

    client: Client
    loaded: Loaded
    scope: Scope
    counts: Counts
    _: KW_ONLY
    cache: PageCache | None = None
    mask: str | None = None
    report: Report = nothing
    audit_pages: int = 1
    in_one_package: bool = False
    retrieve: Retrieve = retrieve

    def __post_init__(self) -> None:
        self.is_done = False
        self.stopped_by: RequestBudgetSpent | None = None
        """Set if the run ended early: what it read is loaded."""
        self._now = clock_after(self.loaded.latest_observation())
        self._kept: KeptState | None = None
        self._lists: Lists
        """From the first package on."""
        self._open_before: list[str] = []
        """Jobs that were open when a killed run read them."""
        self._account = AccountCheck(self.client, self.loaded, self.scope.same_account)
        self._changes = Changes(self.loaded, self.counts, self._now)
        self._found = self._finds()

    def package(self, kept: KeptState | None) -> Iterator[dict[str, pa.Table]]:
        """Tables of the next package, in batches; a job occurs in one of them at most.

        `kept` is what the run before left, of use for the first package only.
        """
        if self._kept is None:
            self._kept = kept or KeptState(is_demo=self.scope.is_demo, mask=self.mask)
            self._kept.refuse_other(is_demo=self.scope.is_demo, mask=self.mask)
            self._lists = self._begin(self._kept)
        batch = self._changes.begin()
        if self.cache is not None:
            self.cache.base, self.cache.key = self._base(), self.client.key_fingerprint
        enough = max(PACKAGE_ROWS, self.loaded.row_count())
        started = time.monotonic()
        rows, received = 0, self.client.usage.received_bytes
        for found in self._until_stopped():
            batch += found
            rows += sum(weight_of(record) for record, _ in found)
            # decoded pages are large: this one goes before the next one comes
            found.clear()
            all_received = self.client.usage.received_bytes
            if rows >= BATCH_ROWS or all_received - received >= BATCH_BYTES:
                yield self._changes.tables(batch)
                batch, rows, received = [], 0, all_received
            is_old = time.monotonic() - started > PACKAGE_SECONDS
            is_full = is_old or self._changes.rows + rows >= enough
            if is_full and not self.in_one_package:
                break
        else:
            self.is_done = True
        yield self._changes.tables(batch)
        if not self._kept.has_parameters:
            self._kept.has_parameters = True
            yield from self._changes.parameter_tables()
        yield from self._changes.closing_tables()
        self.counts.history_read_since = self._lists.audit.whole_since(self.scope.lists)
        self.report("load", changed=self.counts.jobs_changed)
        if self._changes.waiting() and not self.in_one_package:
            self.is_done = False

    @property
    def appends(self) -> bool:
        """Whether the package goes into empty tables, where there is nothing to replace."""
        return self._changes.appends

    def state(self) -> KeptState:
        """What has been read so far, to keep with the package's rows for the next run."""
        lists = self._lists
        return KeptState(
            is_demo=self.scope.is_demo,
            mask=self.mask,
            since=lists.since,
            spans={name: coverage.spans for name, coverage in lists.coverage.items()},
            waiting=[*self._changes.waiting(), *lists.trust.ask_by_id],
            has_parameters=True,
            readings=lists.audit.readings,
            filter_failed_at=lists.open_jobs.filter_failed_at,
            lists_whole_at=lists.trust.whole_at,
            lists_short_at=lists.trust.short_at,
            whole_until=self._now(),
            in_doubt=sorted(lists.in_doubt),
        )

    def forget_pages(self) -> None:
        """Delete the cached pages: what they hold is published."""
        if self.cache is not None:
            self.cache.clear()

    def _base(self) -> str:
        """What cached pages add to: pages masked another way are useless."""
        return f"{self.loaded.last_run_id()} {self.mask or 'plain'}"

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
        scope, lists = self.scope, self._lists
        if scope.job_ids:
            yield from self._retrieve(list(dict.fromkeys(scope.job_ids)))
            return
        if not scope.full:
            yield from self._replayed()
        heads: dict[str | None, Head] = {}
        for job_type in scope.lists:
            if scope.full or lists.is_new(job_type):
                yield from lists.whole(job_type)
            else:
                heads[job_type] = yield from lists.new(job_type)
        ask = self.loaded.open_job_ids(self._now(), scope.job_types)
        ask += self._open_before
        if scope.full:
            ask += self.loaded.listed_job_ids(lists.since, scope.job_types)
        ask += self.loaded.rejected_job_ids(self._now())
        ask = [job_id for job_id in ask if job_id not in lists.seen]
        ask += [*sorted(lists.in_doubt), *lists.trust.ask_by_id]
        yield from self._retrieve(list(dict.fromkeys(ask)))
        # last, as a spent budget ends the run
        for job_type, head in heads.items():
            yield from lists.history(job_type, head)
        yield from self._retrieve(list(lists.trust.ask_by_id))

    def _replayed(self) -> Iterator[list[Found]]:
        """Pages that a run read before it was killed, instead of requesting them again."""
        if self.cache is None:
            return
        pages = pages_of_account(self.cache, self._base(), self.loaded, self.client)
        for found, state in pages:
            state.refuse_other(is_demo=self.scope.is_demo, mask=self.mask)
            self._lists.restore(state)
            self._lists.trust.ask_by_id |= dict.fromkeys(state.waiting)
            for record, _ in found:
                if isinstance(record, Record):
                    self._lists.known_before.add(record.job_id)
                    if record.job.status not in FINAL_STATUSES:
                        self._open_before.append(record.job_id)
            yield found

    def _retrieve(self, job_ids: Sequence[str]) -> Iterator[list[Found]]:
        """The jobs one by one, a few at a time; those the API does not know have vanished."""
        done = 0
        for answers in self.retrieve(self.client, job_ids):
            found: list[Found] = []
            for job_id, record in answers:
                if record is not None:
                    self.counts.jobs_retrieved += 1
                    found += [(each, self._now()) for each in self.loaded.not_pruned([record])]
                    continue
                self._changes.vanish(job_id)
                if job_id in self.scope.job_ids:
                    self.counts.unknown_job_ids.append(job_id)
            records = [record for record, _ in found if isinstance(record, Record)]
            self._account.confirm([record.job_id for record in records])
            for record in records:
                self._lists.open_jobs.note(record, self._now())
            self._lists.note_answers(answers)
            done += len(answers)
            self.report("retrieve", done=done, total=len(job_ids))
            yield found

    def _begin(self, kept: KeptState) -> Lists:
        return Lists(
            client=self.client,
            loaded=self.loaded,
            scope=self.scope,
            counts=self.counts,
            account=self._account,
            kept=kept,
            audit_pages=self.audit_pages,
            now=self._now,
            keep=self._keep,
            report=self.report,
        )

    def _keep(self, found: list[Found]) -> None:
        """Keep a page's records for the next run, in case this one is killed."""
        if self.cache is not None:
            self.cache.append(found, self.state())
