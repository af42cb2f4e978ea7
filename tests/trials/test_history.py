"""Any history of an account, synced at any moment in any mode: the file is what the API showed.

The test derives what a run was shown from the requests it sent. It also checks what a run must
request: a full one everything, an incremental one all jobs that are new, open or unusable. It may
miss only a finished, loaded job that changes or disappears beyond the pages it reads.
"""

import json
import os
import re
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from support.syncs import EPOCH, Json, error, failure, job, numbers, sync_once, text
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.demo_api import serve
from telnyx_jobs.demo_api.answers import Refusal
from telnyx_jobs.errors import ApiUnavailable
from telnyx_jobs.source.open_jobs import OPEN_STATUSES

EXAMPLES = 100 if os.environ.get("TELNYX_JOBS_LONG") == "1" else 2
Row = tuple[Any, ...]

FILTER = "filter[status][]"
FINISHED = ("completed", "failed", "expired")
ARRAYS = ("phone_numbers", "successful_operations", "pending_operations", "failed_operations")
COUNTS = tuple(f"{name}_count" for name in ARRAYS)
UNUSABLE = {"status": 7}
QUERIES = {
    "jobs": "select id, record_type, type, status, etc, created_at, updated_at, parameters, "
    f"{', '.join(COUNTS)}, extra, missing_since is not null from telnyx_raw.jobs",
    "job_phone_numbers": "select job_id, position, phone_number_id, phone_number "
    "from telnyx_raw.job_phone_numbers",
    "job_operations": "select job_id, outcome, position, phone_number_id, phone_number "
    "from telnyx_raw.job_operations",
    "job_operation_errors": "select job_id, operation_position, position, code, title, detail, "
    "source_pointer, source_parameter, meta_url from telnyx_raw.job_operation_errors",
    "job_observations": "select job_id, row_number() over (partition by job_id order by "
    f"observed_at), status, updated_at, {', '.join(COUNTS)} from telnyx_raw.job_observations",
    "rejected_records": "select job_id, replace(replace(record, ', ', ','), ': ', ':') "
    "from telnyx_raw.rejected_records",
    "newest observations": "select j.id from telnyx_raw.jobs as j join (select job_id, "
    "max(observed_at) as observed_at from telnyx_raw.job_observations group by job_id) as o "
    "on j.id = o.job_id and j.observed_at = o.observed_at",
}


@dataclass
class Known:
    """What the file must hold of a job: its versions in the order seen, and if it is missing."""

    versions: list[Json] = field(default_factory=list)
    is_missing: bool = False

    @property
    def is_open(self) -> bool:
        return self.versions[-1]["status"] not in FINISHED


class Account:
    """The jobs of the API, those that it dropped, and the clock that creation times follow."""

    def __init__(self) -> None:
        self.jobs: list[Json] = []
        self.dropped: list[tuple[Json, int]] = []
        """Each with the number of syncs before it."""
        self.newest = EPOCH
        self._places: dict[str, int] = {}

    def newest_first(self) -> list[Json]:
        """The list; jobs of equal creation time in an order that never changes."""
        order = sorted(self.jobs, key=lambda job: (job["created_at"], self._places[job["id"]]))
        return order[::-1]

    def create(self, minutes: int, place: int, content: Json) -> None:
        """A job created this much later than the newest one; at most an hour earlier."""
        created_at = self.newest + timedelta(minutes=minutes)
        self.newest = max(self.newest, created_at)
        number = len(self._places)
        times = {"created_at": text(created_at), "updated_at": text(created_at)}
        self.jobs.append(job(number, **times) | content)
        self._places[self.jobs[-1]["id"]] = place * 1_000 + number


CONTENTS = st.sampled_from(
    [
        {"status": "pending", "phone_numbers": numbers(1, 2), "pending_operations": numbers(1, 2)},
        {"status": "in_progress", "pending_operations": numbers(2), "successful_operations": None},
        {"status": "paused", "failed_operations": [failure(3)], "pending_operations": numbers(4)},
        {"status": "completed", "phone_numbers": numbers(1), "successful_operations": numbers(1)},
        {
            "status": "failed",
            "failed_operations": [failure(1, error("1", "/a/0"), error("2", "/b")), failure(2)],
        },
        {"status": "expired", "phone_numbers": numbers(5, 6, 7)},
        UNUSABLE,
    ]
)
WHICH = st.integers(0, 999)
CHANGES = st.lists(
    st.one_of(
        st.tuples(
            st.just("create"),
            st.sampled_from([0, 1, 25, 90, 4_000, -1, -30, -60]),
            st.integers(-1, 1),
            st.lists(CONTENTS, min_size=1, max_size=4),
        ),
        st.tuples(st.just("change_one"), WHICH, CONTENTS),
        st.tuples(st.just("empty"), WHICH, st.sampled_from(ARRAYS)),
        st.tuples(st.just("drop"), WHICH),
        st.tuples(st.just("restore"), WHICH, st.one_of(st.just({}), CONTENTS)),
    ),
    max_size=5,
)
WAYS = {"filter": [2, 3, 4, 5, 250], "page": [4, 5, 250], "id": [1]}
"""Page sizes with which open jobs are read so; by pages of the list, its filter is refused too."""


class History(RuleBasedStateMachine):
    """Changes of the account, and after some of them a sync that ends in one of four ways.

    `way` is how open jobs are read, and `taken` counts the syncs that did so.
    """

    def __init__(self, way: str, taken: Counter[str]) -> None:
        super().__init__()
        self.way = way
        self.taken = taken
        self.account = Account()
        # enough open jobs, some behind others, for pages to be cheaper than requests by id
        for status in ("pending", "completed", "in_progress", "completed") * 6:
            self.account.create(90, 0, {"status": status, "pending_operations": numbers(1)})
        self.known: dict[str, Known] = {}
        self.rejected: dict[str, str] = {}
        """Job ids by the record's text."""
        self.kept_pages: list[list[Json]] = []
        """What failed runs have read: the next run uses it."""
        self.out_of_sight: set[str] = set()
        """Jobs never loaded that were missing while the list was read past their place."""
        self.is_unfinished = False
        self.syncs = 0
        self.answers_left: int | None = None
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory()
        self.database = Path(self._folder.name) / "jobs.duckdb"
        self.api = serve(self._answer)

    def teardown(self) -> None:
        self.api.close()
        self._folder.cleanup()

    def _answer(self) -> list[Json]:
        if self._is_refused(self.api.requests[-1][1]):
            raise Refusal(422, "10015", "Invalid filter", "")
        with self._lock:
            if self.answers_left is not None:
                self.answers_left -= 1
                if self.answers_left < 0:
                    raise ConnectionError("no answer")
            return self.account.newest_first()

    # what happens

    @rule(changes=CHANGES, which=WHICH)
    def sync(self, changes: Sequence[Row], which: int) -> None:
        self._change(changes)
        pages, asked = self._sync(which)
        self._holds_what_was_due(pages, asked, self._due())
        self._publish(pages, asked)
        self.is_unfinished = False

    @rule(changes=CHANGES, which=WHICH)
    def sync_fully(self, changes: Sequence[Row], which: int) -> None:
        self._change(changes)
        self.kept_pages.clear()
        pages, asked = self._sync(which, full=True)
        shown_before = {i for i, known in self.known.items() if not known.is_missing}
        everything = shown_before | {job["id"] for job in self.account.jobs}
        self._holds_what_was_due(pages, asked, self._due() | everything)
        self._publish(pages, asked)
        self.out_of_sight.clear()
        self.is_unfinished = False

    @rule(changes=CHANGES, which=WHICH, answers=st.integers(0, 6))
    def sync_until_an_answer_fails(self, changes: Sequence[Row], which: int, answers: int) -> None:
        self._change(changes)
        self.answers_left = answers
        try:
            pages, asked = self._sync(which)
        except ApiUnavailable:
            self._keep_pages()
            self.is_unfinished = True
            if self.database.exists():
                self._agrees()
        else:
            self._holds_what_was_due(pages, asked, self._due())
            self._publish(pages, asked)
            self.is_unfinished = False
        finally:
            self.answers_left = None

    @rule(changes=CHANGES, which=WHICH, requests=st.integers(1, 6), full=st.booleans())
    def sync_until_a_budget_is_spent(
        self, changes: Sequence[Row], which: int, requests: int, full: bool
    ) -> None:
        self._change(changes)
        if full:
            self.kept_pages.clear()
        with suppress(RequestBudgetSpent):
            self._sync(which, full=full, max_requests=requests)
        self._publish(self._pages_shown(), self._asked())
        self.is_unfinished = True

    # the account

    def _change(self, changes: Sequence[Row]) -> None:
        for name, *details in changes:
            getattr(self, f"_{name}")(*details)

    def _create(self, minutes: int, place: int, contents: Sequence[Json]) -> None:
        for content in contents:
            self.account.create(minutes, place, content)

    def _change_one(self, which: int, content: Json) -> None:
        if self.account.jobs:
            chosen = self.account.jobs[which % len(self.account.jobs)]
            chosen |= content | {"updated_at": text(self.account.newest)}

    def _empty(self, which: int, array: str) -> None:
        self._change_one(which, {array: []})

    def _drop(self, which: int) -> None:
        if self.account.jobs:
            gone = self.account.jobs.pop(which % len(self.account.jobs))
            self.account.dropped.append((gone, self.syncs))

    def _restore(self, which: int, content: Json) -> None:
        # together with a drop this would hide jobs from a run that continues another one: the
        # total does not show it; no API does that
        if self.account.dropped and not self.is_unfinished:
            back, since = self.account.dropped.pop(which % len(self.account.dropped))
            if since < self.syncs and back["id"] not in {*self.known, *self.rejected.values()}:
                self.out_of_sight.add(back["id"])
            self.account.jobs.append(back | content)

    # the sync

    def _sync(self, which: int, **options: Any) -> tuple[list[list[Json]], list[str]]:
        self.syncs += 1
        self._first_request = len(self.api.requests)
        # the account may lose all of its jobs
        options["same_account"] = True
        sizes = WAYS[self.way]
        self.page_size = sizes[which % len(sizes)]
        self._open_before = sum(known.is_open for known in self.known.values())
        sync_once(self.api, self.database, page_size=self.page_size, **options)
        self.taken[_way_of(self._targets())] += 1
        return self._pages_shown(), self._asked()

    def _targets(self) -> list[str]:
        """What the last sync requested."""
        return [target for _, target in self.api.requests[self._first_request :]]

    def _is_refused(self, target: str) -> bool:
        return self.way == "page" and FILTER in target

    def _keep_pages(self) -> None:
        """Of a sync that failed, the next one finds the pages of the walk but its last one.

        After the walk, pages are read for open jobs. Without a filter they look like the walk's:
        then what the sync has kept is deleted, as a user may do at any time.
        """
        targets = self._targets()
        filtered = next((n for n, target in enumerate(targets) if FILTER in target), None)
        if filtered is None and self._open_before > 1 and self.page_size > 1:
            shutil.rmtree(self.database.parent / ".jobs.duckdb.state" / "spool", ignore_errors=True)
            self.kept_pages.clear()
            return
        # a page that another request for a page followed was not the last one
        self.kept_pages += self._shown_by(targets[:filtered])[:-1]

    def _pages_shown(self) -> list[list[Json]]:
        """The list pages that the last sync requested, as they are; no job changes meanwhile."""
        return self._shown_by(self._targets())

    def _shown_by(self, targets: Sequence[str]) -> list[list[Json]]:
        page_size = self.page_size
        listed = self.account.newest_first()
        open_ones = [job for job in listed if job["status"] in OPEN_STATUSES]
        pages = []
        for target in targets:
            if self._is_refused(target):
                continue
            if match := re.search(r"page\[number\]=(\d+)", target):
                first = (int(match[1]) - 1) * page_size
                of = open_ones if FILTER in target else listed
                pages.append([dict(job) for job in of[first : first + page_size]])
        return pages

    def _asked(self) -> list[str]:
        """Ids that the last sync retrieved."""
        return [target.rpartition("/")[2] for target in self._targets() if "?" not in target]

    def _due(self) -> set[str]:
        """Ids that an incremental sync must have requested or been shown."""
        seen = {*self.known, *self.rejected.values()} | self.out_of_sight
        seen |= {job["id"] for page in self.kept_pages for job in page}
        return {
            *(job["id"] for job in self.account.jobs if job["id"] not in seen),
            *(job_id for job_id, known in self.known.items() if known.is_open),
            *self.rejected.values(),
        }

    def _holds_what_was_due(
        self, pages: Sequence[Sequence[Json]], asked: Sequence[str], due: set[str]
    ) -> None:
        shown = {job["id"] for page in pages for job in page}
        assert due <= shown.union(asked)

    # the file

    def _publish(self, pages: Sequence[Sequence[Json]], asked: Sequence[str]) -> None:
        """Add what the run was shown to the model, and compare the file with it."""
        present = {job["id"]: job for job in self.account.jobs}
        shown = [job for page in (*self.kept_pages, *pages) for job in page]
        shown += [dict(present[job_id]) for job_id in asked if job_id in present]
        for each in shown:
            if each["status"] == UNUSABLE["status"]:
                self.rejected[_compact(each)] = each["id"]
            else:
                self.rejected = {t: i for t, i in self.rejected.items() if i != each["id"]}
        usable = {each["id"]: each for each in shown if isinstance(each["status"], str)}
        for each in usable.values():
            known = self.known.setdefault(each["id"], Known())
            known.is_missing = False
            if known.versions[-1:] != [each]:
                known.versions.append(each)
        for job_id in asked:
            if job_id not in present and job_id in self.known:
                self.known[job_id].is_missing = True
        self.kept_pages.clear()
        self._agrees()

    def _agrees(self) -> None:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for name, expected in self._expected().items():
                published = connection.execute(QUERIES[name]).fetchall()
                assert _sorted(published) == _sorted(expected), name

    def _expected(self) -> dict[str, list[Row]]:
        newest = [known.versions[-1] for known in self.known.values()]
        return {
            "jobs": [_job_row(known) for known in self.known.values()],
            "job_phone_numbers": [
                (each["id"], place, number["id"], number["phone_number"])
                for each in newest
                for place, number in enumerate(each["phone_numbers"])
            ],
            "job_operations": [row for each in newest for row in _operation_rows(each)],
            "job_operation_errors": [row for each in newest for row in _error_rows(each)],
            "job_observations": [
                (job_id, place, each["status"], _time(each["updated_at"]), *_counts(each))
                for job_id, known in self.known.items()
                for place, each in enumerate(known.versions, start=1)
            ],
            "rejected_records": [(job_id, text) for text, job_id in self.rejected.items()],
            "newest observations": [(job_id,) for job_id in self.known],
        }


def _job_row(known: Known) -> Row:
    each = known.versions[-1]
    times = (_time(each["created_at"]), _time(each["updated_at"]))
    kept = (each["id"], each["record_type"], each["type"], each["status"], None, *times, None)
    return (*kept, *_counts(each), None, known.is_missing)


def _operation_rows(each: Json) -> Iterator[Row]:
    for outcome in ("successful", "pending", "failed"):
        for place, operation in enumerate(each[f"{outcome}_operations"] or ()):
            yield each["id"], outcome, place, operation["id"], operation["phone_number"]


def _error_rows(each: Json) -> Iterator[Row]:
    for operation, failed in enumerate(each["failed_operations"]):
        for place, said in enumerate(failed["errors"]):
            pointer = said["source"]["pointer"]
            yield (
                each["id"],
                operation,
                place,
                said["code"],
                said["title"],
                None,
                pointer,
                None,
                None,
            )


def _counts(each: Json) -> list[int | None]:
    return [None if each[name] is None else len(each[name]) for name in ARRAYS]


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: [str(value) for value in row])


def _compact(each: Json) -> str:
    return json.dumps(each, separators=(",", ":"))


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)


def _way_of(targets: Sequence[str]) -> str:
    """How a sync has read open jobs, as far as its requests show it."""
    filtered = next((n for n, target in enumerate(targets) if FILTER in target), None)
    if filtered is None:
        return "id" if any("?" not in target for target in targets) else "none"
    later = [target for target in targets[filtered:] if "?" in target and FILTER not in target]
    return "page" if later else "filter"


@pytest.mark.parametrize("way", WAYS)
def test_any_history_is_what_the_api_showed(way: str) -> None:
    """Whatever happens to an account, and however open jobs are read, each sync's file is exact."""
    taken: Counter[str] = Counter()

    class OneWay(History):
        def __init__(self) -> None:
            super().__init__(way, taken)

    run_state_machine_as_test(
        OneWay,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=8, deadline=None),
    )

    assert taken[way] > 0, taken
