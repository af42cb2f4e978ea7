"""What `status --prometheus` prints, letter by letter."""

import re
from pathlib import Path

from support.published_files import PUBLISHED, unpacked
from support.rates import rising
from support.syncs import access, api_of, error, failure, job, numbers, run, sync_once

NAME = "telnyx_jobs.duckdb"
OLD_CHANGES = ("gone", "rising", "falling", "steady")


def samples(text: str) -> dict[str, str]:
    """The values by name and labels: each once, below its metric's help and type."""
    found: dict[str, str] = {}
    declared = ""
    for line in text.splitlines():
        if declaration := re.fullmatch(r"# (?:HELP|TYPE) (telnyx_jobs_\w+) .+", line):
            declared = declaration[1]
            continue
        series, _, value = line.rpartition(" ")
        assert series.partition("{")[0] == declared
        name = series.removeprefix("telnyx_jobs_")
        assert name not in found
        found[name] = value
    return found


def test_the_metrics_of_a_file(tmp_path: Path) -> None:
    """Metrics say what the file holds and how the last run went, by job type where it matters."""
    jobs = [
        job(6, type="", successful_operations=numbers(10)),
        job(5, type=None, successful_operations=numbers(11, 12)),
        job(4, status=7),
        job(3, type='odd "\\\n type', successful_operations=numbers(9)),
        job(2, status="pending", pending_operations=numbers(8), etc="2026-01-01T03:00:00Z"),
        job(
            1,
            successful_operations=numbers(1, 2, 3),
            failed_operations=[failure(4, error("10015", "/tags")), failure(5)],
        ),
    ]
    with api_of(jobs) as api:
        summary = sync_once(api, tmp_path / NAME)
    done = run(tmp_path, "status", "--prometheus")

    assert summary.finished_at is not None
    ended = str(summary.finished_at.timestamp())
    seconds = str((summary.finished_at - summary.started_at).total_seconds())
    odd = r'{job_type="odd \"\\ type"}'
    assert (done.returncode, done.stderr) == (0, "")
    assert samples(done.stdout) == {
        "published_timestamp_seconds": ended,
        "last_run_timestamp_seconds": ended,
        "last_run_exit_code": "0",
        "last_run_duration_seconds": seconds,
        "last_run_requests": str(summary.requests),
        "open_jobs": "1",
        "overdue_jobs": "1",
        "file_bytes": str((tmp_path / NAME).stat().st_size),
        'failed_operations{job_type=""}': "0",
        f"failed_operations{odd}": "0",
        'failed_operations{job_type="update_phone_numbers"}': "2",
        'settled_operations{job_type=""}': "3",
        f"settled_operations{odd}": "1",
        'settled_operations{job_type="update_phone_numbers"}': "5",
        "rejected_records": "1",
        'failure_kinds{change="new"}': "2",
        **{f'failure_kinds{{change="{each}"}}': "0" for each in OLD_CHANGES},
    }


def test_rising_rates_are_in_the_metrics(tmp_path: Path) -> None:
    """A rate that rises is a metric by code and pattern, without a phone number in either."""
    with api_of(rising("10015", "/x/+15550000001")) as api:
        sync_once(api, tmp_path / NAME)
    found = samples(run(tmp_path, "status", "--prometheus").stdout)

    kind = '{error_code="10015",error_pointer_pattern="/x/[number]"}'
    assert found[f"rising_failure_ratio{kind}"] == "0.4"
    assert (found['failure_kinds{change="rising"}'], found['failure_kinds{change="new"}']) == (
        "1",
        "0",
    )


def test_a_file_of_an_earlier_version_has_metrics(tmp_path: Path) -> None:
    """A file whose version had no view of changes has the other metrics."""
    database = unpacked(PUBLISHED / "0.1.0" / "plain.tar.gz", tmp_path)
    done = run(tmp_path, "status", "--prometheus", "--database", str(database))

    assert (done.returncode, done.stderr) == (0, "")
    assert "rejected_records" in samples(done.stdout)
    assert "failure_kinds" not in done.stdout


def test_a_failed_run_is_in_the_metrics(tmp_path: Path) -> None:
    """A run that failed before anything was published is a metric, and the file counts as old."""
    with api_of([]) as api:
        run(tmp_path, "sync", environ=access(api) | {"TELNYX_API_KEY": "KEY_refused"})
    done = run(tmp_path, "status", "--prometheus")

    found = samples(done.stdout)
    assert done.returncode == 1
    assert (found["published_timestamp_seconds"], found["last_run_exit_code"]) == ("0", "77")


def test_one_format_at_a_time(tmp_path: Path) -> None:
    """`--json` and `--prometheus` together are wrong usage."""
    assert run(tmp_path, "status", "--json", "--prometheus").returncode == 2
