"""The published file, opened by the DuckDB versions in users' tools."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from filelock import FileLock

from support.syncs import api_of, rows, sync_once
from telnyx_jobs.demo_api import Account

CACHE = Path(__file__).parents[2] / ".cache"
EARLIER_VERSIONS = ["1.4.5", "1.5.6"]

READER = """
import json
import sys

import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("set TimeZone = 'UTC'")
names = connection.execute(
    "select view_name from duckdb_views() where schema_name = 'telnyx' order by all"
)
read = {"duckdb": duckdb.__version__, "views": {}}
for (name,) in names.fetchall():
    # an open job's age grows between two readers
    columns = "* exclude (age_seconds)" if name == "open_jobs" else "*"
    rows = connection.execute(f"select {columns} from telnyx.{name} order by all").fetchall()
    read["views"][name] = [repr(row) for row in rows]
read["comments"] = connection.execute(
    "select view_name, comment from duckdb_views() where schema_name = 'telnyx' order by all"
).fetchall()
print(json.dumps(read))
"""
"""Prints the version that reads, the rows of every view, and the views' comments."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file with the demo account as it was on a certain day."""
    database = tmp_path_factory.mktemp("published") / "telnyx_jobs.duckdb"
    with api_of(Account().jobs(datetime(2026, 11, 1, 12, tzinfo=UTC))) as api:
        sync_once(api, database)
    return database


@pytest.fixture(scope="module", params=EARLIER_VERSIONS)
def earlier(request: pytest.FixtureRequest, published: Path) -> dict[str, Any]:
    """What an earlier DuckDB reads in the published file."""
    return _read(published, _installed(request.param))


@pytest.fixture(scope="module")
def present(published: Path) -> dict[str, Any]:
    """What the DuckDB that wrote the published file reads in it."""
    return _read(published)


def test_an_earlier_duckdb_reads_the_same_rows(
    earlier: dict[str, Any], present: dict[str, Any]
) -> None:
    """Every view returns the same rows in an earlier DuckDB as in the present one."""
    assert earlier["duckdb"] in EARLIER_VERSIONS
    assert present["duckdb"] == duckdb.__version__
    assert earlier["views"] == present["views"]


def test_an_earlier_duckdb_reads_the_comments(
    earlier: dict[str, Any], present: dict[str, Any]
) -> None:
    """An earlier DuckDB reads every view's comment too."""
    assert earlier["comments"] == present["comments"]


def test_the_compared_views_hold_rows(present: dict[str, Any]) -> None:
    """No view is empty in the account that the versions compare."""
    empty = [name for name, found in present["views"].items() if not found]
    assert empty == []


def test_the_file_keeps_the_storage_version_of_1_4(published: Path) -> None:
    """The published file says of itself that it is written in storage version v1.4.0."""
    sql = "select tags['storage_version'] from duckdb_databases() where not internal"
    assert rows(published, sql) == [("v1.4.0+",)]


def test_the_file_is_for_reading_only(published: Path) -> None:
    """Everyone may read the published file, and nobody may write into it."""
    assert published.stat().st_mode & 0o7777 == 0o444


def _read(database: Path, library: Path | None = None) -> dict[str, Any]:
    """The output of the reader, run with the DuckDB in a folder, or with the one installed."""
    ended = subprocess.run(
        [sys.executable, "-c", READER, str(database)],
        env=os.environ | ({"PYTHONPATH": str(library)} if library else {}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    read: dict[str, Any] = json.loads(ended.stdout)
    return read


def _installed(version: str) -> Path:
    """The folder of this DuckDB version, installed if it is missing."""
    folder = CACHE / f"duckdb-{version}"
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"duckdb-{version}.lock"):
        if folder.exists():
            return folder
        # an interrupted installation leaves nothing behind
        with TemporaryDirectory(dir=CACHE) as unfinished:
            target = Path(unfinished) / "installed"
            options = ["--quiet", "--no-deps", "--target", str(target)]
            packages = [f"duckdb=={version}", "pytz"]
            subprocess.run(
                [sys.executable, "-m", "pip", "install", *options, *packages], check=True
            )
            target.rename(folder)
    return folder
