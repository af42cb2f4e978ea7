"""Names of files and folders that a shell, SQL or a library may take for something else."""

import os
from pathlib import Path

import pytest

from support.syncs import api_of, job, numbers, rows, sync_once
from telnyx_jobs.errors import BadConfiguration

EACH_TEST_IS_A_TRIAL_OF = "names of files and folders"
HARMLESS = [
    *("o'brien", 'q"x', "a b", "-x", "café", "x*", "[a]", "new\nline", "a:b", "a;b", "{a}", "a#b"),
    *(
        "$HOME",
        "~x",
        "a&b=c",
        "env=prod",
        "x.csv",
        "**",
        "n" * 200,
        "😀",
        "x\ty",
        "md:x",
        ":memory:",
    ),
]
REFUSED = ["a?b", "a%41b", "a%20b?x=1", "a\\b", os.fsdecode(b"bad\xff")]
REFUSED_FILES = [
    *("telnyx.duckdb", "Telnyx.duckdb", "TELNYX_RAW.duckdb", "telnyx.prod.duckdb", "telnyx_raw"),
    "information_schema.duckdb",
    *(f"{name}.duckdb" for name in REFUSED),
]


def sync_twice(database: Path) -> None:
    """Two syncs, the second of a job that changed; the file must hold what the API said last."""
    jobs = [job(1, successful_operations=numbers(1)), job(2)]
    with api_of(jobs) as api:
        sync_once(api, database)
        jobs[1] |= {"status": "failed", "failed_operations": numbers(2)}
        sync_once(api, database, full=True)


@pytest.mark.parametrize("name", [*HARMLESS, "main.duckdb", "temp.duckdb", "system.x", ".hidden"])
def test_a_file_may_have_this_name(name: str, tmp_path: Path) -> None:
    """Two syncs publish the file under exactly this name, and leave nothing else beside it."""
    sync_twice(tmp_path / name)

    assert sorted(os.listdir(tmp_path)) == sorted([name, f".{name}.state"])
    # some names would be taken for a pattern or a server by who opens the file
    kept = (tmp_path / name).rename(tmp_path / "renamed")
    assert rows(kept, "select job_id, status from telnyx.jobs order by all") == [
        ("job-00001", "completed"),
        ("job-00002", "failed"),
    ]


@pytest.mark.parametrize("name", HARMLESS)
def test_a_folder_may_have_this_name(name: str, tmp_path: Path) -> None:
    """Two syncs publish the file in a folder of exactly this name, and write nowhere else."""
    folder = tmp_path / name
    folder.mkdir()
    sync_twice(folder / "jobs.duckdb")

    assert os.listdir(tmp_path) == [name]
    assert sorted(os.listdir(folder)) == [".jobs.duckdb.state", "jobs.duckdb"]
    assert rows(folder / "jobs.duckdb", "select count(*) from telnyx.jobs") == [(2,)]


@pytest.mark.parametrize("path", [*REFUSED_FILES, *(f"{name}/jobs.duckdb" for name in REFUSED)])
def test_a_path_that_would_be_taken_for_another_is_refused(path: str, tmp_path: Path) -> None:
    """A path that DuckDB or dlt cannot have exactly is refused before anything is written."""
    database = tmp_path / path
    database.parent.mkdir(exist_ok=True)
    with api_of([]) as api, pytest.raises(BadConfiguration, match="another --database"):
        sync_once(api, database)

    assert os.listdir(database.parent) == []
