"""The DuckDB file as a destination: copied, loaded, tested, and published by rename.

A file is always built in the state folder beside the published one, under the same name, because
DuckDB names a database after its file. Storage version v1.4.0, so today's drivers open it.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from telnyx_jobs.destinations.base import NotLookedAt, T, synced_at
from telnyx_jobs.destinations.dlt_run import failures_raised, pipeline_into
from telnyx_jobs.destinations.duckdb_connection import (
    connect,
    disk_errors,
    has_view,
    lift_memory_limit,
)
from telnyx_jobs.destinations.duckdb_tables import (
    complete,
    copy_database,
    create_empty,
    has_published,
    insert_run,
    newest_version,
    refuse_newer,
    update_tables,
)
from telnyx_jobs.destinations.duckdb_tests import (
    FileReader,
    failed_tests,
    failed_tests_of,
    jobs_to_test,
)
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.errors import BadConfiguration, Bug, TryAgainLater
from telnyx_jobs.files import sync_to_disk
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.settings import Settings, prepare_dlt
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.removals import kept_removals
from telnyx_jobs.text import reason_of

_BUILD_MEMORY = "96MiB"
"""Memory that DuckDB may use for a build; beyond it, it writes to a folder beside the build."""
_UNUSABLE = re.compile(r"[?%\\\ud800-\udfff]")
"""DuckDB ends a path at the first, and takes the third for a slash; dlt formats the second. The
others stand for bytes that are not UTF-8."""
_COPIED_BYTES = 1024**3
"""Copied by one call of the system."""
WRITER_SECONDS = 5.0
"""How long a sync waits for somebody else to close the published file, opened for writing."""


class DuckDBFile:
    """The published file, and the build that replaces it. A `Destination`."""

    def __init__(self, settings: Settings, report: Report = nothing) -> None:
        self.place = Place(settings.database.absolute(), settings.creates_folder)
        self.name = str(settings.database)
        self._report = report
        self._file_mode = settings.file_mode
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._beside = ThreadPoolExecutor(2)
        self._flushed: Future[None] | None = None
        """Set while the copy is on its way to the disk."""

    def prepare(self) -> None:
        _check_name(self.place.database)
        self.place.make()

    def open(self) -> None:
        """Copy the published file, or begin an empty one, and connect to it.

        Raises TryAgainLater if somebody else has the file open for writing.
        """
        self.discard()
        self.place.begin_work()
        # it takes half a second; who needs it imports it again, and waits for that
        self._beside.submit(_import_dlt)
        if self.place.database.exists():
            self._report("copy", bytes=self.place.database.stat().st_size)
            with self._settled() as published:
                _copy(published, self.place.build)
            # while the API is read, so that publishing has only the changes to wait for
            self._flushed = self._beside.submit(sync_to_disk, self.place.build)
        else:
            create_empty(self.place.build)
        self.place.build.chmod(0o600)
        self._connection = connect(self.place.build)
        self._connection.execute(f"set memory_limit = '{_BUILD_MEMORY}'")
        # rows have no order of their own, and keeping one costs memory
        self._connection.execute("set preserve_insertion_order = false")
        update_tables(self._connection)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        assert self._connection is not None, "the build is not open"
        return self._connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, list(parameters)).fetchall()

    def has_view(self, name: str) -> bool:
        return has_view(self.connection, name)

    def loaded(self) -> Loaded:
        return Loaded(self.query, removals=kept_removals(self.query))

    def load(self, source: Any) -> None:
        from telnyx_jobs.destinations.exact_duckdb import exact_duckdb

        pipeline = pipeline_into(exact_duckdb(self.connection), self.place.work)
        try:
            with failures_raised():
                pipeline.run(source)
        except duckdb.OutOfMemoryException:
            # such as a job of many megabytes; dlt continues with what is not loaded yet
            lift_memory_limit(self.connection)
            with failures_raised():
                pipeline.load()

    def finish(self) -> None:
        changed = jobs_to_test(self.connection)
        complete(self.connection)
        if changed is None:
            failed = failed_tests(self.connection)
        else:
            failed = failed_tests_of(self.connection, changed)
        if failed:
            raise Bug(
                f"the loaded data fails its tests ({', '.join(failed)}): the published file is "
                "unchanged; please report this"
            )

    def publish(self, run: Mapping[str, Any]) -> None:
        """Replace the published file by the build."""
        insert_run(self.connection, run)
        self._replace()

    def remove(self, change: Callable[[], T]) -> T:
        """Open, change, test and publish a new file: in the old one deleted bytes stay.

        The published file keeps its mode.
        """
        self._file_mode = self.place.database.stat().st_mode & 0o777
        self.open()
        result = change()
        complete(self.connection)
        failed = failed_tests(self.connection)
        if failed:
            raise Bug(
                f"what is left fails its tests ({', '.join(failed)}): the published file is "
                "unchanged; please report this"
            )
        self._write_fresh()
        self._replace()
        # one that somebody left while this ran
        self.place.foreign_wal.unlink(missing_ok=True)
        return result

    def _write_fresh(self) -> None:
        """Replace the build by a file that never held what was deleted, and connect to it."""
        fresh = self.place.work / "fresh" / self.place.database.name
        fresh.parent.mkdir(mode=0o700)
        create_empty(fresh)
        lift_memory_limit(self.connection)
        copy_database(self.connection, fresh)
        self.close()
        if self._flushed is not None:
            self._flushed.result()
            self._flushed = None
        # nothing of the copy may be left if this is killed once the new file is published
        self.place.build.unlink()
        fresh.chmod(0o600)
        fresh.replace(self.place.build)
        self._connection = connect(self.place.build)

    def _replace(self) -> None:
        self.connection.execute("checkpoint")
        self.close()
        build = self.place.build
        if self._flushed is not None:
            # the system reports a block that could not be written only once
            self._flushed.result()
        sync_to_disk(build)
        build.chmod(self._file_mode)
        # once more: a WAL that somebody left meanwhile would block every reader
        self._set_foreign_wal_aside()
        build.replace(self.place.database)
        sync_to_disk(self.place.database.parent)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def discard(self) -> None:
        """Close and delete a build, and everything it needed."""
        self.close()
        self.place.end_work()

    @contextmanager
    def reading(self) -> Iterator[FileReader | None]:
        """The published file. Raises BadConfiguration for one that lacks what this version has.

        Raises TryAgainLater if somebody else has it open for writing.
        """
        if not self.place.database.exists():
            yield None
            return
        with self.place.database.open("rb") as published:
            wait_for_writers(published, self.place.database, seconds=WRITER_SECONDS)
        with connect(self.place.database, read_only=True) as connection:
            try:
                yield FileReader(connection) if has_published(connection) else None
            except (duckdb.BinderException, duckdb.CatalogException):
                raise BadConfiguration(
                    f"{self.name} is not as this version publishes it: run telnyx-jobs sync first, "
                    "or give another --database"
                ) from None

    def look(self) -> str:
        path = self.place.database
        _check_name(path)
        if not path.exists():
            return f"{path} does not exist yet: the first sync creates it"
        if wal_of(path).exists():
            raise NotLookedAt(
                f"{wal_of(path)} exists, so another program has written into the file: "
                "the next sync moves it away"
            )
        with path.open("rb") as published:
            wait_for_writers(published, path, seconds=0)
        with connect(path, read_only=True) as connection:
            try:
                # not `max`, which DuckDB answers from its statistics without reading a row
                rows = connection.execute(
                    f"select finished_at from {RAW_SCHEMA}.sync_runs order by all desc limit 1"
                ).fetchall()
                refuse_newer(newest_version(connection))
            except duckdb.CatalogException:
                return f"{path} is a DuckDB file that no sync has written yet"
            except duckdb.Error as error:
                raise BadConfiguration(
                    f"{path} is damaged ({reason_of(error)}): restore it from a backup"
                ) from None
        return f"{path}, {synced_at(rows[0][0] if rows else None)}"

    def errors(self) -> AbstractContextManager[None]:
        return disk_errors(self.place.database)

    @contextmanager
    def _settled(self) -> Iterator[BinaryIO]:
        """The published file, without a writer, and without a WAL beside it."""
        with self.place.database.open("rb") as published:
            wait_for_writers(published, self.place.database, seconds=WRITER_SECONDS)
            self._set_foreign_wal_aside()
            yield published

    def _set_foreign_wal_aside(self) -> None:
        """Move a WAL away that lies beside the published file, and warn about it.

        No sync leaves one there: somebody has written into the file. It fits only the file of
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


def _check_name(database: Path) -> None:
    """Raises BadConfiguration for a path that DuckDB or dlt would take for something else."""
    # DuckDB names a database after its file, up to a dot, and compares names without case
    catalog = database.name.split(".")[0].lower()
    if catalog in (VIEW_SCHEMA, RAW_SCHEMA, "information_schema"):
        raise BadConfiguration(
            f"a file called {database.name} cannot be queried, since DuckDB would take "
            f"{catalog} for the database and for the schema in it: give another --database"
        )
    wrong = _UNUSABLE.search(str(database))
    if wrong:
        raise BadConfiguration(
            f"{str(database)!r} holds {wrong[0]!r}, which DuckDB or dlt cannot have in a path: "
            "give another --database"
        )


def wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def wait_for_writers(published: BinaryIO, path: Path, *, seconds: float) -> None:
    """Wait until nobody writes into the file; until it is closed nobody can begin to.

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


def _import_dlt() -> None:
    """Import what a load needs; the first two are what dlt imports only then."""
    prepare_dlt()
    import dlt.sources.helpers.requests  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    import telnyx_jobs.destinations.exact_duckdb
    import telnyx_jobs.source.resource  # noqa: F401


def _copy(reader: BinaryIO, target: Path) -> None:
    """Copy in the system, which shares the blocks where the file system can, without our memory."""
    with target.open("wb") as writer:
        # macOS has no such call, and not all file systems know it
        with suppress(AttributeError, OSError):
            while os.copy_file_range(reader.fileno(), writer.fileno(), _COPIED_BYTES):
                pass
        # what is left: nothing, or all of it
        shutil.copyfileobj(reader, writer, 1024 * 1024)
