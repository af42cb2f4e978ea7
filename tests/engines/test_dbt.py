"""The dbt project in `dbt/`, built by dbt on the demo's published file."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engines.environments import python_of
from support.syncs import rows, run
from telnyx_jobs.schema import TABLES


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as `examples` writes it, beside a file that the demo was synced into."""
    folder = tmp_path_factory.mktemp("demo")
    assert run(folder, "sync", "--demo", "--quiet").returncode == 0
    assert run(folder, "examples", "--to", "mine").returncode == 0
    return folder / "mine" / "dbt"


def dbt(project: Path, *arguments: str, database: str = "telnyx_jobs.duckdb") -> tuple[int, Any]:
    """The exit code of a command of dbt, and what it says of each node."""
    target = project / "target"
    shutil.rmtree(target, ignore_errors=True)
    done = subprocess.run(
        [python_of("dbt"), "-m", "dbt.cli.main", *arguments, "--profiles-dir", "."],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(project),
            "DO_NOT_TRACK": "1",
            "DBT_WARN_ERROR": "true",
            "TELNYX_JOBS_DATABASE": str(project.parents[1] / database),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    results = target / ("sources.json" if arguments[0] == "source" else "run_results.json")
    assert results.exists(), done.stdout + done.stderr
    found = json.loads(results.read_text())["results"]
    return done.returncode, {each["unique_id"]: each["status"] for each in found}


def test_a_project_is_built_on_the_published_file(project: Path) -> None:
    """Each key is tested, the example model has the rows of the file, and no warning is given."""
    code, statuses = dbt(project, "build")
    tests = {name: status for name, status in statuses.items() if name.startswith("test.")}
    keys = sum(len(table.key) for table in TABLES)
    assert (code, set(tests.values())) == (0, {"pass"}), statuses
    assert len([name for name in tests if "not_null" in name]) == keys
    assert len([name for name in tests if "unique" in name]) == len(TABLES)
    published = project.parents[1] / "telnyx_jobs.duckdb"
    with duckdb.connect(str(project / "dbt.duckdb"), read_only=True) as connection:
        found = connection.execute("from failure_rates_by_customer order by all").fetchall()
    expected = rows(
        published,
        "select customer_reference, count(*), sum(failed_count), sum(settled_count), "
        "sum(failed_count) / sum(settled_count) from telnyx.jobs where settled_count > 0 "
        "group by all order by all",
    )
    assert len(found) > 1
    assert found == [pytest.approx(row) for row in expected]
    assert dbt(project, "source", "freshness") == (
        0,
        {"source.telnyx.telnyx_raw.sync_runs": "pass"},
    )


def test_what_is_wrong_is_found(project: Path) -> None:
    """A key that two rows share, a child without its job and an old sync each fail."""
    folder = project.parents[1]
    shutil.copy(folder / "telnyx_jobs.duckdb", folder / "wrong.duckdb")
    (folder / "wrong.duckdb").chmod(0o600)
    with duckdb.connect(str(folder / "wrong.duckdb")) as connection:
        connection.execute(
            "insert into telnyx_raw.job_operations from telnyx_raw.job_operations limit 1"
        )
        connection.execute("insert into telnyx_raw.jobs from telnyx_raw.jobs limit 1")
        connection.execute(
            "update telnyx_raw.job_parameters set job_id = 'nobody' "
            "where rowid = (select min(rowid) from telnyx_raw.job_parameters)"
        )
        connection.execute("update telnyx_raw.sync_runs set finished_at = '2026-01-01'")
    code, statuses = dbt(project, "test", database="wrong.duckdb")
    failed = {name.split(".")[2] for name, status in statuses.items() if status == "fail"}
    assert code == 1
    assert {name.removeprefix("source_").split("_telnyx_raw_")[0] for name in failed} == {
        "unique",
        "unique_together",
        "relationships",
    }
    code, statuses = dbt(project, "source", "freshness", database="wrong.duckdb")
    assert (code, set(statuses.values())) == (1, {"error"})
