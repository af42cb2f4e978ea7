"""What commands print for a person on stdout."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from telnyx_jobs.text import one_line

if TYPE_CHECKING:
    from telnyx_jobs.checks.preflight import Finding
    from telnyx_jobs.checks.status import Status
    from telnyx_jobs.export.tables import Exported
    from telnyx_jobs.run.dry_run import Plan
    from telnyx_jobs.run.forget import Forgot
    from telnyx_jobs.run.removed import Removed
    from telnyx_jobs.run.summary import Summary


def synced(summary: "Summary") -> str:
    """The summary for a person."""
    written = ", ".join(f"{name} {count:,}" for name, count in summary.rows.items() if count)
    assert summary.finished_at is not None
    seconds = (summary.finished_at - summary.started_at).total_seconds()
    lines = [
        f"Published {summary.database}",
        *_wrapped(
            "jobs",
            f"{summary.jobs_changed:,} new or changed, {summary.open_jobs:,} open, "
            f"{summary.missing_jobs:,} no longer returned by the API",
        ),
        *_wrapped("rows", written or "nothing had changed"),
        *_wrapped(
            "requests",
            f"{summary.requests:,} ({counted(summary.pages, 'page')}, "
            f"{counted(summary.jobs_retrieved, 'job')} one by one, "
            f"{counted(summary.retries, 'retry', 'retries')}), {seconds:.1f} s",
        ),
    ]
    lines += _reread(summary)
    if summary.unknown_job_ids:
        ids = ", ".join(map(one_line, summary.unknown_job_ids))
        lines += _wrapped("unknown", f"to the API: {ids}")
    if summary.rejected_records:
        rejected = counted(summary.rejected_records, "record")
        lines += _wrapped(
            "rejected", f"{rejected} that cannot be loaded: see telnyx_raw.rejected_records"
        )
    if summary.unknown_fields:
        fields = ", ".join(map(one_line, summary.unknown_fields))
        lines += _wrapped("unknown", f"fields kept in telnyx_raw.jobs.extra: {fields}")
    lines += _kinds("new", summary.new_failures)
    lines += _kinds("rising", summary.rises)
    return "\n".join(lines)


def _kinds(title: str, kinds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each of some kinds of failure, with the rates of one that rises."""
    for kind in kinds[:5]:
        code = one_line(kind["error_code"] or "without code")
        pointer = one_line(kind["error_pointer_pattern"] or "no pointer")
        rates = ""
        if title == "rising":
            rates = f": {kind['earlier_failure_rate']:.2%} to {kind['recent_failure_rate']:.2%}"
        yield f"  {title:<10}failure {code} at {pointer}{rates}"
    if len(kinds) > 5:
        yield f"            and {len(kinds) - 5} more"


def _reread(summary: "Summary") -> list[str]:
    """What the run read again, and what it left out as older."""
    lines: list[str] = []
    if summary.jobs_audited:
        since = summary.history_read_since
        of_all = f"; {_read_since(since)}" if since else ""
        jobs = counted(summary.jobs_audited, "job")
        lines += _wrapped("history", f"{jobs} read again{of_all}")
    if summary.stale_answers:
        stale = counted(summary.stale_answers, "answer")
        lines += _wrapped("stale", f"{stale} older than what is stored, left out")
    return lines


def _read_since(time: datetime) -> str:
    return f"each job has been read since {time:%Y-%m-%d %H:%M:%S} UTC"


def counted(count: int, name: str, names: str = "") -> str:
    """A number with its noun, such as `1 page` and `2 pages`."""
    return f"{count:,} {name if count == 1 else names or f'{name}s'}"


def _wrapped(title: str, text: str) -> list[str]:
    """Lines of at most 80 columns, unless a word is longer."""
    return wrap(
        text,
        width=80,
        initial_indent=f"  {title:<10}",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def checked(findings: Sequence["Finding"]) -> str:
    """One line for each finding."""
    return "\n".join(f"{found.state:<8} {found.name:<9} {found.message}" for found in findings)


def planned(plan: "Plan") -> str:
    """What a sync would request, for a person."""
    end = ", all that --max-requests allows, and end with 75; run again to continue"
    return (
        f"A sync would request {counted(plan.list_pages, 'list page')} and "
        f"{counted(plan.retrieves, 'job')} one by one: "
        f"{counted(plan.requests, 'request')}{end if plan.ends_early else ''}. "
        "Nothing was written."
    )


def exported_to(exported: "Exported", place: str) -> str:
    """What an export holds, and where it lies, for a person."""
    lines = [f"Exported to {place}"]
    for name, table in exported.tables.items():
        lines.append(
            f"  {name:<21}{table.rows:>12,} rows{table.files:>7,} files{table.bytes:>16,} bytes"
        )
    held, written = (
        sum(getattr(table, name) for table in exported.tables.values())
        for name in ("bytes", "bytes_written")
    )
    if written != held:
        lines.append(f"  written now {written:,} of {held:,} bytes, the months that changed")
    lines.append(f"  and {len(exported.views)} views: see {place}/README.md")
    return "\n".join(lines)


def forgot(done: "Forgot") -> str:
    """What was forgotten, for a person."""
    return "\n".join(
        [
            f"Forgot {counted(done.asked, 'number or id', 'numbers and ids')} in {done.database}: "
            f"{done.found} found",
            *_removed(done),
        ]
    )


def pruned(done: "Removed", before: datetime) -> str:
    """What was pruned, for a person."""
    return "\n".join(
        [
            f"Removed {counted(done.jobs, 'finished job')} created before "
            f"{before:%Y-%m-%d %H:%M} UTC from {done.database}",
            *_removed(done),
        ]
    )


def _removed(done: "Removed") -> list[str]:
    rows = ", ".join(f"{name} {count:,}" for name, count in done.rows.items() if count)
    lines = _wrapped("rows", rows or "none held any of it")
    if done.files:
        lines += _wrapped("files", ", ".join(done.files))
    lines += _wrapped("still", "earlier exports, reports and backups hold what they held")
    if done.exports:
        lines.append("  export again to replace what these places hold:")
    return lines + [
        f"            {each.to} ({each.format}, {each.exported_at:%Y-%m-%d %H:%M} UTC)"
        for each in done.exports
    ]


def standing(found: "Status") -> str:
    """The status for a person."""
    if found.published_at is None:
        lines = [f"no sync has published {found.database} yet: run sync"]
    else:
        at = f"{found.published_at:%Y-%m-%d %H:%M:%S} UTC"
        ago = f"{found.age_seconds:,.0f} s ago"
        if found.is_in_future:
            ago = "which is in the future: a clock was wrong; run check"
        lines = [
            found.database,
            f"  published  {at}, {ago}",
            f"  open jobs  {found.open_jobs:,}, {found.overdue_jobs:,} of them overdue",
        ]
    if found.history_read_since:
        lines.append(f"  history    {_read_since(found.history_read_since)}")
    if found.pending_pages:
        pages = counted(found.pending_pages, "page")
        lines.append(f"  pending    {pages} read by a run that was stopped")
    if found.private:
        lines.append(f"  last run   only its owner may read {found.private}")
    if found.last_run:
        code, why = found.last_run["exit_code"], found.last_run["error"]
        lines.append(
            f"  last run   {found.last_run['run_id']}, exit {code}{f': {why}' if why else ''}"
        )
    return "\n".join(lines)


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*names)
    for row in rows:
        table.add_row(*(escape(one_line(cell)) for cell in row))
    Console().print(table)
