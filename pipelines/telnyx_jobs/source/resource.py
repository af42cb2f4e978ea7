"""The dlt source: one extraction as Arrow tables, with the hints that keep them exact.

Each table is merged by its key; a first load, into empty tables, appends. The children of a job are
replaced whole: a marker row per job makes dlt delete the job's old rows, also where an array has
become empty, and is never stored.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.common.versioned_state import decompress_state
from dlt.extract import DltResource

from telnyx_jobs.schema import LOADED, MARKER, RAW_SCHEMA, TABLES, Table
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.flatten import arrow_schema
from telnyx_jobs.source.loaded import Query

PIPELINE_NAME = "telnyx_jobs"
SOURCE_NAME = "telnyx"
_REPLACE: Any = {"disposition": "merge", "strategy": "delete-insert"}


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def telnyx_jobs(extraction: Extraction) -> DltResource:
    """The next package of an extraction; its coverage is kept in the source's state."""
    return _records(extraction)


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def tables() -> DltResource:
    """Every raw table without rows: a destination has them all once this is loaded."""
    return _no_records()


def pipeline_into(destination: Any, work: Path) -> dlt.Pipeline:
    """A pipeline with its working folder in `work`; what it must know is in the destination."""
    return dlt.pipeline(
        PIPELINE_NAME,
        pipelines_dir=str(work / "dlt"),
        destination=destination,
        dataset_name=RAW_SCHEMA,
    )


@dlt.resource(name="records")
def _no_records() -> Iterator[Any]:
    for table in TABLES:
        yield _with_hints(table, arrow_schema(table).empty_table(), is_first_load=False)


@dlt.resource(name="records")
def _records(extraction: Extraction) -> Iterator[Any]:
    state = dlt.current.source_state()
    for tables in extraction.package(state.get("coverage", {})):
        for table in LOADED:
            if table.name in tables:
                yield _with_hints(table, tables.pop(table.name), extraction.is_first_load)
    state["coverage"] = extraction.coverage()


def kept_coverage(query: Query) -> dict[str, Any]:
    """The coverage that the last sync left in the destination; empty before the first one."""
    try:
        rows = query(
            f"select state from {RAW_SCHEMA}._dlt_pipeline_state where _dlt_load_id in "
            f"(select load_id from {RAW_SCHEMA}._dlt_loads where status = 0) "
            "order by version desc limit 1",
            [],
        )
    except duckdb.CatalogException:
        return {}
    state = decompress_state(rows[0][0]) if rows else {}
    coverage: dict[str, Any] = state.get("sources", {}).get(SOURCE_NAME, {}).get("coverage", {})
    return coverage


def _with_hints(table: Table, rows: pa.Table, is_first_load: bool) -> Any:
    columns: dict[str, Any] = {
        column.name: {"data_type": "json"} for column in table.columns if column.type == "json"
    }
    if MARKER in table.column_names and not is_first_load:
        columns[MARKER] = {"hard_delete": True}
    hints = dlt.mark.make_hints(
        table_name=table.name,
        # a first package holds each key once, and there is nothing to replace
        write_disposition="append" if is_first_load else _REPLACE,
        # a second condition beside the merge key would make dlt's delete a nested loop
        primary_key=None if table.replaced_by else table.key,
        merge_key=table.replaced_by,
        columns=columns,
    )
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


_NO_SURPRISE = (
    # JSON columns travel as Arrow text, and dlt says so for each batch
    "several column hints were different",
    # an exception says so too
    "retried in load",
    "was not fully loaded",
)


def _is_surprise(record: logging.LogRecord) -> bool:
    # what comes with an exception is raised too, and told where it ends
    return not record.exc_info and not any(text in record.getMessage() for text in _NO_SURPRISE)


logging.getLogger("dlt").addFilter(_is_surprise)
