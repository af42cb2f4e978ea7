"""`forget` and `prune` in a real PostgreSQL: the same rows as in the file, in one transaction."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from support.postgres import Server
from support.removals import ID, NUMBER, jobs_with_the_number
from support.syncs import api_of, rows
from support.warehouse_syncs import CREDENTIALS, settings_for, sync_to
from telnyx_jobs.checks.verify import verify
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.forget import forget
from telnyx_jobs.run.prune import prune
from telnyx_jobs.schema import LOADED, RAW_SCHEMA

TIMES = {"observed_at"}


@pytest.fixture
def database(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which syncs of this process go into."""
    name = postgres.new_database()
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


def test_forget_and_prune_as_in_the_file(database: str, postgres: Server, tmp_path: Path) -> None:
    """Both leave in PostgreSQL what they leave in the file, and nothing comes back."""
    before = datetime(2026, 1, 1, 3, tzinfo=UTC)
    with api_of(jobs_with_the_number(6)) as api:
        reported = []
        for target in ("duckdb", "postgres"):
            sync_to(api, tmp_path, target)
            # as the server does by itself now and then, for what is staged too
            postgres.rows(database, "analyze")
            settings = settings_for(api, tmp_path, target)
            done = forget(settings, destination_for(settings), [NUMBER], [])
            assert sync_to(api, tmp_path, target).jobs_changed == 0
            assert verify(settings, destination_for(settings), nothing).differences == []
            postgres.rows(database, "analyze")
            pruned = prune(settings, destination_for(settings), before)
            summary = sync_to(api, tmp_path, target)
            assert summary.jobs_changed == 0
            assert verify(settings, destination_for(settings), nothing).differences == []
            reported.append([each.as_json() | {"database": ""} for each in (done, pruned)])

    assert reported[0] == reported[1]
    assert reported[0][0]["found"] == 1
    for table in LOADED:
        columns = [c.name for c in table.columns if c.name not in TIMES and c.type != "json"]
        sql = (
            f"select {', '.join(columns)} from {RAW_SCHEMA}.{table.name} "
            f"order by {', '.join(f'{name} nulls last' for name in columns)}"
        )
        assert _comparable(postgres.rows(database, sql)) == _comparable(
            rows(tmp_path / "jobs.duckdb", sql)
        ), table.name
    assert _traces(postgres, database, "5550004711", ID, "of job 1") == []


def test_a_failing_change_leaves_everything(
    database: str, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that breaks off in the middle leaves every row as it was."""
    with api_of(jobs_with_the_number(6)) as api:
        sync_to(api, tmp_path)
        before = _published(postgres, database)
        settings = settings_for(api, tmp_path, "postgres")

        def broken(*_: object) -> None:
            raise OSError("no space")

        with monkeypatch.context() as patch:
            patch.setattr("telnyx_jobs.run.forget.delete_files", broken)
            with pytest.raises(Exception, match="no space"):
                forget(settings, destination_for(settings), [NUMBER], [])

    assert _published(postgres, database) == before


def _published(server: Server, database: str) -> dict[str, list[str]]:
    return {n: held for n, held in _all(server, database).items() if "_staging." not in n}


def _all(server: Server, database: str) -> dict[str, list[str]]:
    names = server.rows(
        database,
        "select schemaname || '.' || tablename from pg_tables "
        "where schemaname like 'telnyx%' order by 1",
    )
    return {
        name: sorted(text for (text,) in server.rows(database, f"select t::text from {name} as t"))
        for (name,) in names
    }


def _traces(server: Server, database: str, *texts: str) -> list[str]:
    """Tables, staging ones too, that hold a text; and the files of the tables."""
    found = [
        name
        for name, held in _all(server, database).items()
        if any(text in row for text in texts for row in held)
    ]
    server.rows(database, "checkpoint")
    folder = server.rows("postgres", "show data_directory")[0][0]
    ((oid,),) = server.rows(database, f"select oid from pg_database where datname = '{database}'")
    for path in sorted((Path(folder) / "base" / str(oid)).iterdir()):
        if any(text.encode() in path.read_bytes() for text in texts):
            found.append(path.name)
    return found


def _comparable(found: list[tuple[Any, ...]]) -> list[tuple[str, ...]]:
    return sorted(
        tuple(
            value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
            for value in row
        )
        for row in found
    )
