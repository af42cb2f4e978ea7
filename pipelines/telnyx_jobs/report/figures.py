"""The report's figures, read from the views."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from telnyx_jobs.destinations.base import Destination, Reader, published
from telnyx_jobs.text import one_line

OLD = timedelta(days=1)
"""A file synced longer ago than this is called old."""
_READ = 500
"""Rows read of each list, so the page of a large account still opens."""

Row = TypeVar("Row")


class Totals(NamedTuple):
    """Figures over every job."""

    jobs: int
    settled: int
    failed: int
    overdue: int
    unanswered: int
    """Numbers asked for in a finished job that no operation answers."""
    failing_numbers: int
    """Phone numbers whose newest settled operation failed, in any type of job."""

    @property
    def failure_rate(self) -> float | None:
        """None if nothing settled."""
        return self.failed / self.settled if self.settled else None


class Freshness(NamedTuple):
    """The newest published sync, and what it left out. `synced_at` is None before the first."""

    synced_at: datetime | None = None
    missing_jobs: int = 0
    rejected_records: int = 0


class Failures(NamedTuple):
    """Operations failed with a code, at a pointer pattern, or both; bounds are Wilson's, 95 %."""

    code: str | None
    pointer: str | None
    title: str | None
    failed: int
    failure_rate: float
    rate_low: float
    rate_high: float
    numbers: int
    last_failed_at: datetime | None


class Span(NamedTuple):
    """Operations of the jobs last changed in some days. `failure_rate` is None if none settled."""

    settled: int
    failed: int
    failure_rate: float | None


class Change(NamedTuple):
    """A code and pattern whose rate differs between the newest 7 days and the 28 before."""

    change: str
    """new, rising, falling or gone, as in the view."""
    code: str | None
    pointer: str | None
    failed: int
    failure_rate: float | None
    earlier_failed: int
    earlier_rate: float | None


class NewFailure(NamedTuple):
    """A pair of code and pointer pattern, by when it was first seen."""

    code: str | None
    pointer: str | None
    title: str | None
    failed: int
    numbers: int
    first_failed_at: datetime | None
    last_failed_at: datetime | None


class FailingNumber(NamedTuple):
    number: str
    job_type: str | None
    consecutive_failures: int
    codes: str | None
    pointers: str | None
    last_failed_at: datetime | None


class OpenJob(NamedTuple):
    job_id: str
    job_type: str | None
    status: str | None
    pending: int | None
    created_at: datetime | None
    estimated_completion_at: datetime | None
    is_overdue: bool
    read_at: datetime


class Day(NamedTuple):
    """Operations settled in jobs of one type that Telnyx last changed on this UTC day."""

    day: date
    job_type: str | None
    settled: int
    failed: int


class Listed(NamedTuple, Generic[Row]):
    """The first rows of a list, and how many it has."""

    rows: Sequence[Row]
    total: int


@dataclass(frozen=True)
class Report:
    """Everything in the report, as of `read_at`."""

    database: str
    read_at: datetime
    freshness: Freshness
    totals: Totals
    newest_at: datetime | None
    """The newest `updated_at` of a job: `recent` and `earlier` count back from it."""
    recent: Span
    """The newest 7 days."""
    earlier: Span
    """The 28 days before them."""
    changes: Listed[Change]
    codes: Listed[Failures]
    pointers: Listed[Failures]
    pairs: Listed[Failures]
    newest: Listed[NewFailure]
    numbers: Listed[FailingNumber]
    open_jobs: Listed[OpenJob]
    days: Sequence[Day]

    @property
    def age(self) -> timedelta | None:
        synced_at = self.freshness.synced_at
        return self.read_at - synced_at if synced_at else None

    @property
    def is_old(self) -> bool:
        return self.age is None or self.age > OLD


_TOTALS = """
    select
        count(*),
        cast(coalesce(sum(settled_count), 0) as bigint),
        cast(coalesce(sum(failed_count), 0) as bigint),
        cast(coalesce(sum(case when is_overdue then 1 else 0 end), 0) as bigint),
        (select count(*) from telnyx.unaccounted_phone_numbers),
        (
            select count(distinct coalesce(phone_number_id, phone_number))
            from telnyx.failing_phone_numbers
        )
    from telnyx.jobs
"""
_FRESHNESS = """
    select finished_at, missing_jobs, rejected_records
    from telnyx.sync_runs order by finished_at desc limit 1
"""
_NEWEST_AT = "select max(updated_at) from telnyx.jobs"
# the same days as in failure_rate_changes, which has no row for what did not fail
_SPAN = """
    select
        cast(coalesce(sum(settled_count), 0) as bigint),
        cast(coalesce(sum(failed_count), 0) as bigint)
    from telnyx.jobs
    where updated_at > ? and updated_at <= ?
"""
# what rose comes first, the largest difference on top
_CHANGES = """
    select
        change, error_code, error_pointer_pattern, recent_failed_operation_count,
        recent_failure_rate, earlier_failed_operation_count, earlier_failure_rate
    from telnyx.failure_rate_changes
    where change <> 'steady'
    order by
        case when change in ('new', 'rising') then 0 else 1 end,
        abs(coalesce(recent_failure_rate, 0) - coalesce(earlier_failure_rate, 0)) desc,
        error_code nulls last, error_pointer_pattern nulls last
"""
_POINTER = "error_pointer_pattern"
_RATES = """
    select
        {columns}, failed_operation_count, failure_rate, failure_rate_low, failure_rate_high,
        phone_number_count, last_failed_at
    from telnyx.{view}
    order by failed_operation_count desc, {order}
"""
_NEWEST = """
    select
        error_code, error_pointer_pattern, error_title, failed_operation_count,
        phone_number_count, first_failed_at, last_failed_at
    from telnyx.new_failures
    order by first_failed_at desc nulls last, error_code, error_pointer_pattern
"""
_NUMBERS = """
    select
        coalesce(phone_number, phone_number_id) as number, job_type, consecutive_failures,
        error_codes, error_pointers, last_failed_at
    from telnyx.failing_phone_numbers
    order by consecutive_failures desc, last_failed_at desc nulls last, number, job_type
"""
_OPEN_JOBS = """
    select
        job_id, job_type, status, pending_count, created_at, estimated_completion_at, is_overdue
    from telnyx.open_jobs
    order by is_overdue desc, created_at nulls last, job_id
"""
_DAYS = """
    select
        cast(updated_at at time zone 'UTC' as date) as day,
        job_type,
        cast(sum(settled_count) as bigint),
        cast(coalesce(sum(failed_count), 0) as bigint)
    from telnyx.jobs
    where updated_at is not null
    group by day, job_type
    having sum(settled_count) > 0
    order by day, job_type
"""


def read_report(destination: Destination, now: datetime) -> Report:
    """The report on what is published. Raises BadConfiguration when there is nothing to read."""
    with published(destination) as reader:
        return _read(reader, Path(destination.name).name, now)


def _read(reader: Reader, name: str, now: datetime) -> Report:
    def listed(kind: Callable[..., Row], sql: str) -> Listed[Row]:
        ((total,),) = reader.query(f"select count(*) from ({sql}) as listed")
        return Listed([kind(*row) for row in rows(f"{sql} limit {_READ}")], total)

    def failures(view: str, *columns: str) -> Listed[Failures]:
        """The rows of a failure-rate view, which has these columns before its figures."""

        def made(*row: Any) -> Failures:
            kind: dict[str, Any] = dict.fromkeys(("error_code", _POINTER, "error_title"))
            kind.update(zip(columns, row, strict=False))
            return Failures(*kind.values(), *row[len(columns) :])

        order = ", ".join(f"{column} nulls last" for column in columns)
        return listed(made, _RATES.format(view=view, columns=", ".join(columns), order=order))

    def rows(sql: str) -> list[list[Any]]:
        return [[_shown(value) for value in row] for row in reader.query(sql)]

    def span(first: int, last: int) -> Span:
        """Of the days from `first` to `last`, counted back from the newest change of a job."""
        if newest_at is None:
            return Span(0, 0, None)
        ends = [newest_at - timedelta(days) for days in (first, last)]
        ((settled, failed),) = reader.query(_SPAN, ends)
        return Span(settled, failed, failed / settled if settled else None)

    ((newest_at,),) = rows(_NEWEST_AT)
    return Report(
        database=name,
        read_at=now,
        freshness=next((Freshness(*row) for row in rows(_FRESHNESS)), Freshness()),
        totals=Totals(*rows(_TOTALS)[0]),
        newest_at=newest_at,
        recent=span(7, 0),
        earlier=span(35, 7),
        changes=listed(Change, _CHANGES),
        codes=failures("failure_rates_by_error_code", "error_code", "error_title"),
        pointers=failures("failure_rates_by_pointer", _POINTER),
        pairs=failures("failure_rates_by_error_code_and_pointer", "error_code", _POINTER),
        newest=listed(NewFailure, _NEWEST),
        numbers=listed(FailingNumber, _NUMBERS),
        open_jobs=listed(lambda *row: OpenJob._make([*row, now]), _OPEN_JOBS),
        days=[Day(*row) for row in rows(_DAYS)],
    )


def _shown(value: Any) -> Any:
    return one_line(value) if isinstance(value, str) else value
