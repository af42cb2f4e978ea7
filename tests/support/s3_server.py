"""An S3 server on loopback, nanio: it checks signatures, and keeps each object as a file.

What it lacks of S3 is added here: writes on condition that an object does not exist, keys with %,
or with a slash at their end, spaces in queries, reading more than there is, or the last bytes. It
keeps the newer checksums of AWS's clients as if they were content, as older stores do, unless a
client has AWS_REQUEST_CHECKSUM_CALCULATION=when_required.
"""

import asyncio
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from nanio.app import build_app
from nanio.auth import sigv4
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings
from nanio.handlers import object as handlers
from nanio.storage.backend import GetObjectResult, ObjectInfo
from nanio.storage.filesystem import FilesystemStorage

KEY, SECRET = "AKIDOFTHETESTS", "secret-of-the-tests"
_canonical_query = sigv4.canonical_query_string
_read_plain_range = handlers._parse_range_header
_OWN = ".nanio-meta"
"""Holds what the server knows of a bucket's objects; without it, it asks the file system."""


class S3Server:
    """A running server. `requests` has method and path of each request, in order."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.requests: list[tuple[str, str]] = []
        self.refuses: Callable[[str, str], bool] = lambda method, path: False
        """Asked with each request before anything is done; True is answered with 403."""
        self.conflicts: list[str] = []
        """Paths of objects that were to be written only if they did not exist, and did."""

    def environment(self) -> dict[str, str]:
        """What lets a client in."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> Path:
        """The folder of a new bucket, in which each object is a file."""
        (self.folder / name).mkdir()
        return self.folder / name


def objects(bucket: Path) -> dict[str, bytes]:
    """Each object of a bucket by its key."""
    paths = (path for path in bucket.rglob("*") if path.is_file())
    keys = {str(path.relative_to(bucket)): path for path in paths if not _is_own(path)}
    return {key: path.read_bytes() for key, path in keys.items()}


def put(bucket: Path, key: str, content: str = "content", *, age: float = 0.0) -> None:
    """Put an object there that was last changed so many seconds ago."""
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - age,) * 2)


def _is_own(path: Path) -> bool:
    # what it has of an upload under way may be gone the next moment
    return _OWN in path.parts or path.name.startswith(".tmp.")


@contextmanager
def serving(folder: Path) -> Iterator[S3Server]:
    """A server of the buckets in a folder, until the end of the block."""
    # what it is given here is unquoted already
    sigv4.canonical_uri = lambda path: quote(path, safe="/-_.~")
    sigv4.canonical_query_string = lambda query: _canonical_query(query.replace("+", "%20"))
    handlers._parse_range_header = _read_range
    credentials = StaticCredentialResolver({KEY: SECRET})
    app = build_app(Settings(data_dir=folder, credentials=credentials))
    app.state.storage = _Storage(folder)
    # of a socket that is not expressly TCP, asyncio would hold back answers for 40 ms
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = S3Server(folder, listening.getsockname()[1])

    writing = asyncio.Lock()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        method, path = scope["method"], scope["path"]
        server.requests.append((method, path))
        if server.refuses(method, path):
            await _answer_without_content(send, 403)
        elif (b"if-none-match", b"*") in scope["headers"]:
            async with writing:
                if (folder / path.lstrip("/")).exists():
                    server.conflicts.append(path)
                    await _answer_without_content(send, 412)
                else:
                    await app(scope, receive, send)
        else:
            await app(scope, receive, send)

    settings = uvicorn.Config(
        answer, log_level="critical", lifespan="off", ws="none", http="h11", loop="asyncio"
    )
    running = uvicorn.Server(settings)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield server
    finally:
        running.should_exit = True
        thread.join()
        listening.close()


async def _answer_without_content(send: Any, status: int) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class _Storage(FilesystemStorage):
    async def get_object(
        self,
        bucket: str,
        key: str,
        *,
        range_start: int | None = None,
        range_end: int | None = None,
    ) -> GetObjectResult:
        size = self.head_object(bucket, key).size
        if range_start is not None and range_start < 0:
            range_start = max(size + range_start, 0)
        if range_end is not None:
            range_end = min(range_end, size - 1)
        return await super().get_object(bucket, key, range_start=range_start, range_end=range_end)

    async def put_object(self, bucket: str, key: str, body: Any, **options: Any) -> ObjectInfo:
        if not key.endswith("/"):
            return await super().put_object(bucket, key, body, **options)
        # it stands for a folder, which exists already
        assert [chunk async for chunk in body if chunk] == []
        return ObjectInfo(key, 0, '""', datetime.now(UTC))

    def delete_object(self, bucket: str, key: str) -> None:
        if not key.endswith("/"):
            super().delete_object(bucket, key)


def _read_range(header: str | None) -> tuple[int | None, int | None]:
    """First and last byte asked for; the first of the last n bytes is -n."""
    last = re.fullmatch(r"bytes=-(\d+)", header or "")
    return (-int(last[1]), None) if last else _read_plain_range(header)
