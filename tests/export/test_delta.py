"""Delta Lake exports to a folder: months, kills, others. Other readers: tests/engines."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars
import pytest
from deltalake import DeltaTable, write_deltalake

from support.exported_history import assert_same
from support.lake import State, column_names, newest, state_of
from support.prepared_process import run_prepared
from support.syncs import (
    Jobs,
    api_of,
    complaint,
    environment,
    error,
    failure,
    job,
    numbers,
    run,
    sync_once,
)
from telnyx_jobs.errors import BadConfiguration, CannotWrite, TryAgainLater
from telnyx_jobs.export import delta as exporting
from telnyx_jobs.export.delta import export
from telnyx_jobs.export.folder import export as export_parquet
from telnyx_jobs.export.formats import Export
from telnyx_jobs.schema import LOADED, TABLES

MONTH = 24 * 31


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two files of one account with jobs in two months: an open job of the second month ends."""
    folder = tmp_path_factory.mktemp("files")
    jobs = Jobs([job(1, failed_operations=[failure(1, error("1", "/a"))]), pending(MONTH)])
    paths = folder / "before.duckdb", folder / "after.duckdb"
    with api_of(jobs) as api:
        sync_once(api, paths[0])
        (folder / "after.duckdb").write_bytes(paths[0].read_bytes())
        jobs[1] |= {"status": "completed", "pending_operations": []}
        jobs[1]["successful_operations"] = numbers(2)
        sync_once(api, paths[1])
    return paths


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A third file of that account: its open job is still open, and the other one expired."""
    path = tmp_path_factory.mktemp("newer") / "newer.duckdb"
    with api_of([pending(MONTH), job(1, status="expired")]) as api:
        sync_once(api, path)
    return path


@pytest.fixture(scope="module")
def first_export(
    before_and_after: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An export of the first of the two files; to be copied."""
    folder = tmp_path_factory.mktemp("first") / "export"
    export(before_and_after[0], folder, "it")
    return folder


@pytest.fixture
def exported(first_export: Path, tmp_path: Path) -> Path:
    """A folder with an export of the first of the two files."""
    return Path(shutil.copytree(first_export, tmp_path / "export"))


def pending(number: int) -> dict[str, Any]:
    return job(number, status="pending", pending_operations=numbers(2), phone_numbers=numbers(2))


def named_state(root: Path) -> State:
    """The rows of each table at the versions that the newest sync_runs names."""
    runs = polars.read_delta(str(root / "tables" / "sync_runs"))
    (named,) = runs["table_versions"].drop_nulls().to_list()
    versions = json.loads(named) | {"sync_runs": newest(str(root))}
    assert set(versions) == {table.name for table in TABLES}
    return {
        name: polars.read_delta(str(root / "tables" / name), version=version)
        .select(column_names(name))
        .rows()
        for name, version in versions.items()
    }


def assert_holds(root: Path, database: Path) -> None:
    """A reader of the newest sync_runs finds what the file holds."""
    found, expected = named_state(root), state_of(database)
    for name in expected:
        assert_same(found[name], expected[name])


def files(root: Path) -> dict[str, set[str]]:
    """The newest data files of each table, by `<table>/<month>`."""
    found: dict[str, set[str]] = {}
    for table in TABLES:
        for uri in DeltaTable(root / "tables" / table.name).file_uris():
            found.setdefault(f"{table.name}/{uri.split('/')[-2]}", set()).add(uri)
    return found


def test_only_months_that_changed_are_written(
    before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """The other months keep their very files, in tables that changed too."""
    after = before_and_after[1]
    old = files(exported)
    done = export(after, exported, "it")
    new = files(exported)

    assert {place for place in old if old[place] != new.get(place)} == {
        *("jobs/month=2026-02", "job_operations/month=2026-02", "job_observations/month=2026-02"),
        "sync_runs/sync_runs",
    }
    assert done.tables["job_phone_numbers"].bytes_written == 0
    assert 0 < done.tables["jobs"].bytes_written < done.tables["jobs"].bytes
    assert_holds(exported, after)


def test_an_export_without_changes_commits_nothing(
    before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """The same file again leaves every version and every data file as they were."""
    before = files(exported)
    done = export(before_and_after[0], exported, "it")

    assert done.as_json()["bytes_written"] == 0
    assert {table.version for table in done.tables.values()} <= {0, 1}
    assert files(exported) == before


def test_what_was_committed_is_known_after_a_checkpoint(
    before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """When the log is a checkpoint alone, unchanged months are still known as such."""
    for table in TABLES:
        DeltaTable(exported / "tables" / table.name).create_checkpoint()
    for log in exported.rglob("*.json"):
        log.unlink()
    assert export(before_and_after[0], exported, "it").as_json()["bytes_written"] == 0


def test_a_month_that_goes_and_comes_back_is_whole(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """A month whose jobs are gone loses its files, and has its rows when they are back."""
    shorter = tmp_path / "shorter.duckdb"
    with api_of([job(1, failed_operations=[failure(1, error("1", "/a"))])]) as api:
        sync_once(api, shorter)
    root = tmp_path / "export"
    for database in (before_and_after[0], shorter, before_and_after[0]):
        export(database, root, "it")
        assert_holds(root, database)


def test_tables_of_an_earlier_version_get_their_new_columns(
    before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """A Delta table with fewer columns is written whole, with today's schema and comments."""
    path = exported / "tables" / "jobs"
    older = polars.read_delta(str(path)).drop("extra")
    write_deltalake(path, older, mode="overwrite", schema_mode="overwrite", partition_by=["month"])
    export(before_and_after[0], exported, "it")

    assert_holds(exported, before_and_after[0])
    fields = {field.name: field for field in DeltaTable(path).schema().fields}
    assert fields["extra"].metadata["comment"].startswith("Every field of the record")
    assert DeltaTable(path).metadata().partition_columns == ["month"]


@pytest.mark.parametrize(("moment", "commit"), [("after", 1), ("before", 4), ("after", 4)])
def test_a_killed_export_leaves_the_named_state(
    moment: str, commit: int, before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """Killed around any commit, readers find the old state; the next export writes the rest."""
    before, after = before_and_after
    killed = run_prepared(
        exported.parent,
        environment(exported.parent),
        *(str(after), str(exported), moment, str(commit)),
        timeout=60,
        program=KILLED,
    )

    assert killed.returncode == -9
    is_done = (moment, commit) == ("after", 4)
    assert_holds(exported, after if is_done else before)
    export(after, exported, "it")
    assert_holds(exported, after)


KILLED = """
import os, signal, sys
from pathlib import Path

import deltalake

from telnyx_jobs.export import delta

real, calls = deltalake.write_deltalake, []

def killed(*arguments, **options):
    calls.append(1)
    is_time = len(calls) == int(sys.argv[4])
    if is_time and sys.argv[3] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(*arguments, **options)
    if is_time:
        os.kill(os.getpid(), signal.SIGKILL)

deltalake.write_deltalake = killed
delta.export(Path(sys.argv[1]), Path(sys.argv[2]), "it")
"""
"""An export that is killed before or after its n-th commit, of four: three tables and the runs."""


def test_a_killed_first_export_is_no_obstacle(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """Tables without a commit of rows, and files that none names, do not stop the next export."""
    root = tmp_path / "export"
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(exporting._Lake, "commit")
        with pytest.raises(AttributeError):
            export(before_and_after[0], root, "it")
    (root / "tables" / "jobs" / "part-of-a-killed-one.parquet").write_text("half")
    export(before_and_after[0], root, "it")
    assert_holds(root, before_and_after[0])


@pytest.mark.parametrize("table", ["jobs", "job_observations", "sync_runs"])
def test_of_two_exports_at_the_same_time_one_tries_again(
    table: str,
    before_and_after: tuple[Path, Path],
    newer: Path,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whenever another export ends in between, the named state is one file's, and then ours."""
    after = before_and_after[1]
    commit: Callable[..., None] = exporting._Lake.commit

    def meanwhile(lake: Any, *arguments: Any) -> None:
        if lake._table.name == table:
            monkeypatch.setattr(exporting._Lake, "commit", commit)
            export(after, exported, "other")
            assert_holds(exported, after)
        commit(lake, *arguments)

    monkeypatch.setattr(exporting._Lake, "commit", meanwhile)
    with pytest.raises(TryAgainLater, match=r"another export committed to .* at the same time"):
        export(newer, exported, "ours")
    assert_holds(exported, after)
    export(newer, exported, "ours")
    assert_holds(exported, newer)


def test_months_of_another_export_are_never_mixed_in(
    before_and_after: tuple[Path, Path],
    newer: Path,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another export that commits one table in between and dies: ours names none of its months."""
    (before, after), root = before_and_after, exported
    commit: Callable[..., None] = exporting._Lake.commit

    def dying(lake: Any, *arguments: Any) -> None:
        if lake._table.name != "jobs":
            raise InterruptedError
        commit(lake, *arguments)

    def meanwhile(lake: Any, *arguments: Any) -> None:
        monkeypatch.setattr(exporting._Lake, "commit", dying)
        with pytest.raises(CannotWrite):
            export(after, root, "other")
        monkeypatch.setattr(exporting._Lake, "commit", commit)
        commit(lake, *arguments)

    monkeypatch.setattr(exporting._Lake, "commit", meanwhile)
    with pytest.raises(TryAgainLater):
        export(newer, root, "ours")
    assert_holds(root, before)
    export(newer, root, "ours")
    assert_holds(root, newer)


def test_files_of_killed_exports_go_after_a_week(
    before_and_after: tuple[Path, Path], exported: Path
) -> None:
    """A file that no commit names is deleted when it is older than a week, and kept until then."""
    folder = exported / "tables" / "jobs" / "month=2026-02"
    young, old = folder / "young.parquet", folder / "old.parquet"
    for path, days in ((young, 6), (old, 8)):
        path.write_text("half")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    export(before_and_after[1], exported, "it")

    assert young.exists()
    assert not old.exists()
    # files of the replaced month, for who reads the version before
    assert_same(
        polars.read_delta(str(exported / "tables" / "jobs"), version=1)
        .select(column_names("jobs"))
        .rows(),
        state_of(before_and_after[0])["jobs"],
    )


def test_what_is_no_export_is_left_alone(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """A Parquet export, other files, and another's Delta table are refused and stay."""
    parquet, other, delta = tmp_path / "parquet", tmp_path / "other", tmp_path / "delta"
    export_parquet(before_and_after[0], parquet, "it")
    (other / "tables" / "jobs").mkdir(parents=True)
    (other / "tables" / "jobs" / "letter").write_text("dear")
    write_deltalake(delta / "tables" / "jobs", polars.DataFrame({"a": [1]}))
    for folder in (parquet, other, delta):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        with pytest.raises(BadConfiguration, match="something other than an export: give another"):
            export(before_and_after[1], folder, "it")
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_everybody_may_read_the_folder(before_and_after: tuple[Path, Path], tmp_path: Path) -> None:
    """Files are 0444 and folders 0755, as the published file is for everybody."""
    done = run(
        tmp_path,
        *("export", "--to", "lake", "--format", "delta"),
        *("--database", str(before_and_after[0])),
    )
    assert done.returncode == 0
    modes = {(p.is_dir(), oct(p.stat().st_mode & 0o777)) for p in (tmp_path / "lake").rglob("*")}
    assert modes == {(True, "0o755"), (False, "0o444")}


def test_the_command_says_what_it_wrote(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """`--json` has versions and bytes of each table; the text, how much of it is new."""
    arguments = ("export", "--to", "lake", "--format", "delta", "--database")
    first = json.loads(run(tmp_path, *arguments, str(before_and_after[0]), "--json").stdout)
    assert first["bytes_written"] == first["bytes"]
    assert first["tables"]["jobs"]["version"] == 1
    second = run(tmp_path, *arguments, str(before_and_after[1])).stdout
    assert "the months that changed" in second
    assert "see lake/README.md" in second


def test_without_deltalake_it_says_how_to_install_it(
    before_and_after: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core does without the package; the message has the command."""
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(BadConfiguration, match=r"pip install 'telnyx-jobs\[delta\]'"):
        export(before_and_after[0], tmp_path / "lake", "it")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--to", "s3://bucket/p", "--format", "parquet"), "a bucket takes --format delta"),
        (("--to", "ü b", "--format", "delta"), "readers of Delta Lake open only addresses of"),
        (("--to", "lake", "--format", "iceberg"), "'iceberg' is not one of"),
    ],
)
def test_what_cannot_be_written_is_wrong_usage(
    arguments: tuple[str, ...], said: str, before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """Parquet for a bucket, an address that readers cannot open, another format."""
    done = run(tmp_path, "export", *arguments, "--database", str(before_and_after[0]))
    assert (done.returncode, said in complaint(done)) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """A folder inside a file raises CannotWrite."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match="cannot be written"):
        export(before_and_after[0], tmp_path / "file" / "lake", "it")


def test_a_folder_takes_parquet_by_default(
    before_and_after: tuple[Path, Path], tmp_path: Path
) -> None:
    """Without a format a folder gets plain Parquet files."""
    Export(str(tmp_path / "export"), None).write(before_and_after[0], "it")
    assert (tmp_path / "export" / "export.json").exists()
    assert not list(tmp_path.rglob("_delta_log"))


def test_every_table_has_its_comments(before_and_after: tuple[Path, Path], exported: Path) -> None:
    """Each Delta table says what it holds, and each column what it means."""
    for table in LOADED:
        delta = DeltaTable(exported / "tables" / table.name)
        assert delta.metadata().description == table.description
        comments = {field.name: field.metadata["comment"] for field in delta.schema().fields}
        expected = {c.name: c.description for c in table.columns if not c.name.startswith("_dlt")}
        assert expected.items() <= comments.items()
