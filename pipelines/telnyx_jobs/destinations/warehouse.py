"""A warehouse that dlt knows, in place of the DuckDB file: staged by dlt, then taken over whole.

dlt loads a package into its staging dataset, and would merge it from there table by table, each in
a transaction of its own: whoever reads meanwhile, or whatever a killed run leaves, would disagree.
So it stages only, and one transaction here takes the package over, tests the data and adds the
run's row. `_dlt_loads` tells how far a package has come, as dlt means it to: status 0 once staged
whole, 1 once taken over. One that is staged whole is taken over by the next run at the latest; of
anything less nothing is left. Where a warehouse has no transactions, taking over again is exact.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.destination.exceptions import DestinationException

from telnyx_jobs.destinations.connection import Connection
from telnyx_jobs.destinations.duckdb_file import Place
from telnyx_jobs.errors import Bug
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import LOADED, MARKER, RAW_SCHEMA, SYNC_RUNS, TABLES, VIEW_SCHEMA, Table
from telnyx_jobs.source.loaded import Query, Stored
from telnyx_jobs.source.resource import kept_coverage, pipeline_into, tables
from telnyx_jobs.views.dialects import (
    comment_statements,
    create_statements,
    data_tests,
    knows_comments,
)

_TAKEN_OVER = 1
_INSERTED = ("postgres", "redshift")
"""Loaded by SQL: through CSV an empty text would become NULL."""
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""U+0000 as JSON writes it, after any backslashes that stand for themselves."""
_JSON = {column.name for table in LOADED for column in table.columns if column.type == "json"}
_WITHOUT_TRANSACTIONS = ("clickhouse", "databricks")
"""dlt begins and ends them there without effect."""
_JSON_FROM_TEXT = {"snowflake": "parse_json", "bigquery": "parse_json", "redshift": "json_parse"}


class _StagedStored(Stored):
    """A package always goes through staging, where rows to be replaced are marked."""

    def is_empty(self) -> bool:
        return False


class Destination:
    """One warehouse for one run: the counterpart of `Build`, with the same steps."""

    def __init__(self, place: Place, name: str, report: Report = nothing) -> None:
        # what is staged is taken over after dlt's own work is done
        os.environ["LOAD__TRUNCATE_STAGING_DATASET"] = "false"
        self.place = place
        self.name = name
        self._report = report
        self.loader_file_format: Any = "insert_values" if name in _INSERTED else None
        self._connection = Connection(name)
        self.errors = self._connection.errors
        self.query = self._connection.query
        self.left_from: datetime | None = None
        """Since when a killed run observed what this one takes over."""
        self._transaction: AbstractContextManager[Any] | None = None
        self._views: dict[str, list[str]] = {}

    def open(self) -> None:
        """Connect, create what is missing, and take over what a killed run has staged whole."""
        shutil.rmtree(self.place.work, ignore_errors=True)
        self.place.work.mkdir(mode=0o700)
        self._report("connect", destination=self.name)
        self._connect()
        self._connection.lock()
        if not self._has_tables():
            pipeline = pipeline_into(self.dlt_destination(), self.place.work)
            pipeline.run(tables(), loader_file_format=self.loader_file_format)
        if self._pending():
            self.left_from = self._staged_from() or self.left_from
            self.finish()
            self.publish()
        self._connection.empty_staged(table.name for table in LOADED)

    def dlt_destination(self) -> Any:
        return _staging_only(getattr(dlt.destinations, self.name))()

    def prepared(self, source: Any) -> Any:
        """The dlt source, without U+0000 in JSON where a warehouse can hold none in any text."""
        if self.name in _INSERTED:
            source.records.add_map(_without_nul)
        return source

    def stored(self) -> Stored:
        return _StagedStored(self.query)

    def coverage(self) -> dict[str, Any]:
        """The coverage that the last load left; empty before the first one."""
        self._connect()
        return kept_coverage(self.query) if self._has_tables() else {}

    def finish(self) -> None:
        """Views and comments, then the staged package, not committed yet. Raises Bug.

        Views come first: readers of one that is replaced are waited for, and DDL may commit.
        """
        if not self._views_stand():
            self._create_views()
        self._transaction = self._connection.client.begin_transaction()
        self._transaction.__enter__()
        for table in LOADED:
            for statement in self._taking_over(table):
                self._connection.execute(statement)
        failed = [name for name, sql in self._tests() if self._connection.execute(sql)]
        if failed:
            self._drop_package()
            raise Bug(
                f"the loaded data fails its tests ({', '.join(failed)}): "
                f"{self._standing()}; please report this"
            )

    def insert_run(self, row: Sequence[Any]) -> None:
        """The run's row, in place of the one that an earlier package of the run has left."""
        table, execute = (
            self._connection.named(RAW_SCHEMA, SYNC_RUNS.name),
            self._connection.execute,
        )
        execute(f"delete from {table} where run_id = %s", row[0])
        parse = _JSON_FROM_TEXT.get(self.name, "")
        marks = ", ".join(f"{parse}(%s)" if c.type == "json" else "%s" for c in SYNC_RUNS.columns)
        # `values` takes no function there
        given = f"select {marks}" if self.name == "snowflake" else f"values ({marks})"
        columns = self._connection.columns(SYNC_RUNS)
        execute(f"insert into {table} ({columns}) {given}", *row)

    def publish(self) -> None:
        """Note that what was staged is taken over, and commit all of it."""
        for load_id in self._pending():
            self._connection.execute(
                f"insert into {self._connection.named(RAW_SCHEMA, '_dlt_loads')} "
                "(load_id, schema_name, status, inserted_at, schema_version_hash) "
                "values (%s, %s, %s, %s, %s)",
                *(load_id, VIEW_SCHEMA, _TAKEN_OVER, datetime.now(UTC), self._fingerprint()),
            )
        assert self._transaction is not None
        self._transaction.__exit__(None, None, None)
        self._transaction = None

    def discard(self) -> None:
        """Close the connection, which rolls back what is not committed; delete what is local."""
        self._transaction = None
        self._connection.close()
        shutil.rmtree(self.place.work, ignore_errors=True)

    @contextmanager
    def reading(self) -> Iterator[Query | None]:
        """What runs queries on the warehouse as it stands; None before the first load."""
        with self.errors():
            try:
                self._connect()
                yield self.query if self._has_tables() else None
            finally:
                self.discard()

    # packages

    def _connect(self) -> None:
        if not self._connection.is_open:
            self._connection.open(pipeline_into(self.dlt_destination(), self.place.work))

    def _has_tables(self) -> bool:
        """Whether all raw tables are there, and those that packages are staged in."""
        raw = [self._connection.named(RAW_SCHEMA, table.name) for table in TABLES]
        return self._connection.has(raw + [self._connection.staged(t.name) for t in LOADED])

    def _pending(self) -> list[str]:
        """Packages that are staged whole and not taken over: one, or none."""
        sql = f"select load_id from {RAW_SCHEMA}._dlt_loads group by load_id having max(status) = 0"
        return [load_id for (load_id,) in self.query(sql)]

    def _staged_from(self) -> datetime | None:
        """When the first of the staged jobs was observed."""
        ((first,),) = self.query(f"select min(observed_at) from {self._connection.staged('jobs')}")
        found: datetime | None = first
        return found

    def _taking_over(self, table: Table) -> Iterator[str]:
        """SQL that replaces rows by the staged ones, and gives the same when run again."""
        target = self._connection.named(RAW_SCHEMA, table.name)
        staged = self._connection.staged(table.name)
        # a part of a key for itself never meets another job's rows: each package observes later
        # than any before it
        keys = [table.replaced_by] if table.replaced_by else table.key
        same = " and ".join(f"{key} in (select {key} from {staged})" for key in keys)
        yield f"delete from {target} where {same}"
        columns = self._connection.columns(table)
        kept = f" where {MARKER} is null" if MARKER in table.column_names else ""
        yield f"insert into {target} ({columns}) select {columns} from {staged}{kept}"

    def _tests(self) -> Iterator[tuple[str, str]]:
        return data_tests(self._connection.dialect, self._connection.named)

    def _drop_package(self) -> None:
        """Forget what is staged, so that the next run reads it again."""
        pending = self._pending()
        self._connection.client.rollback_transaction()
        self._transaction = None
        for table, column in (("_dlt_pipeline_state", "_dlt_load_id"), ("_dlt_loads", "load_id")):
            for load_id in pending:
                name = self._connection.named(RAW_SCHEMA, table)
                self._connection.execute(f"delete from {name} where {column} = %s", load_id)

    def _standing(self) -> str:
        if self.name in _WITHOUT_TRANSACTIONS:
            return f"{self.name} has no transactions and now holds rows that disagree"
        return f"{self.name} is unchanged"

    # views

    def _statements(self) -> dict[str, list[str]]:
        if not self._views:
            self._views = create_statements(self._connection.dialect, self._connection.named)
        return self._views

    def _fingerprint(self) -> str:
        return sha256(repr(self._statements()).encode()).hexdigest()[:32]

    def _views_stand(self) -> bool:
        sql = f"select max(load_id) from {RAW_SCHEMA}._dlt_loads where status = {_TAKEN_OVER}"
        ((latest,),) = self.query(sql)
        sql = (
            f"select schema_version_hash from {RAW_SCHEMA}._dlt_loads "
            f"where status = {_TAKEN_OVER} and load_id = ?"
        )
        found = [fingerprint for (fingerprint,) in self.query(sql, [latest])]
        views = [self._connection.named(VIEW_SCHEMA, name) for name in self._statements()]
        return found == [self._fingerprint()] and self._connection.has(views)

    def _create_views(self) -> None:
        """All views anew, with all comments; as far as the warehouse can in one step."""
        self._connection.create_schema(VIEW_SCHEMA)
        statements = [sql for view in self._statements().values() for sql in view]
        if knows_comments(self._connection.dialect):
            for table in TABLES:
                comments = {"": table.description}
                comments |= {column.name: column.description for column in table.columns}
                target = self._connection.named(RAW_SCHEMA, table.name)
                statements += comment_statements("table", target, comments)
        drops = [
            f"drop view if exists {self._connection.named(VIEW_SCHEMA, name)}"
            for name in reversed(self._statements())
        ]
        try:
            self._connection.execute_as_one(statements)
        except DestinationException:
            # a view whose columns changed cannot be replaced in some warehouses
            self._connection.execute_as_one(drops + statements)


def _staging_only(factory: Any) -> Any:
    """A destination of dlt whose merges end in the staging dataset."""
    client = factory().client_class
    name = "create_table_chain_completed_followup_jobs"
    staging = type(client.__name__, (client,), {name: lambda *_: []})
    kept = {"__module__": factory.__module__, "__qualname__": factory.__qualname__}
    return type(factory.__name__, (factory,), {"client_class": staging, **kept})


def _without_nul(rows: pa.Table) -> pa.Table:
    """Drops U+0000, escaped, from JSON columns; dlt drops it from other texts."""
    for place, name in enumerate(rows.column_names):
        if name in _JSON and pc.any(pc.match_substring(rows[name], "\\u0000")).as_py():
            kept = [text and _NUL.sub(r"\1", text) for text in rows[name].to_pylist()]
            rows = rows.set_column(place, rows.schema.field(place), pa.array(kept, pa.string()))
    return rows
