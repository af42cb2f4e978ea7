"""The figures of the views against the same figures in plain Python, on random histories."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings

from support.histories import (
    Json,
    Row,
    by_text,
    code,
    day,
    failing,
    figures,
    found,
    groups,
    histories,
    identity,
    is_closed,
    load,
    open_views,
    operations,
    pattern,
    pointer,
    rate,
    settled,
    span,
    time,
)


def rates(history: list[Json], *parts: Callable[[Json], str | None]) -> list[Row]:
    """Return the rows of a rate view."""
    total = settled(history)
    return by_text(
        (*fault, len(cases), total, rate(len(cases), total), *figures(cases))
        for fault, cases in failing(history, *parts).items()
    )


def most_frequent(titles: Iterable[str | None]) -> str | None:
    """Return the title that occurs most, the first in the alphabet on a tie."""
    counts = Counter(title for title in titles if title is not None)
    return min(counts, key=lambda title: (-counts[title], title)) if counts else None


def titles(history: list[Json], fault: Row, *parts: Callable[[Json], str | None]) -> str | None:
    """Return the title of a fault."""
    return most_frequent(
        error.get("title")
        for job in history
        for failure in operations(job, "failed")
        for error in failure.get("errors") or []
        if tuple(part(error) for part in parts) == fault
    )


def pointers(history: list[Json]) -> list[Row]:
    """Return the rows of error_pointers."""
    pairs = [
        (pointer(error), pattern(error))
        for job in history
        for failure in operations(job, "failed")
        for error in failure.get("errors") or []
    ]
    named = Counter(pair for pair in pairs if pair[0] is not None)
    return by_text((*pair, count) for pair, count in named.items())


def daily(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rates_daily."""
    rows = []
    grouped = groups(history, lambda job: (day(job["updated_at"]), job["type"]))
    for key, jobs in grouped.items():
        total = settled(jobs)
        for fault, cases in failing(jobs, code, pattern).items():
            rows.append((*key, *fault, len(cases), total, rate(len(cases), total)))
    return by_text(rows)


def by_job_type(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rates_by_job_type."""
    rows = []
    for job_type, jobs in groups(history, lambda job: job["type"]).items():
        cases = [(job, failure) for job in jobs for failure in operations(job, "failed")]
        total = settled(jobs)
        rows.append((job_type, len(cases), total, rate(len(cases), total), *figures(cases)))
    return by_text(rows)


def still_failing(history: list[Json]) -> list[Row]:
    """Return the rows of failing_phone_numbers: read the jobs from the newest back."""
    oldest = datetime.min.replace(tzinfo=UTC)
    newest_first = sorted(
        history, key=lambda job: (time(job["updated_at"]) or oldest, job["id"]), reverse=True
    )
    streaks: dict[tuple[str, str | None], list[Json]] = {}
    ended = set()
    for job in newest_first:
        failed = {identity(failure) for failure in operations(job, "failed")}
        succeeded = {identity(success) for success in operations(job, "successful")}
        for number in (failed | succeeded) - {None}:
            key = (str(number), job["type"])
            if number not in failed:
                ended.add(key)
            elif key not in ended:
                streaks.setdefault(key, []).append(job)
    rows = []
    for (number, job_type), jobs in streaks.items():
        mine = [each for each in operations(jobs[0], "failed") if identity(each) == number]
        errors = [error for each in mine for error in each.get("errors") or []]
        rows.append(
            (
                max((each["id"] for each in mine if each["id"] is not None), default=None),
                max(
                    (each["phone_number"] for each in mine if each["phone_number"] is not None),
                    default=None,
                ),
                job_type,
                jobs[0]["id"],
                time(jobs[0]["updated_at"]),
                len(jobs),
                joined(code(error) for error in errors),
                joined(pointer(error) for error in errors),
            )
        )
    return by_text(rows)


def joined(texts: Iterable[str | None]) -> str | None:
    """Return the different texts, sorted, in one; None for none."""
    different = sorted({text for text in texts if text is not None})
    return ", ".join(different) if different else None


def unaccounted(history: list[Json]) -> list[Row]:
    """Return the rows of unaccounted_phone_numbers."""
    rows = []
    for job in filter(is_closed, history):
        answers = [
            each
            for outcome in ("successful", "pending", "failed")
            for each in operations(job, outcome)
        ]
        for position, asked in enumerate(job.get("phone_numbers") or []):
            answered = any(
                asked[name] is not None and asked[name] == answer[name]
                for answer in answers
                for name in ("id", "phone_number")
            )
            if not answered:
                rows.append(
                    (
                        job["id"],
                        position,
                        asked["id"],
                        asked["phone_number"],
                        job["type"],
                        job["status"],
                    )
                )
    return by_text(rows)


def new(history: list[Json]) -> list[Row]:
    """Return the rows of new_failures."""
    newest = span(history)[1]
    rows = []
    for fault, cases in failing(history, code, pattern).items():
        first, last = span(job for job, _ in cases)
        if newest and first and newest - first < timedelta(days=7):
            jobs, numbers = figures(cases)[:2]
            title = titles(history, fault, code, pattern)
            rows.append((*fault, title, first, last, len(cases), jobs, numbers))
    return by_text(rows)


def percentile(sorted_values: list[float], share: float) -> float | None:
    """Return what lies at a share of the way from the first to the last value."""
    if not sorted_values:
        return None
    whole, rest = divmod(share * (len(sorted_values) - 1), 1)
    low = sorted_values[int(whole)]
    high = sorted_values[min(int(whole) + 1, len(sorted_values) - 1)]
    return round(low + rest * (high - low), 3)


def durations(history: list[Json]) -> list[Row]:
    """Return the rows of job_durations_weekly."""

    def week(job: Json) -> date | None:
        created = day(job["created_at"])
        return None if created is None else date.fromisocalendar(*created.isocalendar()[:2], 1)

    rows = []
    closed = filter(is_closed, history)
    for key, jobs in groups(closed, lambda job: (job["type"], week(job))).items():
        pairs = [(time(job["created_at"]), time(job["updated_at"])) for job in jobs]
        took = sorted((end - start).total_seconds() for start, end in pairs if start and end)
        ends = [(time(job["updated_at"]), time(job["etc"])) for job in jobs]
        estimated = [end > etc for end, etc in ends if end and etc]
        rows.append(
            (
                *key,
                len(jobs),
                percentile(took, 0.5),
                percentile(took, 0.9),
                took[-1] if took else None,
                sum(estimated),
                rate(sum(estimated), len(estimated)),
                settled(jobs) + sum(len(operations(job, "pending")) for job in jobs),
                len(estimated),
            )
        )
    return by_text(rows)


# --- the comparisons -------------------------------------------------------------------------

FIGURES = (
    "failed_operation_count, settled_operation_count, failure_rate, job_count, phone_number_count,"
    " first_failed_at, last_failed_at"
)


def with_titles(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rates_by_error_code."""
    return by_text(
        (*row[:1], titles(history, row[:1], code), *row[1:]) for row in rates(history, code)
    )


# rounded, since the view weighs what Python interpolates
DURATIONS = (
    "job_type, week, job_count, round(median_duration_seconds, 3),"
    " round(p90_duration_seconds, 3), max_duration_seconds, late_job_count, late_rate,"
    " operation_count, estimated_job_count"
)

# view -> the columns compared, and the same rows in plain Python
EXPECTED: dict[str, tuple[str, Callable[[list[Json]], list[Row]]]] = {
    "error_pointers": ("*", pointers),
    "failure_rates_by_error_code": (f"error_code, error_title, {FIGURES}", with_titles),
    "failure_rates_by_pointer": (
        f"error_pointer_pattern, {FIGURES}",
        lambda history: rates(history, pattern),
    ),
    "failure_rates_by_error_code_and_pointer": (
        f"error_code, error_pointer_pattern, {FIGURES}",
        lambda history: rates(history, code, pattern),
    ),
    "failure_rates_by_job_type": (f"job_type, {FIGURES}", by_job_type),
    "failure_rates_daily": (
        "day, job_type, error_code, error_pointer_pattern, failed_operation_count,"
        " settled_operation_count, failure_rate",
        daily,
    ),
    "failing_phone_numbers": ("*", still_failing),
    "unaccounted_phone_numbers": ("*", unaccounted),
    "new_failures": ("*", new),
}


def test_views_say_what_the_json_says() -> None:
    """Every figure of every rate, number and failure view is that of the API's own words."""
    with open_views() as con:

        @settings(max_examples=60)
        @given(history=histories())
        def compare(history: list[Json]) -> None:
            load(con, history)
            actual = {view: found(con, view, columns) for view, (columns, _) in EXPECTED.items()}
            assert actual == {view: expected(history) for view, (_, expected) in EXPECTED.items()}

        compare()


def test_durations_are_those_of_the_json() -> None:
    """Every figure of the weekly durations is that of the API's own times."""
    with open_views() as con:

        @settings(max_examples=60)
        @given(history=histories())
        def compare(history: list[Json]) -> None:
            load(con, history)
            assert found(con, "job_durations_weekly", DURATIONS) == durations(history)

        compare()
