"""Writes `models/sources.yml` from the package: the raw tables, their keys, and the views.

Run it as `make dbt-sources` after a change of `schema.py` or of a view.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from telnyx_jobs.schema import CHILDREN, JOBS, SYNC_RUNS, TABLES, Table
from telnyx_jobs.views.dialects import carried_views

SOURCES = Path(__file__).parent / "models" / "sources.yml"

_HEAD = """\
# Made by `make dbt-sources`: do not change it here.
version: 2

sources:
"""
_WARN_HOURS, _ERROR_HOURS = 12, 24
"""How old the newest sync may be: a schedule runs every hour."""


def sources() -> str:
    """The text of the file."""
    return _HEAD + "".join(f"{line}\n" for line in (*_raw_tables(), *_views()))


def _raw_tables() -> Iterator[str]:
    yield from _source("telnyx_raw", "telnyx_dataset", "Telnyx's own words, one row per thing.")
    for table in TABLES:
        yield f"      - name: {table.name}"
        yield f"        description: {_quoted(table.description)}"
        if table is SYNC_RUNS:
            yield "        config:"
            yield "          loaded_at_field: finished_at"
            yield "          freshness:"
            yield f"            warn_after: {{count: {_WARN_HOURS}, period: hour}}"
            yield f"            error_after: {{count: {_ERROR_HOURS}, period: hour}}"
        if len(table.key) > 1:
            yield "        data_tests:"
            yield "          - unique_together:"
            yield f"              arguments: {{columns: [{', '.join(table.key)}]}}"
        yield "        columns:"
        for column in table.columns:
            yield f"          - name: {column.name}"
            yield f"            description: {_quoted(column.description)}"
            if column.name in table.key:
                yield from _key_tests(table, column.name)


def _key_tests(table: Table, column: str) -> Iterator[str]:
    yield "            data_tests:"
    yield "              - not_null"
    if len(table.key) == 1:
        yield "              - unique"
    if column == table.replaced_by and table in CHILDREN:
        yield "              - relationships:"
        job = f"source('telnyx_raw', '{JOBS.name}')"
        yield f'                  arguments: {{to: "{job}", field: id}}'


def _views() -> Iterator[str]:
    yield from _source("telnyx", "telnyx_views_schema", "The views that analysts use.")
    for view in sorted(carried_views("duckdb"), key=lambda view: view.name):
        yield f"      - name: {view.name}"
        yield f"        description: {_quoted(view.comments[''])}"
        yield "        columns:"
        for column in view.columns:
            yield f"          - name: {column}"
            yield f"            description: {_quoted(view.comments[column])}"


def _source(name: str, variable: str, description: str) -> Iterator[str]:
    yield f"  - name: {name}"
    yield f"    description: {_quoted(description)}"
    yield "    database: \"{{ var('telnyx_database') }}\""
    yield f"    schema: \"{{{{ var('{variable}') }}}}\""
    yield "    tables:"


def _quoted(text: str) -> str:
    # JSON's texts are YAML's; dbt would take two braces for a template
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    SOURCES.write_text(sources(), encoding="utf-8")
