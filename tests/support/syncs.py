"""What many tests need: jobs, syncs of them in this process or another, and rows of the file."""

import ctypes
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from support.prepared_process import run_prepared
from telnyx_jobs.demo_api import FakeApi, serve
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import Summary, new_summary
from telnyx_jobs.run.sync import sync
from telnyx_jobs.schema import LOADED, RAW_SCHEMA
from telnyx_jobs.settings import Scope, Settings

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

TALLIES: dict[str, Counter[str]] = {}
"""What the tests have tried and lost, by kind; printed when all of them are done."""


class Jobs(list[Json]):
    """The jobs of an account, to be changed between syncs; the API shows them newest first."""

    def newest_first(self) -> list[Json]:
        return sorted(self, key=lambda job: str(job.get("created_at") or ""), reverse=True)


def job(number: int, **fields: Any) -> Json:
    """A finished job without numbers, created `number` hours after the epoch of the tests."""
    created_at = EPOCH + timedelta(hours=number)
    return {
        "id": f"job-{number:05}",
        "record_type": "phone_numbers_job",
        "type": "update_phone_numbers",
        "status": "completed",
        "created_at": text(created_at),
        "updated_at": text(created_at),
        "phone_numbers": [],
        "successful_operations": [],
        "pending_operations": [],
        "failed_operations": [],
    } | fields


def text(time: datetime) -> str:
    """The time as Telnyx writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


def numbers(*ordinals: int) -> list[Json]:
    """Operations on these numbers."""
    return [{"id": f"id-{n}", "phone_number": f"+1555{n:07}"} for n in ordinals]


def failure(ordinal: int, *errors: Json) -> Json:
    """A failed operation on this number."""
    return numbers(ordinal)[0] | {"errors": list(errors)}


def error(code: str, pointer: str) -> Json:
    return {"code": code, "title": f"title {code}", "source": {"pointer": pointer}}


@contextmanager
def api_of(jobs: Sequence[Mapping[str, Any]]) -> Iterator[FakeApi]:
    """A server of these jobs, as they are at each request."""
    listed = jobs.newest_first if isinstance(jobs, Jobs) else lambda: jobs
    with serve(listed) as api:
        yield api


def sync_once(
    api: Any,
    database: Path,
    *,
    page_size: int = 250,
    max_requests: int | None = None,
    audit_pages: int = 0,
    **scope: Any,
) -> Summary:
    """One sync of a server with `url` and `key`. Raises as the sync does."""
    settings = Settings(
        database=database,
        base_url=api.url,
        api_key=api.key,
        scope=Scope(**scope),
        page_size=page_size,
        max_requests=max_requests,
        audit_pages=audit_pages,
        max_retries=0,
        timeout=10.0,
    )
    summary = new_summary(settings.scope.mode, str(database))
    sync(settings, destination_for(settings), summary, nothing)
    return summary


class Published:
    """Published files by the jobs in them, so that tests of the same jobs sync them once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, api: Any, jobs: Sequence[Json], database: Path) -> None:
        """Publish a file by a sync of these jobs, with its state folder, or copy one of before."""
        content = json.dumps(jobs, sort_keys=True).encode()
        kept = self._folder / hashlib.sha256(content).hexdigest()
        if not (kept / database.name).exists():
            kept.mkdir(exist_ok=True)
            sync_once(api, kept / database.name)
        shutil.copytree(kept, database.parent, dirs_exist_ok=True)


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    """All rows that a query returns on the published file."""
    (found,) = _answers(database, {"": sql}).values()
    return found


def _answers(database: Path, queries: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of each query: to open the file takes longer than most queries."""
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        return {name: connection.execute(sql).fetchall() for name, sql in queries.items()}


def tables(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every loaded table, sorted."""
    names = [table.name for table in LOADED]
    return _answers(
        database, {name: f"select * from {RAW_SCHEMA}.{name} order by all" for name in names}
    )


def tally(kind: str, *, tried: int = 1, lost: int = 0) -> None:
    """Count trials of one kind, and how many of them broke a promise."""
    TALLIES.setdefault(kind, Counter()).update(tried=tried, lost=lost)


def held(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the published file says of each job, number, operation and error."""
    return _answers(
        database,
        {
            "jobs": "select id, type, status from telnyx_raw.jobs order by all",
            "numbers": "select job_id, position, phone_number_id, phone_number "
            "from telnyx_raw.job_phone_numbers order by all nulls first",
            "operations": "select job_id, outcome, position, phone_number_id, phone_number "
            "from telnyx_raw.job_operations order by all nulls first",
            "errors": "select job_id, operation_position, position, code, title, source_pointer "
            "from telnyx_raw.job_operation_errors order by all nulls first",
        },
    )


def expected(jobs: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[Any, ...]]]:
    """What `held` returns if the file says of these jobs exactly what the API does."""
    outcomes = ("successful", "pending", "failed")
    operations = [
        (job["id"], outcome, position, operation)
        for job in jobs
        for outcome in outcomes
        for position, operation in enumerate(job[f"{outcome}_operations"])
    ]
    return {
        "jobs": sorted((job["id"], job["type"], job["status"]) for job in jobs),
        "numbers": sorted(
            (job["id"], position, number.get("id"), number.get("phone_number"))
            for job in jobs
            for position, number in enumerate(job["phone_numbers"])
        ),
        "operations": sorted(
            (job_id, outcome, position, operation["id"], operation["phone_number"])
            for job_id, outcome, position, operation in operations
        ),
        "errors": sorted(
            (job_id, place, position, error["code"], error["title"], error["source"]["pointer"])
            for job_id, outcome, place, operation in operations
            for position, error in enumerate(operation.get("errors", []))
        ),
    }


def environment(home: Path, **values: str) -> dict[str, str]:
    """An environment with an empty home and none of the caller's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    # requests are counted one by one, and this one more page is a test's own subject
    kept["TELNYX_JOBS_AUDIT_PAGES"] = "0"
    return kept | {"HOME": str(home), "PYTHONPATH": str(ROOT / "pipelines")} | values


def command(*arguments: str) -> list[str]:
    """The command line of telnyx-jobs with these arguments."""
    return [sys.executable, "-m", "telnyx_jobs", *arguments]


def run(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, run in a folder until it ends, in a process that begins with its imports.

    What an interpreter reads when it starts needs one of its own.
    """
    given = dict(environ or {})
    if any(name.startswith(("PYTHON", "LC_", "LANG")) for name in given):
        return run_afresh(folder, *arguments, environ=given)
    return run_prepared(folder, environment(folder) | given, *arguments, timeout=60)


def run_afresh(
    folder: Path, *arguments: str, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, run by an interpreter of its own, which takes a second longer."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder) | dict(environ or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def access(api: Any) -> dict[str, str]:
    """The environment that leads to a server with `url` and `key`."""
    return {"TELNYX_BASE_URL": api.url, "TELNYX_API_KEY": api.key}


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The message of the last line on stderr, which must report the failure."""
    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["event"], line["exit_code"]) == ("failed", done.returncode)
    assert "Traceback" not in done.stderr
    message: str = line["message"]
    return message


def bound_by_permissions() -> None:
    """For a process about to start: file permissions bind it, as they do not bind root."""
    if os.getuid() == 0 and sys.platform == "linux":
        drop_from_bounding_set, dac_override = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)
