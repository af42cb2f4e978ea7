"""docs/operating.md: each of its commands, and what it says of modes and of readers."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from support.demo_account import ACCOUNT
from support.syncs import ROOT, Jobs, api_of, job, sync_once
from telnyx_jobs.demo_api import FakeApi, serve

PAGE = ROOT / "docs" / "operating.md"
_NETWORK = ("PIP_", "SSL_", "REQUESTS_", "UV_")
"""How names of settings begin that pip needs to reach its index."""


class Block(NamedTuple):
    """Commands of the page, by the heading above them."""

    heading: str
    language: str
    text: str


class Ran(NamedTuple):
    block: Block
    code: int
    output: str


def blocks() -> list[Block]:
    """The page's commands in their order; a fence without a language shows output."""
    found, heading, language, lines = [], "", None, list[str]()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if language:
                found.append(Block(heading, language, "\n".join(lines)))
            language = None if language is not None else line.removeprefix("```")
            lines = []
        elif language is not None:
            lines.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to operate in, and a checkout beside the program that was installed from it."""
    home = tmp_path_factory.mktemp("operating")
    program = home / "program"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", program], check=True)
    (packages,) = program.glob("lib/*/site-packages")
    # what the program needs is installed here already, in the locked versions
    (packages / "needed.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    (home / "checkout").symlink_to(ROOT)
    install = ["-m", "pip", "install", "--quiet", "--no-deps", str(ROOT)]
    subprocess.run([str(program / "bin/python"), *install], check=True)
    return home


@pytest.fixture(scope="module")
def ran(home: Path) -> list[Ran]:
    """Every command of the page, run in order."""
    environ = {name: value for name, value in os.environ.items() if name.startswith(_NETWORK)}
    environ |= {"HOME": str(home), "PATH": f"{home / 'program/bin'}:/usr/bin:/bin"}
    with serve(lambda: ACCOUNT.jobs(datetime.now(UTC))) as api:
        for account in ("north", "south"):
            (home / f"{account}.key").write_text(f"{api.key}\n")
        environ |= {"TELNYX_BASE_URL": api.url}
        return [_run(block, home, api, environ) for block in blocks()]


def _run(block: Block, home: Path, api: FakeApi, environ: dict[str, str]) -> Ran:
    environ = environ | {"TELNYX_API_KEY": api.key}
    if block.heading == "Key rotation":
        # Telnyx's new key; the old one is refused from now on
        api.key = "KEY_new"
        (home / "new_api_key").write_text(f"{api.key}\n")
    elif block.heading == "Several accounts":
        for account in ("north", "south"):
            (home / f"{account}.key").write_text(f"{api.key}\n")
    shell = {"sh": ["sh", "-euc"], "python": ["python", "-c"]}[block.language]
    done = subprocess.run(
        [*shell, block.text],
        cwd=home,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Ran(block, done.returncode, done.stdout)


def test_every_command_runs(ran: list[Ran]) -> None:
    """Each block of commands succeeds, one after the other, in a new folder."""
    assert [(each.block, each.output) for each in ran if each.code != 0] == []
    assert len(ran) > 15


def test_no_account_is_left_out(ran: list[Ran]) -> None:
    """The loop reports no account that failed, and the query over both files shows both."""
    loop, together = [each.output for each in ran if each.block.heading == "Several accounts"]

    assert "exit code" not in loop
    assert all(name in together for name in ("north", "south"))


@pytest.mark.usefixtures("ran")
def test_the_modes_are_those_of_the_table(home: Path) -> None:
    """Each file and folder has the mode that the page's table says."""
    said = dict(re.findall(r"^\| `([^`]+)` \| (0\d{3}) \|", PAGE.read_text(), re.MULTILINE))

    assert {name: f"{stat.S_IMODE((home / name).stat().st_mode):04o}" for name in said} == said
    assert len(said) == 4
    exported = {stat.S_IMODE(path.stat().st_mode) for path in home.glob("export/**/*.parquet")}
    assert exported == {0o444}


@pytest.mark.usefixtures("ran")
def test_no_plain_number_is_in_a_masked_file(home: Path) -> None:
    """None of the account's numbers is in the bytes of the masked file or its state folder."""
    numbers = {
        number.encode()
        for each in ACCOUNT.jobs(datetime.now(UTC))
        for number in re.findall(r"\+[0-9]{8,}", str(each))
    }
    places = [home / "masked.duckdb", *(home / ".masked.duckdb.state").rglob("*")]
    kept = b"".join(path.read_bytes() for path in places if path.is_file())

    assert len(numbers) > 1000
    assert [number for number in numbers if number in kept] == []


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """A file of one job; `sync` below adds another."""
    yield tmp_path / "telnyx_jobs.duckdb"
    # DuckDB keeps an instance as long as a connection lives: none may reach another test
    for connection in _OPEN:
        with suppress(duckdb.Error):
            connection.close()
    _OPEN.clear()


_OPEN: list[duckdb.DuckDBPyConnection] = []


def opened(path: str | Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), read_only=path != ":memory:")
    _OPEN.append(connection)
    return connection


def count(connection: duckdb.DuckDBPyConnection, schema: str = "telnyx") -> int:
    ((jobs,),) = connection.execute(f"select count(*) from {schema}.jobs").fetchall()
    return int(jobs)


def test_what_readers_see_after_a_sync(database: Path) -> None:
    """A process sees the new file once all its connections to the old one are closed."""
    jobs = Jobs([job(1)])
    with api_of(jobs) as api:
        sync_once(api, database)
        before = opened(database)
        assert count(before) == 1
        published = database.stat().st_mtime_ns
        jobs += [job(2)]
        sync_once(api, database)

    second = opened(database)
    assert (count(before), count(second)) == (1, 1)
    before.close()
    assert count(opened(database)) == 1
    for connection in _OPEN:
        connection.close()
    assert count(opened(database)) == 2
    # by this some tools notice that the file is another one
    assert database.stat().st_mtime_ns > published


def test_a_file_attached_again_is_the_new_one(database: Path) -> None:
    """`detach` and `attach` in a connection of no file show the newest sync."""
    jobs = Jobs([job(1)])
    with api_of(jobs) as api:
        sync_once(api, database)
        connection = opened(":memory:")
        connection.execute(f"attach '{database}' as file (read_only)")
        jobs += [job(2)]
        sync_once(api, database)

    assert count(connection, "file.telnyx") == 1
    connection.execute("detach file")
    connection.execute(f"attach '{database}' as file (read_only)")
    assert count(connection, "file.telnyx") == 2
