"""A server on loopback that answers as Telnyx does, and wrongly if a test says so.

    with FaultyApi(some_jobs(3), {0: reset, 2: refusal(503)}) as api:
        ...  # the first request is reset, the third refused, every other one answered correctly
    assert len(api.requests) == 4

A fault is a function of one exchange. It sends what it likes, made from the good answer or not;
the connection is closed after it unless it sent a whole reply. Faults that take another one
(`late`) put something in front of it.
"""

import gzip
import json
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.client import parse_headers
from typing import Any, NamedTuple, Self
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
        return Reply(status, _json(body))


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


def _close_by_reset(exchange: Exchange) -> None:
    """Make the next close an RST, whatever is still unsent."""
    linger = struct.pack("ii", 1, 0)
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _type(content_type: str) -> dict[str, str | None]:
    return {"Content-Type": content_type}


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


# whole replies


def refusal(
    status: int,
    headers: Mapping[str, str | None] | None = None,
    *,
    code: str = "10007",
    title: str = "Unexpected error",
) -> Fault:
    """An error as Telnyx words it."""
    return whole(status, _json({"errors": [{"code": code, "title": title}]}), headers)


def whole(status: int, body: bytes, headers: Mapping[str, str | None] | None = None) -> Fault:
    """A well-formed reply with any content."""
    return lambda exchange: exchange.reply(Reply(status, body, headers or {}))


def with_headers(headers: Mapping[str, str | None]) -> Fault:
    """The good reply, with these headers."""
    return lambda exchange: exchange.reply(exchange.good.with_headers(headers))


def redirect(status: int, url: str) -> Fault:
    return whole(status, b"", {"Location": url})


def html(exchange: Exchange) -> None:
    """A page of some proxy, with a 200."""
    exchange.reply(Reply(200, b"<html><body>Just a moment</body></html>", _type("text/html")))


def wrong_type(exchange: Exchange) -> None:
    """The right JSON, declared a web page: a client that looks at the content accepts it."""
    exchange.reply(exchange.good.with_headers(_type("text/html")))


def empty_body(exchange: Exchange) -> None:
    exchange.reply(Reply(200, b""))


def without_meta(exchange: Exchange) -> None:
    """Valid JSON that lacks its end, as from a writer that stops early and closes the brackets."""
    body = json.loads(exchange.good.body)
    cut = {"data": body["data"][:1]} if isinstance(body["data"], list) else {}
    exchange.reply(replace(exchange.good, body=_json(cut)))


def empty_page(exchange: Exchange) -> None:
    """A page without jobs, whatever its totals announce. Only for the list."""
    body = {**json.loads(exchange.good.body), "data": []}
    exchange.reply(replace(exchange.good, body=_json(body)))


def false_gzip(exchange: Exchange) -> None:
    """Plain bytes that are announced as gzip."""
    exchange.reply(exchange.good.with_headers({"Content-Encoding": "gzip"}))


def cut_gzip(exchange: Exchange) -> None:
    """Half of a gzip stream, its length announced as the whole."""
    body = _half(gzip.compress(exchange.good.body, mtime=0))
    exchange.reply(
        replace(exchange.good, body=body).with_headers({"Content-Encoding": "gzip"}),
    )


def not_utf8(exchange: Exchange) -> None:
    """The body in an encoding that JSON does not have."""
    exchange.reply(replace(exchange.good, body=exchange.good.body.decode().encode("utf-32")))


# replies that break off


def cut_by_length(exchange: Exchange) -> None:
    """Half of the body that Content-Length announces, then the end."""
    exchange.send(exchange.good.head() + _half(exchange.good.body))


def cut_without_length(exchange: Exchange) -> None:
    """Half of a body whose end only the end of the connection marks."""
    headers = {"Content-Length": None, "Connection": "close"}
    exchange.send(exchange.good.with_headers(headers).head() + _half(exchange.good.body))


def cut_chunk(exchange: Exchange) -> None:
    """A whole chunk, half of the next, then the end."""
    headers = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    body = exchange.good.body
    first, second = _half(body), body[len(_half(body)) :]
    exchange.send(exchange.good.with_headers(headers).head())
    exchange.send(b"%x\r\n%b\r\n" % (len(first), first))
    exchange.send(b"%x\r\n%b" % (len(second), _half(second)))


def reset(exchange: Exchange) -> None:
    """Half of the body, then RST instead of an end."""
    exchange.send(exchange.good.head() + _half(exchange.good.body))
    # long enough for the client to have read the head
    exchange.pause(0.01)
    _close_by_reset(exchange)


def reset_at_once(exchange: Exchange) -> None:
    """RST, as on a kept-alive connection that the other end dropped."""
    _close_by_reset(exchange)


def empty_reply(exchange: Exchange) -> None:
    """The end of the connection, and nothing before it."""


def nobody_left(exchange: Exchange) -> None:
    """The end of the connection, and of the server: the next one is refused."""
    exchange.leave()


def not_http(exchange: Exchange) -> None:
    exchange.send(b"SSH-2.0-OpenSSH_9.9\r\n")


# replies that take too long


def late(seconds: float, then: Fault = good) -> Fault:
    """Nothing for some seconds, then another fault, or the good reply."""

    def fault(exchange: Exchange) -> None:
        exchange.pause(seconds)
        then(exchange)

    return fault


def drip(seconds: float, *, head: bool = False) -> Fault:
    """A byte per interval of seconds, from the head on or from the body on."""

    def fault(exchange: Exchange) -> None:
        slow = exchange.good.body
        if head:
            slow = exchange.good.head() + slow
        else:
            exchange.send(exchange.good.head())
        for byte in slow:
            exchange.pause(seconds)
            exchange.send(bytes([byte]))
        exchange.is_whole = True

    return fault


def stall_after_head(seconds: float) -> Fault:
    """The head at once, then nothing for some seconds, then the body."""

    def fault(exchange: Exchange) -> None:
        exchange.send(exchange.good.head())
        exchange.pause(seconds)
        exchange.send(exchange.good.body)
        exchange.is_whole = True

    return fault


def stall_twice(seconds: float) -> Fault:
    """Some seconds of nothing before the body, and again in its middle."""

    def fault(exchange: Exchange) -> None:
        body = exchange.good.body
        exchange.send(exchange.good.head())
        exchange.pause(seconds)
        exchange.send(_half(body))
        exchange.pause(seconds)
        exchange.send(body[len(_half(body)) :])
        exchange.is_whole = True

    return fault


# faults by name


class Survivable(NamedTuple):
    """A fault, and the exit code of a run that meets nothing else."""

    fault: Fault
    exit_code: int


SURVIVABLE: Mapping[str, Survivable] = {
    **{
        f"{status}": Survivable(refusal(status), 69)
        for status in (408, 409, 425, 500, 502, 503, 504, 599)
    },
    "429": Survivable(refusal(429, {"Retry-After": "0"}, code="10011"), 75),
    "503, retry after": Survivable(refusal(503, {"Retry-After": "0"}), 69),
    "cut by length": Survivable(cut_by_length, 69),
    "cut chunk": Survivable(cut_chunk, 69),
    "reset": Survivable(reset, 69),
    "reset at once": Survivable(reset_at_once, 69),
    "empty reply": Survivable(empty_reply, 69),
    "not HTTP": Survivable(not_http, 69),
    "false gzip": Survivable(false_gzip, 69),
    "cut gzip": Survivable(cut_gzip, 65),
    "cut without length": Survivable(cut_without_length, 65),
    "without meta": Survivable(without_meta, 65),
    "not UTF-8": Survivable(not_utf8, 65),
    "empty body": Survivable(empty_body, 65),
    "204": Survivable(whole(204, b"", {"Content-Length": None}), 65),
    "HTML": Survivable(html, 65),
    "null": Survivable(whole(200, b"null"), 65),
    "another API": Survivable(whole(200, b'{"status":"ok"}'), 65),
}
"""What a client gets over by asking again, for both endpoints."""


def stalls(seconds: float) -> Mapping[str, Fault]:
    """Ways to take longer than `seconds` for one answer without a much longer silence."""
    return {
        "slow start": late(seconds * 20),
        "silence after the head": stall_after_head(seconds * 20),
        "two silences, each within the limit": stall_twice(seconds * 0.9),
        "slow drip": drip(seconds / 20),
        "slow drip of the head": drip(seconds / 20, head=True),
    }


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
