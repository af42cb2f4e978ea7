"""The definitions in a real Dagster, in its own environment."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from support.scheduled import DATABASE, installed, moved, python_with
from support.syncs import api_of, job, rows

DAGSTER = "1.13.29"


class Dagster:
    """A Dagster with these definitions and its own home."""

    def __init__(self, folder: Path) -> None:
        self.root = installed(folder, "")
        self._file = self.root / "definitions.py"
        self._file.write_text(moved("dagster/definitions.py", self.root))
        home = self.root / "dagster"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        self._python = python_with(f"dagster-{DAGSTER}", f"dagster=={DAGSTER}") / "python"
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DAGSTER_HOME": str(home),
        }

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._python, "-m", "dagster", *arguments, "-f", str(self._file)],
            env=self._environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )

    def materialize(self, base_url: str, key: str) -> subprocess.CompletedProcess[str]:
        return self.run(
            *("asset", "materialize", "--select", "telnyx_jobs"),
            TELNYX_BASE_URL=base_url,
            TELNYX_API_KEY=key,
        )


@pytest.fixture
def dagster(tmp_path: Path) -> Dagster:
    return Dagster(tmp_path)


def test_a_materialization_syncs(dagster: Dagster) -> None:
    """`dagster asset materialize` fills the file and records the asset."""
    with api_of([job(1)]) as api:
        done = dagster.materialize(api.url, api.key)

    assert done.returncode == 0, done.stdout
    assert "ASSET_MATERIALIZATION" in done.stdout
    assert rows(dagster.root / DATABASE, "select job_id from telnyx.jobs") == [("job-00001",)]


def test_beside_another_sync_nothing_is_materialized(dagster: Dagster) -> None:
    """Exit code 75 is a run that succeeds and materializes nothing."""
    state = (dagster.root / DATABASE).with_name(f".{DATABASE.name}.state")
    state.mkdir()
    with FileLock(state / "lock"), api_of([]) as api:
        done = dagster.materialize(api.url, api.key)

    assert ("RUN_SUCCESS" in done.stdout, done.returncode) == (True, 0), done.stdout
    assert "ASSET_MATERIALIZATION" not in done.stdout


def test_a_sync_that_fails_fails_the_run_at_once(dagster: Dagster) -> None:
    """A refused key is a failed run with the exit code, without a retry."""
    with api_of([]) as api:
        done = dagster.materialize(api.url, "KEY_refused")

    assert ("RUN_FAILURE" in done.stdout, done.returncode) == (True, 1), done.stdout
    assert "telnyx-jobs sync ended with exit code 77" in done.stdout
    assert "STEP_UP_FOR_RETRY" not in done.stdout
    # said by the command itself, in what Dagster captures
    assert json.dumps("exit_code") in done.stdout


def test_the_schedule_is_every_quarter_of_an_hour(dagster: Dagster) -> None:
    """Dagster lists the schedule, to be started by a person."""
    printed = dagster.run("schedule", "list").stdout

    assert "Schedule: telnyx_jobs_quarter_hourly [STOPPED]" in printed
    assert "Cron Schedule: 7-59/15 * * * *" in printed
