"""A user's SQL on the published file: read-only, and with no way to any other file."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from telnyx_jobs.destinations.answer import (
    BATCH,
    Rows,
    WrongQuery,
    distinct,
    one_statement,
    relation_of,
)
from telnyx_jobs.quoting import identifier
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.text import one_line


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> Rows:
    """Rows of the query, or of the view or table of this name. Raises WrongQuery.

    From then on the connection reads this file and nothing else.
    """
    _confine(connection)
    statement = _statement(connection, sql)
    with _explained():
        result = connection.execute(statement)
    description = result.description or []
    return Rows(
        names=distinct([column[0] for column in description]),
        json_columns=frozenset(
            place for place, column in enumerate(description) if str(column[1]) == "JSON"
        ),
        batches=_batches(result),
    )


def _confine(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"set search_path = '{VIEW_SCHEMA},{RAW_SCHEMA}'")
    # what does not fit into memory would be put into a folder beside the file
    connection.execute("set temp_directory = ''")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _statement(connection: duckdb.DuckDBPyConnection, text: str) -> str:
    """One statement that reads; the name of a relation returns all of its rows."""
    if parts := relation_of(text):
        return "from " + ".".join(map(identifier, parts))
    with _explained():
        # DuckDB takes no text that is not Unicode
        statements = connection.extract_statements(text.encode().decode())
    one_statement(len(statements))
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = statements[0].type.name.lower().replace("_", " ")
        raise WrongQuery(f"a statement of {kind}: only queries can be run, such as select")
    return text


def _batches(result: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    while True:
        with _explained():
            batch = result.fetchmany(BATCH)
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
