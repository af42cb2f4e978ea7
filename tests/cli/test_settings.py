"""Where settings come from, and what is said about a wrong one: real processes."""

import json
import subprocess
from pathlib import Path

import pytest

from support.syncs import Json, access, api_of, complaint, run


def configure(folder: Path, content: str) -> None:
    """Write `.dlt/config.toml`."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "config.toml").write_text(content, encoding="utf-8")


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines: list[Json] = [json.loads(line) for line in done.stderr.splitlines()]
    return [line["message"] for line in lines if line["event"] == "warning"]


def test_an_unknown_job_type_is_wrong_usage(tmp_path: Path) -> None:
    """`--job-type nonsense` is exit 2; the message has the option and the types that exist."""
    done = run(tmp_path, "sync", "--demo", "--job-type", "nonsense")

    assert done.returncode == 2
    assert "'--job-type'" in complaint(done)
    for known in ("update_emergency_settings", "delete_phone_numbers", "update_phone_numbers"):
        assert f"'{known}'" in complaint(done)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["sync", "--page-size", "999"], "'--page-size': 999 is too large: give 250 or less."),
        (["sync", "--timeout", "0"], "'--timeout': 0 is too small: give 0.001 or more."),
        (["sync", "--wait", "long"], "'--wait': 'long' is not a number: give one such as 10."),
        (["verify", "--sample", "x"], "'--sample': 'x' is not a whole number: give one such as"),
        (["sync", "--since", "soon"], "'--since': 'soon' is not a date: give one such as 2026-"),
        (["sync", "--database", "/tmp"], "'/tmp' is a directory: give the path of a file."),
        (["export", "--to", "x", "--format", "csv"], "'csv' is not one of 'parquet', 'delta'."),
        (["fake-api", "--port", "99999"], "99999 is too large: give 65535 or less."),
    ],
)
def test_a_wrong_value_is_answered_with_what_to_give(
    options: list[str], advice: str, tmp_path: Path
) -> None:
    """The message names the value, and which one to give instead, without a library's words."""
    done = run(tmp_path, *options)

    assert done.returncode == 2
    assert advice in complaint(done)
    assert "Value error" not in complaint(done)


@pytest.mark.parametrize(
    ("environ", "config", "source"),
    [
        ({"TELNYX_JOBS_PAGE_SIZE": "many"}, "", "TELNYX_JOBS_PAGE_SIZE"),
        ({}, "page_size = 'many'", "page_size in .dlt/config.toml"),
        ({}, "page_size = [3]", "page_size in .dlt/config.toml"),
        ({}, "job_type = 'nonsense'", "job_type in .dlt/config.toml"),
        ({}, "file_mode = '0666'", "file_mode in .dlt/config.toml"),
        ({"TELNYX_JOBS_DESTINATION": "excel"}, "", "TELNYX_JOBS_DESTINATION"),
    ],
)
def test_a_wrong_value_is_blamed_on_its_source(
    environ: dict[str, str], config: str, source: str, tmp_path: Path
) -> None:
    """An unusable value is exit 78, and the message names the variable or the key in the file."""
    configure(tmp_path, f"[telnyx_jobs]\n{config}\n")
    done = run(tmp_path, "sync", "--demo", environ=environ)

    assert done.returncode == 78
    assert f"Invalid value for {source}: " in complaint(done)


def test_unknown_settings_are_warnings(tmp_path: Path) -> None:
    """Each setting that no command has is named, with the closest one that exists."""
    configure(tmp_path, "[telnyx_jobs]\npage-size = 3\n[telnyx-jobs]\nfull = true\n[runtime]\n")
    done = run(tmp_path, "status", environ={"TELNYX_JOBS_DATABSE": "x", "TELNYX_JOBS_FULL": "1"})

    assert warnings(done) == [
        "TELNYX_JOBS_DATABSE in the environment is not a setting, and has no effect; "
        "did you mean TELNYX_JOBS_DATABASE?",
        "page-size in [telnyx_jobs] of .dlt/config.toml is not a setting, and has no effect; "
        "did you mean page_size?",
        "[telnyx-jobs] in .dlt/config.toml is not a setting, and has no effect; "
        "did you mean [telnyx_jobs]?",
    ]


def test_values_in_the_file_may_have_tomls_own_types(tmp_path: Path) -> None:
    """Dates, numbers, lists and texts of the file are read as in the environment."""
    configure(
        tmp_path,
        "[telnyx_jobs]\nsince = 2026-01-01\ntimeout = 5\ndemo = true\ndry_run = 'yes'\n"
        "job_type = 'update_phone_numbers delete_phone_numbers'\n",
    )
    done = run(tmp_path, "sync", "--quiet")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("A sync would request 2 list pages")


def test_the_file_mode_is_that_of_the_published_file(tmp_path: Path) -> None:
    """`--file-mode 0400` publishes a file that only its owner reads, also in the next sync."""
    database = tmp_path / "telnyx_jobs.duckdb"
    modes = []
    with api_of([]) as api:
        for mode in ("0400", "0440"):
            done = run(tmp_path, "sync", "--file-mode", mode, environ=access(api))
            assert done.returncode == 0, done.stderr
            modes.append(database.stat().st_mode & 0o777)

    assert modes == [0o400, 0o440]
