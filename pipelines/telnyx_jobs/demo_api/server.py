"""The demo API over HTTP: loopback only, bearer key, rate limit, gzip, a thread per connection."""

import gzip
import json
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from telnyx_jobs.demo_api.answers import Jobs, Json, Refusal, answer

DEMO_KEY = "KEY_DEMO_of_no_account"
HOST = "127.0.0.1"
# far beyond what a client requests that waits for each answer
DEFAULT_REQUESTS_PER_SECOND = 1_000

_Headers = dict[str, str]

_SMALLEST_GZIP = 1_024
_STOP_CHECK_SECONDS = 0.02


def serve(
    jobs: Jobs,
    *,
    key: str = DEMO_KEY,
    port: int = 0,
    requests_per_second: int = DEFAULT_REQUESTS_PER_SECOND,
) -> "FakeApi":
    """A server of `jobs` that answers from now on, in a thread, until its `with` block ends.

    `jobs` is called once per request and returns the present list, newest first. Port 0 picks a
    free one. Raises OSError if the port is taken.
    """
    return FakeApi(jobs, key, port, requests_per_second)


def serve_forever(jobs: Jobs, *, ready: Callable[["FakeApi"], None], port: int = 0) -> None:
    """Serves until SIGINT or SIGTERM; `ready` is called once the server answers.

    Only for the main thread: no other may catch signals.
    """
    stopped = threading.Event()
    earlier = {
        name: signal.signal(name, lambda *_: stopped.set())
        for name in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with serve(jobs, port=port) as api:
            ready(api)
            # short waits, because some systems deliver no signal during a long one
            while not stopped.wait(0.2):
                pass
    finally:
        for name, handler in earlier.items():
            signal.signal(name, handler)


class FakeApi:
    """A running demo API.

    `url` is the base that a client uses instead of `https://api.telnyx.com/v2`, `key` the only key
    accepted.
    """

    def __init__(self, jobs: Jobs, key: str, port: int, requests_per_second: int) -> None:
        self.key = key
        self._jobs = jobs
        self._budget = _Budget(requests_per_second)
        self._requests: list[tuple[str, str]] = []
        self._server = _Server((HOST, port), self)
        self.url = f"http://{HOST}:{self._server.server_address[1]}/v2"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_CHECK_SECONDS,), daemon=True
        )
        self._thread.start()

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and target of each request so far, the target percent-decoded, as in
        `("GET", "/v2/phone_numbers/jobs?page[number]=1")`."""
        return list(self._requests)

    def close(self) -> None:
        """Stops answering, on open connections too; a second call does nothing."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self, method: str, target: str, authorization: str) -> tuple[int, Json, _Headers]:
        """Status, body and headers for a request."""
        # appending is atomic, and so is copying: no lock is needed
        self._requests.append((method, unquote(target)))
        is_allowed, headers = self._budget.spend()
        try:
            if not is_allowed:
                headers["Retry-After"] = headers["x-ratelimit-reset"]
                detail = "You have exceeded the maximum number of allowed requests."
                raise Refusal(429, "10011", "Too many requests", detail)
            if authorization != f"Bearer {self.key}":
                detail = "Could not understand the provided credentials."
                raise Refusal(401, "10009", "Authentication failed", detail)
            if method != "GET":
                headers["Allow"] = "GET"
                detail = "The URL is valid, but the method is not allowed."
                raise Refusal(405, "10030", "Method not allowed", detail)
            return HTTPStatus.OK, answer(target, self._jobs), headers
        except Refusal as refusal:
            return refusal.status, refusal.body, headers


class _Budget:
    """A limit of requests per second; the count starts again with each second."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._ends = 0.0
        self._lock = threading.Lock()

    def spend(self) -> tuple[bool, _Headers]:
        """Whether a request is within the budget, and the headers that report it.

        The reset is in whole seconds from now, as the rate-limit page says.
        """
        with self._lock:
            now = time.monotonic()
            if now >= self._ends:
                self._left, self._ends = self._limit, now + 1
            is_allowed = self._left > 0
            self._left -= is_allowed
            return is_allowed, {
                "x-ratelimit-limit": str(self._limit),
                "x-ratelimit-remaining": str(self._left),
                "x-ratelimit-reset": "1",
            }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: FakeApi) -> None:
        self.api = api
        self._connections: set[Any] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's name, which takes seconds if no resolver answers
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        # a connection that is kept alive has its own thread, which would continue to answer
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        # a client may close the connection in the middle of an answer
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._skip_body()
        authorization = self.headers.get("Authorization", "")
        self._send(*self.server.api.reply(self.command, self.path, authorization))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what http.server refuses: unreadable requests, and any method except GET."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self.do_GET()
            return
        self.close_connection = True
        refusal = Refusal(code, "10015", "Bad Request", message or HTTPStatus(code).phrase)
        self._send(refusal.status, refusal.body, {"Connection": "close"})

    def version_string(self) -> str:
        return "telnyx-jobs-fake-api"

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the terminal shows a sync's progress."""

    def _skip_body(self) -> None:
        # an unread body would be parsed as the connection's next request
        length = self.headers.get("Content-Length", "0")
        if length.isdecimal() and "Transfer-Encoding" not in self.headers:
            self.rfile.read(int(length))
        else:
            self.close_connection = True

    def _send(self, status: int, body: Json, headers: _Headers) -> None:
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        # a request that cannot be parsed leaves no headers
        accepted = self.headers.get("Accept-Encoding", "") if hasattr(self, "headers") else ""
        self.send_response(status)
        if "gzip" in accepted and len(content) >= _SMALLEST_GZIP:
            content = gzip.compress(content, compresslevel=1, mtime=0)
            self.send_header("Content-Encoding", "gzip")
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("x-request-id", str(uuid.uuid4()))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
