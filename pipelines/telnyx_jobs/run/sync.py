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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from filelock import FileLock, Timeout

from telnyx_jobs.api.client import Client
from telnyx_jobs.destinations.duckdb_file import (
    Build,
    Place,
    checked_place,
    connect,
    lift_memory_limit,
)
from telnyx_jobs.errors import (
    BadConfiguration,
    Bug,
    CannotWrite,
    TelnyxJobsError,
    TryAgainLater,
    stops_kept,
)
from telnyx_jobs.progress import Report
from telnyx_jobs.run.summary import Summary
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS
from telnyx_jobs.settings import DUCKDB, Mode, Settings, prepare_dlt
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.masking import Mask, MaskingClient, new_mask, read_mask
from telnyx_jobs.source.page_cache import Spool

if TYPE_CHECKING:
    from telnyx_jobs.destinations.warehouse import Destination

_DAMAGED = "Corrupt database file|Could not read enough bytes"
"""What DuckDB says of a file that is not as it was written, in errors of several classes."""
_UNWRITABLE = "Could not write|No space left"
"""What it says when the disk is full: a commit or a checkpoint fails with another class too."""


def new_run_id(started_at: datetime) -> str:
    """An id that sorts by the time the run began."""
    return f"{started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_summary(mode: Mode, database: Path, destination: str = DUCKDB) -> Summary:
    """The summary of a run that begins now."""
    started_at = datetime.now(UTC)
    target = str(database) if destination == DUCKDB else f"{destination} {RAW_SCHEMA}"
    return Summary(run_id=new_run_id(started_at), mode=mode, started_at=started_at, database=target)


def sync(
    settings: Settings,
    summary: Summary,
    report: Report,
    started: Callable[[], None] = lambda: None,
) -> None:
    """Bring the published file, or a warehouse, up to date, counting into `summary`.

    `started` is called once the lock is held. Raises TelnyxJobsError.
    """
    place = place_of(settings.database, settings.destination)
    with _disk_errors(place):
        place.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        # also when it was there before
        place.state.chmod(0o700)
        # once more inside, so that the record has the same exit code
        with (
            _recorded(place, summary, report),
            _disk_errors(place),
            stops_kept(),
            _locked(place, settings.wait),
        ):
            started()
            with _built(settings, report) as build:
                mask = _mask_to_use(build) if settings.mask_phone_numbers else None
                with open_client(settings, report, mask) as client:
                    _sync(build, client, settings, summary, report, mask)


def place_of(database: Path, destination: str = DUCKDB) -> Place:
    """Where the files of a sync lie: one folder for each database and warehouse."""
    if destination == DUCKDB:
        return checked_place(database)
    return Place(database.with_name(f"{database.name}.{destination}"))


@contextmanager
def _built(settings: Settings, report: Report) -> Iterator["Build | Destination"]:
    """What the sync goes into; what of it is not published in the end is discarded."""
    told: AbstractContextManager[None] = nullcontext()
    if settings.destination == DUCKDB:
        build: Build | Destination = Build(place_of(settings.database), report, settings.file_mode)
    else:
        prepare_dlt()
        from telnyx_jobs.destinations import warehouse as destination

        place = place_of(settings.database, settings.destination)
        build = destination.Destination(place, settings.destination, report)
        told = build.errors()
    try:
        with told:
            yield build
    finally:
        build.discard()


def _sync(
    build: "Build | Destination",
    client: Client,
    settings: Settings,
    summary: Summary,
    report: Report,
    mask: Mask | None,
) -> None:
    with ThreadPoolExecutor(1) as ahead:
        # it takes half a second, while the file is copied
        ahead.submit(_import_dlt)
        build.open()
    spool = Spool(build.place.spool)
    fingerprint = mask.fingerprint if mask else None
    extraction = Extraction(
        client, build.stored(), spool, settings.scope, summary, report, fingerprint
    )
    while True:
        _load(build, extraction)
        report("test")
        build.finish()
        _complete(summary, build, client)
        report("publish", database=summary.database)
        build.publish()
        summary.published = True
        spool.clear()
        if extraction.is_done:
            break
        build.open()
    if extraction.stopped_by:
        raise extraction.stopped_by


def _import_dlt() -> None:
    prepare_dlt()
    import telnyx_jobs.source.resource  # noqa: F401


def _load(build: "Build | Destination", extraction: Extraction) -> None:
    """One package of the extraction into the build, by dlt with a fresh working folder."""
    from dlt.pipeline.exceptions import PipelineStepFailed

    from telnyx_jobs.source.resource import pipeline_into, telnyx_jobs

    pipeline = pipeline_into(build.dlt_destination(), build.place.work)
    try:
        source = build.prepared(telnyx_jobs(extraction))
        try:
            pipeline.run(source, loader_file_format=build.loader_file_format)
        except PipelineStepFailed as failed:
            if not (
                isinstance(build, Build) and isinstance(_cause(failed), duckdb.OutOfMemoryException)
            ):
                raise
            # a job of many megabytes, say; dlt goes on with what is not loaded yet
            lift_memory_limit(build.connection)
            pipeline.load()
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


def _complete(summary: Summary, build: "Build | Destination", client: Client) -> None:
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
    summary.new_failures = _new_failures(build, summary)
    summary.finished_at = datetime.now(UTC)
    # whoever reads the row reads a published file
    published = replace(summary, published=True)
    row = [
        json.dumps(value) if isinstance(value, dict | list) else value
        for value in (getattr(published, name) for name in SYNC_RUNS.column_names)
    ]
    build.insert_run(row)


def _new_failures(build: "Build | Destination", summary: Summary) -> list[dict[str, str | None]]:
    """Pairs of code and pointer pattern among the failures that no earlier run has seen."""
    seen = {
        (pair["error_code"], pair["error_pointer_pattern"])
        for (pairs,) in build.query(
            f"select cast(new_failures as varchar) from {RAW_SCHEMA}.sync_runs where run_id <> ?",
            [summary.run_id],
        )
        for pair in json.loads(pairs)
    }
    # only a job that this run saw changed can fail in a new way, or one that a killed run has left
    since = min(summary.started_at, build.left_from or summary.started_at)
    found = build.query(
        "select distinct errors.code, pointers.error_pointer_pattern "
        f"from {RAW_SCHEMA}.job_operations as operations "
        f"inner join {RAW_SCHEMA}.jobs as jobs on operations.job_id = jobs.id "
        f"left join {RAW_SCHEMA}.job_operation_errors as errors "
        "on operations.job_id = errors.job_id and operations.position = errors.operation_position "
        "left join telnyx.error_pointers as pointers "
        "on errors.source_pointer = pointers.error_pointer "
        "where operations.outcome = 'failed' and jobs.observed_at >= ?",
        [since],
    )
    # sorted here, since warehouses sort texts each in their own way; NULL comes last
    return [
        {"error_code": code, "error_pointer_pattern": pattern}
        for code, pattern in sorted(found, key=lambda pair: [(text is None, text) for text in pair])
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
    from telnyx_jobs.source.resource import kept_coverage

    with connect(database, read_only=True) as connection:
        coverage = kept_coverage(lambda sql, _: connection.execute(sql).fetchall())
    return _mask_kept(Place(database), coverage)


def _mask_kept(place: Place, coverage: dict[str, Any]) -> Mask | None:
    fingerprint = coverage.get("mask")
    if fingerprint is None:
        return None
    path = _mask_key(place)
    mask = read_mask(path)
    if mask is None or mask.fingerprint != fingerprint:
        raise BadConfiguration(
            f"the phone numbers of {place.database} are masked, and {path} does not hold their "
            "key: put it back from a backup"
        )
    return mask


def _mask_to_use(build: "Build | Destination") -> Mask:
    """The mask of this database; a new one before its first sync only."""
    place = build.place
    if isinstance(build, Build):
        build.settle()
        kept = mask_of(place.database)
    else:
        kept = _mask_kept(place, build.coverage())
    return kept or read_mask(_mask_key(place)) or new_mask(_mask_key(place))


def _mask_key(place: Place) -> Path:
    return place.state / "mask.key"


@contextmanager
def _locked(place: Place, wait: float) -> Iterator[None]:
    """The lock of this database, for the whole run; waits so many seconds for it."""
    lock = FileLock(place.lock, timeout=wait, mode=0o600)
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
