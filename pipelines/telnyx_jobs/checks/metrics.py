"""The status and the main figures as metrics for Prometheus, in its text format."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from telnyx_jobs.checks.status import Status
from telnyx_jobs.destinations.base import Destination, Reader
from telnyx_jobs.text import one_line, without_numbers

_OPERATIONS = """
    select
        coalesce(job_type, ''),
        cast(coalesce(sum(failed_count), 0) as bigint),
        cast(coalesce(sum(settled_count), 0) as bigint)
    from telnyx.jobs
    group by job_type
    order by job_type
"""
_REJECTED = "select count(*) from telnyx_raw.rejected_records"
_CHANGES = "failure_rate_changes"
_KINDS = f"""
    select error_code, error_pointer_pattern, change, recent_failure_rate
    from telnyx.{_CHANGES}
"""


class Sample(NamedTuple):
    """One value, and its labels by name."""

    value: float | int
    labels: dict[str, str]


class Metric(NamedTuple):
    """A gauge: its name without the prefix, what it says, and its samples."""

    name: str
    help: str
    samples: Sequence[Sample]


def metrics(status: Status, destination: Destination) -> str:
    """Metrics on the published file and the last run, one line each, in the exposition format.

    A file that does not exist is one published at 0, so that it counts as old.
    """
    found = [_published(status), *_of_last_run(status.last_run)]
    if status.published_at is not None:
        found += [
            _gauge("open_jobs", "Jobs not finished.", status.open_jobs),
            _gauge("overdue_jobs", "Open jobs past their estimate.", status.overdue_jobs),
            *_of_file(destination.place.database),
        ]
    with destination.reading() as reader:
        if reader is not None:
            found += _of_data(reader)
    return "".join(line for metric in found for line in _lines(metric))


def _published(status: Status) -> Metric:
    time = status.published_at.timestamp() if status.published_at else 0
    return _gauge(
        "published_timestamp_seconds",
        "When the newest published sync ended. The age is time() minus this.",
        time,
    )


def _of_last_run(run: dict[str, Any] | None) -> Iterator[Metric]:
    """Metrics on the newest line of `runs.jsonl`, a failed run too."""
    if run is None:
        return
    began, ended = (datetime.fromisoformat(run[name]) for name in ("started_at", "finished_at"))
    yield _gauge("last_run_timestamp_seconds", "When the last run ended.", ended.timestamp())
    yield _gauge("last_run_exit_code", "Exit code of the last run.", run["exit_code"])
    yield _gauge("last_run_duration_seconds", "How long it took.", (ended - began).total_seconds())
    yield _gauge("last_run_requests", "Requests it sent.", run["requests"])


def _of_file(database: Path) -> Iterator[Metric]:
    # a warehouse has none
    if database.exists():
        size = database.stat().st_size
        yield _gauge("file_bytes", "Size of the published file.", size)


def _of_data(reader: Reader) -> Iterator[Metric]:
    operations = reader.query(_OPERATIONS)
    ((rejected,),) = reader.query(_REJECTED)
    for place, name, meaning in (
        (1, "failed_operations", "Failed operations in the file."),
        (2, "settled_operations", "Successful and failed operations in the file."),
    ):
        samples = [Sample(row[place], {"job_type": row[0]}) for row in operations]
        yield Metric(name, meaning, samples)
    yield _gauge("rejected_records", "Records that could not be loaded.", rejected)
    if reader.has_view(_CHANGES):
        yield from _of_changes(reader.query(_KINDS))


def _of_changes(kinds: Sequence[tuple[Any, ...]]) -> Iterator[Metric]:
    counts = dict.fromkeys(("new", "gone", "rising", "falling", "steady"), 0)
    rising: dict[tuple[str, str], float] = {}
    for code, pattern, change, rate in kinds:
        counts[change] += 1
        if change == "rising":
            # two kinds may differ in a number alone, and no metric holds a phone number
            kind = without_numbers(code or "none"), without_numbers(pattern or "none")
            rising[kind] = max(rate, rising.get(kind, rate))
    yield Metric(
        "failure_kinds",
        "Error codes and pointers by how their rate changed: the newest 7 days to the 28 before.",
        [Sample(count, {"change": change}) for change, count in counts.items()],
    )
    yield Metric(
        "rising_failure_ratio",
        "Failed to settled operations of the newest 7 days, if that rises.",
        [
            Sample(rate, {"error_code": code, "error_pointer_pattern": pattern})
            for (code, pattern), rate in sorted(rising.items())
        ],
    )


def _gauge(name: str, meaning: str, value: float | int | None) -> Metric:
    return Metric(name, meaning, [] if value is None else [Sample(value, {})])


def _lines(metric: Metric) -> Iterator[str]:
    name = f"telnyx_jobs_{metric.name}"
    yield f"# HELP {name} {metric.help}\n"
    yield f"# TYPE {name} gauge\n"
    for value, labels in metric.samples:
        text = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{text}}} {value}\n" if text else f"{name} {value}\n"


def _escaped(text: str) -> str:
    return one_line(text).replace("\\", r"\\").replace('"', r"\"")
