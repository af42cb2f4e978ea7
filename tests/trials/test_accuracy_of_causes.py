"""Parameters, changes over time and recoveries against plain Python, on random histories."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from math import sqrt
from statistics import NormalDist, median
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.histories import (
    Json,
    Row,
    by_text,
    code,
    day,
    failing,
    faults,
    figures,
    found,
    groups,
    histories,
    identity,
    load,
    open_views,
    operations,
    pattern,
    pointer,
    rate,
    settled,
    some_time,
    span,
    time,
)

Read = Callable[[list[Json]], list[Row]]


@st.composite
def aged_histories(draw: st.DrawFn) -> list[Json]:
    """Histories over seven weeks, whole weeks apart, so that the ends of spans are hit."""
    history = draw(histories())
    for job in history:
        weeks = draw(st.integers(0, 6))
        if moment := time(job["updated_at"]):
            job["updated_at"] = (moment - timedelta(weeks=weeks)).isoformat()
    return history


@st.composite
def retried_histories(draw: st.DrawFn) -> list[Json]:
    """Many jobs on few numbers, so that each fails and recovers several times."""
    attempt = st.tuples(
        st.sampled_from(["1", "2"]), st.booleans(), st.sampled_from([[], ["1"], ["1", "2"]])
    )
    history = []
    for place, tried in enumerate(draw(st.lists(attempt, min_size=16, max_size=24))):
        number, has_failed, codes = tried
        operation: Json = {"id": number, "phone_number": None}
        if has_failed:
            operation["errors"] = [{"code": each} for each in codes]
        outcome = "failed_operations" if has_failed else "successful_operations"
        moment = draw(some_time(-16, 16))
        job: Json = {"id": f"job-{place:02}", "type": "update", "status": "completed"}
        history.append(job | {"updated_at": moment, outcome: [operation]})
    return history


def interval(part: int, whole: int) -> tuple[float, float]:
    """Return Wilson's score interval at 95 %, as textbooks have it."""
    z = NormalDist().inv_cdf(0.975)
    centre = (part + z * z / 2) / (whole + z * z)
    half = z * sqrt(part * (whole - part) / whole + z * z / 4) / (whole + z * z)
    return centre - half, centre + half


def bounds(part: int, whole: int) -> tuple[float | None, float | None]:
    """Return the interval, rounded, as the views work it out in another way; None of nothing."""
    if not whole:
        return None, None
    low, high = interval(part, whole)
    return round(abs(low), 11), round(high, 11)


def shares(part: int, whole: int) -> Row:
    """Return two counts and their rate."""
    return part, whole, rate(part, whole)


# parameters


WELL_KNOWN = ("customer_reference", "connection_id", "billing_group_id", "emergency_address_id")


def compact(value: Any) -> str:
    """Return JSON as it is stored."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Return pointer and text of what has no members."""
    if at == "/phone_numbers":
        return
    members: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        members = [(k.replace("~", "~0").replace("/", "~1"), v) for k, v in value.items()]
    elif isinstance(value, list) and len(value) <= 100:
        members = list(enumerate(value))
    for name, member in members:
        yield from leaves(member, f"{at}/{name}")
    if not members and at:
        yield at, value if isinstance(value, str) else compact(value)


def sent(job: Json) -> dict[str, str]:
    """Return the parameters of a job by their pointers."""
    return dict(leaves(job.get("parameters")))


def parameters(history: list[Json]) -> list[Row]:
    """Return the rows of job_parameters."""
    return by_text(
        (job["id"], job["type"], time(job["created_at"]), *leaf)
        for job in history
        for leaf in sent(job).items()
    )


def by_parameter(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rates_by_parameter."""
    jobs_of = defaultdict(list)
    for job in history:
        for leaf in sent(job).items():
            jobs_of[leaf].append(job)
    rows = []
    for leaf, jobs in jobs_of.items():
        cases = [(job, failure) for job in jobs for failure in operations(job, "failed")]
        total = settled(jobs)
        rows.append(
            (*leaf, *shares(len(cases), total), *figures(cases), *bounds(len(cases), total))
        )
    return by_text(rows)


def well_known(history: list[Json]) -> list[Row]:
    """Return the parameters that jobs show."""
    rows = []
    for job in history:
        texts = [sent(job).get(f"/{name}") for name in WELL_KNOWN]
        tags = (job.get("parameters") or {}).get("tags")
        shown = None if tags in (None, "null") else compact(tags)
        rows.append((job["id"], *(None if text == "null" else text for text in texts), shown))
    return by_text(rows)


def sent_values(history: list[Json]) -> list[Row]:
    """Return each error with the value that was sent."""
    return by_text(
        (job["id"], operation, position, pointer(error), sent(job).get(str(pointer(error))))
        for job in history
        for operation, failure in enumerate(operations(job, "failed"))
        for position, error in enumerate(failure.get("errors") or [])
    )


# time


def kinds(history: list[Json]) -> list[Row]:
    """Return the rows of failures."""
    return by_text(
        (
            job["id"],
            position,
            failure["id"],
            failure["phone_number"],
            job["type"],
            time(job["updated_at"]),
            *kind,
        )
        for job in history
        for position, failure in enumerate(operations(job, "failed"))
        for kind in faults(failure, code, pattern)
    )


def weekly(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rates_weekly."""

    def week(job: Json) -> date | None:
        updated = day(job["updated_at"])
        return updated and updated - timedelta(days=updated.weekday())

    rows = []
    for job_type, jobs in groups(history, lambda job: job["type"]).items():
        codes = {fault for (fault,) in failing(jobs, code)}
        for monday, of_week in groups(jobs, week).items():
            cases, total = failing(of_week, code), settled(of_week)
            rows += [
                (monday, job_type, each, *shares(count, total), *bounds(count, total))
                for each in codes
                if total
                for count in [len(cases.get((each,), ()))]
            ]
    return by_text(rows)


def changes(history: list[Json]) -> list[Row]:
    """Return the rows of failure_rate_changes."""
    newest = span(history)[1]
    if newest is None:
        return []

    def between(youngest: int, oldest: int) -> list[Json]:
        spans = (timedelta(days=youngest), timedelta(days=oldest))
        return [
            job
            for job in history
            if (moment := time(job["updated_at"])) and spans[0] <= newest - moment < spans[1]
        ]

    recent, earlier = between(0, 7), between(7, 35)
    counts = [failing(jobs, code, pattern) for jobs in (recent, earlier)]
    rows = []
    for kind in counts[0].keys() | counts[1].keys():
        now, before = (len(cases.get(kind, ())) for cases in counts)
        totals = settled(recent), settled(earlier)
        change = "new" if not before else "gone" if not now else "steady"
        if now and before:
            (low, high), (low_before, high_before) = map(interval, (now, before), totals)
            change = "rising" if low > high_before else change
            change = "falling" if high < low_before else change
        rows.append((*kind, *shares(now, totals[0]), *shares(before, totals[1]), change))
    return by_text(rows)


# recoveries

Run = dict[str, Any]


def runs(history: list[Json]) -> list[Run]:
    """Return each run of failures: its jobs, and the one that succeeded."""
    oldest = datetime.min.replace(tzinfo=UTC)
    in_order = sorted(history, key=lambda job: (time(job["updated_at"]) or oldest, job["id"]))
    attempts = defaultdict(list)
    for job in in_order:
        failed = {identity(each) for each in operations(job, "failed")}
        succeeded = {identity(each) for each in operations(job, "successful")}
        for number in (failed | succeeded) - {None}:
            attempts[number, job["type"]].append((job, number in failed))
    ended = []
    for (number, _), tried in attempts.items():
        run: Run = {"number": number, "jobs": [], "success": None}
        for job, has_failed in tried:
            if has_failed:
                run["jobs"].append(job)
            elif run["jobs"]:
                ended.append(run | {"success": job})
                run = {"number": number, "jobs": [], "success": None}
        if run["jobs"]:
            ended.append(run)
    return ended


def first_codes(run: Run) -> set[str | None]:
    """Return the codes of the first failure, None where one lacks it."""
    return {
        fault
        for failure in operations(run["jobs"][0], "failed")
        if identity(failure) == run["number"]
        for (fault,) in faults(failure, code)
    }


def hours(run: Run) -> float | None:
    """Return how long a run took to end."""
    begun = time(run["jobs"][0]["updated_at"])
    ended = run["success"] and time(run["success"]["updated_at"])
    return (ended - begun).total_seconds() / 3600 if begun and ended else None


def recoveries(history: list[Json]) -> list[Row]:
    """Return the rows of recoveries."""
    rows = []
    for run in runs(history):
        first, success = run["jobs"][0], run["success"]
        mine = [each for each in operations(first, "failed") if identity(each) == run["number"]]
        codes = sorted(each for each in first_codes(run) if each is not None)
        rows.append(
            (
                max((each["id"] for each in mine if each["id"]), default=None),
                max((each["phone_number"] for each in mine if each["phone_number"]), default=None),
                first["type"],
                time(first["updated_at"]),
                time(run["jobs"][-1]["updated_at"]),
                len(run["jobs"]),
                ", ".join(codes) or None,
                success and time(success["updated_at"]),
                hours(run),
                first["id"],
                success and success["id"],
            )
        )
    return by_text(rows)


def recovery_rates(history: list[Json]) -> list[Row]:
    """Return the rows of recovery_rates_by_error_code."""
    by_code = defaultdict(list)
    for run in runs(history):
        for each in first_codes(run):
            by_code[each].append(run)
    rows = []
    for each, cases in by_code.items():
        ended = [run for run in cases if run["success"]]
        retried = sum(len(run["jobs"]) > 1 or bool(run["success"]) for run in cases)
        took = [found for run in ended if (found := hours(run)) is not None]
        rows.append(
            (
                *(each, len(cases), retried, len(ended), rate(len(ended), retried)),
                *bounds(len(ended), retried),
                float(median(len(run["jobs"]) for run in ended)) if ended else None,
                round(median(took), 11) if took else None,
            )
        )
    return by_text(rows)


# the comparisons

FIGURES = (
    "failed_operation_count, settled_operation_count, failure_rate, job_count, phone_number_count,"
    " first_failed_at, last_failed_at"
)
BOUNDS = "round(failure_rate_low, 11), round(failure_rate_high, 11)"
EXPECTED: dict[str, tuple[str, str, Read]] = {
    "job_parameters": ("job_parameters", "*", parameters),
    "jobs": ("jobs", f"job_id, {', '.join(WELL_KNOWN)}, cast(tags as varchar)", well_known),
    "sent_value": (
        "job_operation_errors",
        "job_id, operation_position, error_position, error_pointer, sent_value",
        sent_values,
    ),
    "failure_rates_by_parameter": (
        "failure_rates_by_parameter",
        f"pointer, value, {FIGURES}, {BOUNDS}",
        by_parameter,
    ),
    "failures": ("failures", "*", kinds),
    "failure_rates_weekly": (
        "failure_rates_weekly",
        "week, job_type, error_code, failed_operation_count, settled_operation_count,"
        f" failure_rate, {BOUNDS}",
        weekly,
    ),
    "failure_rate_changes": ("failure_rate_changes", "*", changes),
    "recoveries": ("recoveries", "*", recoveries),
    "recovery_rates_by_error_code": (
        "recovery_rates_by_error_code",
        "error_code, failing_count, retried_count, recovered_count, recovery_rate,"
        " round(recovery_rate_low, 11), round(recovery_rate_high, 11), median_attempts,"
        " round(median_hours, 11)",
        recovery_rates,
    ),
}


@pytest.fixture(scope="module")
def views() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_views() as con:
        yield con


@pytest.mark.parametrize(
    "given_histories",
    [histories(), aged_histories(), retried_histories()],
    ids=["", "aged", "retried"],
)
def test_views_say_what_the_json_says(
    given_histories: st.SearchStrategy[list[Json]], views: duckdb.DuckDBPyConnection
) -> None:
    """Every figure of these views is that of the API's own words."""

    @settings(max_examples=60)
    @given(history=given_histories)
    def compare(history: list[Json]) -> None:
        load(views, history)
        for name, (view, columns, read) in EXPECTED.items():
            assert (name, found(views, view, columns)) == (name, read(history))

    compare()
