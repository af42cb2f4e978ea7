"""The command line as scripts use it: real processes, their output and their exit codes."""

import json
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.answer_faults import refusal
from support.faulty_api import FaultyApi
from support.syncs import (
    Jobs,
    Json,
    Published,
    access,
    api_of,
    command,
    complaint,
    environment,
    job,
    numbers,
    rows,
    run,
    run_afresh,
)
from telnyx_jobs.demo_api import serve

SUMMARY_FIELDS = [
    *("run_id", "mode", "started_at", "finished_at", "requests", "pages", "jobs_listed"),
    *("jobs_retrieved", "jobs_changed", "open_jobs", "missing_jobs", "rejected_records", "rows"),
    *("unknown_fields", "new_failures", "retries", "throttled_seconds", "published", "database"),
    *("version", "jobs_audited", "stale_answers", "unknown_job_ids", "history_read_since"),
]


def test_the_demo_needs_no_key_and_no_option(tmp_path: Path) -> None:
    """`sync --demo` fills the default file from nothing, and writes nowhere else."""
    done = run_afresh(tmp_path, "sync", "--demo")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Published telnyx_jobs.duckdb\n")
    ((jobs, failures),) = rows(
        tmp_path / "telnyx_jobs.duckdb",
        "select (select count(*) from telnyx.jobs), "
        "(select count(*) from telnyx.failure_rates_by_error_code)",
    )
    assert jobs > 290
    assert failures > 10
    assert {path.name for path in tmp_path.iterdir()} == {
        "telnyx_jobs.duckdb",
        ".telnyx_jobs.duckdb.state",
    }


def test_a_sync_imports_no_pandas(tmp_path: Path) -> None:
    """Only who reads the file with pandas waits for its import, and pays its memory."""
    done = run_afresh(tmp_path, "sync", "--demo", environ={"PYTHONPROFILEIMPORTTIME": "1"})

    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "pyarrow" in modules
    assert "pandas" not in modules


def test_the_json_summary_is_all_of_stdout(tmp_path: Path) -> None:
    """`--json` prints one object with the fields of the contract; progress goes to stderr."""
    with api_of([job(1)]) as api:
        done = run(tmp_path, "sync", "--json", environ=access(api))

    summary = json.loads(done.stdout)
    assert list(summary) == SUMMARY_FIELDS
    assert (summary["requests"], summary["jobs_changed"], summary["published"]) == (1, 1, True)
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events == ["page", "load", "test", "publish"]


def test_quiet_says_nothing_but_the_summary(tmp_path: Path) -> None:
    """`--quiet` leaves stderr empty."""
    with api_of([job(1)]) as api:
        done = run(tmp_path, "sync", "--quiet", environ=access(api))

    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_key_one_line_says_how_to_give_one(tmp_path: Path) -> None:
    """Without a key the exit code is 77, with one line, before anything is written."""
    done = run(tmp_path, "sync")

    assert (done.returncode, done.stdout) == (77, "")
    assert "TELNYX_API_KEY" in complaint(done)
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_key_may_come_from_dlts_secrets(tmp_path: Path) -> None:
    """A key in `.dlt/secrets.toml` serves as well as one in the environment."""
    (tmp_path / ".dlt").mkdir()
    with api_of([job(1)]) as api:
        secrets = tmp_path / ".dlt" / "secrets.toml"
        secrets.write_text(f'[sources.telnyx]\napi_key = "{api.key}"\n')
        done = run(tmp_path, "sync", "--dry-run", "--base-url", api.url)
        asked = len(api.requests)

    assert (done.returncode, asked) == (0, 1), done.stderr


def test_a_refused_key_is_77(tmp_path: Path) -> None:
    """A key that the API refuses ends with 77, and the key is in no output."""
    with api_of([job(1)]) as api:
        done = run(tmp_path, "sync", environ=access(api) | {"TELNYX_API_KEY": "KEY_canary"})

    assert done.returncode == 77
    assert "401" in complaint(done)
    assert "KEY_canary" not in done.stdout + done.stderr


def test_a_server_that_is_not_there_is_69(tmp_path: Path) -> None:
    """An API that cannot be reached ends with 69 after the retries."""
    with api_of([]) as api:
        environ = access(api)
    done = run(tmp_path, "sync", "--max-retries", "1", environ=environ)

    assert done.returncode == 69
    assert "check the network" in complaint(done)


@pytest.mark.parametrize(
    ("arguments", "environ", "code"),
    [
        (["--page-size", "251"], {}, 2),
        (["--no-such-option"], {}, 2),
        (["--since", "soon"], {}, 2),
        ([], {"TELNYX_JOBS_PAGE_SIZE": "many"}, 78),
        (["--base-url", "ftp://127.0.0.1"], {}, 78),
        (["--base-url", "http://example.com/v2"], {}, 78),
    ],
    ids=[
        "too large a page",
        "unknown option",
        "no date",
        "bad environment",
        "no http address",
        "key in the clear",
    ],
)
def test_what_cannot_be_used_is_told(
    arguments: list[str], environ: Mapping[str, str], code: int, tmp_path: Path
) -> None:
    """Wrong usage is exit 2, an unusable setting 78, each with a line that says which."""
    done = run(tmp_path, "sync", *arguments, environ={"TELNYX_API_KEY": "KEY"} | dict(environ))

    assert done.returncode == code
    assert complaint(done)


def test_a_broken_configuration_file_is_78(tmp_path: Path) -> None:
    """A `.dlt/config.toml` that is not TOML is reported, not skipped."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("[telnyx_jobs\n")
    done = run(tmp_path, "sync", "--demo")

    assert done.returncode == 78
    assert "config.toml" in complaint(done)


def test_flag_then_environment_then_file_then_default(tmp_path: Path) -> None:
    """Each place of a setting wins over the next one; a run that the API refuses shows it."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        '[telnyx_jobs]\ndatabase = "file.duckdb"\npage_size = 3\nquiet = true\n'
    )
    with FaultyApi([], otherwise=refusal(401)) as api:
        environ = {"TELNYX_BASE_URL": api.url, "TELNYX_API_KEY": "KEY"}
        run(tmp_path, "sync", environ=environ)
        run(tmp_path, "sync", environ=environ | {"TELNYX_JOBS_DATABASE": "env.duckdb"})
        run(
            tmp_path,
            *("sync", "--database", "flag.duckdb", "--page-size", "7"),
            environ=environ | {"TELNYX_JOBS_DATABASE": "env.duckdb"},
        )
        sizes = [request.query["page[size]"] for request in api.requests]

    assert sizes == ["3", "3", "7"]
    assert {path.name for path in tmp_path.glob(".*.state")} == {
        ".file.duckdb.state",
        ".env.duckdb.state",
        ".flag.duckdb.state",
    }


def test_a_folder_that_cannot_be_written_is_74(tmp_path: Path) -> None:
    """A database in a place that no folder can be made in is exit 74."""
    (tmp_path / "file").write_text("")
    with api_of([]) as api:
        done = run(tmp_path, "sync", "--database", "file/jobs.duckdb", environ=access(api))

    assert done.returncode == 74
    assert "cannot be written" in complaint(done)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_signal_ends_the_run_and_leaves_the_file(
    sent: signal.Signals, code: int, tmp_path: Path, publish: Published
) -> None:
    """A stopped run ends within five seconds and changes nothing."""
    asked, go_on = threading.Event(), threading.Event()
    jobs = Jobs([job(1, status="pending", pending_operations=numbers(1))])

    def slow_once_published() -> list[Json]:
        if database.exists():
            asked.set()
            go_on.wait(30)
        return jobs.newest_first()

    database = tmp_path / "telnyx_jobs.duckdb"
    with serve(slow_once_published) as api:
        publish(api, jobs, database)
        before = database.read_bytes()
        process = subprocess.Popen(
            command("sync"),
            cwd=tmp_path,
            env=environment(tmp_path) | access(api),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert asked.wait(30)
        process.send_signal(sent)
        try:
            _, stderr = process.communicate(timeout=5)
        finally:
            go_on.set()
            process.kill()

    assert process.returncode == code
    assert json.loads(stderr.splitlines()[-1])["exit_code"] == code
    assert database.read_bytes() == before


def test_the_fake_api_serves_until_it_is_stopped(tmp_path: Path) -> None:
    """`fake-api` prints what a sync needs to know, serves it, and ends on a signal."""
    with subprocess.Popen(
        command("fake-api"), env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        environ = dict(server.stdout.readline().strip().split("=", 1) for _ in range(2))
        done = run(tmp_path, "sync", "--json", environ=environ)
        server.terminate()

    assert json.loads(done.stdout)["jobs_changed"] > 290
    assert server.returncode == 0


def test_the_shell_completes_values(tmp_path: Path) -> None:
    """What the shell asks for a completion is answered with the job types that exist."""
    asked = {
        "_TELNYX_JOBS_COMPLETE": "complete_bash",
        "COMP_WORDS": "telnyx-jobs sync --job-type update_",
        "COMP_CWORD": "3",
    }
    done = run(tmp_path, environ=asked)

    assert done.stdout.split() == ["update_emergency_settings", "update_phone_numbers"]
