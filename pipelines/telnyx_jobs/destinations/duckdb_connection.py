"""Connections to a DuckDB file, and errors of the file or of the disk."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.schema import VIEW_SCHEMA
from telnyx_jobs.text import reason_of

_DAMAGED = "Corrupt database file|Could not read enough bytes"
"""DuckDB's text for a damaged file, in errors of several classes."""
_VANISHED = "No such file or directory|could not be found"
_UNWRITABLE = "Could not write|No space left"
"""Its text for a full disk: a commit or a checkpoint fails with another class too."""


def connect(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection in UTC that never fetches extensions. Raises BadConfiguration."""
    try:
        connection = duckdb.connect(
            str(path), read_only=read_only, config={"autoinstall_known_extensions": "false"}
        )
    except duckdb.Error as error:
        raise BadConfiguration(
            f"{path.name} is not a DuckDB file that can be opened ({reason_of(error)}): "
            "move it away, or give another --database"
        ) from None
    connection.execute("set TimeZone = 'UTC'")
    return connection


def has_view(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the file has this view for users."""
    sql = "select 1 from duckdb_views() where schema_name = ? and view_name = ?"
    return connection.execute(sql, [VIEW_SCHEMA, name]).fetchone() is not None


def lift_memory_limit(connection: duckdb.DuckDBPyConnection) -> None:
    """Let DuckDB use the machine's memory, for the rare job that does not fit otherwise."""
    connection.execute("reset memory_limit")


@contextmanager
def disk_errors(database: Path) -> Iterator[None]:
    """Raises errors of the disk and of a damaged file as CannotWrite and BadConfiguration."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if isinstance(error, duckdb.Error) and re.search(_DAMAGED, str(error)):
            raise BadConfiguration(
                f"{database} is damaged ({reason_of(error)}): restore it from a backup, or "
                "move it away and let a sync fill a new one"
            ) from error
        if re.search(_VANISHED, f"{error} {reason_of(error)}"):
            raise CannotWrite(
                f"a file of this run was removed while it ran ({reason_of(error)}): what is "
                f"published is whole; run again, and let only syncs change the folder beside "
                f"{database}"
            ) from error
        is_disk = isinstance(error, OSError | duckdb.IOException)
        if not is_disk and not re.search(_UNWRITABLE, str(error)):
            raise
        raise CannotWrite(
            f"{database} cannot be written ({reason_of(error)}): free disk space, or check "
            "the permissions of its folder"
        ) from error
