"""Faults of readers of the output: the sync succeeds nevertheless."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.fault_trials import (
    NOW,
    count_trial,
)
from support.faulty_api import (
    FaultyApi,
)
from support.syncs import (
    access,
    command,
    complaint,
    environment,
    expected,
    held,
)


@pytest.fixture
def database(twelve_jobs: Path, tmp_path: Path) -> Path:
    """A copy of the published file, for one test."""
    path = tmp_path / "jobs.duckdb"
    shutil.copy(twelve_jobs, path)
    return path


# faults of the output's reader


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_an_output_that_nobody_reads(stream: str, database: Path) -> None:
    """If the reader of stdout or stderr closes it, the sync succeeds without an error."""
    reader, writer = os.pipe()
    os.close(reader)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with FaultyApi(NOW) as api:
        done = subprocess.run(
            command("sync", "--database", "jobs.duckdb"),
            cwd=database.parent,
            env=environment(database.parent) | access(api),
            text=True,
            timeout=60,
            check=False,
            **{**streams, stream: writer},
        )
    os.close(writer)

    said = (done.stdout or "") + (done.stderr or "")
    count_trial(
        "faults", done.returncode == 0, "Traceback" not in said, held(database) == expected(NOW)
    )


def test_an_output_that_is_full(database: Path) -> None:
    """A summary that cannot be written ends with 74, without a traceback."""
    with FaultyApi(NOW) as api, Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command("sync", "--quiet", "--database", "jobs.duckdb"),
            cwd=database.parent,
            env=environment(database.parent) | access(api),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.returncode == 74
    assert "output cannot be written" in complaint(done)
