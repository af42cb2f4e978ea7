"""The export to a bucket of a real S3 server, and what DuckDB, polars and pyarrow read there."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from fsspec.implementations.arrow import ArrowFSWrapper
from pyarrow import dataset

from support.exported_history import HOSTILE, assert_same, columns, raw
from support.s3_server import KEY, SECRET, S3Server, objects, put, serving
from support.syncs import api_of, command, complaint, environment, job, numbers, run, sync_once
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.export import bucket as exporting
from telnyx_jobs.export.bucket import export
from telnyx_jobs.export.s3 import Address, connect
from telnyx_jobs.export.scripts import README
from telnyx_jobs.progress import nothing
from telnyx_jobs.schema import TABLES, Table
from telnyx_jobs.views.dialects import spark_views

DAY = 86_400.0
_numbers = count(1)


class S3Files(ArrowFSWrapper):
    """pyarrow's S3, for DuckDB to read from as s3://…"""

    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix("s3://")


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
        patch.setattr("telnyx_jobs.export.tables.spark_views", cache(spark_views))
        yield


@pytest.fixture
def bucket(store: S3Server) -> Path:
    """The folder of a new bucket."""
    store.requests.clear()
    store.refuses = lambda method, path: False
    return store.make_bucket(f"bucket-{next(_numbers)}")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the hostile jobs, and a rejected record."""
    path = tmp_path_factory.mktemp("history") / "telnyx_jobs.duckdb"
    with api_of([*HOSTILE, {"id": 1}]) as api:
        sync_once(api, path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one job."""
    path = tmp_path_factory.mktemp("small") / "jobs.duckdb"
    with api_of([job(1, phone_numbers=numbers(1))]) as api:
        sync_once(api, path)
    return path


@pytest.fixture(scope="module")
def exported(history: Path, store: S3Server) -> Address:
    """An export of the history, below a prefix that is not plain."""
    store.make_bucket("history")
    address = Address.of("s3://history/an export/ü%20")
    export(history, address, new_id())
    return address


def new_id() -> str:
    """The id of a further export."""
    return f"20260101T000000Z-{next(_numbers):08x}"


def at(bucket: Path) -> Address:
    return Address(bucket.name, "p")


def pointer(bucket: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((bucket / "p" / "export.json").read_text())
    return held


def kept(bucket: Path) -> set[str]:
    """The exports that lie in the bucket."""
    return {path.name for path in (bucket / "p" / "exports").iterdir()}


def assert_whole(bucket: Path) -> None:
    """The export that the pointer names is there with every file."""
    held = pointer(bucket)
    lies_at = bucket / "p" / "exports" / held["export_id"]
    assert held["location"] == f"s3://{bucket.name}/p/exports/{held['export_id']}"
    assert json.loads((lies_at / "export.json").read_text()).items() <= held.items()
    sizes = [path.stat().st_size for path in (lies_at / "tables").rglob("*.parquet")]
    assert (len(sizes), sum(sizes)) == (held["files"], held["bytes"])
    there = {str(path.relative_to(lies_at)) for path in lies_at.rglob("*.*") if path.is_file()}
    assert {"README.md", "tables.sql", *(f"views/{view}.sql" for view in held["views"])} <= there


def read_by_duckdb(exported: Address, table: Table) -> list[tuple[Any, ...]]:
    """The rows, as the README of an export has DuckDB read them."""
    lines = [line.strip().rstrip(";") for line in README.splitlines()]
    find = next(line for line in lines if line.startswith("set variable location"))
    read = next(line for line in lines if "getvariable('location')" in line)
    with duckdb.connect() as connection:
        connection.register_filesystem(S3Files(connect(exported)))
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(find.replace("s3://bucket/prefix", str(exported)))
        read = read.replace("jobs", table.name).replace("*", ", ".join(columns(table)), 1)
        return connection.execute(read).fetchall()


def read_by_polars(exported: Address, table: Table) -> list[tuple[Any, ...]]:
    """The rows, as the README of an export has polars read them."""
    options = {
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_endpoint_url": os.environ["AWS_ENDPOINT_URL"],
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    lines = [line.strip() for line in README.splitlines() if line.startswith("    ")]
    find = next(line for line in lines if line.startswith("location = "))
    read = next(line for line in lines if 'f"{location}' in line)
    assert read.startswith("polars.scan_parquet(")
    find = find.replace("s3://bucket/prefix", str(exported)).removeprefix("location = ")
    names: dict[str, Any] = {"polars": polars, "options": options}
    names["location"] = eval(with_options(find), names)
    read = read.replace("jobs", table.name)
    frame: polars.LazyFrame = eval(with_options(read), names)
    return frame.select(columns(table)).collect().rows()


def with_options(call: str) -> str:
    """The polars call of a README, with a key, and with no sign in a path taken for a pattern."""
    call = call.replace('export.json")', 'export.json", storage_options=options)')
    return call.replace("=True)", "=True, glob=False, storage_options=options)")


@pytest.mark.parametrize("read", [read_by_duckdb, read_by_polars])
def test_every_table_is_read_back_from_the_bucket(
    read: Callable[[Address, Table], list[tuple[Any, ...]]], history: Path, exported: Address
) -> None:
    """An engine that reads the pointer and then the files finds the rows of each table."""
    for table in TABLES:
        expected = raw(history, table)
        assert expected
        assert_same(read(exported, table), expected)


def test_a_large_file_arrives_as_it_was(bucket: Path, tmp_path: Path) -> None:
    """A file that takes several requests is there byte for byte."""
    (tmp_path / "large").write_bytes(os.urandom(25_000_000))
    place = exporting._Place(at(bucket), new_id())
    place.upload(tmp_path, nothing)

    assert list(objects(bucket).values()) == [(tmp_path / "large").read_bytes()]


def test_the_pointer_is_replaced_last_by_one_request(
    small: Path, bucket: Path, store: S3Server
) -> None:
    """Every other object is put before the pointer, and none after it."""
    export(small, at(bucket), new_id())
    done = export(small, at(bucket), new_id())

    puts = [path for method, path in store.requests if method in ("PUT", "POST")]
    last = f"/{bucket.name}/p/exports/{done.export_id}/"
    assert puts[-1] == f"/{bucket.name}/p/export.json"
    assert {path.startswith(last) for path in puts[len(puts) // 2 : -1]} == {True}
    assert puts.count(puts[-1]) == 2
    assert_whole(bucket)


def test_the_pointer_holds_what_the_export_holds(small: Path, bucket: Path) -> None:
    """It counts rows, files and bytes, says where they lie, and which export it replaced."""
    first = export(small, at(bucket), new_id())
    assert pointer(bucket)["replaced"] is None
    done = export(small, at(bucket), new_id())

    assert pointer(bucket) == done.as_json() | {
        "location": f"s3://{bucket.name}/p/exports/{done.export_id}",
        "replaced": first.export_id,
    }


def test_every_pointer_is_as_long(small: Path, history: Path, bucket: Path) -> None:
    """So a reader that asks for the length first never reads a part of the one that comes next."""
    lengths = []
    for database in (small, small, history):
        export(database, at(bucket), new_id())
        lengths.append((bucket / "p" / "export.json").stat().st_size)
    assert lengths == [4097, 4097, 4097]


def test_a_whole_bucket_can_be_given(small: Path, bucket: Path) -> None:
    """Without a prefix the pointer is the bucket's own export.json."""
    done = export(small, Address(bucket.name, ""), new_id())

    held = json.loads((bucket / "export.json").read_text())
    assert held["location"] == f"s3://{bucket.name}/exports/{done.export_id}"
    assert {key.split("/")[0] for key in objects(bucket)} == {"export.json", "exports"}


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("at a file", signal.SIGKILL),
        ("at a file", signal.SIGTERM),
        ("when all are there", signal.SIGTERM),
        ("at the pointer", signal.SIGKILL),
    ],
)
def test_a_stopped_export_leaves_the_old_one(
    moment: str, number: signal.Signals, small: Path, bucket: Path, store: S3Server
) -> None:
    """Pointer and export are byte for byte the old ones; the next one tidies up and is whole."""
    database = small.with_name(f"{bucket.name}.duckdb")
    os.link(small, database)
    export(database, at(bucket), new_id())
    before = objects(bucket)
    begun = threading.Event()
    signalled: list[int] = []

    def stop(method: str, path: str) -> bool:
        is_now = {
            "at a file": method == "PUT" and path.endswith("tables.sql"),
            "when all are there": (method, path) == ("GET", f"/{bucket.name}"),
            "at the pointer": method == "PUT" and path.endswith("/p/export.json"),
        }[moment]
        if is_now and not signalled:
            begun.wait()
            signalled.append(number)
            process.send_signal(number)
            process.wait(30)
        # what it sent may be half there
        return bool(signalled)

    store.refuses = stop
    arguments = ("export", "--to", str(at(bucket)), "--database", str(database))
    process = subprocess.Popen(
        command(*arguments),
        env=environment(small.parent) | store.environment(),
        stderr=subprocess.DEVNULL,
    )
    begun.set()
    try:
        code = process.wait(30)
    finally:
        process.kill()
    store.refuses = lambda method, path: False

    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 75}[number]
    after = objects(bucket)
    assert {key: after.get(key) for key in before} == before
    export(database, at(bucket), new_id())
    assert_whole(bucket)
    assert list(database.parent.glob(f".{database.name}.part*")) == []


@pytest.mark.parametrize("name", ["tables.sql", "/p/export.json"])
def test_a_refused_upload_leaves_the_old_export(
    name: str, small: Path, bucket: Path, store: S3Server, tmp_path: Path
) -> None:
    """When a file or the pointer is refused, the reason is told and readers see no change."""
    export(small, at(bucket), new_id())
    before = objects(bucket)
    store.refuses = lambda method, path: method == "PUT" and path.endswith(name)
    with pytest.raises(
        CannotWrite, match=r"refuses access \(access denied at putobject\): set AWS_"
    ):
        export(small, at(bucket), new_id())

    after = objects(bucket)
    assert {key: after.get(key) for key in before} == before
    assert list(small.parent.glob(".jobs.duckdb.part*")) == []


def test_a_store_that_keeps_something_else_is_noticed(
    small: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are not there as they were sent are not pointed at."""
    export(small, at(bucket), new_id())
    before = pointer(bucket)
    monkeypatch.delenv("AWS_REQUEST_CHECKSUM_CALCULATION")
    with pytest.raises(CannotWrite, match="did not keep the files as they were sent"):
        export(small, at(bucket), new_id())
    assert pointer(bucket) == before


def test_a_reader_always_finds_a_whole_export(small: Path, bucket: Path) -> None:
    """Who reads the pointer and then its files finds all of them while others are exported."""
    ids = [new_id() for _ in range(5)]
    export(small, at(bucket), ids[0])
    files = connect(at(bucket))
    ended, seen = threading.Event(), dict[str, set[int]]()

    def read() -> None:
        while not ended.is_set():
            with files.open_input_stream(f"{bucket.name}/p/export.json") as stream:
                held = json.loads(stream.read())
            lies_at = held["location"].removeprefix("s3://")
            there = dataset.dataset(f"{lies_at}/tables/job_phone_numbers", filesystem=files)
            seen.setdefault(held["export_id"], set()).add(there.count_rows())

    failed: list[BaseException] = []
    reader = threading.Thread(target=caught(read, failed))
    reader.start()
    try:
        for export_id in ids[1:]:
            export(small, at(bucket), export_id)
    finally:
        ended.set()
        reader.join()

    assert failed == []
    assert set(seen) <= set(ids)
    assert len(seen) > 1
    assert set().union(*seen.values()) == {1}


def test_the_last_export_is_kept_and_the_one_before_deleted(small: Path, bucket: Path) -> None:
    """Of four exports the last two are there, with no trace of the others, and no warning."""
    ids, events = [new_id() for _ in range(4)], set[str]()
    for export_id in ids:
        export(small, at(bucket), export_id, lambda event, **fields: events.add(event))

    assert events == {"table", "upload"}
    assert kept(bucket) == set(ids[2:])
    assert {key.split("/")[2] for key in objects(bucket) if "/exports/" in key} == set(ids[2:])
    assert_whole(bucket)


def test_what_exports_left_is_deleted_after_a_day(small: Path, bucket: Path) -> None:
    """It counts from the newest object; what has another name than exports have stays."""
    old, young, growing = new_id(), new_id(), new_id()
    export(small, at(bucket), new_id())
    put(bucket, f"p/exports/{old}/tables.sql", age=DAY + 60)
    put(bucket, f"p/exports/{young}/tables.sql", age=DAY - 60)
    put(bucket, f"p/exports/{growing}/tables.sql", age=9 * DAY)
    put(bucket, f"p/exports/{growing}/README.md", age=60)
    put(bucket, "p/exports/mine/letter", age=9 * DAY)
    put(bucket, "p/letter", age=9 * DAY)
    put(bucket, "letter", age=9 * DAY)
    before = kept(bucket)
    last = export(small, at(bucket), new_id())

    assert kept(bucket) == before - {old} | {last.export_id}
    assert {"p/exports/mine/letter", "p/letter", "letter"} <= set(objects(bucket))


@pytest.mark.parametrize("step", ["upload", "point", "delete_older"])
def test_exports_at_the_same_time_lose_nothing_that_is_pointed_at(
    step: str, small: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever others begin and end within an export, the pointer names a whole one."""
    for _ in range(2):
        export(small, at(bucket), new_id())
    original = getattr(exporting._Place, step)

    def meanwhile(place: Any, *arguments: Any) -> Any:
        monkeypatch.setattr(exporting._Place, step, original)
        for _ in range(2):
            export(small, at(bucket), new_id())
            assert_whole(bucket)
        done = original(place, *arguments)
        assert_whole(bucket)
        return done

    monkeypatch.setattr(exporting._Place, step, meanwhile)
    export(small, at(bucket), new_id())
    assert_whole(bucket)
    export(small, at(bucket), new_id())
    assert_whole(bucket)


def test_between_reading_and_replacing_the_pointer_others_may_end(
    small: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export that has read the pointer may find two newer ones replaced by its own."""
    original = exporting._Place.pointer
    asked = count(1)

    def read(place: exporting._Place) -> dict[str, Any] | None:
        found = original(place)
        if next(asked) == 2:
            for _ in range(2):
                export(small, at(bucket), new_id())
                assert_whole(bucket)
        return found

    export(small, at(bucket), new_id())
    monkeypatch.setattr(exporting._Place, "pointer", read)
    for _ in range(3):
        export(small, at(bucket), new_id())
        assert_whole(bucket)


def test_an_upload_that_stood_still_gives_up(
    small: Path, bucket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After half a day without a file another export may soon delete it: it is not pointed at."""
    export(small, at(bucket), new_id())
    before = pointer(bucket)
    original = exporting._Place.pointer

    def read(place: exporting._Place) -> dict[str, Any] | None:
        place._added_at -= DAY / 2
        return original(place)

    monkeypatch.setattr(exporting._Place, "pointer", read)
    with pytest.raises(CannotWrite, match="stood still for half a day: export again"):
        export(small, at(bucket), new_id())
    assert pointer(bucket) == before


@pytest.mark.parametrize(
    ("key", "content"),
    [
        ("p/letter", "dear"),
        ("p/export.json", "dear"),
        ("p/export.json", '{"export_id": "first", "replaced": null}'),
        ("p/export.json", '{"export_id": "20260101T000000Z-00000001", "rows": 1}'),
        ("p/exports/letter", "dear"),
        ("p/exports", "dear"),
    ],
)
def test_what_is_no_export_is_never_replaced(
    key: str, content: str, small: Path, bucket: Path
) -> None:
    """A prefix with anything else below it is refused, and stays as it was."""
    put(bucket, key, content)
    with pytest.raises(BadConfiguration, match="something other than exports: give another --to"):
        export(small, at(bucket), new_id())
    assert objects(bucket) == {key: content.encode()}


def test_a_first_export_that_was_killed_is_no_obstacle(small: Path, bucket: Path) -> None:
    """Without a pointer, what an export has left is told apart from other content."""
    put(bucket, f"p/exports/{new_id()}/tables.sql")
    put(bucket, "palace/letter")
    export(small, at(bucket), new_id())
    assert_whole(bucket)


def test_older_exports_that_cannot_be_deleted_are_told(
    small: Path, bucket: Path, store: S3Server
) -> None:
    """Without the right to delete the export is done, and a warning says what is still there."""
    told: list[dict[str, object]] = []
    for _ in range(2):
        export(small, at(bucket), new_id())
    # many are deleted by one POST
    store.refuses = lambda method, path: method == "POST"
    done = export(small, at(bucket), new_id(), lambda event, **f: told.append({"event": event} | f))

    assert pointer(bucket)["export_id"] == done.export_id
    assert told[-1] == {
        "event": "warning",
        "message": f"older exports are still at s3://{bucket.name}/p (access denied at "
        "deleteobjects)",
    }


def test_the_part_folder_is_private_and_told_from_a_state_folder(
    small: Path, bucket: Path, store: S3Server, tmp_path: Path
) -> None:
    """While files are sent they lie beside the database for nobody else, and go in the end."""
    (tmp_path / "jobs.duckdb").symlink_to(small)
    state = tmp_path / ".jobs.duckdb.part-2.state"
    state.mkdir()
    modes = set[str]()

    def look(method: str, path: str) -> bool:
        if method == "PUT":
            modes.update(oct(p.stat().st_mode) for p in tmp_path.glob(".*part-20260101*"))
        return False

    store.refuses = look
    export(tmp_path / "jobs.duckdb", at(bucket), new_id())
    assert modes == {"0o40700"}
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.duckdb", state.name}


def test_the_command_tells_where_the_export_lies(small: Path, bucket: Path, tmp_path: Path) -> None:
    """`--json` keeps what --to was, and adds the location; progress counts the files sent."""
    to = f"s3://{bucket.name}/p/"
    environ = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    done = run(tmp_path, "export", "--to", to, "--database", str(small), "--json", environ=environ)

    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert {**told, "replaced": None}.items() >= pointer(bucket).items()
    assert (told["folder"], told["location"]) == (to, pointer(bucket)["location"])
    events = [json.loads(line) for line in done.stderr.splitlines()]
    uploads = [(line["done"], line["total"]) for line in events if line["event"] == "upload"]
    total = len(objects(bucket)) - 1
    assert uploads == [(number, total) for number in range(1, total + 1)]


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
    assert list(small.parent.glob(".jobs.duckdb.part*")) == []
    assert time.monotonic() - begun < 20


def test_a_missing_bucket_is_told(small: Path, store: S3Server) -> None:
    """It is a setting that cannot be used: a bucket is never made."""
    with pytest.raises(BadConfiguration, match="there is no bucket no-such-bucket: create it"):
        export(small, Address("no-such-bucket", "p"), new_id())
    assert not (store.folder / "no-such-bucket").exists()


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", "ftp://host", "https://", "http://KEY:SECRET@host", "http://h/p"]
)
def test_an_endpoint_that_cannot_be_used_is_told(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is no plain address of a server is named by its variable, and not repeated."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(BadConfiguration, match="AWS_ENDPOINT_URL_S3 is no address") as refused:
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
    assert_whole(bucket)


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
    """The prefix is no URL: nothing in it is decoded or cut off but the slash at its end."""
    assert (Address.of(to).path, str(Address.of(to))) == (path, f"s3://{path}")


def caught(call: Callable[[], None], failed: list[BaseException]) -> Callable[[], None]:
    """The call, whose failure in a thread of its own is kept."""

    def kept() -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)

    return kept
