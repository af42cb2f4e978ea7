"""What a sync leaves in a PostgreSQL database beside rows: indexes, rights of readers, staging."""

import json
import re
from pathlib import Path
from typing import Any

import dlt
import pytest

from support.postgres import Server
from support.syncs import ROOT, Jobs, Json, api_of, job, run
from support.warehouse_syncs import CREDENTIALS, sync_to
from telnyx_jobs.destinations import warehouse
from telnyx_jobs.destinations.warehouse import Warehouse
from telnyx_jobs.errors import Bug
from telnyx_jobs.schema import JOBS, TABLES
from telnyx_jobs.settings import Settings
from telnyx_jobs.source.resource import empty_tables

INDEXES = "select tablename, indexdef from pg_indexes where schemaname = '{}'"


def indexed(server: Server, database: str, dataset: str = "telnyx_raw") -> set[tuple[str, str]]:
    """Each table with the columns of an index, those of dlt's own left out."""
    return {
        (table, text.rpartition(" btree (")[2].rstrip(")").replace('"', ""))
        for table, text in server.rows(database, INDEXES.format(dataset))
        if not table.startswith("_dlt")
    }


EXPECTED = {(table.name, ", ".join(table.key)) for table in TABLES} | {("jobs", "created_at")}


def test_the_tables_have_indexes(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """Each key and the creation of a job are indexed; a dropped index comes back, none is added."""
    assert indexed(postgres, filled) == EXPECTED
    before = sorted(postgres.rows(filled, INDEXES.format("telnyx_raw")))
    postgres.rows(filled, "drop index telnyx_raw.jobs_by_created_at")
    with api_of(Jobs([one_job, job(2)])) as api:
        sync_to(api, tmp_path)
    assert sorted(postgres.rows(filled, INDEXES.format("telnyx_raw"))) == before


def test_redshift_has_a_key_of_place_and_of_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt's statements give each table one DISTKEY and one SORTKEY; jobs are sorted by creation."""
    monkeypatch.setenv("DESTINATION__CREDENTIALS", "redshift://loader:secret@localhost/database")
    pipeline = dlt.pipeline(
        "keys", destination="redshift", dataset_name="d", pipelines_dir=str(tmp_path)
    )
    pipeline.extract(empty_tables())
    pipeline.normalize()
    client: Any = pipeline._get_destination_clients(pipeline.default_schema)[0]
    found = {}
    for table in TABLES:
        columns = list(pipeline.default_schema.get_table_columns(table.name).values())
        (text,) = client._get_table_update_sql(table.name, columns, False)
        found[table.name] = [
            (re.findall(r'"(\w+)"', line)[-1], *re.findall("DISTKEY|SORTKEY", line))
            for line in text.splitlines()[1:]
            if "KEY" in line
        ]
    assert found.pop("jobs") == [("id", "DISTKEY"), ("created_at", "SORTKEY")]
    assert found == {
        table.name: [(table.key[0], "DISTKEY", "SORTKEY")] for table in TABLES if table is not JOBS
    }


def test_a_reader_reads_and_changes_nothing(
    filled: str, one_job: Json, postgres: Server, tmp_path: Path
) -> None:
    """With the documented grant a role reads tables and views, also those made again."""
    database = filled
    document = (ROOT / "docs" / "warehouses.md").read_text(encoding="utf-8")
    grants = document.split("```sql\n")[1].split("```")[0]
    assert "create role analyst" in grants
    postgres.rows(database, grants.replace("'...'", "'readers'"))
    # the next sync makes them again
    postgres.rows(database, "drop view telnyx.jobs cascade")
    with api_of(Jobs([one_job, job(2)])) as api:
        sync_to(api, tmp_path)
    url = re.sub(r"//[^@]+@", "//analyst:readers@", postgres.url(database))
    environ = {CREDENTIALS: url, "TELNYX_JOBS_DESTINATION": "postgres"}
    asked = run(tmp_path, "query", "jobs", "--format", "json", environ=environ)
    standing = run(tmp_path, "status", "--json", environ=environ)
    raw = run(tmp_path, "query", "telnyx_raw.job_operations", "--format", "json", environ=environ)
    assert [each.returncode for each in (asked, standing, raw)] == [0, 0, 0], asked.stderr
    assert {row["job_id"] for row in json.loads(asked.stdout)} == {"job-00001", "job-00002"}
    assert len(json.loads(raw.stdout)) == 1
    sql = (
        "select count(*) from information_schema.role_table_grants "
        "where grantee = 'analyst' and privilege_type <> 'SELECT'"
    )
    assert postgres.rows(database, sql) == [(0,)]


def test_dlt_only_stages_a_package(
    filled: str,
    one_job: Json,
    postgres: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the package is taken over, its rows are in the staging dataset alone.

    If this fails after an update of dlt, dlt merges by itself: `_staging_only` in
    `destinations/warehouse.py` replaces one of its methods by name.
    """

    class Stopped(Exception):
        """raised instead of taking the package over."""

    def stop(_: Warehouse) -> None:
        raise Stopped

    monkeypatch.setattr(Warehouse, "finish", stop)
    with api_of(Jobs([one_job, job(2)])) as api, pytest.raises(Stopped):
        sync_to(api, tmp_path)
    assert postgres.rows(filled, "select id from telnyx_raw_staging.jobs") == [("job-00002",)]
    assert postgres.rows(filled, "select id from telnyx_raw.jobs") == [("job-00001",)]


def test_a_dlt_without_that_method_is_refused(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dlt that has renamed the method ends a sync before anything is loaded, in clear words."""
    monkeypatch.setattr(warehouse, "_MERGE", "renamed")
    settings = Settings(tmp_path / "jobs.duckdb", destination="postgres")
    with pytest.raises(Bug, match="install an earlier dlt"):
        Warehouse(settings).look()
