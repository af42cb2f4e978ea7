"""A server on loopback that answers as Telnyx does, and wrongly if a test says so.

    with FaultyApi(some_jobs(3), {0: reset, 2: refusal(503)}) as api:
        ...  # the first request is reset, the third refused, every other one answered correctly
    assert len(api.requests) == 4

A fault is a function of one exchange; `support.answer_faults` has the usual ones. It sends what it
likes, made from the good answer or not; the connection is closed after it unless it sent a whole
reply.
"""

import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import parse_headers
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from telnyx_jobs.demo_api.answers import Refusal, answer

Json = dict[str, Any]

HOST = "127.0.0.1"
FIRST_CREATED = datetime(2026, 10, 1, tzinfo=UTC)
"""When the oldest of `some_jobs` was created."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived.

    Header names are in lower case, `port` is the client's, one for each connection, and `at` is on
    the monotonic clock.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    port: int
    at: float

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """What is sent for a request. A header of the value None is left out."""

    status: int
    body: bytes
    headers: Mapping[str, str | None] = field(default_factory=dict)

    def head(self) -> bytes:
        headers: dict[str, str | None] = {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(self.body)),
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def with_headers(self, headers: Mapping[str, str | None]) -> "Reply":
        return replace(self, headers={**self.headers, **headers})


@dataclass
class Exchange:
    """One request, the good reply to it, and the connection that waits for a reply."""

    request: Request
    good: Reply
    connection: socket.socket
    stopped: threading.Event
    leave: Callable[[], None]
    """Stops the server from listening: new connections are refused."""
    answer: Callable[[str], Reply]
    """The good reply to a GET of another target."""
    is_whole: bool = False

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reply(self, reply: Reply) -> None:
        """Send a whole reply, after which the connection serves the next request."""
        self.send(reply.head() + reply.body)
        self.is_whole = True

    def pause(self, seconds: float) -> None:
        """Raises ConnectionAbortedError if the server stops meanwhile."""
        if self.stopped.wait(seconds):
            raise ConnectionAbortedError


Fault = Callable[[Exchange], None]


def good(exchange: Exchange) -> None:
    """No fault at all."""
    exchange.reply(exchange.good)


class FaultyApi:
    """A running server of `jobs` (newest first). `url` is the base that a client takes.

    The n-th request, from 0, gets `faults[n]`, any other one `otherwise`. Leaving the `with` block
    ends every exchange, and raises what a fault itself raised.
    """

    def __init__(
        self,
        jobs: Sequence[Mapping[str, Any]],
        faults: Mapping[int, Fault] | None = None,
        *,
        otherwise: Fault = good,
    ) -> None:
        self.requests: list[Request] = []
        self.key = "KEY_of_no_account"
        """For the command line, which needs one; any key is accepted here."""
        self._jobs = jobs
        self._faults = faults or {}
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = _Server((HOST, 0), self)
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/v2"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.002,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for error in self._server.errors:
            raise error

    def leave(self) -> None:
        """Stops listening; open connections are served further."""
        self._server.shutdown()
        self._server.socket.close()

    def close(self) -> None:
        """Stops answering, on open connections too; a second call does nothing."""
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, connection: socket.socket, request: Request) -> bool:
        """Answer one request, correctly or not; True if the connection serves another one."""
        with self._lock:
            fault = self._faults.get(len(self.requests), self._otherwise)
            self.requests.append(request)
        exchange = Exchange(
            request,
            self._good(request.target),
            connection,
            self._stopped,
            self.leave,
            self._good,
        )
        fault(exchange)
        return exchange.is_whole

    def _good(self, target: str) -> Reply:
        try:
            status, body = 200, answer(target, lambda: self._jobs)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        return Reply(status, as_json(body))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], api: FaultyApi) -> None:
        self.api = api
        self.errors: list[BaseException] = []
        self._connections: set[Any] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        # only a close, so a fault decides whether the client sees FIN or RST
        self._connections.discard(request)
        request.close()

    def server_close(self) -> None:
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # a client may close the connection, and this server may end
        if error is not None and not isinstance(error, OSError):
            self.errors.append(error)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.request.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = {k.lower(): v for k, v in parse_headers(stream).items()}
                port: int = self.client_address[1]
                request = Request(method, target, headers, port, time.monotonic())
                if not self.server.api.serve(self.request, request):
                    return


def as_json(body: object) -> bytes:
    """JSON without spaces, as Telnyx writes it."""
    return json.dumps(body, separators=(",", ":")).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def some_jobs(count: int) -> list[Json]:
    """Jobs as Telnyx shows them, newest first, an hour apart, each of two numbers."""
    return [_job(number) for number in reversed(range(count))]


def _job(number: int) -> Json:
    created = f"{FIRST_CREATED + timedelta(hours=number):%Y-%m-%dT%H:%M:%S.000Z}"
    operations = [
        {"id": f"{10**18 + 2 * number + i}", "phone_number": f"+1202555{2 * number + i:04}"}
        for i in range(2)
    ]
    error = {
        "code": "10015",
        "title": "Bad Request",
        "detail": "The tag is too long.",
        "source": {"pointer": "/phone_numbers/1/tags"},
        "meta": {"url": "https://developers.telnyx.com/docs/overview/errors/10015"},
    }
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "record_type": "phone_numbers_job",
        "type": ("update_phone_numbers", "delete_phone_numbers")[number % 2],
        "status": "completed",
        "etc": None,
        "created_at": created,
        "updated_at": created,
        "parameters": {},
        "phone_numbers": [{"phone_number": each["phone_number"]} for each in operations],
        "successful_operations": operations[:1],
        "pending_operations": [],
        "failed_operations": [{**operations[1], "errors": [error]}],
    }
