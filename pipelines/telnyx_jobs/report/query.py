"""A user's SQL on the published file: read-only, and with no way to any other file."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import duckdb

from telnyx_jobs.destinations.duckdb_connection import connect
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.quoting import identifier
from telnyx_jobs.report.rows import Rows, write
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.text import one_line

_BATCH = 2_000
_STOP_SECONDS = 2.0


class WrongQuery(ValueError):
    """SQL that cannot be run, and why, in one line."""


def query(database: Path, sql: str, form: str, out: TextIO, width: int | None) -> None:
    """Print what the SQL, or the view or table of this name, gives; see `rows.write`.

    Raises WrongQuery and BadConfiguration. A signal ends it at once.
    """
    if not database.exists():
        raise BadConfiguration(f"{database} does not exist yet: run telnyx-jobs sync first")
    with connect(database, read_only=True) as connection:
        _confine(connection, database)
        statement = _statement(connection, sql)
        _interruptible(connection, lambda: write(_rows(connection, statement), form, out, width))


def _confine(connection: duckdb.DuckDBPyConnection, database: Path) -> None:
    """Let SQL read this file and nothing else, from now on."""
    try:
        connection.execute(f"set search_path = '{VIEW_SCHEMA},{RAW_SCHEMA}'")
    except duckdb.CatalogException:
        raise BadConfiguration(
            f"{database} is not as this version publishes it: run telnyx-jobs sync first, "
            "or give another --database"
        ) from None
    # what does not fit into memory would be put into a folder beside the file
    connection.execute("set temp_directory = ''")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _statement(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """One statement that reads; the name of a relation stands for all of its rows."""
    parts = text.strip().rstrip(";").split(".")
    if len(parts) <= 2 and all(part.strip('"').isidentifier() for part in parts):
        return "from " + ".".join(identifier(part.strip('"')) for part in parts)
    with _explained():
        # DuckDB takes no text that is not Unicode
        statements = connection.extract_statements(text.encode().decode())
    if len(statements) != 1:
        raise WrongQuery(f"{len(statements)} statements: give one query")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.lower().replace("_", " ")
        raise WrongQuery(f"a {kind} statement: only queries can be run, such as select")
    return text


def _rows(connection: duckdb.DuckDBPyConnection, statement: str) -> Rows:
    with _explained():
        result = connection.execute(statement)
    description = result.description or []
    return Rows(
        names=_distinct([column[0] for column in description]),
        json_columns=frozenset(
            place for place, column in enumerate(description) if str(column[1]) == "JSON"
        ),
        batches=_batches(result),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number after one that is there already."""
    found: list[str] = []
    for name in names:
        free, number = name, 0
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


def _batches(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        with _explained():
            batch = result.fetchmany(_BATCH)
        if not batch:
            return
        yield batch


@contextmanager
def _explained() -> Iterator[None]:
    """Raises WrongQuery, in the database's words, for what it does not do."""
    try:
        yield
    except (duckdb.Error, ValueError) as error:
        # after an empty line the statement is repeated
        reason = one_line(str(error).partition("\n\n")[0])
        raise WrongQuery(f"{reason.rstrip('.')}: correct the SQL") from None


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], None]) -> None:
    """Do the work in a thread: DuckDB itself may not notice a signal for long."""
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        done.result()
    finally:
        if not done.done():
            connection.interrupt()
            thread.join(_STOP_SECONDS)
