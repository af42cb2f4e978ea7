"""The published file and what lies beside it, after runs that succeed and others."""

import errno
import json
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
import pytest

from support.syncs import (
    Jobs,
    Json,
    Published,
    api_of,
    job,
    rows,
    sync_once,
    tables,
)
from telnyx_jobs.destinations.duckdb_file import DuckDBFile, _copy
from telnyx_jobs.errors import BadConfiguration, CannotWrite, KeyRefused, TryAgainLater
from telnyx_jobs.settings import Settings


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def test_a_failed_sync_leaves_the_file_and_no_leftovers(database: Path, publish: Published) -> None:
    """A sync that fails changes no byte of the published file and leaves no build behind."""
    jobs = Jobs([job(1)])
    with api_of(jobs) as api:
        publish(api, jobs, database)
        before = database.read_bytes()
        jobs.append(job(2))
        api.key = "another"
        with pytest.raises(KeyRefused):
            sync_once(_Refused(api.url), database)

    assert database.read_bytes() == before
    left = {path.name for path in (database.parent / ".jobs.duckdb.state").iterdir()}
    assert left == {"lock", "runs.jsonl"}


class _Refused:
    """The address of a server with a key that it does not accept."""

    key = "KEY_wrong"

    def __init__(self, url: str) -> None:
        self.url = url


def test_every_run_leaves_a_line(database: Path, publish: Published) -> None:
    """`runs.jsonl` has one line per run, with the exit code, failed ones too."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], database)
        with pytest.raises(KeyRefused):
            sync_once(_Refused(api.url), database)

    lines = (database.parent / ".jobs.duckdb.state" / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["exit_code"] for line in lines] == [0, 77]
    assert [json.loads(line)["published"] for line in lines] == [True, False]


def test_a_run_that_could_not_publish_says_so(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line of a run that loaded everything but could not replace the file is a failure."""

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with api_of([job(1)]) as api, pytest.raises(CannotWrite):
        sync_once(api, database)

    line = json.loads((database.parent / ".jobs.duckdb.state" / "runs.jsonl").read_text())
    assert (line["published"], line["exit_code"]) == (False, 74)


@pytest.mark.parametrize("failing", [1, 2], ids=["the copy", "the build"])
def test_what_the_disk_does_not_take_is_not_published(
    failing: int, database: Path, publish: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block that cannot be written, of the copy or of what was changed in it, ends the run."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], database)
    before = database.read_bytes()
    # one thread writes the copy while another builds: their order identifies them
    calls = count(1)

    def broken(path: Path) -> None:
        if next(calls) == failing:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("telnyx_jobs.destinations.duckdb_file.sync_to_disk", broken)
    with api_of([job(1), job(2)]) as api, pytest.raises(CannotWrite, match="Input/output error"):
        sync_once(api, database)
    assert database.read_bytes() == before


def test_published_runs_are_in_the_file(database: Path) -> None:
    """`sync_runs` holds the summary of each published run."""
    with api_of([job(1)]) as api:
        summaries = [sync_once(api, database), sync_once(api, database, full=True)]

    assert rows(
        database,
        "select run_id, mode, started_at, finished_at, requests, pages, jobs_listed, "
        "jobs_changed, published, database from telnyx.sync_runs order by started_at",
    ) == [
        (s.run_id, s.mode, s.started_at, s.finished_at, 1, 1, 1, s.jobs_changed, True, s.database)
        for s in summaries
    ]


def test_modes_keep_the_state_private_and_the_file_read_only(
    database: Path, publish: Published
) -> None:
    """The published file is 0444, the state folder 0700 and what is in it 0600."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], database)

    state = database.parent / ".jobs.duckdb.state"
    assert _mode(database) == 0o444
    assert _mode(state) == 0o700
    assert {_mode(path) for path in state.iterdir()} == {0o600}


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_that_is_no_database_is_refused_and_kept(database: Path) -> None:
    """A published file that DuckDB cannot open is not changed, and the message names it."""
    database.write_text("notes")

    with api_of([]) as api, pytest.raises(BadConfiguration, match=r"jobs\.duckdb"):
        sync_once(api, database)

    assert database.read_text() == "notes"


@pytest.mark.parametrize("name", ["telnyx.duckdb", "telnyx_raw.duckdb"])
def test_a_file_named_as_a_schema_is_refused(name: str, tmp_path: Path) -> None:
    """A file whose name would make every query on it ambiguous is not created."""
    with api_of([]) as api, pytest.raises(BadConfiguration, match="another --database"):
        sync_once(api, tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_two_databases_are_two_pipelines(tmp_path: Path) -> None:
    """Another path is filled from the beginning, whatever the first one holds."""
    one, other = tmp_path / "one.duckdb", tmp_path / "other.duckdb"
    with api_of([job(1), job(2)]) as api:
        sync_once(api, one)
        sync_once(api, other)

    assert tables(other)["job_phone_numbers"] == tables(one)["job_phone_numbers"]
    assert rows(other, "select id from telnyx_raw.jobs order by id") == [
        ("job-00001",),
        ("job-00002",),
    ]


def test_the_demo_and_an_account_do_not_mix(database: Path, publish: Published) -> None:
    """A file filled from an account refuses the demo's jobs."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], database)
        with pytest.raises(BadConfiguration, match="demo"):
            sync_once(api, database, is_demo=True)


def test_a_running_sync_keeps_others_out(database: Path) -> None:
    """While one sync works another one ends at once, and says so."""

    def while_listing() -> list[Json]:
        with pytest.raises(TryAgainLater, match="another sync"):
            sync_once(served[0], database)
        return [job(1)]

    served: list[Any] = []
    with _serving(while_listing) as api:
        served.append(api)
        sync_once(api, database)

    assert rows(database, "select id from telnyx_raw.jobs") == [("job-00001",)]


def _serving(jobs: Callable[[], list[Json]]) -> Any:
    from telnyx_jobs.demo_api import serve

    return serve(jobs)


@pytest.mark.parametrize("folder", [".", "/dev/shm"])
def test_a_copy_holds_every_byte(folder: str, tmp_path: Path) -> None:
    """A copy is whole, also where the system refuses to copy between two file systems."""
    if not (tmp_path / folder).exists():
        pytest.skip(f"this system has no {folder}")
    content = bytes(range(251)) * 20_000
    with NamedTemporaryFile(dir=tmp_path / folder) as original:
        original.write(content)
        original.flush()
        with Path(original.name).open("rb") as reader:
            _copy(reader, tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == content


def test_a_run_never_publishes_the_build_of_another(database: Path) -> None:
    """A sync that lost its lock, and so its folder, to another one cannot publish."""
    with api_of([job(1)]) as api:
        run = sync_once(api, database).as_row()
    before = database.read_bytes()
    first, second = DuckDBFile(Settings(database)), DuckDBFile(Settings(database))
    first.open()
    second.open()
    with pytest.raises((OSError, duckdb.Error)):
        first.publish(run)
    first.discard()
    unchanged = database.read_bytes() == before
    second.publish(run | {"run_id": "second"})
    second.discard()

    assert unchanged
    ids = rows(database, "select run_id from telnyx.sync_runs order by started_at, run_id")
    assert ids == [(run["run_id"],), ("second",)]
