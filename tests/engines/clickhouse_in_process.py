"""A command of telnyx-jobs with ClickHouse in its own process, instead of a server.

Run in an environment with chdb and dlt[clickhouse]: `python clickhouse_in_process.py FOLDER …`.
dlt's drivers are replaced at their outermost: what they would send goes to the engine, whose data
is in the folder. Everything above the drivers is dlt's and ours. `read QUERIES ROWS` runs pickled
queries instead of a command.
"""

import pickle
import re
import sys
import threading
from pathlib import Path
from typing import Any

import clickhouse_driver
import pyarrow
import pyarrow.parquet
from chdb.session import Session
from clickhouse_driver.dbapi.errors import OperationalError
from clickhouse_driver.util.escape import escape_params
from dlt.destinations.impl.clickhouse.sql_client import ClickHouseSqlClient

_session = Session(sys.argv.pop(1))
_session.query("create database if not exists it")
_one_at_a_time = threading.Lock()


class _Context:
    """What escape_params asks of a connection."""

    class server_info:
        @staticmethod
        def get_timezone() -> str:
            return "UTC"


def _run(sql: str) -> pyarrow.Table | None:
    with _one_at_a_time:
        try:
            answer = _session.query(sql, "Parquet").bytes()
        except RuntimeError as error:
            # dlt reads the number of an error from the driver's words
            found = re.search(r"Code: (\d+)", str(error))
            raise OperationalError(f"Code: {found[1] if found else 0}. {error}") from None
    return pyarrow.parquet.read_table(pyarrow.BufferReader(answer)) if answer else None


class _Cursor:
    def __init__(self) -> None:
        self.description: list[tuple[Any, ...]] | None = None
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "_Cursor":
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def execute(self, sql: str, parameters: dict[str, Any]) -> None:
        sql %= escape_params(parameters, _Context())
        self.description, self._rows = None, []
        if (table := _run(sql)) is not None:
            self.description = [(name, *[None] * 6) for name in table.column_names]
            self._rows = [tuple(row.values()) for row in table.to_pylist()]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchmany(self, count: int) -> list[tuple[Any, ...]]:
        found, self._rows = self._rows[:count], self._rows[count:]
        return found

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def close(self) -> None:
        pass


class _Connection:
    def cursor(self) -> _Cursor:
        return _Cursor()

    def close(self) -> None:
        pass

    commit = rollback = close


def _insert_file(
    client: ClickHouseSqlClient, path: str, table: str, file_format: str, compression: str
) -> None:
    target = client.make_qualified_table_name(table)
    # columns are matched by name, as the server does with a file that is sent to it
    packed = compression or "none"
    _run(f"insert into {target} from infile '{path}' compression '{packed}' format {file_format}")


_client: Any = ClickHouseSqlClient
clickhouse_driver.connect = lambda dsn: _Connection()
_client.insert_file = _insert_file

if sys.argv[1] == "read":
    asked = pickle.loads(Path(sys.argv[2]).read_bytes())
    found = {}
    for name, sql in asked.items():
        cursor = _Cursor()
        cursor.execute(sql, {})
        found[name] = cursor.fetchall()
    Path(sys.argv[3]).write_bytes(pickle.dumps(found))
else:
    from telnyx_jobs.cli.commands import main

    main()
