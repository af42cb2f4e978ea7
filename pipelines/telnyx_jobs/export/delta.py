"""The published file as Delta Lake tables, in a folder or in a bucket.

    tables/jobs/                  a table, by the UTC month its jobs began in
    tables/sync_runs/             committed last: `table_versions` names the others' versions
    tables.sql, views/1_jobs.sql  the same names in Spark, in order of creation
    README.md                     how to open it

Every table is one Delta commit. It replaces the months whose rows changed since the last commit,
and nothing else: each commit keeps a digest of each month as an application transaction of Delta
(`telnyx_jobs/2026-11`), so what was committed is known from the table alone. A killed export
leaves whole commits, and the next one writes the rest.

A commit is made on the version that was read at the start, or not at all. So of two exports at the
same time one ends with TryAgainLater, and versions named by `sync_runs` hold one published file.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow

from telnyx_jobs.destinations.duckdb_connection import connect
from telnyx_jobs.errors import BadConfiguration, CannotWrite, TryAgainLater
from telnyx_jobs.export.folder import hand_over
from telnyx_jobs.export.s3 import Address, Target, failure, waited_for
from telnyx_jobs.export.scripts import (
    MONTH,
    delta_tables,
    exported_columns,
    is_partitioned,
    readme,
)
from telnyx_jobs.export.tables import (
    MEMORY,
    Exported,
    TableWritten,
    reason,
    refuse_missing,
    select,
    selected,
)
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import LOADED, RAW_SCHEMA, SYNC_RUNS, TABLES, Column, Table
from telnyx_jobs.source.flatten import ARROW_TYPES
from telnyx_jobs.views.dialects import spark_views

if TYPE_CHECKING:
    from deltalake import DeltaTable

VERSIONS = "table_versions"
KEPT_HOURS = 168
"""How long the files of a replaced month stay, for readers of an older version."""
_ALL = "all"
"""The month of tables without months."""
_BATCH_ROWS = 122_880


def export(
    database: Path, to: Path | Address, export_id: str, report: Report = nothing
) -> Exported:
    """Commit what changed in the published file since the last export to this place.

    Raises BadConfiguration if the file or deltalake is missing, or the place holds something else,
    TryAgainLater if another export commits there at the same time, and CannotWrite.
    """
    refuse_missing(database)
    _refuse_missing_package()
    with _reported(to), connect(database, read_only=True) as connection:
        connection.execute(f"set memory_limit = '{MEMORY}'")
        # the rows are streamed, nothing that grows with them is kept
        connection.execute("set temp_directory = ''")
        of_place = Target.of_folder if isinstance(to, Path) else Target.of_bucket
        target: Target = waited_for(of_place, to)
        return waited_for(_commit_all, connection, target, export_id, report)


@contextmanager
def _reported(to: Path | Address) -> Iterator[None]:
    """Raise what fails at the place as CannotWrite or BadConfiguration."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (OSError, DeltaError) as error:
        if isinstance(to, Address):
            raise failure(error, to) from None
        raise CannotWrite(
            f"{to} cannot be written ({reason(error)}): make room, or give another --to"
        ) from None


def _commit_all(
    connection: duckdb.DuckDBPyConnection, target: Target, export_id: str, report: Report
) -> Exported:
    _look(target)
    lakes = {table.name: _Lake(table, target) for table in TABLES}
    for table in LOADED:
        report("table", name=table.name)
        lakes[table.name].commit(connection, select(table, with_month=is_partitioned(table)))
    _settle(target)
    versions = {table.name: lakes[table.name].version for table in LOADED}
    lakes[SYNC_RUNS.name].commit(connection, _runs(versions))
    views = _write_scripts(target, versions)
    for lake in lakes.values():
        lake.delete_old_files()
    _settle(target)
    written = {name: lake.written() for name, lake in lakes.items()}
    return Exported(export_id, written, views)


def _look(target: Target) -> None:
    """List the place: pyarrow reports best why a bucket cannot be used."""
    from pyarrow.fs import FileSelector

    target.files.get_file_info(FileSelector("tables", allow_not_found=True))


class _Lake:
    """One Delta table. Opening it creates it if it is missing."""

    def __init__(self, table: Table, target: Target) -> None:
        self._table = table
        self._target = target
        self._schema = _schema(table)
        self._delta = self._opened() or self._created()
        if self._delta.metadata().name != f"{RAW_SCHEMA}.{table.name}":
            raise self._refusal()
        self._files_before = set(self._delta.file_uris())

    @property
    def version(self) -> int:
        return self._delta.version()

    def commit(self, connection: duckdb.DuckDBPyConnection, rows: str) -> None:
        """Replace the months whose rows differ from the last commit's. Raises TryAgainLater."""
        from deltalake import Schema, WriterProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError

        is_changed = self._delta.schema() != Schema.from_arrow(self._schema)
        found = _digests(connection, rows, is_partitioned(self._table))
        months = self._months(found, all_of_them=is_changed)
        if not months and not is_changed:
            return
        options: dict[str, Any] = {}
        if is_changed:
            options["schema_mode"] = "overwrite"
        elif is_partitioned(self._table):
            options["predicate"] = f"month in ({_listed(months)})"
            rows = f"select * from ({rows}) where month in ({_listed(months)})"
        stream = selected(connection, rows).to_arrow_reader(_BATCH_ROWS).cast(self._schema)
        try:
            write_deltalake(
                self._delta,
                stream,
                mode="overwrite",
                writer_properties=WriterProperties(compression="ZSTD"),
                commit_properties=_on_this_version(months),
                **options,
            )
        except CommitFailedError:
            if self._opened_version() == self.version:
                raise
            raise TryAgainLater(
                f"another export committed to {self._uri} at the same time: export again"
            ) from None

    def delete_old_files(self) -> None:
        """Delete what no version of the last days needs, and what killed exports left."""
        # it would commit even with nothing to delete
        if self._delta.vacuum(KEPT_HOURS, dry_run=True, full=True):
            self._delta.vacuum(KEPT_HOURS, dry_run=False, full=True)

    def written(self) -> TableWritten:
        """What the table holds now, and what this export wrote of it."""
        uris = self._delta.file_uris()
        held = pyarrow.table(self._delta.get_add_actions(flatten=True)).to_pylist()
        names = {uri.rpartition("/")[2] for uri in set(uris) - self._files_before}
        return TableWritten(
            rows=sum(file["num_records"] for file in held),
            files=len(held),
            bytes=sum(file["size_bytes"] for file in held),
            bytes_written=sum(
                file["size_bytes"] for file in held if file["path"].rpartition("/")[2] in names
            ),
            version=self.version,
        )

    @property
    def _uri(self) -> str:
        return f"{self._target.uri}/tables/{self._table.name}"

    def _opened(self) -> "DeltaTable | None":
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._uri, storage_options=self._target.options)
        except TableNotFoundError:
            return None

    def _opened_version(self) -> int | None:
        delta = self._opened()
        return delta.version() if delta else None

    def _created(self) -> "DeltaTable":
        """An empty table. Raises BadConfiguration if the place holds anything else."""
        from deltalake import DeltaTable
        from pyarrow.fs import FileSelector

        there = self._target.files.get_file_info(
            FileSelector(f"tables/{self._table.name}", allow_not_found=True)
        )
        if any(info.base_name != "_delta_log" for info in there):
            raise self._refusal()
        if self._target.folder:
            (self._target.folder / "tables" / self._table.name).mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self._uri,
            self._schema,
            partition_by=["month"] if is_partitioned(self._table) else None,
            name=f"{RAW_SCHEMA}.{self._table.name}",
            description=self._table.description,
            storage_options=self._target.options,
        )

    def _refusal(self) -> BadConfiguration:
        return BadConfiguration(
            f"{self._uri} holds something other than an export: give another --to"
        )

    def _months(self, found: dict[str, int], *, all_of_them: bool) -> dict[str, int]:
        """Digests of the months to write; 0 for a month that no longer has rows."""
        held = [partition["month"] for partition in self._delta.partitions()]
        if not is_partitioned(self._table):
            held = [_ALL]
        wanted = dict.fromkeys(held, 0) | found
        return {
            month: digest
            for month, digest in wanted.items()
            if all_of_them or (self._delta.transaction_version(_app(month)) or 0) != digest
        }


def _on_this_version(months: dict[str, int]) -> Any:
    from deltalake import CommitProperties, Transaction

    return CommitProperties(
        app_transactions=[Transaction(_app(month), digest) for month, digest in months.items()],
        max_commit_retries=0,
    )


def _digests(
    connection: duckdb.DuckDBPyConnection, rows: str, is_partitioned: bool
) -> dict[str, int]:
    """For each month a number that changes with its rows, and is never 0."""
    month = "month" if is_partitioned else f"'{_ALL}'"
    sums = selected(
        connection,
        f"select {month}, count(*), sum(hash(t)::hugeint) from ({rows}) as t group by all",
    ).fetchall()
    return {name: _digest(f"{count} {total}") for name, count, total in sums}


def _digest(text: str) -> int:
    # as many bits as an application transaction has
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1 | 1


def _runs(versions: dict[str, int]) -> str:
    """The rows of sync_runs; the newest names the versions that hold the same published file."""
    return (
        f"select *, case when row_number() over (order by finished_at desc, run_id desc) = 1 "
        f"then '{json.dumps(versions)}' end as {VERSIONS} from ({select(SYNC_RUNS)})"
    )


def _schema(table: Table) -> pyarrow.Schema:
    columns = exported_columns(table)
    if is_partitioned(table):
        columns.append(MONTH)
    if table is SYNC_RUNS:
        comment = "Of the newest run: the other tables' versions that belong to it, as JSON."
        columns.append(Column(VERSIONS, "text", comment))
    return pyarrow.schema(
        [
            pyarrow.field(c.name, ARROW_TYPES[c.type], metadata={"comment": c.description})
            for c in columns
        ]
    )


def _write_scripts(target: Target, versions: dict[str, int]) -> list[str]:
    """Write README and the statements for Spark beside the tables; returns the views' names."""
    texts = {"README.md": readme("delta"), "tables.sql": delta_tables(versions)}
    views = spark_views()
    target.files.create_dir("views")
    for path, text in (texts | {f"views/{name}.sql": sql for name, sql in views.items()}).items():
        with target.files.open_output_stream(path) as stream:
            stream.write(text.encode())
    return list(views)


def _settle(target: Target) -> None:
    """Make a committed folder readable for everybody, and durable."""
    if target.folder:
        hand_over(target.folder)


def _app(month: str) -> str:
    return f"telnyx_jobs/{month}"


def _listed(months: Iterable[str]) -> str:
    return ", ".join(f"'{month}'" for month in sorted(months))


def _refuse_missing_package() -> None:
    try:
        import deltalake  # noqa: F401
    except ImportError:
        raise BadConfiguration(
            "--format delta needs the deltalake package: pip install 'telnyx-jobs[delta]'"
        ) from None
