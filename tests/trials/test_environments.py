"""Environments that a machine may have: other encodings, no home, no /tmp, other users."""

import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from support.syncs import (
    Jobs,
    Json,
    access,
    api_of,
    command,
    complaint,
    environment,
    expected,
    held,
    job,
    numbers,
    rows,
    run,
    sync_once,
)
from telnyx_jobs.demo_api import serve
from telnyx_jobs.run import sync as sync_module
from telnyx_jobs.source import clock

EACH_TEST_IS_A_TRIAL_OF = "environments"
DATABASE = "telnyx_jobs.duckdb"
STRANGE = {
    "ASCII locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "Latin-1 output": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
    "ASCII output": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"},
    "no docstrings": {"PYTHONOPTIMIZE": "2"},
}
SOMEBODY = ("setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups")
"""A user without an entry in the system's list."""
READ_ALL = ("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")
"""So that this user can read the Python that runs the tests."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv"
)


def run_as_somebody(
    folder: Path, *arguments: str, capabilities: tuple[str, ...] = READ_ALL
) -> subprocess.CompletedProcess[str]:
    """The command as another user, without HOME."""
    environ = environment(folder)
    del environ["HOME"]
    return subprocess.run(
        [*SOMEBODY, *capabilities, *command(*arguments)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("environ", STRANGE.values(), ids=STRANGE)
def test_every_command_works_in_a_strange_environment(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Output falls back to what can be shown; files are UTF-8; docstrings are not needed."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("# café\n[telnyx_jobs]\n", encoding="utf-8")
    done = [
        run(tmp_path, *arguments, environ=environ)
        for arguments in (
            ("sync", "--demo"),
            ("check", "--demo"),
            ("status",),
            ("report",),
            ("report", "--html", "report.html"),
            ("export", "--to", "lake"),
        )
    ]

    assert [each.returncode for each in done] == [0] * len(done), [each.stderr for each in done]
    assert "what fails" in done[3].stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")


@needs_root
def test_a_user_without_a_home_can_do_everything(tmp_path: Path) -> None:
    """A UID without an entry in the system's list and without HOME syncs and reports."""
    tmp_path.chmod(0o777)
    done = [
        run_as_somebody(tmp_path, *arguments)
        for arguments in (("sync", "--demo"), ("status",), ("report", "--html", "report.html"))
    ]

    assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]


def test_no_other_folder_for_temporary_files_is_needed(tmp_path: Path) -> None:
    """Two syncs succeed where no folder but the database's can be written, /tmp included."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: []\n"
    )
    jobs = [job(1)]
    with api_of(jobs) as api:
        paths = os.pathsep.join([str(site), environment(tmp_path)["PYTHONPATH"]])
        environ = access(api) | {"PYTHONPATH": paths}
        codes = []
        for changed in (job(1), job(1, status="failed")):
            jobs[0] = changed
            codes.append(run(tmp_path, "sync", "--full", environ=environ).returncode)

    assert codes == [0, 0]


@needs_root
def test_another_user_can_see_the_status(tmp_path: Path) -> None:
    """`status` reports what the published file holds to a user who may not read the state."""
    run(tmp_path, "sync", "--demo")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    # all that it needs is imported before its rights are dropped
    program = (
        "import os, sys; from telnyx_jobs.cli.commands import app, main; "
        "app(['status'], standalone_mode=False); print('dropped'); sys.stdout.flush(); "
        "os.setgid(54321); os.setuid(54321); sys.argv = ['telnyx-jobs', 'status']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    shown = done.stdout.partition("dropped")[2]
    assert "open jobs" in shown
    assert f"only its owner may read {tmp_path / f'.{DATABASE}.state'}" in shown


@needs_root
def test_the_owner_of_the_state_folder_is_named(tmp_path: Path) -> None:
    """A sync as another user than before is exit 74, and names the user who may."""
    tmp_path.chmod(0o777)
    assert run_as_somebody(tmp_path, "sync", "--demo").returncode == 0
    os.chown(tmp_path / f".{DATABASE}.state", 12345, 12345)
    done = run_as_somebody(tmp_path, "sync", "--demo")

    assert done.returncode == 74
    assert "belongs to the user 12345" in complaint(done)


def test_a_missing_folder_is_created_for_a_schedule_alone(tmp_path: Path) -> None:
    """Only the last folder is created, and only if the environment or the file names it."""
    codes = {}
    for name, path in (("one", "one/x.duckdb"), ("two", "two/three/x.duckdb")):
        flag = run(tmp_path, "sync", "--demo", "--quiet", "--database", path)
        kept = run(tmp_path, "sync", "--demo", "--quiet", environ={"TELNYX_JOBS_DATABASE": path})
        codes[name] = (flag.returncode, kept.returncode)
        assert f"{name} does not exist" in complaint(flag) or "three" in complaint(flag)

    assert codes == {"one": (78, 0), "two": (78, 78)}
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("removed", [".", "work"], ids=["the state folder", "what is being built"])
def test_a_folder_removed_under_a_sync_is_named(removed: str, tmp_path: Path) -> None:
    """The sync ends with 74, reports what was removed, and leaves the published file as it was."""
    state = tmp_path / f".{DATABASE}.state"
    jobs = [job(1)]

    def removing() -> list[Json]:
        if len(jobs) > 1:
            shutil.rmtree(state / removed, ignore_errors=True)
        return jobs

    with serve(removing) as api:
        run(tmp_path, "sync", environ=access(api))
        before = (tmp_path / DATABASE).read_bytes()
        jobs.append(job(2))
        done = run(tmp_path, "sync", environ=access(api))

    assert done.returncode == 74
    assert "removed" in complaint(done)
    assert "disk space" not in complaint(done)
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_lock_removed_under_a_sync_lets_one_publish(tmp_path: Path) -> None:
    """Of two syncs at once, the one whose lock was removed is 74, and the file is the other's."""
    state = tmp_path / f".{DATABASE}.state"
    jobs = [job(1)]
    others: list[Any] = []

    def removing() -> list[Json]:
        if len(jobs) > 1 and not others:
            (state / "lock").unlink()
            others.append(None)
            jobs[0] = job(1, status="failed")
            others[0] = run(tmp_path, "sync", "--full", environ=access(api))
        return jobs

    with serve(removing) as api:
        run(tmp_path, "sync", environ=access(api))
        jobs.append(job(2))
        done = run(tmp_path, "sync", environ=access(api))

    assert (done.returncode, others[0].returncode) == (74, 0)
    assert "was removed or replaced while this sync ran" in complaint(done)
    assert rows(tmp_path / DATABASE, "select job_id, status from telnyx.jobs order by all") == [
        ("job-00001", "failed"),
        ("job-00002", "completed"),
    ]


def test_a_clock_a_year_ahead_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the clock is set right, syncs load each new and each changed job as before."""

    class NextYear(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(days=365)

    database = tmp_path / DATABASE
    jobs = Jobs([job(1, status="pending", pending_operations=numbers(1)), job(2)])
    with api_of(jobs) as api:
        with monkeypatch.context() as patch:
            for module in (clock, sync_module):
                patch.setattr(module, "datetime", NextYear)
            sync_once(api, database, page_size=2)
        jobs[0] |= {"status": "failed", "pending_operations": [], "failed_operations": numbers(1)}
        jobs += [job(number) for number in range(3, 9)]
        sync_once(api, database, page_size=2)

    assert held(database) == expected(jobs)
    ((ahead,),) = rows(database, "select max(finished_at) > now() from telnyx.sync_runs")
    assert ahead
