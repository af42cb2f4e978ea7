"""The views and data tests in an engine's SQL, run by a script in the engine's own environment."""

import json
import os
import pickle
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from engines.environments import python_of
from support.exported_history import OF_NOW, Row
from support.syncs import rows
from telnyx_jobs.schema import RAW_SCHEMA, TABLES
from telnyx_jobs.views.dialects import Naming, create_statements, data_tests

TYPES: dict[str, dict[str, str]] = {
    "clickhouse": {
        "text": "Nullable(String)",
        "timestamp": "Nullable(DateTime64(6, 'UTC'))",
        "bigint": "Nullable(Int64)",
        "double": "Nullable(Float64)",
        "bool": "Nullable(Bool)",
        "json": "Nullable(String)",
    },
    "bigquery": {
        "text": "string",
        "timestamp": "timestamp",
        "bigint": "int64",
        "double": "float64",
        "bool": "bool",
        "json": "json",
    },
    "snowflake": {
        "text": "varchar",
        "timestamp": "timestamp_tz",
        "bigint": "number(19, 0)",
        "double": "float",
        "bool": "boolean",
        "json": "variant",
    },
}
"""What dlt makes of each type in an engine."""


@dataclass(frozen=True)
class Outcome:
    """What an engine gave: rows, or why it gave none."""

    rows: list[Row] | None
    error: str = ""


class Runs:
    """One engine's outcomes for the raw tables of a file: of views by name, and of data tests."""

    def __init__(
        self, dialect: str, environment: str, script: str, naming: Naming, database: Path, out: Path
    ) -> None:
        self._database = database
        views = create_statements(dialect, naming)
        views.pop("data_dictionary", None)
        with duckdb.connect(str(database), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for table in TABLES:
                target = f"'{out / table.name}.parquet'"
                connection.execute(f"copy {RAW_SCHEMA}.{table.name} to {target} (format parquet)")
            given = {
                table.name: [
                    [v.astimezone(UTC) if isinstance(v, datetime) else v for v in row]
                    for row in connection.execute(f"from {RAW_SCHEMA}.{table.name}").fetchall()
                ]
                for table in TABLES
            }
        work = {
            "tables": {table.name: naming(RAW_SCHEMA, table.name) for table in TABLES},
            "columns": {
                table.name: [(c.name, TYPES[dialect][c.type]) for c in table.columns]
                for table in TABLES
            },
            "rows": given,
            "views": views,
            "times": {
                name: [
                    n
                    for n, t, *_ in rows(database, f"describe telnyx.{name}")
                    if "TIME" in t or t == "DATE"
                ]
                for name in views
            },
            "selects": {name: f"select * from {naming('telnyx', name)}" for name in views},
            "tests": dict(data_tests(dialect, naming)),
        }
        (out / "work.pickle").write_bytes(pickle.dumps(work))
        program = out / "engine.py"
        program.write_text(script)
        subprocess.run(
            [str(python_of(environment)), str(program), str(out)],
            cwd=out,
            env={"PATH": os.environ["PATH"], "HOME": str(out)},
            check=True,
            timeout=300,
        )
        self._found: dict[str, tuple[list[str], list[Row]] | str] = pickle.loads(
            (out / "found.pickle").read_bytes()
        )

    def view(self, name: str) -> tuple[Outcome, list[Row]]:
        """What the engine gave for a view, in the types of the file, and what the file gives."""
        described = rows(self._database, f"describe telnyx.{name}")
        kept = {n: t for n, t, *_ in described if n not in OF_NOW.get(name, set())}
        expected = rows(self._database, f"select {', '.join(kept)} from telnyx.{name}")
        found = self._found[name]
        if isinstance(found, str):
            return Outcome(None, found), [in_types(kept, row) for row in expected]
        names = [each.lower() for each in found[0]]
        places = [names.index(each) for each in kept]
        return Outcome([in_types(kept, [row[place] for place in places]) for row in found[1]]), [
            in_types(kept, row) for row in expected
        ]

    def test(self, name: str) -> Outcome:
        """What the engine gave for a data test: no rows when it holds."""
        found = self._found[f"test {name}"]
        return Outcome(None, found) if isinstance(found, str) else Outcome(found[1])


def in_types(types: Mapping[str, str], row: Any) -> Row:
    return tuple(_in_type(type_, value) for type_, value in zip(types.values(), row, strict=True))


def _in_type(type_: str, value: Any) -> Any:
    """A value as Python has it in DuckDB; engines have other numbers and times for the same."""
    if value is None:
        return None
    if type_ in ("BIGINT", "HUGEINT", "INTEGER"):
        return int(value)
    if type_ == "DOUBLE":
        return float(value)
    if type_ == "BOOLEAN":
        return bool(value)
    if type_ == "JSON":
        return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
    if type_ == "DATE" and isinstance(value, datetime):
        return value.date()
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)
    if isinstance(value, bytes):
        return value.decode()
    assert isinstance(value, (str, date)), (type_, value)
    return value
