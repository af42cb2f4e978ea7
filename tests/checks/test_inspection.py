"""What `status`, `verify` and `sync --dry-run` report, compared with what exists."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from support.syncs import Jobs, Json, Published, access, api_of, job, numbers, run, sync_once
from telnyx_jobs.demo_api import FakeApi
from telnyx_jobs.run.summary import Summary

NAME = "telnyx_jobs.duckdb"


def account() -> Jobs:
    """Finished jobs, and one that is still open."""
    jobs = Jobs(job(number, successful_operations=numbers(number)) for number in range(1, 6))
    jobs.append(job(0, status="in_progress", pending_operations=numbers(7)))
    return jobs


def differences(folder: Path, api: FakeApi) -> list[Json]:
    """What `verify --json` finds; its exit code must agree."""
    done = run(folder, "verify", "--json", "--quiet", environ=access(api))
    found: list[Json] = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (1 if found else 0, "")
    return found


def difference(subject: str, field: str, in_file: str, at_api: str) -> Json:
    return {"subject": subject, "field": field, "in_file": in_file, "at_api": at_api}


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A folder with the published file of the account, and what its sync reported."""
    folder = tmp_path_factory.mktemp("synced")
    with api_of(account()) as api:
        return folder, sync_once(api, folder / NAME)


def test_status_tells_a_person_how_fresh_the_file_is(synced: tuple[Path, Summary]) -> None:
    """After a sync `status` is exit 0 and names file, age, open jobs and the last run."""
    folder, summary = synced
    done = run(folder, "status")

    file, published, open_jobs, history, last_run = done.stdout.splitlines()
    assert (done.returncode, file) == (0, str(folder / NAME))
    assert summary.finished_at is not None
    assert f"published  {summary.finished_at:%Y-%m-%d %H:%M:%S} UTC" in published
    assert open_jobs == "  open jobs  1, 0 of them overdue"
    assert summary.history_read_since is not None
    read_since = f"{summary.history_read_since:%Y-%m-%d %H:%M:%S} UTC"
    assert history == f"  history    each job has been read since {read_since}"
    assert last_run == f"  last run   {summary.run_id}, exit 0"


def test_status_as_json_has_the_same(synced: tuple[Path, Summary]) -> None:
    """`status --json` is one object, with the line of the last run in it."""
    folder, summary = synced
    printed = json.loads(run(folder, "status", "--json").stdout)

    assert printed.pop("age_seconds") >= 0
    assert printed == {
        "database": str(folder / NAME),
        "published_at": summary.as_json()["finished_at"],
        "open_jobs": 1,
        "overdue_jobs": 0,
        "history_read_since": summary.as_json()["history_read_since"],
        "pending_pages": 0,
        "last_run": summary.as_json() | {"exit_code": 0, "error": None},
        "private": None,
    }


@pytest.mark.parametrize(("max_age", "code"), [("1h", 0), ("0s", 1), ("soon", 2)])
def test_status_fails_when_the_file_is_too_old(
    max_age: str, code: int, tmp_path: Path, publish: Published
) -> None:
    """`--max-age` ends with 1 for an older file, and with 2 if it is not a duration."""
    with api_of([]) as api:
        publish(api, [], tmp_path / NAME)

    assert run(tmp_path, "status", "--max-age", max_age).returncode == code


def test_status_without_a_file_says_what_to_do(tmp_path: Path) -> None:
    """If nothing is published yet `status` ends with 1, and leaves the folder empty."""
    done = run(tmp_path, "status")

    assert done.returncode == 1
    assert done.stdout == f"no sync has published {tmp_path / NAME} yet: run sync\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"), [(("status",), 1), (("verify",), 78), (("sync", "--dry-run"), 0)]
)
def test_a_file_of_somebody_else_holds_no_sync(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    """A DuckDB file that no sync has published is what no file is, and stays as it was."""
    duckdb.connect(str(tmp_path / NAME)).close()
    before = (tmp_path / NAME).read_bytes()
    with api_of(account()) as api:
        done = run(tmp_path, *arguments, environ=access(api))

    assert done.returncode == code
    assert "no sync has published" in done.stdout + done.stderr or code == 0
    assert (tmp_path / NAME).read_bytes() == before


def test_verify_agrees_with_a_file_just_synced(tmp_path: Path, publish: Published) -> None:
    """When nothing changed since the sync `verify` is exit 0, rejected records or not."""
    jobs = account()
    jobs.append(job(9, status=7))
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        done = run(tmp_path, "verify", "--quiet", environ=access(api))

    assert (done.returncode, done.stdout) == (0, f"{NAME} agrees with the API\n")


def _alter(jobs: Jobs) -> None:
    jobs[1] |= {"status": "failed", "successful_operations": []}


def _finish(jobs: Jobs) -> None:
    jobs[5] |= {"status": "failed", "pending_operations": []}


def _update(jobs: Jobs) -> None:
    jobs[1] |= {"status": "failed", "updated_at": jobs[4]["updated_at"]}


def _swap_for_another(jobs: Jobs) -> None:
    jobs[2] = job(8)


def _add(jobs: Jobs) -> None:
    jobs.append(job(6))


def _add_old(jobs: Jobs) -> None:
    jobs.append(job(-1))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _alter,
            [
                difference("job-00002", "status", "completed", "failed"),
                difference("job-00002", "successful_operations_count", "1", "0"),
                *(
                    difference(
                        "job-00002", f"job_operations['successful', 0].{name}", kept, "no such row"
                    )
                    for name, kept in [
                        ("job_id", "job-00002"),
                        ("outcome", "successful"),
                        ("position", "0"),
                        ("phone_number_id", "id-2"),
                        ("phone_number", "+15550000002"),
                    ]
                ),
            ],
        ),
        (_swap_for_another, [difference("job-00003", "job", "there", "unknown (404)")]),
        (_add_old, [difference("all jobs", "number", "6", "7; sync --full finds which")]),
    ],
    ids=["a job changed", "a job vanished", "the total differs"],
)
def test_verify_names_what_differs(
    change: Callable[[Jobs], None], expected: list[Json], tmp_path: Path, publish: Published
) -> None:
    """What the API answers differently since the sync ends with 1, with a row for each field."""
    jobs = account()
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        change(jobs)

        assert differences(tmp_path, api) == expected


@pytest.mark.parametrize("change", [_finish, _update, _add], ids=["open", "updated", "created"])
def test_verify_knows_what_changed_since_the_sync(
    change: Callable[[Jobs], None], tmp_path: Path, publish: Published
) -> None:
    """A job that was open, or that Telnyx updated or created since, is not a difference."""
    jobs = account()
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        change(jobs)
        done = run(tmp_path, "verify", "--quiet", environ=access(api))

    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"{NAME} agrees with the API",
        "1 job changed at Telnyx since the last sync",
    ]


def test_verify_looks_at_the_same_jobs_again(tmp_path: Path) -> None:
    """Two runs of `verify --sample 3` retrieve the same three jobs of the published file."""
    with api_of(Jobs(map(job, range(20)))) as api:
        sync_once(api, tmp_path / NAME)
        asked = []
        for _ in range(2):
            before = len(api.requests)
            run(tmp_path, "verify", "--quiet", "--sample", "3", environ=access(api))
            asked.append([target for _, target in api.requests[before:] if "job-" in target])

    assert asked[0] == asked[1]
    assert len(asked[0]) == 3


def test_a_sync_in_the_future_is_a_fault(tmp_path: Path, publish: Published) -> None:
    """`status` and `check` report a file that a clock a year ahead has dated."""
    jobs = account()
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        (tmp_path / NAME).chmod(0o600)
        with duckdb.connect(str(tmp_path / NAME)) as connection:
            connection.execute(
                "update telnyx_raw.sync_runs set finished_at = finished_at + interval 1 year"
            )
        status = run(tmp_path, "status", "--max-age", "2h")
        check = run(tmp_path, "check", environ=access(api))

    assert (status.returncode, check.returncode) == (1, 78)
    assert "in the future" in status.stdout
    assert "in the future" in check.stdout


def test_verify_shows_the_differences_as_a_table(tmp_path: Path, publish: Published) -> None:
    """Without `--json` the differences are a table, and the exit code is 1."""
    jobs = account()
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        _swap_for_another(jobs)
        done = run(tmp_path, "verify", "--quiet", environ=access(api))

    cells = [line.strip("│").split("│") for line in done.stdout.splitlines() if "│" in line]
    assert done.returncode == 1
    assert [[cell.strip() for cell in line] for line in cells] == [
        ["job-00003", "job", "there", "unknown (404)"]
    ]


def test_verify_runs_the_data_tests(tmp_path: Path, publish: Published) -> None:
    """A row that breaks a data test is exit 1, with the test's name and the row."""
    database = tmp_path / NAME
    jobs = account()
    with api_of(jobs) as api:
        publish(api, jobs, database)
        database.chmod(0o600)
        with duckdb.connect(str(database)) as connection:
            connection.execute(
                "insert into telnyx_raw.job_phone_numbers (job_id, position) values ('nobody', 0)"
            )

        assert differences(tmp_path, api) == [
            difference("job_phone_numbers__have_their_job", "data test", "('nobody', 1)", ""),
            difference("job_phone_numbers__rows_add_up", "data test", "(0, 1)", ""),
        ]


def _nothing(_: Jobs) -> None:
    """As it is."""


def _more(jobs: Jobs) -> None:
    jobs += [job(number) for number in range(600, 610)]
    jobs.append(job(700, status="pending"))


@pytest.mark.parametrize(
    ("is_synced", "change", "options"),
    [
        (False, _nothing, {}),
        (True, _nothing, {}),
        (True, _more, {}),
        (True, _more, {"full": True}),
        (True, _nothing, {"job_ids": ("job-00001", "job-00002")}),
        (True, _nothing, {"job_types": ("update_phone_numbers",)}),
    ],
    ids=["first", "nothing new", "new jobs", "full", "by id", "by type"],
)
def test_a_dry_run_foresees_the_requests_of_the_sync(
    is_synced: bool,
    change: Callable[[Jobs], None],
    options: dict[str, Any],
    tmp_path: Path,
    publish: Published,
) -> None:
    """A dry run writes nothing, and the sync after it sends as many requests as it printed."""
    jobs = Jobs(job(number) for number in range(20, 540))
    jobs += [job(number, status="pending") for number in range(3)]
    database = tmp_path / NAME
    flags = {
        "full": ["--full"],
        "job_ids": ["--job-id", "job-00001", "--job-id", "job-00002"],
        "job_types": ["--job-type", "update_phone_numbers"],
    }
    asked = [flag for name in options for flag in flags[name]]
    with api_of(jobs) as api:
        if is_synced:
            publish(api, jobs, database)
        change(jobs)
        before = {path: path.stat() for path in tmp_path.rglob("*")}
        done = run(tmp_path, "sync", "--dry-run", "--json", "--quiet", *asked, environ=access(api))
        after = {path: path.stat() for path in tmp_path.rglob("*")}
        summary = sync_once(api, database, **options)

    printed = json.loads(done.stdout)
    assert {path: stat.st_mtime_ns for path, stat in after.items()} == {
        path: stat.st_mtime_ns for path, stat in before.items()
    }
    assert (printed["list_pages"], printed["retrieves"]) == (
        summary.pages,
        summary.requests - summary.pages,
    )
