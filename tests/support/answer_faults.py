"""What `FaultyApi` can send instead of the good answer: a fault for each way to fail.

Faults that take another one (`late`) put something in front of it.
"""

import gzip
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from support.faulty_api import Exchange, Fault, Reply, as_json, good

# whole replies


def refusal(
    status: int,
    headers: Mapping[str, str | None] | None = None,
    *,
    code: str = "10007",
    title: str = "Unexpected error",
) -> Fault:
    """An error as Telnyx words it."""
    return whole(status, as_json({"errors": [{"code": code, "title": title}]}), headers)


def whole(status: int, body: bytes, headers: Mapping[str, str | None] | None = None) -> Fault:
    """A well-formed reply with any content."""
    return lambda exchange: exchange.reply(Reply(status, body, headers or {}))


def listing(shown: Sequence[Mapping[str, object]]) -> Fault:
    """Each list page shows these jobs, all of them; a job by its id is answered rightly."""
    meta = {"total_pages": 1, "total_results": len(shown), "page_number": 1, "page_size": 250}
    page = whole(200, json.dumps({"data": shown, "meta": meta}).encode())

    def answer(exchange: Exchange) -> None:
        (page if "?" in exchange.request.target else good)(exchange)

    return answer


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
    exchange.reply(replace(exchange.good, body=as_json(cut)))


def empty_page(exchange: Exchange) -> None:
    """A page without jobs, whatever its totals announce. Only for the list."""
    body = {**json.loads(exchange.good.body), "data": []}
    exchange.reply(replace(exchange.good, body=as_json(body)))


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


def _close_by_reset(exchange: Exchange) -> None:
    """Make the next close an RST, whatever is still unsent."""
    linger = struct.pack("ii", 1, 0)
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _type(content_type: str) -> dict[str, str | None]:
    return {"Content-Type": content_type}
