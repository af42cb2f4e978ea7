"""A warehouse that dlt supports, instead of the DuckDB file: staged by dlt, then taken over whole.

dlt loads a package into its staging dataset, and would merge it from there table by table, each in
its own transaction: readers meanwhile, and the rows that a killed run leaves, would disagree. So
dlt only stages, and one transaction here takes the package over, tests the data and adds the run's
row. `_dlt_loads` records the progress of a package, as dlt documents: status 0 once it is staged
whole, 1 once it is taken over. A package that is staged whole is taken over by the next run at the
latest; anything less is deleted. Without transactions, taking over again gives the same rows.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import dlt

from telnyx_jobs.destinations.answer import Rows
from telnyx_jobs.destinations.base import T, synced_at
from telnyx_jobs.destinations.connection import Connection
from telnyx_jobs.destinations.dlt_run import failures_raised, pipeline_into
from telnyx_jobs.destinations.duckdb_connection import disk_errors
from telnyx_jobs.destinations.duckdb_tables import refuse_newer
from telnyx_jobs.destinations.indexes import create_missing_indexes
from telnyx_jobs.destinations.ownership import refuse_other_pipelines, refuse_other_views
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.destinations.warehouse_query import answer
from telnyx_jobs.errors import Bug
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import (
    JOBS,
    LOADED,
    MARKER,
    RAW_SCHEMA,
    STORED,
    SYNC_RUNS,
    VIEW_SCHEMA,
    Column,
    Table,
)
from telnyx_jobs.settings import Settings, prepare_dlt
from telnyx_jobs.source.loaded import Loaded
from telnyx_jobs.source.removals import kept_removals
from telnyx_jobs.source.resource import empty_tables
from telnyx_jobs.views.create import install
from telnyx_jobs.views.dialects import create_statements, data_tests

_TAKEN_OVER = 1
_MERGE = "create_table_chain_completed_followup_jobs"
"""dlt's method that adds the merge to a load. dlt has no setting that leaves it out."""
_WITHOUT_TRANSACTIONS = ("clickhouse", "databricks")
"""dlt begins and ends them there without effect."""
_JSON_FROM_TEXT = {"snowflake": "parse_json", "bigquery": "parse_json", "redshift": "json_parse"}


class Warehouse:
    """One warehouse, by dlt's name for it. A `Destination`, and its own `Reader`."""

    def __init__(self, settings: Settings, report: Report = nothing) -> None:
        # what is staged is taken over after dlt's own work is done
        prepare_dlt()
        os.environ["LOAD__TRUNCATE_STAGING_DATASET"] = "false"
        warehouse = settings.destination
        database = settings.database.absolute()
        self.dataset = settings.dataset
        # the first version knew one dataset
        suffix = "" if self.dataset == RAW_SCHEMA else f".{self.dataset}"
        folder = database.with_name(f"{database.name}.{warehouse}{suffix}")
        self.place = Place(folder, settings.creates_folder)
        self.name = f"{warehouse} {self.dataset}"
        self.warehouse = warehouse
        self._report = report
        schemas = {RAW_SCHEMA: self.dataset, VIEW_SCHEMA: settings.views_schema}
        self._connection = Connection(warehouse, schemas)
        self.query = self._connection.query
        self._transaction: AbstractContextManager[Any] | None = None
        self._views: dict[str, list[str]] = {}

    def prepare(self) -> None:
        self.place.make()

    def open(self) -> None:
        """Connect, bring tables up to date, and take over what a killed run staged whole."""
        self.place.begin_work()
        self._report("connect", destination=self.warehouse)
        self._connect()
        self._connection.lock()
        if not self._is_current():
            refuse_other_pipelines(self._connection)
            with failures_raised():
                self._pipeline().run(empty_tables())
        create_missing_indexes(self._connection)
        refuse_newer(self._newest_version())
        refuse_other_views(self._connection)
        if self._pending():
            self.finish()
            self._commit()
        self._connection.empty_staged(table.name for table in LOADED)

    def loaded(self) -> Loaded:
        # a package always goes through staging, where rows to be replaced are marked
        return Loaded(self.query, takes_appends=False, removals=kept_removals(self.query))

    def load(self, source: Any) -> None:
        with failures_raised():
            self._pipeline().run(source)

    def finish(self) -> None:
        """Views and comments, then the staged package, not committed yet. Raises Bug.

        Views come first: readers of one that is replaced are waited for, and DDL may commit.
        """
        self._begin()
        for table in LOADED:
            for statement in self._taking_over(table):
                self._connection.execute(statement)
        failed = self.failed_tests()
        if failed:
            self._drop_package()
            raise Bug(
                f"the loaded data fails its tests ({', '.join(failed)}): "
                f"{self._standing()}; please report this"
            )

    def publish(self, run: Mapping[str, Any]) -> None:
        """Add the run's row, and commit all of it."""
        self._insert_run(run)
        self._commit()

    def remove(self, change: Callable[[], T]) -> T:
        """Change and test everything in one transaction, then rewrite the tables. PostgreSQL."""
        self.open()
        self._begin()
        result = change()
        if failed := self.failed_tests():
            raise Bug(f"the rest fails its tests ({', '.join(failed)}): please report this")
        self._commit()
        self._report("vacuum", destination=self.warehouse)
        self._connection.vacuum(STORED, LOADED)
        return result

    def discard(self) -> None:
        """Close the connection, which rolls back what is not committed; delete what is local."""
        self._transaction = None
        self._connection.close()
        self.place.end_work()

    @contextmanager
    def reading(self) -> Iterator["Warehouse | None"]:
        """The warehouse as it is now; None before the first load."""
        with self.errors():
            try:
                self._connect()
                yield self if self._has_published() else None
            finally:
                self.discard()

    def look(self) -> str:
        with self.reading() as reader:
            if reader is None:
                return f"{self.warehouse} holds no sync yet: the first one creates its tables"
            ((finished_at,),) = reader.query(
                f"select max(finished_at) from {RAW_SCHEMA}.{SYNC_RUNS.name}"
            )
            runs = self._connection.named(RAW_SCHEMA, SYNC_RUNS.name)
            if self._connection.has([runs], SYNC_RUNS):
                refuse_newer(self._newest_version())
        return f"{self.name}, {synced_at(finished_at)}"

    def failed_tests(self) -> dict[str, list[tuple[Any, ...]]]:
        tests = data_tests(self._connection.dialect, self._connection.named)
        found = {name: self._connection.execute(sql) for name, sql in tests}
        return {name: list(rows)[:5] for name, rows in found.items() if rows}

    def has_view(self, name: str) -> bool:
        return self._connection.has([self._connection.named(VIEW_SCHEMA, name)])

    def has_table(self, table: Table) -> bool:
        return self._connection.has([self._connection.named(RAW_SCHEMA, table.name)], table)

    def answer(self, sql: str) -> Rows:
        return answer(self._connection, sql)

    def interrupt(self) -> None:
        self._connection.interrupt()

    @contextmanager
    def errors(self) -> Iterator[None]:
        with disk_errors(self.place.database), self._connection.errors():
            yield

    # packages

    def _pipeline(self) -> dlt.Pipeline:
        destination = _staging_only(getattr(dlt.destinations, self.warehouse))()
        pipeline: dlt.Pipeline = pipeline_into(destination, self.place.work, self.dataset)
        return pipeline

    def _connect(self) -> None:
        if not self._connection.is_open:
            self._connection.open(self._pipeline())

    def _has_published(self) -> bool:
        """Whether a sync of any version has published here."""
        raw = [self._connection.named(RAW_SCHEMA, table.name) for table in (JOBS, SYNC_RUNS)]
        return self._connection.has(raw)

    def _is_current(self) -> bool:
        """Whether each raw table exists with all of its columns, and its table for staged rows."""
        looks = [(self._connection.named(RAW_SCHEMA, table.name), table) for table in STORED]
        looks += [(self._connection.staged(table.name), table) for table in LOADED]
        return all(self._connection.has([name], table) for name, table in looks)

    def _newest_version(self) -> str | None:
        """The program that published last."""
        rows = self.query(
            f"select version from {RAW_SCHEMA}.{SYNC_RUNS.name} order by started_at desc limit 1"
        )
        version: str | None = rows[0][0] if rows else None
        return version

    def _pending(self) -> list[str]:
        """Packages that are staged whole and not taken over: one, or none."""
        sql = f"select load_id from {RAW_SCHEMA}._dlt_loads group by load_id having max(status) = 0"
        return [load_id for (load_id,) in self.query(sql)]

    def _begin(self) -> None:
        """Bring the views up to date, then begin the transaction of a change."""
        if not self._views_stand():
            connection = self._connection
            schema = connection.schemas[VIEW_SCHEMA]
            install(connection.client, schema, self._statements(), connection.named, STORED)
        self._transaction = self._connection.client.begin_transaction()
        self._transaction.__enter__()

    def _commit(self) -> None:
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

    def _insert_run(self, run: Mapping[str, Any]) -> None:
        """Add the run's row, instead of the one that an earlier package of the run left."""
        table = self._connection.named(RAW_SCHEMA, SYNC_RUNS.name)
        execute = self._connection.execute
        execute(f"delete from {table} where run_id = %s", run["run_id"])
        parse = _JSON_FROM_TEXT.get(self.warehouse, "")
        json = {column.name for column in SYNC_RUNS.columns if column.type == "json"}
        # Google's client takes no None
        marks = ", ".join(
            "null" if value is None else f"{parse}(%s)" if name in json else "%s"
            for name, value in run.items()
        )
        # `values` takes no function there
        given = f"select {marks}" if self.warehouse == "snowflake" else f"values ({marks})"
        columns = ", ".join(map(self._connection.client.escape_column_name, run))
        execute(
            f"insert into {table} ({columns}) {given}", *(v for v in run.values() if v is not None)
        )

    def _taking_over(self, table: Table) -> Iterator[str]:
        """SQL that replaces rows by the staged ones; running it again changes nothing."""
        target = self._connection.named(RAW_SCHEMA, table.name)
        staged = self._connection.staged(table.name)
        # a part of a key for itself never meets another job's rows: each package observes later
        # than any before it
        keys = [table.replaced_by] if table.replaced_by else table.key
        same = " and ".join(f"{key} in (select {key} from {staged})" for key in keys)
        yield f"delete from {target} where {same}"
        columns = self._connection.columns(table)
        given = ", ".join(map(self._from_staged, table.columns))
        kept = f" where {MARKER} is null" if MARKER in table.column_names else ""
        yield f"insert into {target} ({columns}) select {given} from {staged}{kept}"

    def _from_staged(self, column: Column) -> str:
        name = str(self._connection.client.escape_column_name(column.name))
        if column.type != "json":
            return name
        if self.warehouse == "snowflake":
            # it makes a text of the JSON in dlt's files of Parquet
            return f"parse_json(to_varchar({name}))"
        if self.warehouse == "bigquery":
            # dlt's files of JSON lines hold it as a text
            parsed = f"safe.parse_json(json_value({name}), wide_number_mode => 'round')"
            return f"if(json_type({name}) = 'string', coalesce({parsed}, {name}), {name})"
        return name

    def _drop_package(self) -> None:
        """Delete what is staged, so the next run reads it again."""
        pending = self._pending()
        self._connection.client.rollback_transaction()
        self._transaction = None
        for table, column in (("_dlt_pipeline_state", "_dlt_load_id"), ("_dlt_loads", "load_id")):
            for load_id in pending:
                name = self._connection.named(RAW_SCHEMA, table)
                self._connection.execute(f"delete from {name} where {column} = %s", load_id)

    def _standing(self) -> str:
        if self.warehouse in _WITHOUT_TRANSACTIONS:
            return f"{self.warehouse} has no transactions and now holds rows that disagree"
        return f"{self.warehouse} is unchanged"

    # views

    def _statements(self) -> dict[str, list[str]]:
        if not self._views:
            connection = self._connection
            self._views = create_statements(
                connection.dialect, connection.named, schemas=connection.schemas
            )
        return self._views

    def _fingerprint(self) -> str:
        return sha256(repr(self._statements()).encode()).hexdigest()[:32]

    def _views_stand(self) -> bool:
        taken = f"from {RAW_SCHEMA}._dlt_loads where status = {_TAKEN_OVER}"
        found = [
            fingerprint
            for (fingerprint,) in self.query(
                f"select schema_version_hash {taken} and load_id = (select max(load_id) {taken})"
            )
        ]
        views = [self._connection.named(VIEW_SCHEMA, name) for name in self._statements()]
        return found == [self._fingerprint()] and self._connection.has(views)


def _staging_only(factory: Any) -> Any:
    """A destination of dlt whose merges end in the staging dataset."""
    client = factory().client_class
    if not hasattr(client, _MERGE):
        raise Bug(
            f"dlt {dlt.__version__} has another name for the merge of a package, {_MERGE} until "
            "now, and would merge by itself: install an earlier dlt, and please report this"
        )
    staging = type(client.__name__, (client,), {_MERGE: lambda *_: []})
    kept = {"__module__": factory.__module__, "__qualname__": factory.__qualname__}
    return type(factory.__name__, (factory,), {"client_class": staging, **kept})
