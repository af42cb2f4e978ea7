"""The views on top of whatever dataset a dlt pipeline loads."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import dlt
from dlt.common.destination.exceptions import DestinationException
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import LOADED, RAW_SCHEMA, VIEW_SCHEMA, Table
from telnyx_jobs.views.dialects import (
    COMMENTING,
    Naming,
    comment_statements,
    create_statements,
)


def create_views(pipeline: dlt.Pipeline, schema: str = VIEW_SCHEMA) -> None:
    """Create the views, with their comments, in this schema beside the pipeline's dataset.

    Existing views are replaced, in one transaction where the destination has transactions for
    this. `sync_runs` is left out, as only a sync has runs. Raises BadConfiguration when a table is
    missing.
    """
    with pipeline.sql_client() as client:
        schemas = {RAW_SCHEMA: client.dataset_name, VIEW_SCHEMA: schema}
        if schema == client.dataset_name:
            raise BadConfiguration(f"the tables are in {schema}: give the views another schema")

        def naming(schema: str, table: str) -> str:
            return qualified(client, schemas.get(schema, schema), table)

        if not has_tables(client, [naming(RAW_SCHEMA, table.name) for table in LOADED]):
            raise BadConfiguration(
                f"{client.dataset_name} lacks tables of this version: run the pipeline with "
                "telnyx_jobs() first"
            )
        dialect = str(client.capabilities.sqlglot_dialect)
        views = create_statements(dialect, naming, LOADED, schemas)
        install(client, schema, views, naming, LOADED)


def qualified(client: Any, schema: str, table: str) -> str:
    """The quoted name of a table or view of the schema for a SQL client of dlt."""
    with client.with_alternative_dataset_name(schema):
        return str(client.make_qualified_table_name(table))


def install(
    client: Any,
    schema: str,
    views: Mapping[str, list[str]],
    naming: Naming,
    tables: Collection[Table],
) -> None:
    """Create all views again, with all comments, in this schema; in one step if possible."""
    with client.with_alternative_dataset_name(schema):
        if not client.has_dataset():
            client.create_dataset()
    statements = [statement for view in views.values() for statement in view]
    if client.capabilities.sqlglot_dialect in COMMENTING:
        for table in tables:
            comments = {"": table.description}
            comments |= {column.name: column.description for column in table.columns}
            statements += comment_statements("table", naming(RAW_SCHEMA, table.name), comments)
    drops = [f"drop view if exists {naming(VIEW_SCHEMA, name)}" for name in reversed([*views])]
    try:
        _execute_as_one(client, statements)
    except DestinationException:
        # a view whose columns changed cannot be replaced in some warehouses
        _execute_as_one(client, drops + statements)


def _execute_as_one(client: Any, statements: Iterable[str]) -> None:
    is_one = client.capabilities.supports_ddl_transactions
    with client.begin_transaction() if is_one else nullcontext():
        for statement in statements:
            client.execute_sql(statement)


def has_tables(client: Any, names: Iterable[str]) -> bool:
    """Whether all tables of these full names exist."""
    looks = " union all ".join(f"select 1 as found from {name} where 1 = 0" for name in names)
    try:
        client.execute_sql(looks)
    except DatabaseUndefinedRelation:
        return False
    return True
