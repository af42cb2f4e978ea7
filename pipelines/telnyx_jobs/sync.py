"""One sync: the old file and the API give a new file, swapped in by rename.

1. Take the lock. 2. Copy the published file. 3. Load what changed into the copy. 4. Views and data
tests. 5. Publish. Whatever breaks before 5 leaves the published file as it was. A long backfill
goes through 2 to 5 several times, so that an interrupted one goes on from where it was.
"""

import errno
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from telnyx_jobs.client import Client
from telnyx_jobs.errors import (
    BadConfiguration,
    Bug,
    CannotWrite,
    TelnyxJobsError,
    TryAgainLater,
    stops_kept,
)
from telnyx_jobs.extraction import Extraction
from telnyx_jobs.masking import Mask, MaskingClient, new_mask, read_mask
from telnyx_jobs.progress import Report
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS
from telnyx_jobs.settings import Settings, prepare_dlt
from telnyx_jobs.spool import Spool
from telnyx_jobs.stored import Stored
from telnyx_jobs.summary import Mode, Summary
from telnyx_jobs.warehouse import Build, Place, checked_place, connect, finish, insert_run

PIPELINE_NAME = "telnyx_jobs"
_DAMAGED = "Corrupt database file|Could not read enough bytes"
"""What DuckDB says of a file that is not as it was written, in errors of several classes."""
_UNWRITABLE = "Could not write|No space left"
"""What it says when the disk is full: a commit or a checkpoint fails with another class too."""


def new_run_id(started_at: datetime) -> str:
    """An id that sorts by the time the run began."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_summary(mode: Mode, database: Path) -> Summary:
    """The summary of a run that begins now."""
    started_at = datetime.now(UTC)
    return Summary(new_run_id(started_at), mode, started_at, database=str(database))


def sync(settings: Settings, summary: Summary, report: Report) -> None:
    """Bring the published file up to date, counting into `summary`. Raises TelnyxJobsError."""
    place = checked_place(settings.database)
    with _disk_errors(place):
        place.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        # also when it was there before
        place.state.chmod(0o700)
        with _recorded(place, summary, report), stops_kept(), _locked(place, settings.wait):
            build = Build(place, report)
            try:
                mask = _mask_to_use(place) if settings.mask_phone_numbers else None
                with open_client(settings, report, mask) as client:
                    _sync(build, client, settings, summary, report, mask)
            finally:
                build.discard()


def _sync(
    build: Build,
    client: Client,
    settings: Settings,
    summary: Summary,
    report: Report,
    mask: Mask | None,
) -> None:
    spool = Spool(build.place.spool)
    extraction: Extraction | None = None
    while extraction is None or not extraction.is_done:
        report("copy", bytes=_size(settings.database))
        build.open()
        if extraction is None:
            extraction = Extraction(
                client,
                Stored(build.query),
                spool,
                settings.scope,
                summary,
                report,
                mask.fingerprint if mask else None,
            )
        _load(build, extraction)
        report("test")
        finish(build.connection)
        _complete(summary, build, client)
        report("publish", database=str(settings.database))
        build.publish()
        spool.clear()
    if extraction.stopped_by:
        raise extraction.stopped_by


def _load(build: Build, extraction: Extraction) -> None:
    """One package of the extraction into the build, by dlt with a fresh working folder."""
    prepare_dlt()
    import dlt
    from dlt.pipeline.exceptions import PipelineStepFailed

    from telnyx_jobs.source import telnyx_jobs

    pipeline = dlt.pipeline(
        PIPELINE_NAME,
        pipelines_dir=str(build.place.work / "dlt"),
        destination=dlt.destinations.duckdb(build.connection),
        dataset_name=RAW_SCHEMA,
    )
    try:
        pipeline.run(telnyx_jobs(extraction))
    except PipelineStepFailed as failed:
        raise _cause(failed) from failed


def _cause(failed: BaseException) -> BaseException:
    """What made dlt's step fail: an error of ours where there is one."""
    cause: BaseException | None = failed
    innermost = failed
    while cause is not None:
        if isinstance(cause, TelnyxJobsError):
            return cause
        innermost = cause
        cause = cause.__cause__ or cause.__context__
    return innermost


def _complete(summary: Summary, build: Build, client: Client) -> None:
    """The figures that are known once the data is loaded, and the run's row."""
    usage = client.usage
    summary.requests = usage.requests
    summary.retries = usage.retries
    summary.throttled_seconds = round(usage.throttled_seconds, 3)
    ((summary.open_jobs, summary.missing_jobs, summary.rejected_records),) = build.query(
        f"select (select count(*) from telnyx.open_jobs), "
        f"(select count(*) from {RAW_SCHEMA}.jobs where missing_since is not null), "
        f"(select count(*) from {RAW_SCHEMA}.rejected_records)"
    )
    summary.new_failures = _new_failures(build, summary.run_id)
    summary.published = True
    summary.finished_at = datetime.now(UTC)
    row = [
        json.dumps(value) if isinstance(value, dict | list) else value
        for value in (getattr(summary, name) for name in SYNC_RUNS.column_names)
    ]
    insert_run(build.connection, SYNC_RUNS, row)


def _new_failures(build: Build, run_id: str) -> list[dict[str, str | None]]:
    """Pairs of code and pointer pattern among the failures that no earlier run has seen."""
    seen = {
        (pair["error_code"], pair["error_pointer_pattern"])
        for (pairs,) in build.query(
            f"select new_failures from {RAW_SCHEMA}.sync_runs where run_id <> ?", [run_id]
        )
        for pair in json.loads(pairs)
    }
    return [
        {"error_code": code, "error_pointer_pattern": pattern}
        for code, pattern in build.query(
            "select error_code, error_pointer_pattern "
            "from telnyx.failure_rates_by_error_code_and_pointer order by all"
        )
        if (code, pattern) not in seen
    ]


def open_client(settings: Settings, report: Report, mask: Mask | None = None) -> Client:
    """A client for the API of these settings, which masks phone numbers where it has a mask."""
    options: dict[str, Any] = {
        "page_size": settings.page_size,
        "timeout": settings.timeout,
        "max_retries": settings.max_retries,
        "max_requests": settings.max_requests,
        "report": report,
    }
    if mask is None:
        return Client(settings.base_url, settings.api_key, **options)
    return MaskingClient(mask, settings.base_url, settings.api_key, **options)


def mask_of(database: Path) -> Mask | None:
    """The mask of the published file's phone numbers. Raises BadConfiguration when it is lost."""
    if not database.exists():
        return None
    from telnyx_jobs.source import kept_coverage

    with connect(database, read_only=True) as connection:
        coverage = kept_coverage(lambda sql, _: connection.execute(sql).fetchall())
    fingerprint = coverage.get("mask")
    if fingerprint is None:
        return None
    path = _mask_key(Place(database))
    mask = read_mask(path)
    if mask is None or mask.fingerprint != fingerprint:
        raise BadConfiguration(
            f"the phone numbers of {database} are masked, and {path} does not hold their key: "
            "put it back from a backup"
        )
    return mask


def _mask_to_use(place: Place) -> Mask:
    """The mask of this database; a new one before its first sync only."""
    return mask_of(place.database) or read_mask(_mask_key(place)) or new_mask(_mask_key(place))


def _mask_key(place: Place) -> Path:
    return place.state / "mask.key"


@contextmanager
def _locked(place: Place, wait: float) -> Iterator[None]:
    """The lock of this database, for the whole run; waits so many seconds for it."""
    lock = FileLock(place.state / "lock", timeout=wait, mode=0o600)
    try:
        lock.acquire()
    except Timeout:
        raise TryAgainLater(
            f"another sync of {place.database} is running: run again when it has ended, "
            "or give --wait"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _recorded(place: Place, summary: Summary, report: Report) -> Iterator[None]:
    """One line in `runs.jsonl` for the run, also when it fails.

    A line that cannot be written is no failure: what became of the run stands without it.
    """
    outcome: dict[str, object] = {"exit_code": 0, "error": None}
    try:
        yield
    except BaseException as error:
        code = getattr(error, "exit_code", Bug.exit_code)
        outcome = {"exit_code": code, "error": _one_line(error)}
        summary.finished_at = datetime.now(UTC)
        raise
    finally:
        try:
            _append_line(place.runs, json.dumps(summary.as_json() | outcome))
        except OSError as error:
            report("warning", message=f"{place.runs} lacks this run: {_one_line(error)}")


def _append_line(path: Path, line: str) -> None:
    """The whole line or, on a full disk, nothing of it."""
    content = f"{line}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        written = os.write(descriptor, content)
        if written < len(content):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors(place: Place) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if isinstance(error, duckdb.Error) and re.search(_DAMAGED, str(error)):
            raise BadConfiguration(
                f"{place.database} is damaged ({_one_line(error)}): put it back from a backup, or "
                "move it away and let a sync fill a new one"
            ) from error
        is_disk = isinstance(error, OSError | duckdb.IOException)
        if not is_disk and not re.search(_UNWRITABLE, str(error)):
            raise
        raise CannotWrite(
            f"{place.database} cannot be written ({_one_line(error)}): free disk space, or check "
            "the permissions of its folder"
        ) from error


def _one_line(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
