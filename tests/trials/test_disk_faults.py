"""A damaged published file, and a full disk: the file is exact, or as it was."""

import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.fault_trials import NOW, code_of, count_trial, failure_of
from support.faulty_api import (
    FaultyApi,
)
from support.syncs import (
    access,
    bound_by_permissions,
    command,
    complaint,
    environment,
    expected,
    held,
    run,
)
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.settings import Scope

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
def database(twelve_jobs: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(twelve_jobs, path)
    return path


# faults of the published file


def test_a_file_of_another_kind(database: Path) -> None:
    """A published file that is not a DuckDB file is named and kept, with exit code 78."""
    database.chmod(0o644)
    database.write_bytes(b"notes\n" * 10_000)
    with FaultyApi(NOW) as api:
        error = failure_of(api, database)

    count_trial(
        "faults",
        code_of(error) == 78,
        "jobs.duckdb" in str(error),
        database.read_bytes() == b"notes\n" * 10_000,
    )


DAMAGES = range(24)


@pytest.mark.parametrize("seed", DAMAGES)
def test_a_damaged_file(seed: int, database: Path) -> None:
    """A file with a bit flipped, or cut short, is refused with 78, or the damage hit nothing."""
    chance = random.Random(seed)
    content = bytearray(database.read_bytes())
    if seed % 4:
        used = [at for at in range(0, len(content), 997) if content[at]]
        content[chance.choice(used)] ^= 1 << chance.randrange(8)
    else:
        del content[chance.randrange(len(content)) :]
    database.chmod(0o644)
    database.write_bytes(content)
    with FaultyApi(NOW) as api:
        error = failure_of(api, database, scope=Scope(full=True))

    if error is None:
        count_trial("faults", held(database) == expected(NOW))
    else:
        count_trial("faults", code_of(error) == 78, database.read_bytes() == bytes(content))


def test_a_damaged_file_is_called_so(database: Path) -> None:
    """Damage in a block that only a query reads is reported as damage, with what to do."""
    content = bytearray(database.read_bytes())
    at = content.rindex(b"Bad Request")
    content[at] ^= 1
    database.chmod(0o644)
    database.write_bytes(content)
    with FaultyApi(NOW) as api, pytest.raises(BadConfiguration, match=r"is damaged .*backup"):
        raise failure_of(api, database) or AssertionError("published")


# faults of the disk


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[bool]:
    """A file system of this size at the folder; False if this user may not mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "none", str(folder)]
    try:
        is_mounted = not subprocess.run(mount, capture_output=True, check=False).returncode
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def _limited(size: int) -> Callable[[], None]:
    """No file of the process may grow beyond this many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _sync_in(
    folder: Path, api: FaultyApi, *arguments: str, **options: Any
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("sync", "--quiet", "--database", "jobs.duckdb", *arguments),
        cwd=folder,
        env=environment(folder) | access(api),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.mark.parametrize("room", [0.0, 0.01, 0.4, 1.0, 1.1, 1.4])
def test_a_full_disk(room: float, twelve_jobs: Path, tmp_path: Path) -> None:
    """On a disk with space for less than a copy, a copy or a little more: 74, or an exact file."""
    before = twelve_jobs.read_bytes()
    folder = tmp_path / "disk"
    folder.mkdir()
    page = 4096
    with _small_disk(folder, len(before) + page * int(room * len(before) / page)) as is_small:
        database = folder / "jobs.duckdb"
        database.write_bytes(before)
        # elsewhere a limit on each file stands in for the disk's
        limit = {} if is_small else {"preexec_fn": _limited(int(room * len(before)))}
        with FaultyApi(NOW) as api:
            done = _sync_in(folder, api, **limit)
        kept, after = database.read_bytes() == before, held(database)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]

    if done.returncode == 0:
        count_trial("faults", after == expected(NOW))
    else:
        count_trial(
            "faults",
            done.returncode == 74,
            "free disk space" in complaint(done),
            kept,
            sum(sizes) < len(before) + 100_000,
        )


@pytest.mark.parametrize("room", [0.0, 0.01, 0.4, 1.0, 1.1])
def test_a_limit_on_the_size_of_files(room: float, database: Path) -> None:
    """If files may not grow as needed, the run ends with 74 and the file stays, or is exact."""
    before = database.read_bytes()
    with FaultyApi(NOW) as api:
        done = _sync_in(database.parent, api, preexec_fn=_limited(int(room * len(before))))

    if done.returncode == 0:
        count_trial("faults", held(database) == expected(NOW))
    else:
        count_trial(
            "faults",
            done.returncode == 74,
            "free disk space" in complaint(done),
            database.read_bytes() == before,
        )


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "later run"])
def test_a_folder_without_permission(is_first: bool, twelve_jobs: Path, tmp_path: Path) -> None:
    """In a read-only folder the run ends with 74 and changes nothing."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if not is_first:
        shutil.copy(twelve_jobs, folder / "jobs.duckdb")
    folder.chmod(0o555)
    try:
        with FaultyApi(NOW) as api:
            done = _sync_in(folder, api, preexec_fn=bound_by_permissions)
    finally:
        folder.chmod(0o755)

    names = [] if is_first else ["jobs.duckdb"]
    count_trial(
        "faults",
        done.returncode == 74,
        "permissions" in complaint(done),
        len(done.stderr.splitlines()) == 1,
        [path.name for path in folder.iterdir()] == names,
    )


def test_a_run_that_cannot_be_recorded_is_published(database: Path) -> None:
    """A `runs.jsonl` that cannot be written is reported, and the run does not fail."""
    state = database.parent / ".jobs.duckdb.state"
    (state / "runs.jsonl").mkdir(parents=True)
    with FaultyApi(NOW) as api:
        done = run(database.parent, "sync", "--database", "jobs.duckdb", environ=access(api))

    assert done.returncode == 0
    assert "runs.jsonl lacks this run" in done.stderr
    assert held(database) == expected(NOW)
