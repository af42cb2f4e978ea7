"""What list pages show: new jobs, open ones, and a part of the history.

Pages shift while they are read: new jobs repeat records (the last one read wins), deleted ones
hide records (a full run counts, and reads again).
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime

from telnyx_jobs.api.client import Client
from telnyx_jobs.api.models import Page, Record
from telnyx_jobs.progress import Report
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.account import AccountCheck
from telnyx_jobs.source.audit import Audit, Head
from telnyx_jobs.source.changes import is_older
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.loaded import Loaded, Version
from telnyx_jobs.source.open_jobs import OpenJobReader
from telnyx_jobs.source.page_cache import Found
from telnyx_jobs.source.pages import PageReader, identity
from telnyx_jobs.source.retrieve import Answers
from telnyx_jobs.source.short_lists import ListTrust
from telnyx_jobs.source.state import KeptState
from telnyx_jobs.source.walk import Coverage, Walk

SWEEPS = 3
"""How often a full run reads the list when jobs vanish from it meanwhile."""


@dataclass(kw_only=True)
class Lists:
    """The lists of one run. `kept` is what earlier runs have read, `now` returns UTC.

    `keep` is called with the records of each page of an incremental walk but the last.
    """

    client: Client
    loaded: Loaded
    scope: Scope
    counts: Counts
    account: AccountCheck
    kept: InitVar[KeptState]
    audit_pages: int
    now: Callable[[], datetime]
    keep: Callable[[list[Found]], None]
    report: Report

    def __post_init__(self, kept: KeptState) -> None:
        self.since = self.scope.since
        self.seen: set[str] = set()
        """Jobs that a list page of this run has shown."""
        self.known_before: set[str] = set()
        """Jobs that a killed run has read."""
        self.in_doubt = self.loaded.job_ids_in_doubt()
        """Jobs some of whose rows may be missing, until an answer replaces all of them."""
        self.restore(kept)
        page_size = self.client.page_size
        self.trust = ListTrust(
            self.client.job,
            dict.fromkeys(kept.waiting),
            kept.lists_whole_at,
            kept.lists_short_at,
        )
        self._pages = PageReader(self.client, self.counts, self.report)
        self.open_jobs = OpenJobReader(self._pages, self.loaded, page_size, kept.filter_failed_at)
        self.audit = Audit(
            pages=self._pages,
            counts=self.counts,
            readings=dict(kept.readings),
            count=self.audit_pages,
            page_size=page_size,
            since=self.loaded.removals.later_of(self.since),
        )

    def restore(self, state: KeptState) -> None:
        """Go on from what earlier runs have read, back to the earliest `since` of them all."""
        self.coverage = state.coverage()
        if self.coverage and not self.scope.full:
            if state.since and self.since and self.since < state.since:
                for coverage in self.coverage.values():
                    coverage.reopen(state.since)
            else:
                self.since = state.since

    def is_new(self, job_type: str | None) -> bool:
        """Whether nothing of the list has been read yet."""
        return not self._spans(job_type).spans

    def whole(self, job_type: str | None) -> Iterator[list[Found]]:
        """Every page; again if fewer jobs were seen than the API announced at first."""
        began_at = self.now()
        for _ in range(SWEEPS):
            seen: set[str] = set()
            announced: list[int] = []

            def note(page: Page, seen: set[str] = seen, announced: list[int] = announced) -> None:
                seen.update(map(identity, page.records))
                announced.append(page.total_results or 0)

            yield from self._walk(job_type, skip_swept=False, note=note)
            expected = announced[0] if announced else 0
            if self.loaded.removals.later_of(self.since) or len(seen) >= expected:
                break
        else:
            self.report(
                "warning",
                message=f"the API announces {expected} jobs but lists {len(seen)}: "
                "jobs disappear while the list is read, or its total is wrong",
            )
        self.audit.note_whole(job_type, began_at)

    def new(self, job_type: str | None) -> Generator[list[Found], None, Head]:
        """Pages from the newest on that no run has read, then those that show open jobs.

        Returns what the former have shown of the list.
        """
        head = yield from self._walk(job_type, skip_swept=True)
        types = [job_type] if job_type else []
        wanted = {*self.loaded.open_job_ids(self.now(), types)} - self.seen
        for page in self.open_jobs.read(job_type, wanted, head, self.now()) if wanted else ():
            yield self._found(page, self.loaded.versions(page.job_ids()))
        return head

    def history(self, job_type: str | None, head: Head) -> Iterator[list[Found]]:
        """Pages read longest ago, once the whole list has been read."""
        if len(self._spans(job_type).spans) == 1:
            for page in self.audit.read(job_type, head, self.now()):
                yield self._found(page, self.loaded.versions(page.job_ids()))

    def note_answers(self, answers: Answers) -> None:
        """Jobs have been asked for by id."""
        doubted = self.in_doubt.intersection(job_id for job_id, _ in answers)
        versions = self.loaded.versions(sorted(doubted))
        for job_id, answer in answers:
            self.trust.ask_by_id.pop(job_id, None)
            if answer is None:
                self.in_doubt.discard(job_id)
            elif isinstance(answer, Record):
                self._settle(answer, versions.get(job_id))

    def _settle(self, record: Record, version: Version | None) -> None:
        """The record replaces all rows of its job, unless it is older than what is stored."""
        if not (version and is_older(record, version.updated_at)):
            self.in_doubt.discard(record.job_id)

    def _walk(
        self,
        job_type: str | None,
        *,
        skip_swept: bool,
        note: Callable[[Page], None] = lambda page: None,
    ) -> Generator[list[Found], None, Head]:
        """Pages from the newest on; with `skip_swept` without those that earlier runs have read."""
        coverage = self._spans(job_type)
        if not skip_swept:
            coverage.spans.clear()
        walk = Walk(coverage, skip_swept=skip_swept, page_size=self.client.page_size)
        found: list[Found] = []
        versions: dict[str, Version] = {}
        passed, new, total = 0, set[str](), None

        def is_known(page: Page) -> list[bool]:
            nonlocal versions
            versions = self.loaded.versions(page.job_ids())
            # before the page counts as read, since a spent budget may end the run here
            self.account.confirm(list(versions))
            return [r.job_id in versions or r.job_id in self.known_before for r in page.records]

        def keep(page: Page) -> None:
            nonlocal found, passed, total
            note(page)
            passed, total = passed + self.client.page_size, page.total_results
            loadable = self.loaded.not_pruned(page.records)
            new.update(r.job_id for r in loadable if isinstance(r, Record))
            new.difference_update(versions)
            found = self._found(page, versions)
            if walk.next_page is not None and not self.scope.full:
                self.keep(found)

        since = self.loaded.removals.later_of(self.since)
        pages = self._pages.along(walk, job_type, is_known=is_known, since=since, keep=keep)
        for page in pages:
            page.records.clear()
            yield found
        return Head(passed, len(new), total)

    def _found(self, page: Page, versions: Mapping[str, Version]) -> list[Found]:
        """The records of a page that are in the run's scope, and to be loaded as they are.

        `versions` are the stored ones of the page's jobs.
        """
        self.counts.jobs_listed += len(page.records)
        now = self.now()
        found: list[Found] = []
        for record in self.loaded.not_pruned(page.records):
            if isinstance(record, Record):
                created_at = record.job.created_at
                if self.since and created_at and created_at < self.since:
                    continue
                self.open_jobs.note(record, now)
                version = versions.get(record.job_id)
                if not self.trust.takes(record, version, now):
                    self.seen.add(record.job_id)
                    continue
                self._settle(record, version)
            if record.job_id is not None:
                self.seen.add(record.job_id)
            found.append((record, now))
        return found

    def _spans(self, job_type: str | None) -> Coverage:
        return self.coverage.setdefault(job_type or "*", Coverage())
