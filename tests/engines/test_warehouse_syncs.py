"""Whole syncs through dlt's destinations into what stands in for a warehouse, and into the file."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from destinations.test_warehouses import OF_EACH_RUN, histories
from engines.dialect_runs import in_types
from engines.stand_ins import STAND_INS, Json, StandIn
from support.exported_history import VIEWS, Row, assert_same
from support.syncs import access, api_of, rows, run
from support.warehouse_syncs import settings_for, sync_to
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.figures import read_report
from telnyx_jobs.report.html import write_html
from telnyx_jobs.schema import LOADED, RAW_SCHEMA

RELATIONS = [
    *((RAW_SCHEMA, table.name) for table in LOADED),
    *(("telnyx", view) for view in VIEWS),
]


@dataclass(frozen=True)
class Synced:
    """One history in the file and in a stand-in: summaries and rows of both, by relation."""

    summaries: list[tuple[Json, Json]]
    types: dict[str, dict[str, str]]
    found: Mapping[str, list[Row]]
    expected: Mapping[str, list[Row]]
    answers: Mapping[str, tuple[str, str]]
    """What commands print of the file and of it, where these can be run."""


@pytest.fixture(scope="module", params=STAND_INS)
def synced(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    folder = tmp_path_factory.mktemp(request.param)
    database = folder / "jobs.duckdb"
    summaries, types, answers = [], {}, {}
    with STAND_INS[request.param](folder) as stand_in:
        changing = list(histories())
        for number in stand_in.syncs:
            with api_of(changing[number]) as api:
                of_file = sync_to(api, folder, "duckdb").as_json()
                summaries.append((of_file, stand_in.sync(api)))
                # after the last one
                if stand_in.run and number == stand_in.syncs[-1]:
                    answers = dict(answers_of(folder, api, stand_in))
                if stand_in.draws and number == stand_in.syncs[-1]:
                    answers["page"] = page_of(folder, api), page_of(folder, api, request.param)
        queries, expected = {}, {}
        for schema, name in RELATIONS:
            left_out = OF_EACH_RUN.get(name, set())
            described = rows(database, f"describe {schema}.{name}")
            kept = {n: t for n, t, *_ in described if n not in left_out and n[:4] != "_dlt"}
            relation = f"{schema}.{name}"
            types[relation] = kept
            marks = [f"{each} is null as {each}_missing" for each in times(kept)]
            listed = ", ".join([*kept, *marks])
            queries[relation] = f"select {listed} from {stand_in.named(schema, name)}"
            expected[relation] = rows(database, f"select {', '.join(kept)} from {relation}")
        found = stand_in.read(queries)
    read = {name: [without_marks(types[name], row) for row in found[name]] for name in types}
    return Synced(summaries, types, read, expected, answers)


COUNTED = "outcome, count(*) as operation_count, max(error_count) as most_errors"
"""Of the operations, whose name takes the place of the braces below."""
COMMANDS = {
    "report": ["report"],
    "worklist": ["worklist", "--format", "json"],
    "query": ["query", "job_phone_numbers", "--format", "json"],
    "sql": ["query", f"select {COUNTED} from {{}} group by outcome", "--format", "json"],
    "status": ["status", "--json"],
    "metrics": ["status", "--prometheus"],
    "verify": ["verify", "--json", "--sample", "5"],
}


def answers_of(folder: Path, api: Any, stand_in: StandIn) -> Iterator[tuple[str, tuple[str, str]]]:
    """What each command prints of the file, and of the warehouse."""
    assert stand_in.run
    names = "telnyx.job_operations", stand_in.named("telnyx", "job_operations")
    for name, arguments in COMMANDS.items():
        for_file, for_it = ([each.format(named) for each in arguments] for named in names)
        of_file = run(folder, *for_file, "--database", "jobs.duckdb", environ=access(api))
        assert of_file.returncode == 0, of_file.stderr
        yield name, (of_file.stdout, stand_in.run(*for_it, **access(api)))


def page_of(folder: Path, api: Any, target: str = "duckdb") -> str:
    """The page that `report --html` writes."""
    page = folder / f"{target}.html"
    found = read_report(destination_for(settings_for(api, folder, target)), datetime.now(UTC))
    write_html(found, page)
    return page.read_text(encoding="utf-8")


def times(types: Mapping[str, str]) -> list[str]:
    """Columns of times and days: fakesnow sends one that is NULL as 1970."""
    return [name for name, type_ in types.items() if "TIME" in type_ or type_ == "DATE"]


def without_marks(types: Mapping[str, str], row: Row) -> Row:
    """The row without the marks at its end of the times that are NULL."""
    values = dict(zip(types, row, strict=False))
    for name, is_missing in zip(times(types), row[len(types) :], strict=True):
        values[name] = None if is_missing else values[name]
    return tuple(values.values())


@pytest.mark.parametrize("relation", [".".join(each) for each in RELATIONS])
def test_every_table_and_view_is_that_of_the_file(relation: str, synced: Synced) -> None:
    """After several syncs of a changing account, row for row the same."""
    types = synced.types[relation]
    assert synced.expected[relation]
    assert_same(
        [in_types(types, row) for row in synced.found[relation]],
        [in_types(types, row) for row in synced.expected[relation]],
    )


def test_requests_and_counts_are_those_of_the_file(synced: Synced) -> None:
    """Each sync has as many requests, written rows and new failures as the file's.

    It runs every data test before it commits, and ends with an error if one does not hold.
    """
    own = OF_EACH_RUN["sync_runs"]
    for summaries in synced.summaries:
        of_file, found = ({n: v for n, v in each.items() if n not in own} for each in summaries)
        assert found == of_file


# motherduck and redshift are DuckDB and PostgreSQL here, where other tests run the commands
@pytest.mark.parametrize("synced", ["bigquery", "clickhouse", "snowflake"], indirect=True)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_print_what_they_print_of_the_file(command: str, synced: Synced) -> None:
    """Reports, lists and comparisons with the API are the same, but for names, times and order."""
    of_file, found = synced.answers[command]
    assert plain(command, found) == plain(command, of_file)


@pytest.mark.parametrize("synced", ["redshift"], indirect=True)
def test_the_page_is_that_of_the_file(synced: Synced) -> None:
    """`report --html` writes the same tables and the same charts, but for name and times."""
    # the charts of one process count their clip paths on
    of_file, found = (re.sub(r"\bclip\d+", "clip", page) for page in synced.answers["page"])
    assert found.count("<td") > 100
    assert plain("page", found) == plain("page", of_file)


def plain(command: str, text: str) -> Any:
    """What is printed, without the name of the place and the times of its own syncs."""
    if command == "status":
        kept = ("open_jobs", "overdue_jobs")
        status = json.loads(text)
        assert status["history_read_since"]
        return {name: status[name] for name in kept}
    if command in ("query", "sql", "worklist", "verify"):
        # Snowflake's names are in capitals
        found = [{name.lower(): v for name, v in each.items()} for each in json.loads(text)]
        return sorted(json.dumps(each, sort_keys=True) for each in found)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return [line for line in lines if not re.search(OF_THE_PLACE, line)]


OF_THE_PLACE = r"jobs\.duckdb|telnyx_raw|^(<p>)?Synced |telnyx_jobs_(last|pending|file|published)"
