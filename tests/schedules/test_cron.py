"""The crontab: its times read by croniter, its command run as cron runs it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from croniter import croniter

from support.scheduled import DATABASE, installed, moved
from support.syncs import api_of, job, rows


def entry(root: Path) -> tuple[str, str]:
    """When and what: the one line of the crontab that is not a comment."""
    lines = [line for line in moved("cron/crontab", root).splitlines() if not line.startswith("#")]
    (line,) = lines
    *times, command = line.split(maxsplit=5)
    return " ".join(times), command


def run_by_cron(root: Path, base_url: str) -> subprocess.CompletedProcess[str]:
    """The command in the minimal environment that cron provides."""
    _, command = entry(root)
    # cron would make an end of line of it
    assert "%" not in command
    poor = ["HOME=/nonexistent", "LOGNAME=telnyx-jobs", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]
    return subprocess.run(
        ["env", "-i", *poor, f"TELNYX_BASE_URL={base_url}", "/bin/sh", "-c", command],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_runs_every_quarter_of_an_hour(tmp_path: Path) -> None:
    """The next four times are 15 minutes apart, off the full hour."""
    times = croniter(entry(tmp_path)[0], datetime(2026, 11, 23, 10, tzinfo=UTC))

    assert [times.get_next(datetime).minute for _ in range(4)] == [7, 22, 37, 52]


def test_a_run_that_succeeds_is_silent(tmp_path: Path) -> None:
    """cron's command fills the file from an empty environment and prints nothing to mail."""
    with api_of([job(1)]) as api:
        root = installed(tmp_path, api.key)
        done = run_by_cron(root, api.url)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert rows(root / DATABASE, "select job_id from telnyx.jobs") == [("job-00001",)]


def test_a_run_that_fails_is_mailed_in_one_line(tmp_path: Path) -> None:
    """A refused key is one line for the mail, and the exit code of the sync."""
    with api_of([]) as api:
        done = run_by_cron(installed(tmp_path, "KEY_refused"), api.url)

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (77, "", 1)
