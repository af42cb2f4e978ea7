"""A server on loopback that receives what a run sends to webhooks and heartbeats."""

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self

from support.syncs import Json


class Received(NamedTuple):
    """A request as it arrived."""

    method: str
    target: str
    body: bytes

    @property
    def json(self) -> Json:
        content: Json = json.loads(self.body)
        return content


class Listener:
    """A running server, at `url`; `received` has its requests.

    The n-th request, from 0, is answered with `statuses[n]`, any other one with 200; the status 0
    is an answer that comes only when the server ends.
    """

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.received: list[Received] = []
        self._statuses = statuses
        self._ends = threading.Event()
        self._lock = threading.Lock()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener._take(self)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                """Logs nothing: the tests print what matters."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def targets(self) -> list[str]:
        return [each.target for each in self.received]

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        with self._lock:
            number = len(self.received)
            self.received.append(Received(handler.command, handler.path, body))
        status = self._statuses[number] if number < len(self._statuses) else 200
        if status == 0:
            self._ends.wait(60)
        with suppress(OSError):
            handler.send_response(status or 503)
            handler.send_header("Location", f"{self.url}/elsewhere")
            handler.end_headers()
