"""Queries by dlt's SQL clients, in the plain SQL that all destinations share."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.source.query import Query
from telnyx_jobs.views.create import qualified
from telnyx_jobs.views.dialects import translated

_JSON_TO_TEXT = {
    "bigquery": "to_json_string",
    # its texts of JSON may be NULL, which its casts refuse
    "clickhouse": "toString",
    "redshift": "json_serialize",
}
_UTC_DAY = re.compile(r"cast\(\w+ at time zone 'UTC' as date\)")


def query_of(client: Any, dataset: str, views: str = VIEW_SCHEMA) -> Query:
    """A query function over dlt's SQL client. Times are returned in UTC.

    `telnyx_raw.…` and `telnyx.…` in a query stand for the dataset and for the schema of the views.
    """
    schemas = {RAW_SCHEMA: dataset, VIEW_SCHEMA: views}
    dialect = str(client.capabilities.sqlglot_dialect)
    to_text = _JSON_TO_TEXT.get(dialect)

    def query(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        pattern = rf"\b({RAW_SCHEMA}|{VIEW_SCHEMA})\.(\w+)"
        sql = re.sub(pattern, lambda found: qualified(client, schemas[found[1]], found[2]), sql)
        if to_text:
            sql = re.sub(r"cast\((\w+) as varchar\)", rf"{to_text}(\1)", sql)
        sql = _UTC_DAY.sub(lambda found: translated(found[0], dialect), sql)
        rows = client.execute_sql(sql.replace("?", "%s"), *given(dialect, parameters))
        return [tuple(map(_in_utc, row)) for row in rows or ()]

    return query


def given(dialect: str, parameters: Iterable[Any]) -> list[Any]:
    """Parameters for a statement: ClickHouse's driver would cut a time to its second."""
    return [
        f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
        if dialect == "clickhouse" and isinstance(value, datetime)
        else value
        for value in parameters
    ]


def _in_utc(value: Any) -> Any:
    if not isinstance(value, datetime):
        return value
    return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
