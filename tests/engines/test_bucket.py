"""Delta Lake exports to a bucket of a real S3 server, and what DuckDB and polars read there."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from functools import cache
from itertools import count
from pathlib import Path

import polars
import pytest

from engines.environments import python_of
from engines.test_delta import assert_same_states
from support.lake import (
    State,
    changing_history,
    column_names,
    newest,
    read_elsewhere,
    state_of,
)
from support.s3_server import KEY, SECRET, S3Server, objects, put, serving
from support.syncs import api_of, command, complaint, environment, job, numbers, run, sync_once
from telnyx_jobs.errors import BadConfiguration, CannotWrite, TryAgainLater
from telnyx_jobs.export.delta import export
from telnyx_jobs.export.s3 import Address, connect
from telnyx_jobs.schema import TABLES
from telnyx_jobs.views.dialects import spark_views

_numbers = count(1)

DUCKDB = """
import json, os, sys
import duckdb, duckdb_extension_delta, duckdb_extension_httpfs

root, out, versions, columns = sys.argv[1], sys.argv[2], *map(json.loads, sys.argv[3:])
connection = duckdb.connect()
for name, package in (("httpfs", duckdb_extension_httpfs), ("delta", duckdb_extension_delta)):
    folder = os.path.dirname(package.__file__)
    connection.execute(f"load '{folder}/extensions/v{duckdb.__version__}/{name}.duckdb_extension'")
connection.execute("set TimeZone = 'UTC'")
endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
connection.execute(
    f"create secret (type s3, key_id '{os.environ['AWS_ACCESS_KEY_ID']}', region 'us-east-1', "
    f"secret '{os.environ['AWS_SECRET_ACCESS_KEY']}', endpoint '{endpoint}', use_ssl false, "
    "url_style 'path')"
)
for version in versions:
    os.mkdir(f"{out}/{version}")

    def copy(table, number):
        connection.execute(f"attach '{root}/tables/{table}' as it (type delta, version {number})")
        listed = ", ".join(columns[table])
        connection.execute(f"copy (select {listed} from it) to '{out}/{version}/{table}.parquet'")
        named = "select table_versions from it where table_versions is not null"
        found = connection.sql(named).fetchall() if table == "sync_runs" else None
        connection.execute("detach it")
        return found

    ((named,),) = copy("sync_runs", version)
    for table, number in json.loads(named).items():
        copy(table, number)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server, and the settings that lead to it in the environment."""
    with serving(tmp_path_factory.mktemp("store")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="module", autouse=True)
def views_once() -> Iterator[None]:
    """The views in Spark's words, which take longer than all else of a small export, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telnyx_jobs.export.delta.spark_views", cache(spark_views))
        yield


@pytest.fixture
def bucket(store: S3Server) -> Path:
    """The folder of a new bucket."""
    store.requests.clear()
    store.conflicts.clear()
    store.refuses = lambda method, path: False
    return store.make_bucket(f"bucket-{next(_numbers)}")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one job."""
    return file_of(tmp_path_factory.mktemp("small") / "jobs.duckdb", 1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with another job."""
    return file_of(tmp_path_factory.mktemp("other") / "jobs.duckdb", 2)


def file_of(path: Path, number: int) -> Path:
    with api_of([job(number, phone_numbers=numbers(number))]) as api:
        sync_once(api, path)
    return path


def at(bucket: Path) -> Address:
    return Address(bucket.name, "p")


def options() -> dict[str, str]:
    """What polars and deltalake do not find in the environment."""
    return {"aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"], "aws_allow_http": "true"}


def read_by_polars(root: str, versions: list[int]) -> list[State]:
    """The state that belongs to each version of sync_runs."""

    def scan(table: str, version: int) -> polars.DataFrame:
        path = f"{root}/tables/{table}"
        return polars.scan_delta(path, version=version, storage_options=options()).collect()

    states = []
    for version in versions:
        (named,) = scan("sync_runs", version)["table_versions"].drop_nulls().to_list()
        of = json.loads(named) | {"sync_runs": version}
        states.append({t: scan(t, n).select(column_names(t)).rows() for t, n in of.items()})
    return states


def assert_holds(bucket: Path, database: Path) -> None:
    """A reader of the newest sync_runs finds what the file holds."""
    root = str(at(bucket))
    assert read_by_polars(root, [newest(root, **options())])[0] == state_of(database)


def test_each_of_five_states_is_read_back(store: S3Server, bucket: Path, tmp_path: Path) -> None:
    """At the versions that sync_runs names, DuckDB and polars find the file as it was then."""
    database, versions, states = tmp_path / "telnyx_jobs.duckdb", list[int](), list[State]()
    root = str(at(bucket))
    for _ in changing_history(database):
        export(database, at(bucket), "it")
        versions.append(newest(root, **options()))
        states.append(state_of(database))

    assert_same_states(read_by_polars(root, versions), states)
    out = tmp_path / "duckdb"
    out.mkdir()
    python = python_of("duckdb-delta")
    read = read_elsewhere(python, DUCKDB, root, out, versions, **store.environment())
    assert_same_states(read, states)


def test_sync_runs_is_committed_last(small: Path, bucket: Path, store: S3Server) -> None:
    """No table is written to after the commit of sync_runs, but by what clears up."""
    export(small, at(bucket), "it")
    logs = [
        path.split("/")[-3]
        for method, path in store.requests
        if method == "PUT" and path.endswith("_delta_log/00000000000000000001.json")
    ]
    assert logs[-1] == "sync_runs"
    assert len(logs) == len(set(logs))


def test_a_commit_that_another_made_first_is_refused(
    small: Path, other: Path, bucket: Path, store: S3Server
) -> None:
    """Commits are written on condition: the second of two is refused, and its export ends."""
    for prefix in ("p", "q"):
        export(small, Address(bucket.name, prefix), "it")
    export(other, Address(bucket.name, "q"), "other")
    commit = "tables/jobs/_delta_log/00000000000000000002.json"

    def commit_first(method: str, path: str) -> bool:
        if method == "PUT" and path.endswith(f"/p/{commit}"):
            put(bucket, f"p/{commit}", (bucket / "q" / commit).read_text())
        return False

    store.refuses = commit_first
    with pytest.raises(TryAgainLater, match="at the same time: export again"):
        export(other, at(bucket), "it")

    assert store.conflicts == [f"/{bucket.name}/p/{commit}"]
    assert_holds(bucket, small)


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("job_phone_numbers/month", signal.SIGKILL),
        ("job_phone_numbers/_delta_log", signal.SIGTERM),
        ("sync_runs/_delta_log", signal.SIGKILL),
    ],
)
def test_a_stopped_export_leaves_the_named_state(
    moment: str, number: signal.Signals, small: Path, other: Path, bucket: Path, store: S3Server
) -> None:
    """Stopped at a data file or at a commit, readers find the old state; the next one continues."""
    export(small, at(bucket), "it")
    begun = threading.Event()
    signalled: list[int] = []

    def stop(method: str, path: str) -> bool:
        if method == "PUT" and f"/tables/{moment}" in path and not signalled:
            begun.wait()
            signalled.append(number)
            process.send_signal(number)
            process.wait(30)
        # what it sent may be half there
        return bool(signalled)

    store.refuses = stop
    arguments = ("export", "--to", str(at(bucket)), "--database", str(other))
    process = subprocess.Popen(
        command(*arguments),
        env=environment(other.parent) | store.environment(),
        stderr=subprocess.DEVNULL,
    )
    begun.set()
    try:
        code = process.wait(30)
    finally:
        process.kill()
    store.refuses = lambda method, path: False

    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 75}[number]
    assert_holds(bucket, small)
    export(other, at(bucket), "it")
    assert_holds(bucket, other)


@pytest.mark.parametrize("name", ["job_phone_numbers/month", "sync_runs/_delta_log", "README.md"])
def test_a_refused_write_leaves_the_named_state(
    name: str, small: Path, other: Path, bucket: Path, store: S3Server
) -> None:
    """Whatever the store refuses, the reason is given and readers find a whole state."""
    export(small, at(bucket), "it")
    store.refuses = lambda method, path: method == "PUT" and name in path
    with pytest.raises(CannotWrite, match=r"refuses access \(.*\): set AWS_"):
        export(other, at(bucket), "it")
    assert_holds(bucket, other if name == "README.md" else small)


def test_a_whole_bucket_can_be_given(small: Path, bucket: Path) -> None:
    """Without a prefix the tables lie at the top of the bucket."""
    export(small, Address(bucket.name, ""), "it")
    assert {key.split("/")[0] for key in objects(bucket)} == {
        *("tables", "views", "tables.sql", "README.md")
    }


def test_what_is_no_export_is_left_alone(small: Path, bucket: Path) -> None:
    """Objects of others where a table would lie are refused, and stay."""
    put(bucket, "p/tables/jobs/letter", "dear")
    with pytest.raises(BadConfiguration, match="something other than an export"):
        export(small, at(bucket), "it")
    assert objects(bucket) == {"p/tables/jobs/letter": b"dear"}


def test_the_command_exports_and_leaves_nothing_beside_the_file(small: Path, bucket: Path) -> None:
    """`export --to s3://…` is Delta without --format; nothing lies beside the database after."""
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    before = set(small.parent.iterdir())
    arguments = ("export", "--to", f"s3://{bucket.name}/p", "--database", str(small), "--json")
    done = run(small.parent, *arguments, environ=environ)

    written = json.loads(done.stdout)
    assert (done.returncode, written["folder"]) == (0, f"s3://{bucket.name}/p")
    assert set(written["tables"]) == {table.name for table in TABLES}
    assert set(small.parent.iterdir()) == before
    assert_holds(bucket, small)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another-secret"}, 74, "refuses access"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 74, "set AWS_ACCESS_KEY_ID"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 74, "could not connect to server"),
    ],
    ids=["wrong key", "no key", "unreachable"],
)
def test_what_cannot_be_reached_has_its_exit_code(
    changes: dict[str, str], code: int, message: str, small: Path, bucket: Path, tmp_path: Path
) -> None:
    """The last line says what to do; it has no traceback and no key, and nothing is left."""
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    environ |= changes
    begun = time.monotonic()
    arguments = ("export", "--to", str(at(bucket)), "--database", str(small))
    done = run(tmp_path, *arguments, environ=environ)

    assert (done.returncode, message in complaint(done)) == (code, True)
    assert not re.search(f"{KEY}|{SECRET}|another-secret", done.stdout + done.stderr)
    assert objects(bucket) == {}
    assert time.monotonic() - begun < 20


def test_a_missing_bucket_is_reported(small: Path, store: S3Server) -> None:
    """An unusable setting: a bucket is never created."""
    with pytest.raises(
        BadConfiguration, match="the bucket no-such-bucket does not exist: create it"
    ):
        export(small, Address("no-such-bucket", "p"), "it")
    assert not (store.folder / "no-such-bucket").exists()


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", "ftp://host", "https://", "http://KEY:SECRET@host", "http://h/p"]
)
def test_an_endpoint_that_cannot_be_used_is_reported(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong address is reported by its variable, and not repeated."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(BadConfiguration, match="AWS_ENDPOINT_URL_S3 is not an address") as refused:
        connect(Address.of("s3://bucket"))
    assert "SECRET" not in str(refused.value)


def test_a_profile_lets_in_too(small: Path, bucket: Path, tmp_path: Path, store: S3Server) -> None:
    """The key may stand in AWS's own file, under a name that AWS_PROFILE gives."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[exports]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    environ = store.environment() | {"AWS_PROFILE": "exports"}
    del environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"]
    arguments = ("export", "--to", str(at(bucket)), "--database", str(small))
    assert run(tmp_path, *arguments, environ=environ).returncode == 0
    assert_holds(bucket, small)


@pytest.mark.parametrize(
    "to",
    [
        *("gs://bucket/p", "http://bucket/p", "s3://", "s3:///p", "s3://b", "s3://KEY:SECRET@b/p"),
        *("s3://bucket/a//b", "s3://bucket/../b", "s3://bucket/\n"),
    ],
)
def test_what_is_no_address_is_refused(to: str) -> None:
    """Another store, no bucket, or a prefix with a nameless part; a key in it is not repeated."""
    with pytest.raises(ValueError, match=r"s3://bucket/prefix|parts without a name") as refused:
        Address.of(to)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("to", "path"),
    [
        ("s3://bucket", "bucket"),
        ("s3://bucket/", "bucket"),
        ("s3://my.bucket-1/a b/ü%20/?#", "my.bucket-1/a b/ü%20/?#"),
    ],
)
def test_an_address_is_taken_as_it_stands(to: str, path: str) -> None:
    """The prefix is not a URL: nothing in it is decoded or cut off, except the slash at its end."""
    assert (Address.of(to).path, str(Address.of(to))) == (path, f"s3://{path}")
