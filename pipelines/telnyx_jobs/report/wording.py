"""How the report words its figures, in the terminal and on the page."""

from datetime import UTC, datetime, timedelta

from telnyx_jobs.report.figures import Failures, OpenJob, Report, Span


def percent(rate: float | None) -> str:
    """A rate from 0 to 1 in percent, never rounded to nothing."""
    if rate is None:
        return "-"
    return "<0.01%" if 0 < rate < 0.00005 else f"{rate:.2%}"


def at(time: datetime | None) -> str:
    """A time in UTC, to the minute."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}" if time else "-"


def length(time: timedelta) -> str:
    """A length of time in its largest unit, such as 5 h."""
    seconds = max(0.0, time.total_seconds())
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= (2 * size if unit == "days" else size):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def due_of(job: OpenJob) -> str:
    """When an open job is expected to be complete, seen from when it was read."""
    if job.estimated_completion_at is None:
        return "no estimate"
    left = job.estimated_completion_at - job.read_at
    return f"{length(-left)} overdue" if job.is_overdue else f"in {length(left)}"


def code_of(failure: Failures) -> str:
    return "no code" if failure.code is None else failure.code


def pointer_of(failure: Failures) -> str:
    return "no pointer" if failure.pointer is None else failure.pointer


def freshness_of(report: Report) -> str:
    """The age of the figures, in a sentence."""
    if report.age is None:
        return "Never synced: run telnyx-jobs sync"
    text = f"Synced {at(report.freshness.synced_at)} UTC, {length(report.age)} before this report"
    return f"{text}: old, run telnyx-jobs sync" if report.is_old else text


def remarks_of(report: Report) -> list[str]:
    """Further facts about the figures, a line each."""
    remarks = [
        (report.totals.unanswered, "numbers without an answer in a finished job"),
        (report.freshness.missing_jobs, "jobs that the API no longer returns, counted here"),
        (report.freshness.rejected_records, "records that could not be loaded, not counted here"),
    ]
    return [f"{text}: {count:,}" for count, text in remarks if count]


TREND = "Last 7 days against the 28 before"


def trend_of(report: Report) -> str:
    """How much failed in the newest 7 days of the file, and in the 28 before, in a sentence."""

    def failed(span: Span) -> str:
        if not span.settled:
            return "nothing settled"
        return f"{percent(span.failure_rate)} failed ({span.failed:,} of {span.settled:,})"

    text = f"{failed(report.recent)} in the 7 days to {at(report.newest_at)}"
    return f"{text}, {failed(report.earlier)} in the 28 days before.".capitalize()
