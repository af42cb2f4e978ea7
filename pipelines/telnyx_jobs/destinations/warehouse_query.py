"""A user's SQL in a warehouse: one query, which changes nothing.

PostgreSQL itself refuses changes, in a read-only transaction, and files of its server, by a role
that may only read tables. Elsewhere the statement is looked at, and the rights of the user count.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

from telnyx_jobs.destinations.answer import (
    BATCH,
    Rows,
    WrongQuery,
    distinct,
    one_statement,
    relation_of,
)
from telnyx_jobs.destinations.connection import Connection
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.text import one_line
from telnyx_jobs.views.files import view_texts

_CHANGES = (exp.DDL, exp.DML, exp.Drop, exp.Alter, exp.Copy, exp.Into, exp.Command)
_READERS = "pg_read_all_data"
"""PostgreSQL's own role, from version 14 on: it reads all tables and no file."""
_JSON_TYPES = (114, 3802)
"""What PostgreSQL calls `json` and `jsonb` in the description of a result."""


def answer(connection: Connection, sql: str) -> Rows:
    """Rows of the query, or of the view or table of this name. Raises WrongQuery."""
    statement = _statement(connection, sql)
    # dlt closes a cursor whose context is not kept
    context = ExitStack()
    cursor = _cursor_of(connection, statement, context)
    with _explained(connection):
        first = cursor.fetchmany(BATCH)
    description = cursor.description or []
    return Rows(
        names=distinct([column[0] for column in description]),
        json_columns=frozenset(
            place
            for place, column in enumerate(description)
            if connection.name == "postgres" and column[1] in _JSON_TYPES
        ),
        batches=_batches(connection, context, cursor, first),
    )


def _statement(connection: Connection, text: str) -> str:
    """One statement that reads; the name of a relation returns all of its rows."""
    if parts := relation_of(text):
        table = parts.pop()
        schema = parts.pop() if parts else VIEW_SCHEMA if table in view_texts() else RAW_SCHEMA
        return f"select * from {connection.named(schema, table)}"
    # a statement that it does not know is a warning there
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        parsed = sqlglot.parse(text.encode().decode(), read=connection.dialect)
    except (sqlglot.errors.SqlglotError, ValueError) as error:
        raise WrongQuery(f"{one_line(str(error).splitlines()[0])}: correct the SQL") from None
    found = [each for each in parsed if each and not isinstance(each, exp.Semicolon)]
    one_statement(len(found))
    if not isinstance(found[0], exp.Query | exp.Values) or found[0].find(*_CHANGES):
        raise WrongQuery("it is not a query: only queries can be run, such as select")
    return text


def _cursor_of(connection: Connection, statement: str, context: ExitStack) -> Any:
    if connection.name == "postgres":
        return _postgres_cursor(connection, statement)
    with _explained(connection):
        return context.enter_context(connection.client.execute_query(statement))


def _postgres_cursor(connection: Connection, statement: str) -> Any:
    from psycopg2 import extras

    native = connection.client.native_connection
    schemas = ", ".join(f'"{connection.schemas[each]}"' for each in (VIEW_SCHEMA, RAW_SCHEMA))
    connection.execute(f"set search_path to {schemas}")
    for register in (extras.register_default_json, extras.register_default_jsonb):
        register(native, loads=str)
    native.set_session(readonly=True, autocommit=False)
    may_read_files = (
        "select 1 from pg_roles where rolname = current_user and rolsuper "
        f"and exists (select 1 from pg_roles where rolname = '{_READERS}')"
    )
    if connection.execute(may_read_files):
        connection.execute(f"set local role {_READERS}")
    # a named one keeps the rows in the server until they are read
    cursor = native.cursor(name="answer")
    with _explained(connection):
        cursor.execute(statement)
    return cursor


def _batches(
    connection: Connection, context: ExitStack, cursor: Any, batch: Any
) -> Iterator[list[tuple[Any, ...]]]:
    with context:
        while batch:
            yield [tuple(map(_plain, row)) for row in batch]
            with _explained(connection):
                batch = cursor.fetchmany(BATCH)


def _plain(value: Any) -> Any:
    """The value; a sum and a mean of integers, both decimals there, as DuckDB gives them."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value.as_tuple().exponent == 0 else float(value)


@contextmanager
def _explained(connection: Connection) -> Iterator[None]:
    """Raises WrongQuery, in the warehouse's words, for what it does not do."""
    try:
        yield
    except Exception as error:
        if not connection.is_refusal(error):
            raise
        reason = one_line(connection.reason(error))
        raise WrongQuery(f"{reason.rstrip('.')}: correct the SQL") from None
