"""A command of telnyx-jobs with what bqemulator lacks of BigQuery replaced.

Run in an environment with dlt[bigquery]: `python bigquery_in_emulator.py sync …`. The emulator
takes no key, files of JSON lines neither compressed nor empty, and no `commit` in a script; it
answers a failed query as a query without columns, and calls the type of JSON's texts otherwise.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from dlt.common.configuration.specs import GcpServiceAccountCredentials
from dlt.destinations.impl.bigquery.sql_client import BigQuerySqlClient
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery
from google.cloud.bigquery._http import Connection

_credentials: Any = GcpServiceAccountCredentials
_sql_client: Any = BigQuerySqlClient
_client: Any = bigquery.Client
_connection: Any = Connection
_execute_query = _sql_client.execute_query
_load_file = _client.load_table_from_file
_request = _connection.api_request
_OTHERWISE = ((";CALL BQ.ABORT_SESSION()", ""), (") = 'string'", ") = 'varchar'"))


@contextmanager
def _executed(client: Any, sql: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
    for theirs, ours in _OTHERWISE:
        sql = sql.replace(theirs, ours)
    with _execute_query(client, sql, *args, **kwargs) as cursor:
        yield cursor


def _loaded(client: Any, file: Any, *args: Any, **kwargs: Any) -> Any:
    lines = gzip.decompress(file.read()) or b"\n"
    return _load_file(client, BytesIO(lines), *args, **kwargs)


def _requested(connection: Any, *args: Any, **kwargs: Any) -> Any:
    answer = _request(connection, *args, **kwargs)
    if kwargs.get("path", "").endswith("/queries") and (errors := answer.get("errors")):
        status = 404 if errors[0]["reason"] == "notFound" else 400
        raise exceptions.from_http_status(status, errors[0]["message"], errors=errors)
    return answer


_credentials.to_native_credentials = lambda _: AnonymousCredentials()
_sql_client.execute_query = _executed
_client.load_table_from_file = _loaded
_connection.api_request = _requested

if __name__ == "__main__":
    from telnyx_jobs.cli.commands import main

    main()
