"""What `check` finds before a sync, each fault made for real, and that it leaves nothing behind."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from support.answer_faults import html, refusal, with_headers
from support.faulty_api import Exchange, Fault, FaultyApi, good
from support.syncs import (
    Published,
    access,
    api_of,
    bound_by_permissions,
    command,
    environment,
    job,
    run,
)
from telnyx_jobs.version import __version__

NAME = "telnyx_jobs.duckdb"
NAMES = ["key", "api", "clock", "folder", "disk", "file", "account", "lock", "versions"]


class Findings(dict[str, tuple[str, str]]):
    """What `check --json` found, by name: the state and the message."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        found = json.loads(done.stdout)
        assert (found["exit_code"], done.stderr) == (done.returncode, "")
        super().__init__(
            {each["name"]: (each["state"], each["message"]) for each in found["checks"]}
        )
        assert list(self) == NAMES
        self.code = done.returncode

    @property
    def states(self) -> dict[str, str]:
        """The states of the findings that are not ok."""
        return {name: state for name, (state, _) in self.items() if state != "ok"}


def checked(folder: Path, api: Any, *arguments: str) -> Findings:
    return Findings(run(folder, "check", "--json", *arguments, environ=access(api)))


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below the folder: mode, time of the last change and content."""
    return {
        str(path): (
            path.stat().st_mode,
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *folder.rglob("*"))
    }


def test_all_is_well(tmp_path: Path, publish: Published) -> None:
    """If a sync can run, `check` ends with 0 and prints a line for each thing it looked at."""
    with api_of([job(1), job(2)]) as api:
        publish(api, [job(1), job(2)], tmp_path / NAME)
        done = run(tmp_path, "check", environ=access(api))

    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout
    assert [line[:2] for line in lines] == [["ok", name] for name in NAMES]
    message = [line[2] for line in lines]
    assert message[0] == "found and accepted"
    assert message[1] == f"{api.url} answers, 2 jobs"
    assert message[3] == f"{tmp_path} can be written, also for temporary files"
    assert message[5].startswith(f"{tmp_path / NAME}, synced 20")
    assert message[6] == "the key is of the account of the loaded jobs"
    assert message[7] == "no sync is running"
    assert f"duckdb {duckdb.__version__}" in message[8]


def test_another_accounts_key_is_78(tmp_path: Path, publish: Published) -> None:
    """A key whose jobs are not those of the file fails `check`; any other look is taken."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], tmp_path / NAME)
    with api_of([job(2)]) as api:
        found = checked(tmp_path, api)

    assert (found.code, found.states) == (78, {"account": "failed"})
    assert found["account"][1].startswith("the key is of another account than the loaded jobs")


def test_a_newer_version_is_78(tmp_path: Path, publish: Published) -> None:
    """A file that a newer version published fails `check`, which says what to install."""
    with api_of([job(1)]) as api:
        publish(api, [job(1)], tmp_path / NAME)
        (tmp_path / NAME).chmod(0o600)
        with duckdb.connect(str(tmp_path / NAME)) as connection:
            connection.execute("update telnyx_raw.sync_runs set version = '99.1.0'")
        found = checked(tmp_path, api)

    assert (found.code, found.states) == (78, {"file": "failed", "account": "unknown"})
    assert "telnyx-jobs>=99.1.0" in found["file"][1]


@pytest.mark.parametrize("is_synced", [True, False], ids=["after a sync", "before any"])
def test_nothing_is_written(is_synced: bool, tmp_path: Path, publish: Published) -> None:
    """`check` leaves every file, mode and time below the folder, the home too, as it was."""
    with api_of([job(1)]) as api:
        if is_synced:
            publish(api, [job(1)], tmp_path / NAME)
        before = contents(tmp_path)
        done = run(tmp_path, "check", environ=access(api))
        # a key in dlt's secret places makes dlt look for them
        run(tmp_path, "check", environ={"TELNYX_BASE_URL": api.url})

    assert done.returncode == 0
    assert contents(tmp_path) == before


def test_one_request_is_all_that_is_asked(tmp_path: Path) -> None:
    """The API is asked once, for a page of one job."""
    with api_of([job(1)]) as api:
        run(tmp_path, "check", environ=access(api))

    assert api.requests == [("GET", "/v2/phone_numbers/jobs?page[number]=1&page[size]=1")]


def test_the_demo_is_checked_without_a_key(tmp_path: Path) -> None:
    """`check --demo` looks at the demo API, and is exit 0 from nothing."""
    found = Findings(run(tmp_path, "check", "--demo", "--json"))

    assert (found.code, found.states) == (0, {})
    assert found["file"][1] == f"{tmp_path / NAME} does not exist yet: the first sync creates it"


def test_versions_are_part_of_the_json(tmp_path: Path) -> None:
    """`check --json` has the version of each package required, and of Python."""
    done = run(tmp_path, "check", "--demo", "--json")

    versions = json.loads(done.stdout)["versions"]
    assert versions["telnyx-jobs"] == __version__
    assert versions["duckdb"] == duckdb.__version__
    assert {"Python", "dlt", "httpx", "pyarrow", "tenacity"} < set(versions)
    assert "missing" not in versions.values()


def test_every_look_is_taken_whatever_fails(tmp_path: Path) -> None:
    """A failure hides no other failure; the exit code is that of the first."""
    (tmp_path / NAME).write_text("no database")
    with FaultyApi([]) as api:
        url = api.url
    found = Findings(run(tmp_path, "check", "--json", "--max-retries=0", "--base-url", url))

    assert found.states == {
        "key": "failed",
        "api": "failed",
        "clock": "unknown",
        "file": "failed",
        "account": "unknown",
    }
    assert found.code == 77


def test_without_a_key_the_api_is_found_all_the_same(tmp_path: Path) -> None:
    """Without a key, the API's refusal still shows that it answers."""
    with api_of([]) as api:
        found = Findings(run(tmp_path, "check", "--json", "--base-url", api.url))

    assert (found.code, found.states) == (77, {"key": "failed"})
    assert found["api"] == ("ok", f"{api.url} answers")


def dated(off: timedelta) -> Fault:
    """The good reply, with a time that is wrong by this much."""

    def fault(exchange: Exchange) -> None:
        at = format_datetime(datetime.now(UTC) + off, usegmt=True)
        with_headers({"Date": at})(exchange)

    return fault


@pytest.mark.parametrize(
    ("fault", "code", "states", "message"),
    [
        (refusal(401), 77, {"key": "failed"}, "refuses the key (401"),
        (refusal(503), 69, {"key": "unknown", "api": "failed"}, "the API fails (503"),
        (html, 65, {"key": "unknown", "api": "failed"}, "gives no usable answer"),
        (refusal(429), 75, {"key": "unknown", "api": "failed"}, "rate limit"),
        (dated(timedelta(seconds=-90)), 78, {"clock": "failed"}, "s ahead of the API's: set"),
        (dated(timedelta(minutes=5)), 78, {"clock": "failed"}, "s behind the API's: set"),
        (dated(timedelta(seconds=-30)), 0, {}, "s ahead of the API's"),
        (good, 0, {"clock": "unknown"}, "the API sent no time"),
    ],
    ids=[
        *("key refused", "API fails", "no JSON", "rate limit"),
        *("clock ahead", "clock behind", "clock a little ahead", "no time sent"),
    ],
)
def test_what_the_api_answers(
    fault: Fault, code: int, states: dict[str, str], message: str, tmp_path: Path
) -> None:
    """Each fault of the API has its finding and its exit code, and the rest is looked at."""
    with FaultyApi([job(1)], otherwise=fault) as api:
        found = checked(tmp_path, api, "--max-retries", "0")

    assert found.code == code
    # an answer without a time leaves the clock unknown
    assert {"clock": "unknown"} | found.states == {"clock": "unknown"} | states
    assert any(message in text for _, text in found.values())


def test_an_api_that_is_not_there_is_69(tmp_path: Path) -> None:
    """An address that nobody listens at is exit 69, the key found but not tried."""
    with FaultyApi([]) as api:
        environ = access(api)
    found = Findings(run(tmp_path, "check", "--json", "--max-retries=0", environ=environ))

    assert found.code == 69
    assert found.states == {"key": "unknown", "api": "failed", "clock": "unknown"}


def _is_no_database(folder: Path) -> None:
    (folder / NAME).write_bytes(b"no database " * 1_000)


def _is_foreign(folder: Path) -> None:
    duckdb.connect(str(folder / NAME)).close()


def _is_damaged(folder: Path) -> None:
    # one thread fills the blocks in their order
    with duckdb.connect(str(folder / NAME), config={"threads": 1}) as connection:
        connection.execute("create schema telnyx_raw")
        connection.execute(
            "create table telnyx_raw.sync_runs as "
            "select now() + to_seconds(hash(i) % 1000) as finished_at from range(100_000) t(i)"
        )
    content = bytearray((folder / NAME).read_bytes())
    # a bit of the second block, the first one with rows; three headers come before them
    content[3 * 4_096 + 262_144 + 1_000] ^= 1
    (folder / NAME).write_bytes(content)


def _has_a_wal(folder: Path) -> None:
    (folder / NAME).write_bytes(b"")
    (folder / f"{NAME}.wal").write_bytes(b"")


@pytest.mark.parametrize(
    ("make", "code", "states", "message"),
    [
        (_is_no_database, 78, {"file": "failed", "account": "unknown"}, "is not a DuckDB file"),
        (_is_damaged, 78, {"file": "failed", "account": "unknown"}, "restore it from a backup"),
        (_has_a_wal, 0, {"file": "unknown", "account": "unknown"}, "the next sync moves it away"),
        (_is_foreign, 0, {}, "that no sync has written yet"),
    ],
)
def test_what_the_file_is(
    make: Callable[[Path], None], code: int, states: dict[str, str], message: str, tmp_path: Path
) -> None:
    """A file that no sync can begin from ends with 78; any other is described."""
    make(tmp_path)
    found = Findings(run(tmp_path, "check", "--demo", "--json"))

    assert (found.code, found.states) == (code, states)
    assert message in found["file"][1]


def test_a_file_that_is_written_into_is_75(tmp_path: Path) -> None:
    """While another program has the file open for writing `check` is exit 75, as a sync would."""
    with duckdb.connect(str(tmp_path / NAME)) as connection:
        connection.execute("checkpoint")
        found = Findings(run(tmp_path, "check", "--demo", "--json"))

    assert (found.code, found.states) == (75, {"file": "failed", "account": "unknown"})


@contextmanager
def _a_sync_runs(folder: Path) -> Iterator[None]:
    state = folder / f".{NAME}.state"
    state.mkdir()
    with FileLock(state / "lock"):
        yield


def test_a_running_sync_is_75(tmp_path: Path) -> None:
    """While a sync holds the lock `check` is exit 75, and takes nothing from it."""
    with _a_sync_runs(tmp_path):
        found = Findings(run(tmp_path, "check", "--demo", "--json"))
    after = Findings(run(tmp_path, "check", "--demo", "--json"))

    assert (found.code, found.states) == (75, {"lock": "failed"})
    assert (after.code, after.states) == (0, {})


def _closed_folder(folder: Path) -> None:
    folder.chmod(0o500)


def _closed_state(folder: Path) -> None:
    (folder / f".{NAME}.state").mkdir(mode=0o500)


def _closed_lock(folder: Path) -> None:
    (folder / f".{NAME}.state").mkdir()
    (folder / f".{NAME}.state" / "lock").touch(mode=0o400)


@pytest.mark.parametrize("close", [_closed_folder, _closed_state, _closed_lock])
def test_a_place_that_cannot_be_written_is_74(
    close: Callable[[Path], None], tmp_path: Path
) -> None:
    """What the permissions keep a sync from writing is exit 74."""
    folder = tmp_path / "data"
    folder.mkdir()
    close(folder)
    done = subprocess.run(
        command("check", "--demo", "--json", "--database", str(folder / NAME)),
        env=environment(tmp_path),
        preexec_fn=bound_by_permissions,
        capture_output=True,
        text=True,
        check=False,
    )
    folder.chmod(0o700)

    found = Findings(done)
    assert (found.code, found.states) == (74, {"folder": "failed"})


@pytest.mark.parametrize(
    ("database", "code", "finding", "message"),
    [
        ("not/there/yet.duckdb", 78, "folder", "does not exist"),
        ("file/jobs.duckdb", 74, "folder", "is not a folder"),
        ("telnyx.duckdb", 78, "file", "cannot be queried"),
    ],
)
def test_where_the_file_is_to_be(
    database: str, code: int, finding: str, message: str, tmp_path: Path
) -> None:
    """The folder must exist and be no file, and the name be one that can be queried."""
    (tmp_path / "file").touch()
    found = Findings(run(tmp_path, "check", "--demo", "--json", "--database", database))

    assert found.code == code
    assert message in found[finding][1]


def test_a_disk_too_full_is_74(tmp_path: Path) -> None:
    """Less free disk than twice the file, or than a small sync needs, is exit 74."""
    (tmp_path / NAME).touch()
    os.truncate(tmp_path / NAME, 1 << 43)
    found = Findings(run(tmp_path, "check", "--demo", "--json"))

    assert found.states == {"disk": "failed", "file": "failed", "account": "unknown"}
    assert found.code == 74
    assert found["disk"][1].endswith(
        " MB free, 17,592,186 MB needed: free disk space, or give another --database"
    )


def test_a_version_out_of_range_is_78(tmp_path: Path) -> None:
    """A package that is installed in a version not supported is named, with the range."""
    distribution = tmp_path / "elsewhere" / "filelock-3.1.0.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text("Name: filelock\nVersion: 3.1.0\n")
    path = f"{distribution.parent}{os.pathsep}{environment(tmp_path)['PYTHONPATH']}"
    done = run(tmp_path, "check", "--demo", "--json", environ={"PYTHONPATH": path})

    found = Findings(done)
    assert (found.code, found.states) == (78, {"versions": "failed"})
    assert found["versions"][1] == "filelock 3.1.0, not >=3.20: install telnyx-jobs again"
