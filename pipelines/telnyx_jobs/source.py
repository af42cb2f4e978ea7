"""The dlt source: one extraction as Arrow tables, with the hints that keep them exact.

Each table is merged by its key. The children of a job are replaced whole: a marker row per job
makes dlt delete the job's old rows, also where an array has become empty, and is never stored.
"""

import logging
from collections.abc import Iterator
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.common.versioned_state import decompress_state
from dlt.extract import DltResource

from telnyx_jobs.extraction import Extraction
from telnyx_jobs.schema import LOADED, MARKER, RAW_SCHEMA, Table
from telnyx_jobs.stored import Query

SOURCE_NAME = "telnyx"
_DLT_TYPES = {"json": "json", "bool": "bool"}


@dlt.source(name=SOURCE_NAME, section=SOURCE_NAME)
def telnyx_jobs(extraction: Extraction) -> DltResource:
    """The next package of an extraction; its coverage is kept in the source's state."""
    return _records(extraction)


@dlt.resource(name="records")
def _records(extraction: Extraction) -> Iterator[Any]:
    state = dlt.current.source_state()
    for tables in extraction.package(state.get("coverage", {})):
        for table in LOADED:
            if table.name in tables:
                yield _with_hints(table, tables[table.name])
    state["coverage"] = extraction.coverage()


def kept_coverage(query: Query) -> dict[str, Any]:
    """The coverage that the last sync left in the destination; empty before the first one."""
    try:
        rows = query(
            f"select state from {RAW_SCHEMA}._dlt_pipeline_state order by version desc limit 1", []
        )
    except duckdb.CatalogException:
        return {}
    state = decompress_state(rows[0][0]) if rows else {}
    coverage: dict[str, Any] = state.get("sources", {}).get(SOURCE_NAME, {}).get("coverage", {})
    return coverage


def _with_hints(table: Table, rows: pa.Table) -> Any:
    columns: dict[str, Any] = {
        column.name: {"data_type": _DLT_TYPES[column.type]}
        for column in table.columns
        if column.type == "json"
    }
    if MARKER in table.column_names:
        columns[MARKER] = {"hard_delete": True}
    hints = dlt.mark.make_hints(
        table_name=table.name,
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        # a second condition beside the merge key would make dlt's delete a nested loop
        primary_key=None if table.replaced_by else table.key,
        merge_key=table.replaced_by,
        columns=columns,
    )
    return dlt.mark.with_hints(rows, hints, create_table_variant=True)


def _is_surprise(record: logging.LogRecord) -> bool:
    # JSON columns travel as Arrow text, and dlt says so for each batch
    return "several column hints were different" not in record.getMessage()


logging.getLogger("dlt").addFilter(_is_surprise)
