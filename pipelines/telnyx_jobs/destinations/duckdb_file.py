"""The DuckDB file: copied, given its views and comments, tested, and published by rename.

A file is only ever built in the state folder beside the published one, under the same name, since
DuckDB calls a database after its file. Storage version v1.4.0, so that today's drivers open it.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from telnyx_jobs.errors import BadConfiguration, Bug, TryAgainLater
from telnyx_jobs.files import sync_to_disk
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS, TABLES, VIEW_SCHEMA, Table
from telnyx_jobs.source.loaded import Stored
from telnyx_jobs.views.files import data_test_texts, view_statements

STORAGE_VERSION = "v1.4.0"
_STAGING_SCHEMA = f"{RAW_SCHEMA}_staging"
_BUILD_MEMORY = "96MiB"
"""What DuckDB may hold in memory of a build; beyond it, it writes to a folder beside the build."""
_FICLONE = 0x40049409
"""Linux's request to share a file's blocks instead of copying them."""
WRITER_SECONDS = 5.0
"""How long a sync waits for somebody else to close the published file, opened for writing."""
_SQL_TYPES = {
    "text": "varchar",
    "timestamp": "timestamp with time zone",
    "bigint": "bigint",
    "double": "double",
    "bool": "boolean",
    "json": "json",
}


@dataclass(frozen=True)
class Place:
    """Where a database lies, and the folder with all that a run needs besides."""

    database: Path

    @property
    def state(self) -> Path:
        return self.database.parent / f".{self.database.name}.state"

    @property
    def spool(self) -> Path:
        return self.state / "spool"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def runs(self) -> Path:
        return self.state / "runs.jsonl"

    @property
    def work(self) -> Path:
        """All that a run makes and no later one has a use for: leftovers go with this folder."""
        return self.state / "work"

    @property
    def build(self) -> Path:
        return self.work / self.database.name

    @property
    def foreign_wal(self) -> Path:
        """Where a WAL goes that somebody else has left beside the published file."""
        return self.state / f"foreign-{self.database.name}.wal"


def checked_place(database: Path) -> Place:
    """The place of a database. Raises BadConfiguration for a name that no view could be read by."""
    if database.stem in (VIEW_SCHEMA, RAW_SCHEMA):
        raise BadConfiguration(
            f"a file called {database.name} cannot be queried, since DuckDB would take "
            f"{database.stem} for the database and for the schema in it: give another --database"
        )
    return Place(database)


class Build:
    """The file being built: a copy of the published one that takes its place when complete."""

    loader_file_format: Any = None
    """What dlt writes for it, where its own choice will not do."""
    left_from: datetime | None = None
    """Since when a killed run observed what this one takes over: of a file, nothing."""

    def __init__(self, place: Place, report: Report = nothing, file_mode: int = 0o444) -> None:
        self.place = place
        self._file_mode = file_mode
        self._report = report
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._flusher = ThreadPoolExecutor(1)
        self._flushed: Future[None] | None = None
        """Set while the copy is on its way to the disk."""

    def open(self) -> None:
        """Copy the published file, or begin an empty one, and connect to it.

        Raises TryAgainLater when somebody else has the file open for writing.
        """
        self._report("copy", bytes=_size(self.place.database))
        self.discard()
        self.place.work.mkdir(mode=0o700)
        if self.place.database.exists():
            with self._settled() as published:
                _copy(published, self.place.build)
            # while the API is read, so that publishing has only the changes to wait for
            self._flushed = self._flusher.submit(sync_to_disk, self.place.build)
        else:
            _create_empty(self.place.build)
        self.place.build.chmod(0o600)
        self._connection = connect(self.place.build)
        self._connection.execute(f"set memory_limit = '{_BUILD_MEMORY}'")
        # rows have no order of their own, and keeping one costs memory
        self._connection.execute("set preserve_insertion_order = false")
        create_tables(self._connection)

    def settle(self) -> None:
        """See to it that the published file can be read. Raises TryAgainLater as `open` does."""
        if self.place.database.exists():
            with self._settled():
                pass

    @contextmanager
    def _settled(self) -> Iterator[BinaryIO]:
        """The published file, which nobody writes into, and no WAL of anybody beside it."""
        with self.place.database.open("rb") as published:
            wait_for_writers(published, self.place.database, seconds=WRITER_SECONDS)
            self._set_foreign_wal_aside()
            yield published

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        assert self._connection is not None, "the build is not open"
        return self._connection

    def dlt_destination(self) -> Any:
        import dlt

        # what fails in a file fails at once: waiting for it to pass would take five seconds
        os.environ["LOAD__RAISE_ON_MAX_RETRIES"] = "1"
        return dlt.destinations.duckdb(self.connection)

    def prepared(self, source: Any) -> Any:
        """The dlt source, its rows as this destination can hold them: DuckDB holds any."""
        return source

    def stored(self) -> Stored:
        return Stored(self.query)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def finish(self) -> None:
        """Views and comments onto the loaded tables. Raises Bug when a data test finds rows."""
        finish(self.connection)

    def insert_run(self, row: Sequence[Any]) -> None:
        """The run's row, in place of the one that an earlier package of the run has left."""
        insert_run(self.connection, SYNC_RUNS, row)

    def publish(self) -> None:
        """Let the build take the published file's place, whole."""
        self.connection.execute("checkpoint")
        self.close()
        build = self.place.build
        if self._flushed is not None:
            # the system tells of a block that could not be written only once
            self._flushed.result()
        sync_to_disk(build)
        build.chmod(self._file_mode)
        # once more: a WAL that somebody has left meanwhile would keep every reader out
        self._set_foreign_wal_aside()
        build.replace(self.place.database)
        sync_to_disk(self.place.database.parent)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def discard(self) -> None:
        """Close and delete what there is of a build, and all that was needed for it."""
        self.close()
        shutil.rmtree(self.place.work, ignore_errors=True)

    def _set_foreign_wal_aside(self) -> None:
        """Move a WAL away that lies beside the published file, and tell of it.

        No sync leaves one there: somebody has written into the file. It fits none but the file of
        that time, and DuckDB refuses to open a newer one that it lies beside.
        """
        wal, aside = wal_of(self.place.database), self.place.foreign_wal
        if wal.exists():
            wal.replace(aside)
            self._report(
                "warning",
                message=f"somebody has written into {self.place.database}: what they had not yet "
                f"saved is now {aside}, and is not part of the file",
            )


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection in UTC that never fetches extensions. Raises BadConfiguration."""
    try:
        connection = duckdb.connect(
            str(path), read_only=read_only, config={"autoinstall_known_extensions": "false"}
        )
    except duckdb.Error as error:
        raise BadConfiguration(
            f"{path.name} is not a DuckDB file that can be opened ({_first_line(error)}): "
            "move it away, or give another --database"
        ) from None
    connection.execute("set TimeZone = 'UTC'")
    return connection


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """All raw tables that are not there yet, so that every view works on an empty account."""
    connection.execute(f"create schema if not exists {RAW_SCHEMA}")
    for table in TABLES:
        connection.execute(_ddl(table))


def finish(connection: duckdb.DuckDBPyConnection) -> None:
    """Views and comments onto freshly loaded tables. Raises Bug when a data test finds rows."""
    # as one transaction, since each of hundreds of comments would be written to disk by itself
    connection.execute("begin")
    connection.execute(f"drop schema if exists {_STAGING_SCHEMA} cascade")
    for table in TABLES:
        connection.execute(_comments(table))
    create_views(connection)
    connection.execute("commit")
    failed = failed_tests(connection)
    if failed:
        raise Bug(
            f"the loaded data fails its tests ({', '.join(failed)}): the published file is "
            "unchanged; please report this"
        )


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Every view of `sql/views`, with its comments."""
    connection.execute(f"create schema if not exists {VIEW_SCHEMA}")
    for sql in view_statements():
        connection.execute(sql)


def failed_tests(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Offending rows, five at most, of each data test in `sql/tests` that finds any."""
    failed = {}
    for name, sql in data_test_texts().items():
        try:
            rows = connection.execute(sql).fetchmany(5)
        except duckdb.OutOfMemoryException:
            lift_memory_limit(connection)
            rows = connection.execute(sql).fetchmany(5)
        if rows:
            failed[name] = rows
    return failed


def lift_memory_limit(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB hold what the machine has: better than not to do at all what needs more."""
    connection.execute("reset memory_limit")


def insert_run(connection: duckdb.DuckDBPyConnection, table: Table, row: Sequence[Any]) -> None:
    """One row, in place of the one with the same key."""
    key = table.key[0]
    value = row[table.column_names.index(key)]
    connection.execute(f"delete from {RAW_SCHEMA}.{table.name} where {key} = ?", [value])
    marks = ", ".join("?" * len(row))
    connection.execute(f"insert into {RAW_SCHEMA}.{table.name} values ({marks})", row)


def wait_for_writers(published: BinaryIO, path: Path, *, seconds: float) -> None:
    """Returns when nobody writes into the file; until it is closed nobody can begin to.

    The lock is DuckDB's own, shared with those that read. Raises TryAgainLater.
    """
    ends = time.monotonic() + seconds
    while True:
        try:
            fcntl.lockf(published, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > ends:
                raise TryAgainLater(
                    f"{path} is open for writing elsewhere: close it there, then run again"
                ) from None
            time.sleep(0.05)
        else:
            return


def _copy(reader: BinaryIO, target: Path) -> None:
    with target.open("wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
            return
        except OSError:
            # this file system cannot share blocks
            shutil.copyfileobj(reader, writer, 16 * 1024 * 1024)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _create_empty(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(
            f"attach {_quoted(str(path))} as new (storage_version '{STORAGE_VERSION}')"
        )


def _ddl(table: Table) -> str:
    columns = ", ".join(
        f'"{c.name}" {_SQL_TYPES[c.type]}{"" if c.nullable else " not null"}' for c in table.columns
    )
    return f"create table if not exists {RAW_SCHEMA}.{table.name} ({columns})"


def _comments(table: Table) -> str:
    name = f"{RAW_SCHEMA}.{table.name}"
    lines = [f"comment on table {name} is {_quoted(table.description)};"]
    lines += [
        f'comment on column {name}."{column.name}" is {_quoted(column.description)};'
        for column in table.columns
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
