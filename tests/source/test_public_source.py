"""The dlt source in somebody's own pipeline: their names, destination, folders and secrets."""

import os
import subprocess
import sys
from pathlib import Path

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from support.own_pipelines import Into, load, rows
from support.syncs import ROOT, Jobs, api_of, environment, error, failure, job, numbers


def test_children_follow_their_job_from_an_empty_folder_too(into: Into) -> None:
    """A job whose arrays emptied leaves no stale row, and a lost working folder changes nothing."""
    jobs = Jobs([job(1, phone_numbers=numbers(1, 2), pending_operations=numbers(1, 2))])
    jobs[0]["status"] = "pending"
    jobs.append(job(2, successful_operations=numbers(7)))
    with api_of(jobs) as api:
        load(into(), api)
        empty = failure(2, error("85004", ""))
        jobs[0].update(
            status="completed", phone_numbers=[], pending_operations=[], failed_operations=[empty]
        )
        pipeline = into()
        load(pipeline, api)

    assert rows(pipeline, "job_phone_numbers", "job_id", "position") == []
    assert rows(pipeline, "job_operations", "job_id", "outcome", "phone_number") == [
        ("job-00001", "failed", "+15550000002"),
        ("job-00002", "successful", "+15550000007"),
    ]
    assert rows(pipeline, "job_operation_errors", "job_id", "code", "source_pointer") == [
        ("job-00001", "85004", "")
    ]


def test_dlts_own_dataset_reads_what_was_loaded(into: Into) -> None:
    """`pipeline.dataset()`, dlt's own way to read, works with the versions that are installed."""
    with api_of([job(2), job(1)]) as api:
        pipeline = into()
        load(pipeline, api)

    assert sorted(pipeline.dataset()["jobs"].select("id").fetchall()) == [
        ("job-00001",),
        ("job-00002",),
    ]


def test_a_further_run_costs_one_request(into: Into) -> None:
    """What the dataset holds is not asked for again, whatever became of the working folder."""
    with api_of([job(n) for n in range(600, 0, -1)]) as api:
        load(into(), api)
        first = len(api.requests)
        load(into(), api)
        second = len(api.requests) - first

    # the newest page, and one of the history
    assert (first, second) == (3, 2)


def test_two_accounts_share_a_database(into: Into) -> None:
    """Two pipelines load two accounts into two datasets, each with its own jobs only."""
    for account in ("north", "south"):
        with api_of([job(1, id=f"of-{account}")]) as api:
            load(into(account), api)

    assert rows(into("north"), "jobs", "id", "status") == [("of-north", "completed")]
    assert rows(into("south"), "jobs", "id", "status") == [("of-south", "completed")]


def test_another_accounts_key_loads_nothing(into: Into) -> None:
    """A key whose jobs are not those of the dataset fails the run, and no row changes."""
    with api_of([job(1, id="mine")]) as api:
        load(into(), api)
    with api_of([job(2, id="theirs")]) as api, pytest.raises(PipelineStepFailed, match="account"):
        load(into(), api)

    assert rows(into(), "jobs", "id", "missing_since") == [("mine", None)]


def test_a_spent_budget_goes_on_in_the_next_run(into: Into) -> None:
    """`max_requests` bounds a run, and the next one loads what is left."""
    with api_of([job(n) for n in range(5, 0, -1)]) as api:
        for _ in range(3):
            load(into(), api, page_size=2, max_requests=2)
        pipeline = into()

    assert rows(pipeline, "jobs", "id", "status") == [
        (f"job-{n:05}", "completed") for n in range(1, 6)
    ]


def test_json_keeps_what_a_destination_can_hold(into: Into) -> None:
    """Parameters with U+0000 load; PostgreSQL, which cannot hold it, loses that character alone."""
    with api_of([job(1, parameters={"note": "a\0b", "empty": ""})]) as api:
        pipeline = into()
        load(pipeline, api)

    ((kept, _),) = rows(pipeline, "jobs", "cast(parameters as varchar)", "id")
    assert kept.replace(" ", "") in (
        '{"note":"a\\u0000b","empty":""}',
        '{"note":"ab","empty":""}',
    )


SCRIPT = """
import dlt
from telnyx_jobs import telnyx_jobs

pipeline = dlt.pipeline(
    "mine", destination=dlt.destinations.duckdb("w.duckdb"), dataset_name="d", pipelines_dir="p"
)
pipeline.run(telnyx_jobs())
with pipeline.sql_client() as client:
    print(client.execute_sql("select id from jobs"))
"""


@pytest.mark.parametrize("where", ["environment", "secrets.toml"])
def test_key_and_address_come_from_dlts_configuration(where: str, tmp_path: Path) -> None:
    """Without arguments the source reads `SOURCES__TELNYX__…` or `.dlt/secrets.toml`."""
    with api_of([job(1)]) as api:
        given = {"api_key": api.key, "base_url": api.url}
        environ = environment(tmp_path, RUNTIME__DLTHUB_TELEMETRY="false")
        if where == "environment":
            environ |= {f"SOURCES__TELNYX__{name.upper()}": v for name, v in given.items()}
        else:
            (tmp_path / ".dlt").mkdir()
            lines = "\n".join(f'{name} = "{value}"' for name, value in given.items())
            (tmp_path / ".dlt" / "secrets.toml").write_text(f"[sources.telnyx]\n{lines}\n")
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, "[('job-00001',)]\n"), done.stderr


def test_dlts_own_command_shows_the_pipeline(tmp_path: Path) -> None:
    """`dlt pipeline NAME info`, in a process of its own, finds what a pipeline has loaded."""
    destination = dlt.destinations.duckdb(str(tmp_path / "w.duckdb"))
    pipeline = dlt.pipeline("mine", destination=destination, pipelines_dir=str(tmp_path / "p"))
    with api_of([job(1)]) as api:
        load(pipeline, api)
    info = subprocess.run(
        [Path(sys.executable).with_name("dlt"), "pipeline", "--pipelines-dir", "p", "mine", "info"],
        cwd=tmp_path,
        env=environment(tmp_path, RUNTIME__DLTHUB_TELEMETRY="false"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "telnyx" in info.stdout, info.stderr


def test_importing_the_package_does_nothing(tmp_path: Path) -> None:
    """`from telnyx_jobs import …` imports no slow library, and changes nothing of the process."""
    script = (
        "import gc, logging, os, sys; before = dict(os.environ)\n"
        "from telnyx_jobs import create_views, telnyx_jobs\n"
        "slow = {'dlt', 'duckdb', 'httpx', 'pandas', 'pyarrow', 'sqlglot', 'msgspec', 'rich'}\n"
        "print(sorted(slow & sys.modules.keys()), gc.isenabled(), dict(os.environ) == before,\n"
        "      logging.getLogger('dlt').filters, os.umask(0o22) == 0o22)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT / "pipelines")},
        capture_output=True,
        text=True,
        check=True,
        umask=0o22,
    )

    assert done.stdout == "[] True True [] True\n"


def test_the_documented_pipeline_runs(tmp_path: Path) -> None:
    """The pipeline of docs/source.md loads an account and prints rows of a view."""
    document = (ROOT / "docs" / "source.md").read_text(encoding="utf-8")
    script = document.split("```python\n")[1].split("```")[0]
    failed = job(1, failed_operations=[failure(1, error("85004", "/connection_id"))])
    with api_of([failed]) as api:
        secrets = {"SOURCES__TELNYX__API_KEY": api.key, "SOURCES__TELNYX__BASE_URL": api.url}
        # root has one working folder for all pipelines, whatever its home is
        secrets["DLT_DATA_DIR"] = str(tmp_path / "dlt")
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            env=environment(tmp_path) | secrets | {"PYTHONPATH": str(ROOT / "pipelines")},
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stdout[:11]) == (0, "[('85004', "), done.stderr
