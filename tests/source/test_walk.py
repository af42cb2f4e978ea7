"""Which pages a sync reads: everything new, and nothing twice if possible."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telnyx_jobs.source.state import KeptState
from telnyx_jobs.source.walk import Coverage, Span, Walk, stretch_of

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> datetime:
    return EPOCH + timedelta(days=number)


def walked(
    created: Sequence[datetime],
    loaded: set[datetime],
    coverage: Coverage,
    *,
    page_size: int,
    stop_after: int = 1_000,
) -> list[int]:
    """Pages that a walk over a list of these creation times reads; `loaded` grows with them."""
    newest_first = sorted(created, reverse=True)
    before = set(loaded)
    walk = Walk(coverage, skip_swept=True, page_size=page_size)
    pages: list[int] = []
    while walk.next_page is not None and len(pages) < stop_after:
        number = walk.next_page
        page = newest_first[(number - 1) * page_size : number * page_size]
        pages.append(number)
        walk.advance(
            stretch_of(page),
            [time in before for time in page],
            total=len(newest_first),
            is_last=number * page_size >= len(newest_first),
        )
        loaded.update(page)
    return pages


def test_a_first_walk_reads_every_page() -> None:
    """Without an earlier run all pages are read, and the whole list counts as read."""
    coverage = Coverage()

    pages = walked([day(n) for n in range(10)], set(), coverage, page_size=4)

    assert pages == [1, 2, 3]
    assert [(span.newest, span.oldest) for span in coverage.spans] == [(day(9), None)]


def test_nothing_new_costs_one_page() -> None:
    """A walk over a list read before ends with its first page."""
    created = [day(n) for n in range(100)]
    coverage = Coverage([Span(day(99), None)])

    assert walked(created, set(created), coverage, page_size=10) == [1]


def test_new_jobs_cost_their_pages() -> None:
    """A walk continues until a page reaches what was read before."""
    created = [day(n) for n in range(100)]
    coverage = Coverage([Span(day(74), None)])

    assert walked(created, set(created[:75]), coverage, page_size=10) == [1, 2, 3]
    assert [(span.newest, span.oldest) for span in coverage.spans] == [(day(99), None)]


def test_jobs_created_close_together_end_the_walk_by_their_number() -> None:
    """Many known jobs in a row end a walk, even if their times are within the margin."""
    created = [EPOCH + timedelta(seconds=n) for n in range(2_000)]
    coverage = Coverage([Span(created[-1], None)])

    assert walked(created, set(created), coverage, page_size=250) == [1]


def test_a_late_job_within_the_margin_is_found() -> None:
    """A job that appears late, below newer ones, is on a page that is read."""
    created = [EPOCH + timedelta(minutes=n) for n in range(200)]
    loaded = set(created) - {created[150]}
    coverage = Coverage([Span(created[-1], None)])

    walked(created, loaded, coverage, page_size=10)

    assert created[150] in loaded


def test_an_interrupted_walk_goes_on_where_it_was() -> None:
    """The next walk reads no page again, and looks for new jobs after the rest is read."""
    created = [day(n) for n in range(100)]
    loaded: set[datetime] = set()
    coverage = Coverage()

    first = walked(created, loaded, coverage, page_size=10, stop_after=5)
    second = walked(created, loaded, coverage, page_size=10)

    assert first == [1, 2, 3, 4, 5]
    assert second == [6, 7, 8, 9, 10, 1]
    assert loaded == set(created)
    assert [(span.newest, span.oldest) for span in coverage.spans] == [(day(99), None)]


def test_new_jobs_move_the_place_to_go_on_from() -> None:
    """After jobs were created the next walk continues that many jobs further down."""
    created = [day(n) for n in range(100)]
    loaded: set[datetime] = set()
    coverage = Coverage()

    walked(created, loaded, coverage, page_size=10, stop_after=5)
    created += [day(100 + n) for n in range(25)]
    second = walked(created, loaded, coverage, page_size=10)

    assert second == [6, 8, 9, 10, 11, 12, 13, 1, 2, 3]
    assert loaded == set(created)


def test_vanished_jobs_make_the_walk_step_back() -> None:
    """After jobs above its place disappeared the next walk goes back until it has missed none."""
    created = [day(n) for n in range(100)]
    loaded: set[datetime] = set()
    coverage = Coverage()

    walked(created, loaded, coverage, page_size=10, stop_after=5)
    del created[70:85]
    second = walked(created, loaded, coverage, page_size=10)

    assert second == [6, 5, 4, 5, 6, 7, 8, 9, 1]
    assert loaded >= set(created)


def test_a_list_out_of_order_tells_nothing() -> None:
    """Times that rise by more than the margin do not count as read."""
    assert stretch_of([day(1), day(5), day(2)]) is None


def test_one_old_job_does_not_stretch_a_page() -> None:
    """A page ends where its last three jobs agree that it ends."""
    assert stretch_of([day(9), day(8), day(7), day(-300)]) == Span(day(9), day(8))


@given(
    jobs=st.integers(1, 60),
    page_size=st.integers(1, 9),
    interruptions=st.lists(
        st.tuples(st.integers(1, 4), st.integers(0, 15), st.lists(st.integers(0, 70), max_size=6)),
        max_size=6,
    ),
    is_dense=st.booleans(),
)
def test_walks_that_are_interrupted_and_overtaken_miss_nothing(
    jobs: int,
    page_size: int,
    interruptions: list[tuple[int, int, list[int]]],
    is_dense: bool,
) -> None:
    """However often walks stop, and jobs come and go meanwhile, all remaining jobs are read."""
    step = timedelta(seconds=1) if is_dense else timedelta(days=1)
    created = [EPOCH + step * n for n in range(jobs)]
    loaded: set[datetime] = set()
    coverage = Coverage()
    for pages, new_jobs, gone in interruptions:
        walked(created, loaded, coverage, page_size=page_size, stop_after=pages)
        newest = max(created, default=EPOCH)
        created += [newest + step * (n + 1) for n in range(new_jobs)]
        created = [time for place, time in enumerate(created) if place not in gone]

    walked(created, loaded, coverage, page_size=page_size)

    assert set(created) <= loaded


def test_coverage_survives_its_json() -> None:
    """The spans kept for the next run are the spans that were read."""
    state = KeptState(spans={"*": [Span(day(9), day(7), 20, 99), Span(day(3), None)]})

    assert KeptState.of(json.loads(json.dumps(state.to_json()))) == state
