"""The export, read back by DuckDB over Parquet and by polars; Spark and buckets: tests/engines."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars
import pytest

from support.exported_history import assert_same, columns, raw, sync_history
from support.prepared_process import COMMAND, run_prepared
from support.syncs import api_of, environment, failure, job, numbers, run, sync_once
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.export import folder as exporting
from telnyx_jobs.export.folder import export
from telnyx_jobs.export.formats import Export, Format
from telnyx_jobs.schema import TABLES, Table


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the history of the demo account, and with the hostile jobs."""
    path = tmp_path_factory.mktemp("history") / "telnyx_jobs.duckdb"
    sync_history(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one job."""
    path = tmp_path_factory.mktemp("small") / "telnyx_jobs.duckdb"
    with api_of([job(1)]) as api:
        sync_once(api, path)
    return path


@pytest.fixture(scope="module")
def exported(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of that file, in a folder whose name is not plain."""
    folder = tmp_path_factory.mktemp("exports") / "an export ü%20"
    export(database, folder, "first")
    return folder


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_duckdb_reads_the_tables_back(table: Table, database: Path, exported: Path) -> None:
    """DuckDB finds in the Parquet files the rows of the table."""
    pattern = str(exported / "tables" / table.name / "**" / "*.parquet").replace("'", "''")
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = connection.execute(
            f"select {', '.join(columns(table))} "
            f"from read_parquet('{pattern}', hive_partitioning = true)"
        ).fetchall()
    assert_same(found, raw(database, table))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_polars_reads_the_tables_back(table: Table, database: Path, exported: Path) -> None:
    """polars finds in the Parquet files the rows of the table."""
    there = polars.scan_parquet(
        exported / "tables" / table.name, hive_partitioning=True, glob=False
    )
    assert_same(there.select(columns(table)).collect().rows(), raw(database, table))


def test_rows_lie_in_the_utc_month_of_their_job(tmp_path: Path) -> None:
    """A job and its children share a month: `unknown` without a time, none without a job."""
    late = job(1, created_at="2026-01-31T23:59:59.999Z", failed_operations=[failure(1, {})])
    with api_of([late, job(2, created_at=None, phone_numbers=numbers(1)), {"id": 1}]) as api:
        sync_once(api, tmp_path / "jobs.duckdb")
    export(tmp_path / "jobs.duckdb", tmp_path / "export", "it")

    tables = tmp_path / "export" / "tables"
    assert {str(path.relative_to(tables)) for path in tables.rglob("*.parquet")} == {
        "jobs/month=2026-01/it_0.parquet",
        "jobs/month=unknown/it_0.parquet",
        "job_phone_numbers/month=unknown/it_0.parquet",
        "job_parameters/month=unknown/it_0.parquet",
        "job_operations/month=2026-01/it_0.parquet",
        "job_operation_errors/month=2026-01/it_0.parquet",
        "job_observations/month=2026-01/it_0.parquet",
        "job_observations/month=unknown/it_0.parquet",
        "rejected_records/it_0.parquet",
        "sync_runs/it_0.parquet",
    }


def test_technical_columns_stay_behind(exported: Path) -> None:
    """No file has a column of the loader's own."""
    for path in (exported / "tables").rglob("*.parquet"):
        assert [n for n in polars.read_parquet_schema(path) if n.startswith("_dlt")] == []


def test_an_empty_account_has_every_table(tmp_path: Path) -> None:
    """Without any job each table can be read, and has no rows."""
    with api_of([]) as api:
        sync_once(api, tmp_path / "jobs.duckdb")
    done = export(tmp_path / "jobs.duckdb", tmp_path / "export", "it")

    assert {name: table.rows for name, table in done.tables.items()} == {
        table.name: int(table.name == "sync_runs") for table in TABLES
    }
    for table in TABLES:
        files = polars.scan_parquet(tmp_path / "export" / "tables" / table.name)
        assert files.collect_schema().names()[: len(columns(table))] == columns(table)


def test_a_replaced_export_leaves_nothing_of_the_old_one(small: Path, tmp_path: Path) -> None:
    """Months, files and views of the older export are gone, and nothing lies beside the folder."""
    folder = tmp_path / "export"
    export(small, folder, "old")
    (folder / "views" / "9_dropped.sql").write_text("")
    with api_of([job(24 * 40)]) as api:
        sync_once(api, tmp_path / "jobs.duckdb")
    done = export(tmp_path / "jobs.duckdb", folder, "new")

    assert {path.name for path in (folder / "tables" / "jobs").iterdir()} == {"month=2026-02"}
    assert list(folder.rglob("old*")) == list(folder.rglob("9_*")) == []
    assert json.loads((folder / "export.json").read_text()) == done.as_json()
    assert list(tmp_path.glob(".export*")) == []


def test_a_reader_always_finds_a_whole_export(small: Path, tmp_path: Path) -> None:
    """While exports replace each other, the folder exists and holds one of them at any time."""
    folder = tmp_path / "export"
    export(small, folder, "0")
    ended, seen = threading.Event(), set()

    def read() -> None:
        while not ended.is_set():
            # one look-up of the folder's name; what is read through it is of one export
            opened = os.open(folder, os.O_RDONLY)
            try:
                names = os.listdir(opened)
            finally:
                os.close(opened)
            seen.add(tuple(sorted(names)))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(1, 6):
            export(small, folder, str(number))
    finally:
        ended.set()
        reader.join()

    # a folder that is just being deleted may still be open, hence the shorter lists
    whole = ("README.md", "export.json", "tables", "tables.sql", "views")
    assert all(set(names) <= set(whole) for names in seen)
    assert whole in seen


def test_without_an_exchange_of_names_two_renames_do(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that cannot exchange names the new export takes the folder's place too."""
    monkeypatch.setattr(exporting, "_exchange", lambda one, other: False)
    folder = tmp_path / "export"
    export(small, folder, "old")
    export(small, folder, "new")

    assert {path.name for path in folder.rglob("*.parquet")} == {"new_0.parquet"}
    assert {path.name for path in tmp_path.iterdir() if "export" in path.name} == {"export"}


@pytest.mark.parametrize(
    "step",
    [
        *("export._write_table", "export.spark_views"),
        *("export_folder.hand_over", "export_folder._swap_in"),
    ],
)
def test_a_killed_export_leaves_the_old_one_whole(step: str, small: Path, tmp_path: Path) -> None:
    """After a kill at any step the old export is unchanged; the next one deletes the leftovers."""
    folder = tmp_path / "export"
    export(small, folder, "old")
    before = contents(folder)
    killed = run_prepared(
        tmp_path,
        environment(tmp_path),
        *(str(small), str(folder)),
        timeout=60,
        program="import os, signal, sys; from pathlib import Path\n"
        "from telnyx_jobs.export import tables as export, folder as export_folder\n"
        f"{step} = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "export_folder.export(Path(sys.argv[1]), Path(sys.argv[2]), 'killed')",
    )

    assert killed.returncode == -9
    assert contents(folder) == before
    assert [path.name for path in tmp_path.glob(".export*")] == [".export.part-killed"]
    export(small, folder, "new")
    assert list(tmp_path.glob(".export*")) == []


def test_killed_between_two_renames_the_old_export_comes_back(small: Path, tmp_path: Path) -> None:
    """An export set aside by a swap that never ended is put back before anything else is done."""
    folder = tmp_path / "export"
    export(small, folder, "old")
    before = contents(folder)
    folder.rename(tmp_path / ".export.part-killed-replaced")
    broken = tmp_path / "jobs.duckdb"
    broken.write_text("no database")

    with pytest.raises(BadConfiguration, match="not a DuckDB file"):
        export(broken, folder, "new")
    assert contents(folder) == before


def test_an_export_at_work_is_left_alone(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two exports into one folder at the same time both succeed, and the last one stays."""
    folder = tmp_path / "export"
    hand_over: Callable[[Path], None] = exporting.hand_over

    def export_meanwhile(part: Path) -> None:
        monkeypatch.setattr(exporting, "hand_over", hand_over)
        export(small, folder, "inner")
        hand_over(part)

    monkeypatch.setattr(exporting, "hand_over", export_meanwhile)
    export(small, folder, "outer")

    assert {path.name for path in folder.rglob("*.parquet")} == {"outer_0.parquet"}
    assert list(tmp_path.glob(".export*")) == []


def test_what_is_no_export_is_never_replaced(small: Path, tmp_path: Path) -> None:
    """A folder with anything else in it, or a file, is refused and stays as it was."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")

    for taken in (tmp_path / "home", tmp_path / "home" / "letter"):
        with pytest.raises(BadConfiguration, match="give another --to"):
            export(small, taken, "new")
    assert contents(tmp_path / "home") == {"letter": b"dear"}


def test_a_missing_file_says_to_sync_first(tmp_path: Path) -> None:
    """Without a published file nothing is written, and the reason says what to do."""
    with pytest.raises(BadConfiguration, match="run sync first"):
        export(tmp_path / "jobs.duckdb", tmp_path / "export", "it")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(small: Path, tmp_path: Path) -> None:
    """A folder that cannot be created raises CannotWrite."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        export(small, tmp_path / "file" / "within" / "export", "it")


def test_the_command_reports_what_it_wrote(database: Path, tmp_path: Path) -> None:
    """`export --json` prints one object that counts the rows, files and bytes of each table."""
    done = run(tmp_path, "export", "--to", "export", "--json", "--database", str(database))

    printed = json.loads(done.stdout)
    assert (done.returncode, printed["folder"], printed["tables"]["sync_runs"]["rows"]) == (
        0,
        "export",
        3,
    )
    paths = list((tmp_path / "export" / "tables").rglob("*.parquet"))
    assert printed["files"] == len(paths)
    assert printed["bytes"] == sum(path.stat().st_size for path in paths)
    assert printed["rows"] == sum(table["rows"] for table in printed["tables"].values())


@pytest.mark.parametrize(
    ("to", "code"), [("gs://bucket/folder", 2), ("s3://", 2), ("file/export", 74), (".", 78)]
)
def test_what_cannot_be_written_has_its_exit_code(
    to: str, code: int, database: Path, tmp_path: Path
) -> None:
    """Other stores are refused, a place inside a file cannot be written, other content is kept."""
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "export", "--to", to, "--database", str(database))

    assert (done.returncode, json.loads(done.stderr.splitlines()[-1])["exit_code"]) == (code, code)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_74_and_leaves_the_old_export(database: Path, tmp_path: Path) -> None:
    """When no file may grow past 64 KiB the export fails, and the one before it is untouched."""
    export(database, tmp_path / "export", "old")
    before = contents(tmp_path / "export")
    done = run_prepared(
        tmp_path,
        environment(tmp_path),
        *("export", "--to", "export", "--database", str(database)),
        timeout=60,
        program="import resource; limit = 64 * 1024\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n" + COMMAND,
    )

    assert done.returncode == 74
    assert contents(tmp_path / "export") == before
    assert list(tmp_path.glob(".export*")) == []


def contents(folder: Path) -> dict[str, bytes]:
    """Each file below a folder."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_forget_and_prune_name_the_exports(small: Path, tmp_path: Path) -> None:
    """Both list each place once, with its format and the time of its newest export."""
    database = tmp_path / small.name
    shutil.copy(small, database)
    asked: list[tuple[str, Format | None]] = [("old", None), ("lake", "delta"), ("gone", None)]
    for number, (to, format_) in enumerate([*asked, ("old", None)]):
        Export(str(tmp_path / to), format_).write(database, f"export-{number}")
    shutil.rmtree(tmp_path / "gone")
    forget = ("forget", "--quiet", "--phone-number", "+15550004711")
    prune = ("prune", "--quiet", "--before", "2020-01-01")
    as_json, of_prune = (
        json.loads(run(tmp_path, *options, "--json").stdout)["exports"]
        for options in (forget, prune)
    )

    noted = tmp_path / ".telnyx_jobs.duckdb.state" / "exports.json"
    assert [(each["to"], each["format"]) for each in as_json] == [
        (f"{tmp_path}/lake", "delta"),
        (f"{tmp_path}/old", "parquet"),
    ]
    assert of_prune == as_json
    for options in (forget, prune):
        assert run(tmp_path, *options).stdout.splitlines()[-4:] == [
            "  still     earlier exports, reports and backups hold what they held",
            "  export again to replace what these places hold:",
            *(
                f"            {each['to']} ({each['format']}, "
                f"{each['exported_at'][:10]} {each['exported_at'][11:16]} UTC)"
                for each in as_json
            ),
        ]
    assert noted.stat().st_mode & 0o777 == 0o600


def test_an_export_stands_without_a_note(small: Path, tmp_path: Path) -> None:
    """If the state folder cannot be written, the export is whole and a warning says so."""
    shutil.copy(small, tmp_path)
    (tmp_path / f".{small.name}.state").write_text("a file")
    done = run(tmp_path, "export", "--to", "out")

    assert done.returncode == 0
    assert "forget and prune will not name this export" in done.stderr
    assert (tmp_path / "out" / "export.json").is_file()
