"""A PostgreSQL server for the tests: its own cluster, on a free port, in a temporary folder.

It sorts texts as English, its clock is New York's, and queries run in Auckland's time zone: no
figure may depend on any of them.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

NEEDED = os.environ.get("TELNYX_JOBS_NEED_POSTGRES") == "1"
"""Whether a missing server is an error; otherwise its tests are left out, and the end says so."""
MISSING = "PostgreSQL is not installed: apt-get install postgresql (or put its initdb on PATH)"
PASSWORD = "9f2Kq_sEcReT_w7Lz"
_USER = "telnyx"
_NOBODY = 65534
"""The user that runs the server if root runs the tests: it refuses root."""


def server_folder() -> Path | None:
    """The folder of initdb and postgres: on PATH, else Debian's newest version."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[-3]), default=None)
    return newest and newest.parent


class Server:
    """A running server, which creates databases."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._numbers = count()

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """Name of a new database: empty, or a copy."""
        name = f"d{next(self._numbers)}"
        self.rows("postgres", f"create database {name} template {template}")
        return name

    def rows(self, database: str, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query, JSON as text, run in a time zone ahead of UTC."""
        with self.connection(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def connection(self, database: str) -> Iterator[Any]:
        import psycopg2
        from psycopg2 import extras

        connection = psycopg2.connect(self.url(database), options="-c timezone=Pacific/Auckland")
        connection.autocommit = True
        extras.register_default_jsonb(connection, loads=str)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def serving() -> Iterator[Server]:
    """A server, from an empty cluster until the end of the block."""
    binaries = server_folder()
    assert binaries, MISSING
    is_root = os.getuid() == 0
    user: dict[str, Any] = (
        {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if is_root else {}
    )
    folder = Path(tempfile.mkdtemp(prefix="telnyx-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            if is_root:
                os.chown(path, _NOBODY, _NOBODY)
        _run(
            *(binaries / "initdb", "--pgdata", folder / "data", "--username", _USER),
            *("--auth", "scram-sha-256", "--pwfile", folder / "password", "--no-sync"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8"),
            *("--locale-provider", "icu", "--icu-locale", "en-US"),
            cwd=folder,
            **user,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {folder} -c fsync=off"
        control = (binaries / "pg_ctl", "--pgdata", folder / "data", "--wait")
        log, options = folder / "log", f"{options} -c timezone=America/New_York"
        _run(*control, "--log", log, "--options", options, "start", cwd=folder, **user)
        try:
            yield Server(port)
        finally:
            _run(*control, "--mode", "immediate", "stop", cwd=folder, **user)
    finally:
        shutil.rmtree(folder)


def _run(*command: Any, **options: Any) -> None:
    done = subprocess.run(
        [str(each) for each in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
