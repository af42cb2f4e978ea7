"""`query`: a user's SQL on the published file, its output, and what it cannot do."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from support.syncs import command, complaint, environment, rows, run
from telnyx_jobs.destinations.answer import WrongQuery
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.report.query import query
from telnyx_jobs.settings import Settings

ENDLESS = "select count(*) from range(1000000000) a, range(1000) b where a.range % 7 = b.range"


def answer(database: Path, sql: str, form: str = "table", width: int | None = None) -> str:
    out = StringIO()
    query(destination_for(Settings(database)), sql, form, out, width)
    return out.getvalue()


def test_the_name_of_a_view_stands_for_its_rows(twelve_jobs: Path) -> None:
    """A bare name is a view, a dotted one also a raw table; both give every row and column."""
    for name, relation in (("jobs", "telnyx.jobs"), ("telnyx_raw.jobs;", "telnyx_raw.jobs")):
        found = list(csv.reader(StringIO(answer(twelve_jobs, name, "csv"))))
        described = rows(twelve_jobs, f"describe {relation}")
        assert found[0] == [column[0] for column in described]
        assert len(found) == 13


def test_json_has_values_of_their_own_kind(twelve_jobs: Path) -> None:
    """Numbers, texts, nested values, JSON columns and NULL are JSON's; times are in UTC."""
    sql = """
        select 1 as i, 0.5::double as f, 'nan'::double as n, null as nothing, '' as empty,
            '{"a": [1, null]}'::json as j, [1, null] as l, {'x': 'y'} as s, 'é"' as t,
            timestamptz '2026-01-02 03:04:05+02' as at, date '2026-01-02' as d, 2 as i
    """
    assert json.loads(answer(twelve_jobs, sql, "json")) == [
        {
            "i": 1,
            "f": 0.5,
            "n": None,
            "nothing": None,
            "empty": "",
            "j": {"a": [1, None]},
            "l": [1, None],
            "s": {"x": "y"},
            "t": 'é"',
            "at": "2026-01-02T01:04:05Z",
            "d": "2026-01-02",
            "i_1": 2,
        }
    ]
    assert json.loads(answer(twelve_jobs, "select 1 where false", "json")) == []


def test_csv_tells_null_from_an_empty_text(twelve_jobs: Path) -> None:
    """NULL is nothing between two commas; quotes, commas and line ends are quoted."""
    sql = """select null as a, '' as b, 'x,"y"' as c, 'x' || chr(10) as d, [1] as e,
        timestamptz '2026-01-02 03:04:05+02' as f, true as g"""
    assert answer(twelve_jobs, sql, "csv") == (
        'a,b,c,d,e,f,g\n,"","x,""y""","x\n",[1],2026-01-02T01:04:05Z,true\n'
    )


@pytest.mark.parametrize("width", [20, 40, 80, 100, 200])
@pytest.mark.parametrize(
    "sql", ["jobs", "sync_runs", "select 'a' || repeat('漢字 ', 50) as text, 2 as b", "range(200)"]
)
def test_a_table_fits(sql: str, width: int, twelve_jobs: Path) -> None:
    """No line of a table is wider than the terminal, and a hidden column is named below."""
    sql = f"from {sql}" if sql.startswith("range") else sql
    lines = answer(twelve_jobs, sql, width=width).splitlines()
    table = [line for line in lines if line[0] in "┌│├└"]
    assert max(map(cell_len, table)) <= max(width, 24)
    heading = "".join(line for line in table[1:5])
    columns = json.loads(answer(twelve_jobs, f"describe {sql}" if "(" in sql else sql, "json"))
    if sql == "jobs":
        remark = lines[-1] if lines[-1].startswith("no room for") else ""
        assert all(
            f" {name}" in remark or name.rpartition("_")[2] in heading for name in columns[0]
        )


def test_a_table_shows_no_command_of_the_api(twelve_jobs: Path) -> None:
    """Characters that drive a terminal are replaced, and a line end stays inside its cell."""
    shown = answer(twelve_jobs, "select chr(27) || '[31m' || chr(8238) || chr(10) || 'x' as a")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert len(shown.splitlines()) == 6


def test_a_long_table_says_how_to_get_the_rest(twelve_jobs: Path) -> None:
    """On a terminal 50 rows are shown; another output has all rows."""
    assert "the first 50 rows" in answer(twelve_jobs, "from range(51)", width=80)
    assert answer(twelve_jobs, "from range(51)").endswith("51 rows\n")


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from '{file}'",
        "select * from glob('{folder}/*')",
        "select * from duckdb_secrets()",
        "copy (select 1) to '{folder}/made'",
        "attach '{folder}/made'",
        "export database '{folder}/made'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "pragma enable_profiling",
        "pragma database_list",
        "call pragma_version()",
        "explain analyze select 1",
        "create temp table t as select 1",
        "delete from telnyx_raw.jobs",
        "select 1; select 2",
        "",
        "no_such_view",
        "selec 1",
        "select nothing from jobs",
        "select 1 / 'x'",
        "\udcff",
    ],
)
def test_what_is_refused(sql: str, twelve_jobs: Path, tmp_path: Path) -> None:
    """What reads or writes anything else, changes a setting or is wrong ends in one line."""
    file = tmp_path / "secret.csv"
    file.write_text("secret\n1\n")
    before = twelve_jobs.read_bytes()
    with pytest.raises(WrongQuery) as refused:
        answer(twelve_jobs, sql.format(file=file, folder=tmp_path))
    assert ": " in str(refused.value)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert twelve_jobs.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["query", "no_such_view"], 2, "Table with name no_such_view does not exist"),
        (["query", "jobs", "--format", "xml"], 2, "'xml'"),
        (["query", "jobs", "--database", "missing.duckdb"], 78, "run telnyx-jobs sync first"),
    ],
)
def test_exit_codes(
    arguments: list[str], code: int, message: str, twelve_jobs: Path, tmp_path: Path
) -> None:
    """SQL that cannot be run is wrong usage, a file that cannot be read is 78."""
    done = run(tmp_path, *arguments, environ={"TELNYX_JOBS_DATABASE": str(twelve_jobs)})
    assert (done.returncode, done.stdout) == (code, "")
    assert message in complaint(done)


def test_head_may_leave_a_huge_result(twelve_jobs: Path, tmp_path: Path) -> None:
    """A reader that goes away after two lines is not a failure, and rows come before the end."""
    arguments = ("query", "from range(100000000000)", "--format", "csv")
    process = start(tmp_path, *arguments, database=twelve_jobs, stdout=subprocess.PIPE)
    assert process.stdout
    assert [process.stdout.readline() for _ in range(2)] == [b"range\n", b"0\n"]
    process.stdout.close()
    assert process.wait(30) == 0


def test_ctrl_c_ends_a_long_query_at_once(twelve_jobs: Path, tmp_path: Path) -> None:
    """A query that would take days ends with 130 within 1.5 seconds, and only says so."""
    process = subprocess.Popen(
        command("query", ENDLESS),
        cwd=tmp_path,
        env=environment(tmp_path, TELNYX_JOBS_DATABASE=str(twelve_jobs)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 30
    # its imports take one second
    while cpu_seconds(process.pid) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert time.monotonic() - sent < 1.5
    assert json.loads(stderr)["message"] == "stopped by SIGINT"


def test_the_width_is_the_terminal_s(twelve_jobs: Path, tmp_path: Path) -> None:
    """On a terminal of 60 columns no line of a table is longer."""
    leader, follower = pty.openpty()
    arguments = ("query", "select * exclude (etc) from telnyx_raw.jobs")
    environ = {"COLUMNS": "60"}
    process = start(tmp_path, *arguments, database=twelve_jobs, stdout=follower, **environ)
    os.close(follower)
    shown = b""
    while chunk := read(leader):
        shown += chunk
    assert process.wait(30) == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    table = [line for line in plain.splitlines() if line.startswith(("┌", "│"))]
    assert 20 < max(map(cell_len, table)) <= 60


def start(
    folder: Path, *arguments: str, database: Path, stdout: int, **environ: str
) -> "subprocess.Popen[bytes]":
    values = environment(folder, TELNYX_JOBS_DATABASE=str(database), **environ)
    return subprocess.Popen(
        command(*arguments), cwd=folder, env=values, stdout=stdout, stderr=subprocess.DEVNULL
    )


def read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        # how Linux reports the end of a terminal
        return b""


def cpu_seconds(pid: int) -> float:
    fields: list[Any] = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
