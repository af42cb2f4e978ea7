"""The views on the dataset of somebody's own dlt pipeline."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dlt
import duckdb
import pytest

from support.exported_history import HOSTILE, assert_same
from support.postgres import Server
from support.raw_account import VIEWS, open_account
from support.syncs import Json, error, failure, job
from telnyx_jobs.api.models import Record
from telnyx_jobs.api.parsing import read_page
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import LOADED, RAW_SCHEMA
from telnyx_jobs.source.flatten import Observed, job_tables, table_of
from telnyx_jobs.views.create import create_views

MOMENT = datetime(2026, 11, 2, tzinfo=UTC)
ONE = [*HOSTILE, job(20, failed_operations=[failure(1, error("one", "/one/7"))])]
OTHER = [job(21, failed_operations=[failure(2, error("other", "/other"))])]
EVERY = VIEWS.keys() - {"sync_runs"}
OF_NOW = ("is_overdue", "age_seconds")


def tables_of(jobs: Sequence[Json]) -> dict[str, Any]:
    body = json.dumps({"data": jobs, "meta": {"total_pages": 1}}).encode()
    records = [record for record in read_page(body).records if isinstance(record, Record)]
    return job_tables([Observed(record, "", MOMENT) for record in records], marked=False)


def load(pipeline: dlt.Pipeline, jobs: Sequence[Json]) -> None:
    """Load every raw table, as a source of dlt does."""

    @dlt.resource
    def records() -> Iterator[Any]:
        found = tables_of(jobs)
        for table in LOADED:
            rows = found[table.name] if table.name in found else table_of(table, ())
            hints: Any = {c.name: {"data_type": "json"} for c in table.columns if c.type == "json"}
            made = dlt.mark.make_hints(table_name=table.name, columns=hints)
            yield dlt.mark.with_hints(rows, made, create_table_variant=True)

    pipeline.run(records(), loader_file_format="insert_values")


def expected(jobs: Sequence[Json]) -> duckdb.DuckDBPyConnection:
    """The same jobs in a database as syncs make it."""
    con = open_account()
    for name, rows in tables_of(jobs).items():
        con.register("loaded", rows)
        con.execute(f"insert into {RAW_SCHEMA}.{name} by name from loaded")
    return con


Execute = Callable[[str], list[tuple[Any, ...]]]
Into = tuple[Callable[[str], dlt.Pipeline], Execute]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def into(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Into:
    """Gives pipelines into datasets of one database, and queries it."""
    folder = tmp_path_factory.mktemp("into")
    if request.param == "postgres":
        server: Server = request.getfixturevalue("postgres")
        name = server.new_database()
        destination: Any = dlt.destinations.postgres(server.url(name))

        def execute(sql: str) -> list[tuple[Any, ...]]:
            return server.rows(name, sql)
    else:
        path = folder / "mine.duckdb"
        destination = dlt.destinations.duckdb(str(path))

        def execute(sql: str) -> list[tuple[Any, ...]]:
            with duckdb.connect(path) as con:
                return con.execute(sql).fetchall()

    def pipeline(dataset: str) -> dlt.Pipeline:
        return dlt.pipeline(
            f"into_{dataset}",
            pipelines_dir=str(folder / "pipelines"),
            destination=destination,
            dataset_name=dataset,
        )

    return pipeline, execute


def test_a_dataset_without_the_tables_is_refused(into: Into) -> None:
    """Before the first load, and with the tables' own schema, the error says what to do."""
    pipeline_into, execute = into
    pipeline = pipeline_into("lacking")
    pipeline.run([{"id": 1}], table_name="jobs")
    with pytest.raises(BadConfiguration, match="lacking lacks tables"):
        create_views(pipeline, "never")
    with pytest.raises(BadConfiguration, match="give the views another schema"):
        create_views(pipeline, "lacking")
    sql = "select 1 from information_schema.schemata where schema_name = 'never'"
    assert execute(sql) == []


@pytest.fixture(scope="module")
def other(into: Into) -> dlt.Pipeline:
    """The pipeline of a dataset with the other jobs."""
    pipeline = into[0]("of_other")
    load(pipeline, OTHER)
    return pipeline


def test_two_datasets_of_one_database_have_views_of_their_own(
    into: Into, other: dlt.Pipeline
) -> None:
    """Each view shows the jobs of its dataset, row for row, also when created once more."""
    pipeline_into, execute = into
    one = pipeline_into("of_one")
    load(one, ONE)
    create_views(one, "telnyx")
    for _ in range(2):
        create_views(other, 'other "views')
    for schema, jobs in (("telnyx", ONE), ('other ""views', OTHER)):
        con = expected(jobs)
        for view in EVERY - {"data_dictionary"}:
            columns = ", ".join(c for c in VIEWS[view].split() if c not in OF_NOW)
            found = execute(f'select {columns} from "{schema}".{view}')
            assert_same(found, con.execute(f"select {columns} from telnyx.{view}").fetchall())


def test_the_dictionary_lists_the_pipeline_s_own_dataset(into: Into, other: dlt.Pipeline) -> None:
    """It names the dataset and the schema of the views, all described, and nothing else."""
    _, execute = into
    create_views(other, "my_views")
    found = execute("select relation, column_name, description from my_views.data_dictionary")
    assert {(relation, column) for relation, column, _ in found} == {
        *((f"my_views.{v}", c) for v in EVERY for c in (None, *VIEWS[v].split())),
        *(
            (f"of_other.{table.name}", column)
            for table in LOADED
            for column in (None, *table.column_names)
            if not (column or "").startswith("_dlt")
        ),
    }
    assert [row for row in found if not row[2]] == []


def test_views_come_back_after_somebody_replaced_one(into: Into, other: dlt.Pipeline) -> None:
    """A view with other columns than ours is replaced."""
    _, execute = into
    create_views(other, "back")
    execute("drop view back.failing_phone_numbers")
    execute("create view back.failing_phone_numbers as select 1 as one")
    create_views(other, "back")
    assert execute("select last_job_id from back.failing_phone_numbers") == [("job-00021",)]
