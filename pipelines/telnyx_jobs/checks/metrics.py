"""The status and the main figures as metrics for Prometheus, in its text format."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from telnyx_jobs.checks.status import Status
from telnyx_jobs.destinations.base import Destination, Reader
from telnyx_jobs.text import one_line, without_numbers

_OPERATIONS = """
    select
        coalesce(job_type, ''),
        cast(coalesce(sum(failed_count), 0) as bigint),
        cast(coalesce(sum(settled_count), 0) as bigint)
    from telnyx.jobs
    group by coalesce(job_type, '')
"""
_REJECTED = "select count(*) from telnyx_raw.rejected_records"
_CHANGES = "failure_rate_changes"
_KINDS = f"""
    select error_code, error_pointer_pattern, change, recent_failure_rate
    from telnyx.{_CHANGES}
"""


def metrics(status: Status, destination: Destination) -> str:
    """Metrics on the published file and the last run, one line each, in the exposition format.

    A file that does not exist is one published at 0, so that it counts as old.
    """
    found = [*_of_status(status, destination.place.database)]
    with destination.reading() as reader:
        if reader is not None:
            found += _of_data(reader)
    return "".join(found)


def _of_status(status: Status, database: Path) -> Iterator[str]:
    """Metrics on the newest published sync, on its file, and on the last run, a failed one too."""
    yield _gauge(
        "published_timestamp_seconds",
        "When the newest published sync ended. The age is time() minus this.",
        status.published_at.timestamp() if status.published_at else 0,
    )
    if run := status.last_run:
        began, ended = (datetime.fromisoformat(run[at]) for at in ("started_at", "finished_at"))
        seconds = (ended - began).total_seconds()
        yield _gauge("last_run_timestamp_seconds", "When the last run ended.", ended.timestamp())
        yield _gauge("last_run_exit_code", "Exit code of the last run.", run["exit_code"])
        yield _gauge("last_run_duration_seconds", "How long it took.", seconds)
        yield _gauge("last_run_requests", "Requests it sent.", run["requests"])
    if status.published_at is not None:
        yield _gauge("open_jobs", "Jobs not finished.", status.open_jobs)
        yield _gauge("overdue_jobs", "Open jobs past their estimate.", status.overdue_jobs)
        # a warehouse has none
        if database.exists():
            yield _gauge("file_bytes", "Size of the published file.", database.stat().st_size)


def _of_data(reader: Reader) -> Iterator[str]:
    # warehouses disagree on the order of texts
    operations = sorted(reader.query(_OPERATIONS))
    ((rejected,),) = reader.query(_REJECTED)
    for place, name, meaning in (
        (1, "failed_operations", "Failed operations in the file."),
        (2, "settled_operations", "Successful and failed operations in the file."),
    ):
        yield _metric(name, meaning, [(row[place], {"job_type": row[0]}) for row in operations])
    yield _gauge("rejected_records", "Records that could not be loaded.", rejected)
    if reader.has_view(_CHANGES):
        yield from _of_changes(reader.query(_KINDS))


def _of_changes(kinds: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    counts = dict.fromkeys(("new", "gone", "rising", "falling", "steady"), 0)
    rising: dict[tuple[str, str], float] = {}
    for code, pattern, change, rate in kinds:
        counts[change] += 1
        if change == "rising":
            # two kinds may differ in a number alone, and no metric holds a phone number
            kind = without_numbers(code or "none"), without_numbers(pattern or "none")
            rising[kind] = max(rate, rising.get(kind, rate))
    yield _metric(
        "failure_kinds",
        "Error codes and pointers by how their rate changed: the newest 7 days to the 28 before.",
        [(count, {"change": change}) for change, count in counts.items()],
    )
    yield _metric(
        "rising_failure_ratio",
        "Failed to settled operations of the newest 7 days, if that rises.",
        [
            (rate, {"error_code": code, "error_pointer_pattern": pattern})
            for (code, pattern), rate in sorted(rising.items())
        ],
    )


def _gauge(name: str, meaning: str, value: float | None) -> str:
    return _metric(name, meaning, [] if value is None else [(value, {})])


def _metric(name: str, meaning: str, samples: Sequence[tuple[float, dict[str, str]]]) -> str:
    """The lines of a gauge: its name, what it says, and each value with its labels."""
    name = f"telnyx_jobs_{name}"
    lines = [f"# HELP {name} {meaning}", f"# TYPE {name} gauge"]
    for value, labels in samples:
        text = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{{{text}}} {value}" if text else f"{name} {value}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", r"\\").replace('"', r"\"")
