"""The DAG in a real Airflow, in its own environment, with SQLite for its metadata."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from support.scheduled import DATABASE, installed, moved, python_with
from support.syncs import api_of, job, rows
from telnyx_jobs.demo_api import DEMO_KEY

AIRFLOW = "3.3.2"


class Airflow:
    """An Airflow with this DAG and no other. `key` is the password of its connection."""

    def __init__(self, folder: Path, key: str) -> None:
        self.root = installed(folder, key)
        dags = self.root / "dags"
        dags.mkdir()
        (dags / "telnyx_jobs_dag.py").write_text(moved("airflow/telnyx_jobs_dag.py", self.root))
        self.key = key
        self._python = python_with(f"airflow-{AIRFLOW}", f"apache-airflow=={AIRFLOW}") / "python"
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW_CONN_TELNYX": json.dumps({"conn_type": "generic", "password": key}),
        }
        self.run("db", "migrate")

    def run(self, *arguments: str, **environ: str) -> str:
        """What the command prints; it must succeed."""
        done = subprocess.run(
            [self._python, "-m", "airflow", *arguments],
            env=self._environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def test_dag(self, base_url: str) -> str:
        """A whole run of the DAG, task after task."""
        return self.run("dags", "test", "telnyx_jobs", TELNYX_BASE_URL=base_url)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    return Airflow(tmp_path_factory.mktemp("airflow"), DEMO_KEY)


@pytest.fixture
def airflow(running: Airflow) -> Airflow:
    """The Airflow, with no file synced yet."""
    folder = (running.root / DATABASE).parent
    shutil.rmtree(folder)
    folder.mkdir()
    return running


def test_a_run_of_the_dag_syncs(airflow: Airflow) -> None:
    """`airflow dags test` fills the file with the connection's key, which no log has."""
    with api_of([job(1)]) as api:
        printed = airflow.test_dag(api.url)

    assert rows(airflow.root / DATABASE, "select job_id from telnyx.jobs") == [("job-00001",)]
    logs = [path.read_text() for path in airflow.root.glob("airflow/logs/**/*.log")]
    assert airflow.key not in printed + "".join(logs)


def test_a_run_beside_another_sync_is_skipped(airflow: Airflow) -> None:
    """Exit code 75 skips the task and fails nothing."""
    state = (airflow.root / DATABASE).with_name(f".{DATABASE.name}.state")
    state.mkdir()
    with FileLock(state / "lock"), api_of([]) as api:
        printed = airflow.test_dag(api.url)

    assert "Bash command returned exit code 75. Skipping." in printed
    assert not (airflow.root / DATABASE).exists()


def test_runs_are_neither_caught_up_with_nor_overlap(airflow: Airflow) -> None:
    """Airflow has the DAG with one run at a time, no catch-up, every 15 minutes."""
    airflow.run("dags", "reserialize")
    printed = airflow.run("dags", "details", "telnyx_jobs", "--output", "plain")

    details = dict(line.split(maxsplit=1) for line in printed.splitlines() if len(line.split()) > 1)
    assert (details["max_active_runs"], details["timetable_summary"]) == ("1", "7-59/15 * * * *")
    # with catch-up the next run would be the first one since the DAG's start
    next_run = datetime.fromisoformat(details["next_dagrun_logical_date"])
    assert next_run > datetime.now(UTC) - timedelta(hours=1)
