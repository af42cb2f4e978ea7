"""Several accounts in one PostgreSQL database, each with a dataset and a schema of views."""

import json
from pathlib import Path
from threading import Barrier
from typing import Any

import dlt
import pytest

from support.postgres import Server
from support.prepared_process import PreparedProcess
from support.syncs import Json, access, api_of, complaint, environment, failure, job, run
from support.warehouse_syncs import CREDENTIALS, sync_to
from telnyx_jobs import telnyx_jobs
from telnyx_jobs.demo_api import serve
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import STORED
from telnyx_jobs.views.files import view_texts

NORTH = {"dataset": "north_raw", "views_schema": "north"}
SOUTH = {"dataset": "south_raw", "views_schema": "south"}


def options(names: dict[str, str]) -> list[str]:
    """The names as options of a command."""
    given = [("--dataset", names["dataset"]), ("--views-schema", names["views_schema"])]
    return ["--destination", "postgres", *(each for pair in given for each in pair)]


ACCOUNTS = {
    "north": [job(n, id=f"north-{n}", failed_operations=[failure(n)]) for n in range(3)],
    "south": [job(n, id=f"south-{n}") for n in range(5)],
}


@pytest.fixture(scope="module")
def both(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The database and the folder of two syncs, of which neither ended before the other began."""
    name, folder = postgres.new_database(), tmp_path_factory.mktemp("both")
    both_run = Barrier(2, timeout=50)

    def meeting(jobs: list[Json]) -> Any:
        """Shows the jobs once the other sync has asked for its own."""
        asked: list[int] = []

        def listed() -> list[Json]:
            if not asked:
                asked.append(both_run.wait())
            return jobs

        return listed

    with serve(meeting(ACCOUNTS["north"])) as north, serve(meeting(ACCOUNTS["south"])) as south:
        running = [
            PreparedProcess(
                folder,
                environment(folder) | access(api) | {CREDENTIALS: postgres.url(name)},
                *("sync", "--quiet", *options(names)),
            )
            for api, names in ((north, NORTH), (south, SOUTH))
        ]
        ended = [each.communicate(timeout=60) for each in running]
    assert [each.returncode for each in running] == [0, 0], ended
    assert both_run.n_waiting == 0
    return name, folder


def test_two_accounts_are_synced_at_the_same_time(both: tuple[str, Path], postgres: Server) -> None:
    """Two syncs that run side by side fill two datasets, each with its account alone."""
    database, folder = both
    for account, jobs in ACCOUNTS.items():
        ids = sorted(each["id"] for each in jobs)
        for relation, column in ((f"{account}_raw.jobs", "id"), (f"{account}.jobs", "job_id")):
            found = postgres.rows(database, f"select {column} from {relation} order by 1")
            assert found == [(each,) for each in ids]
        sql = f"select count(*), min(database) from {account}.sync_runs"
        assert postgres.rows(database, sql) == [(1, f"postgres {account}_raw")]
    failing = [
        postgres.rows(database, f"select count(*) from {account}.failing_phone_numbers")
        for account in ACCOUNTS
    ]
    assert failing == [[(3,)], [(0,)]]
    schemas = "select schema_name from information_schema.schemata where schema_name not like 'pg%'"
    expected = {f"{account}{end}" for account in ACCOUNTS for end in ("", "_raw", "_raw_staging")}
    assert {name for (name,) in postgres.rows(database, schemas)} == expected | {
        "information_schema",
        "public",
    }
    states = {path.name for path in folder.glob(".*.state")}
    assert states == {f".telnyx_jobs.duckdb.postgres.{each}_raw.state" for each in ACCOUNTS}


def test_the_dictionary_is_that_of_its_own_schemas(
    both: tuple[str, Path], postgres: Server
) -> None:
    """Beside another account's, `data_dictionary` lists the tables and views of its own names."""
    sql = "select distinct relation from {}.data_dictionary"
    listed = {account: postgres.rows(both[0], sql.format(account)) for account in ACCOUNTS}
    views = {f"south.{view}" for view in view_texts()}
    tables = {f"south_raw.{table.name}" for table in STORED}
    assert {relation for (relation,) in listed["south"]} == views | tables
    assert len(listed["north"]) == len(listed["south"])


def test_the_commands_that_look_take_the_names(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """`status`, `verify`, `check` and `report` read the dataset and the views that are given."""
    environ = {CREDENTIALS: postgres.url(database)}
    with api_of([job(1)]) as api:
        environ |= access(api)
        assert run(tmp_path, "sync", *options(NORTH), environ=environ).returncode == 0
        found = {
            name: run(tmp_path, name, *options(NORTH), environ=environ)
            for name in ("status", "verify", "check", "report")
        }
        elsewhere = run(tmp_path, "status", *options(SOUTH), environ=environ)
    assert {name: each.returncode for name, each in found.items()} == dict.fromkeys(found, 0)
    assert "postgres north_raw agrees with the API" in found["verify"].stdout
    assert all("north_raw" in found[name].stdout for name in ("status", "check", "report"))
    assert elsewhere.returncode == 1


def test_the_views_of_another_dataset_are_not_replaced(
    filled: str, postgres: Server, tmp_path: Path
) -> None:
    """A dataset without a schema of views of its own is refused, and nothing changes."""
    with api_of([job(1)]) as api:
        sync_to(api, tmp_path, **NORTH)
    with api_of([job(2, id="theirs")]) as api:
        for names in ({"dataset": "south_raw"}, SOUTH | {"views_schema": "north"}):
            with pytest.raises(BadConfiguration, match="give another --views-schema"):
                sync_to(api, tmp_path, **names)
    for schema in ("telnyx", "north"):
        assert postgres.rows(filled, f"select job_id from {schema}.jobs") == [("job-00001",)]


def test_the_dataset_of_another_pipeline_is_refused(
    database: str, postgres: Server, tmp_path: Path
) -> None:
    """What somebody's own dlt pipeline loads is left alone, with a hint."""
    destination = dlt.destinations.postgres(postgres.url(database))
    pipeline = dlt.pipeline(
        "mine", destination=destination, dataset_name="my_data", pipelines_dir=str(tmp_path / "dlt")
    )
    with api_of([job(1)]) as api:
        pipeline.run(telnyx_jobs(api_key=api.key, base_url=api.url))
        with pytest.raises(BadConfiguration, match="dlt pipeline mine: give another --dataset"):
            sync_to(api, tmp_path, dataset="my_data", views_schema="my_views")
    sql = "select count(*) from information_schema.tables where table_name = 'sync_runs'"
    assert postgres.rows(database, sql) == [(0,)]


@pytest.mark.parametrize(
    ("names", "code", "hint"),
    [
        (["--dataset", "North"], 2, "lower-case"),
        (["--dataset", "1st"], 2, "lower-case"),
        (["--dataset", "a__b"], 2, "single underscores"),
        (["--dataset", "a-b"], 2, "lower-case"),
        (["--dataset", "pg_mine"], 2, "not pg_"),
        (["--dataset", "north_staging"], 2, "_staging"),
        (["--views-schema", "x" * 56], 2, "up to 55"),
        (["--views-schema", "telnyx_raw"], 78, "--views-schema"),
        (["--destination", "duckdb", "--dataset", "north"], 78, "another --database"),
    ],
)
def test_names_that_cannot_work(names: list[str], code: int, hint: str, tmp_path: Path) -> None:
    """A name that a warehouse or dlt would change, or that is taken, is refused with a hint."""
    done = run(tmp_path, "sync", "--demo", "--destination", "postgres", *names)
    assert done.returncode == code
    assert hint in complaint(done)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_name_is_blamed_on_its_source(tmp_path: Path) -> None:
    """A name from the environment that cannot work is exit 78, which names the variable."""
    done = run(tmp_path, "status", environ={"TELNYX_JOBS_DATASET": "a b"})
    assert done.returncode == 78
    assert "TELNYX_JOBS_DATASET" in json.loads(done.stderr.splitlines()[-1])["message"]
