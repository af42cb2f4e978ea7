"""The dlt source: one extraction as Arrow tables, with the hints that keep them exact.

Each table is merged by its key; a first load into empty tables appends. The children of a job are
replaced whole: a marker row per job makes dlt delete the job's old rows, even if an array became
empty, and is never stored.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from dlt.extract import DltResource

from telnyx_jobs.api.client import Client
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import JOBS, LOADED, MARKER, STORED, Table
from telnyx_jobs.settings import DEFAULT_BASE_URL, MAX_PAGE_SIZE, Scope
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.dlt_log import without_log
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.flatten import table_of
from telnyx_jobs.source.loaded import NOTHING_LOADED, Loaded
from telnyx_jobs.source.pages import EARLIEST
from telnyx_jobs.source.sql import query_of
from telnyx_jobs.source.state import SOURCE_NAME, STATE_KEY, KeptState
from telnyx_jobs.views.create import has_tables, qualified

_REPLACE: Any = {"disposition": "merge", "strategy": "delete-insert"}
_WITHOUT_NUL = ("postgres", "redshift")
"""Dialects whose texts cannot hold U+0000. They are loaded by `insert`, too: through CSV, which dlt
would choose, an empty text becomes NULL."""
_FILE_FORMATS = {
    **dict.fromkeys(_WITHOUT_NUL, "insert_values"),
    # dlt refuses JSON columns in Parquet for it
    "bigquery": "jsonl",
}
"""Formats of the files by dialect, where the one dlt chooses for Arrow tables cannot be loaded."""
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
"""U+0000 as JSON writes it, after any escaped backslashes."""
_JSON = {column.name for table in LOADED for column in table.columns if column.type == "json"}


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def telnyx_jobs(
    api_key: str = dlt.secrets.value,
    base_url: str = DEFAULT_BASE_URL,
    full: bool = False,
    since: datetime | None = None,
    job_types: Sequence[str] = (),
    page_size: int = MAX_PAGE_SIZE,
    max_requests: int | None = None,
    same_account: bool = False,
) -> DltResource:
    """The public source; `telnyx_jobs.telnyx_jobs` documents it."""
    since = since and since.replace(tzinfo=since.tzinfo or UTC)
    scope = Scope(full=full, since=since, job_types=tuple(job_types), same_account=same_account)
    client = Client(base_url, api_key, page_size=page_size, max_requests=max_requests)
    return _records(_of_account(client, scope))


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def package_of(extraction: Extraction) -> DltResource:
    """The same source for the next package of a running extraction."""
    return _records(_tables(extraction))


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def empty_tables() -> DltResource:
    """Every raw table without rows: a destination has them all once this is loaded."""
    return _records(_without_rows())


def _records(tables: Iterator[Any]) -> DltResource:
    # dlt.resource would look through every imported module for the generator's own
    return DltResource.from_data(tables, name="records")


def _of_account(client: Client, scope: Scope) -> Iterator[Any]:
    with client, _loaded_by(dlt.current.pipeline()) as loaded:
        yield from _tables(Extraction(client, loaded, scope, Counts(), in_one_package=True))


def _without_rows() -> Iterator[Any]:
    for table in STORED:
        yield _with_hints(table, table_of(table, ()), _dialect())


def _tables(extraction: Extraction) -> Iterator[Any]:
    """Batches of each table with their hints; what has been read goes into the source's state."""
    state = dlt.current.source_state()
    dialect = _dialect()
    # JSON columns are loaded as Arrow text, and dlt warns of it for each batch
    with without_log("several column hints were different"):
        # loaded even without rows: tables that do not exist yet, and `jobs`, by whose staged rows a
        # destination knows what to test
        missing = {JOBS.name} if extraction.loaded.has_tables else {table.name for table in LOADED}
        # dlt may still have the state of tables that are gone
        kept = KeptState.of(state.get(STATE_KEY)) if extraction.loaded.has_tables else None
        for tables in extraction.package(kept):
            for table in LOADED:
                rows = tables.pop(table.name, None)
                if rows is not None and (len(rows) or table.name in missing):
                    missing.discard(table.name)
                    yield _with_hints(table, rows, dialect, appends=extraction.appends)
    state[STATE_KEY] = extraction.state().to_json()


@contextmanager
def _loaded_by(pipeline: dlt.Pipeline) -> Iterator[Loaded]:
    """What the pipeline's dataset holds. Raises BadConfiguration for an unsuitable destination."""
    package = dlt.current.load_package_state()["state"]
    # with `refresh`, dlt empties the tables before it loads
    is_refreshed = package.get("dropped_tables") or package.get("truncated_tables")
    if pipeline.destination is None or is_refreshed:
        yield NOTHING_LOADED
        return
    strategies = pipeline.destination.capabilities().supported_merge_strategies or []
    if "delete-insert" not in strategies:
        raise BadConfiguration(
            f"{pipeline.destination.destination_name} cannot replace the rows of a job "
            "(delete-insert): choose a SQL database or warehouse as the destination"
        )
    with pipeline.sql_client() as client:
        query = query_of(client, pipeline.dataset_name)
        names = [qualified(client, pipeline.dataset_name, table.name) for table in LOADED]
        if not has_tables(client, names):
            yield NOTHING_LOADED
            return
        # dlt commits table by table, and its state after all of them
        kept = KeptState.of(dlt.current.source_state().get(STATE_KEY)) or KeptState()
        yield Loaded(
            query,
            takes_appends=False,
            whole_until=kept.whole_until or EARLIEST,
            in_doubt=frozenset(kept.in_doubt),
        )


def _dialect() -> str:
    """The SQL dialect of the running pipeline's destination."""
    destination = dlt.current.pipeline().destination
    return str(destination.capabilities().sqlglot_dialect) if destination else ""


def _with_hints(table: Table, rows: pa.Table, dialect: str, *, appends: bool = False) -> Any:
    columns: dict[str, Any] = {
        column.name: {"data_type": "json"} for column in table.columns if column.type == "json"
    }
    order = "created_at" if table is JOBS else table.key[0]
    if dialect == "redshift":
        # rows of a job lie on one node, in the order in which they are asked for
        columns.setdefault(table.key[0], {})["cluster"] = True
        columns.setdefault(order, {})["sort"] = True
    clustered: dict[str, Any] | None = None
    if dialect == "bigquery":
        clustered = {"x-bigquery-cluster-columns": [order]}
    if MARKER in table.column_names and not appends:
        columns[MARKER] = {"hard_delete": True}
    file_format: Any = _FILE_FORMATS.get(dialect)
    hints = dlt.mark.make_hints(
        table_name=table.name,
        # a first package holds each key once, and replaces nothing
        write_disposition="append" if appends else _REPLACE,
        # a second condition beside the merge key would make dlt's delete a nested loop
        primary_key=None if table.replaced_by else table.key,
        merge_key=table.replaced_by,
        columns=columns,
        file_format=file_format,
        additional_table_hints=clustered,
    )
    rows = _without_nul(rows) if dialect in _WITHOUT_NUL else rows
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _without_nul(rows: pa.Table) -> pa.Table:
    """Drops U+0000, escaped, from JSON columns; dlt drops it from other texts."""
    for place, name in enumerate(rows.column_names):
        if name in _JSON and pc.any(pc.match_substring(rows[name], "\\u0000")).as_py():
            kept = [text and _NUL.sub(r"\1", text) for text in rows[name].to_pylist()]
            rows = rows.set_column(place, rows.schema.field(place), pa.array(kept, pa.string()))
    return rows
