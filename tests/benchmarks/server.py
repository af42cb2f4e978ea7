"""A Telnyx job list on loopback, made of bytes that are prepared before the first request.

`python server.py JOBS NUMBERS` prints its base URL once it is ready. Every job has NUMBERS numbers,
2 % of them failed with one error each; jobs are served newest first, in pages of any one size. The
first OPEN jobs of the list and OPEN spread over the rest are open until `POST /finish`. A filter by
status lists what is open, as the API does since August 2026.
"""

import argparse
import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

JOBS_PATH = "/v2/phone_numbers/jobs"
PAGE_SIZE = 250
FAILED_SHARE = 0.02
_NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
_APART = timedelta(minutes=5)
_ERRORS = json.dumps(
    [
        {
            "code": "85004",
            "title": "Invalid connection id provided",
            "detail": "The connection_id provided does not belong to this account.",
            "source": {"pointer": "/connection_id"},
            "meta": {"url": "https://developers.telnyx.com/docs/overview/errors/85004"},
        }
    ],
    separators=(",", ":"),
)


def job_text(index: int, numbers: int, *, is_open: bool) -> str:
    """The job's JSON; `index` counts from the newest job on."""
    created_at = _NEWEST - index * _APART
    first = index * numbers
    operations = [
        f'"id":"{2_637_816_387_000_000_000 + n}","phone_number":"+1{2_000_000_000 + n}"'
        for n in range(first, first + numbers)
    ]
    failed_count = 0 if is_open else round(numbers * FAILED_SHARE)
    failed = [f'{{{text},"errors":{_ERRORS}}}' for text in operations[:failed_count]]
    others = [f"{{{text}}}" for text in operations[failed_count:]]
    asked_for = [f"{{{text}}}" for text in operations]
    head = {
        "id": str(UUID(int=(0xB0B << 116) | index)),
        "record_type": "phone_numbers_job",
        "type": "update_phone_numbers",
        "status": "in_progress" if is_open else "completed",
        "etc": _time(created_at + timedelta(minutes=4)),
        "created_at": _time(created_at),
        "updated_at": _time(created_at + timedelta(minutes=1 if is_open else 3)),
    }
    arrays = {
        "phone_numbers": asked_for,
        "pending_operations": others if is_open else [],
        "successful_operations": [] if is_open else others,
        "failed_operations": failed,
    }
    fields = [json.dumps(head, separators=(",", ":"))[1:-1]]
    fields += [f'"{name}":[{",".join(items)}]' for name, items in arrays.items()]
    return f"{{{','.join(fields)}}}"


def _time(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Jobs:
    """The prepared answers: whole pages, and the jobs that `finish` changes."""

    def __init__(self, jobs: int, numbers: int, open_jobs: int, page_size: int) -> None:
        self._numbers = numbers
        self._page_size = page_size
        self._total = jobs
        at_head = range(min(open_jobs, jobs))
        spread = range(open_jobs, jobs, max(1, jobs // open_jobs)) if open_jobs else range(0)
        self._open = {*at_head, *list(spread)[:open_jobs]}
        self._pages = {number: self._page(number) for number in self._page_numbers()}
        self._single = {self._id(index): self._alone(index) for index in self._open}
        self.open_list = self._listed(1, sorted(self._open), len(self._open))
        ended, self._open = self._open, set()
        changed = {index // page_size + 1 for index in ended}
        self._pages_after = {number: self._page(number) for number in sorted(changed)}
        self._single_after = {self._id(index): self._alone(index) for index in ended}

    def finish(self) -> None:
        """From now on no job is open."""
        self._pages |= self._pages_after
        self._single |= self._single_after
        self.open_list = self._listed(1, [], 0)

    def page(self, number: int, size: int) -> bytes | None:
        if size != self._page_size:
            return None
        return self._pages.get(number) or self._listed(number, [], self._total)

    def job(self, job_id: str) -> bytes | None:
        return self._single.get(job_id)

    def _page_numbers(self) -> Iterator[int]:
        return iter(range(1, -(-self._total // self._page_size) + 1))

    def _page(self, number: int) -> bytes:
        first = (number - 1) * self._page_size
        indices = range(first, min(first + self._page_size, self._total))
        return self._listed(number, indices, self._total)

    def _listed(self, number: int, indices: Iterable[int], total: int) -> bytes:
        jobs = [self._text(index) for index in indices]
        meta = {
            "total_pages": -(-total // self._page_size),
            "total_results": total,
            "page_number": number,
            "page_size": self._page_size,
        }
        return f'{{"data":[{",".join(jobs)}],"meta":{json.dumps(meta)}}}'.encode()

    def _alone(self, index: int) -> bytes:
        return f'{{"data":{self._text(index)}}}'.encode()

    def _text(self, index: int) -> str:
        return job_text(index, self._numbers, is_open=index in self._open)

    def _id(self, index: int) -> str:
        return str(json.loads(job_text(index, 0, is_open=False))["id"])


def handler(jobs: Jobs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            target = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(target.query).items()}
            if "filter[status][]" in query:
                self._answer(jobs.open_list)
            elif target.path.rstrip("/") == JOBS_PATH:
                number = int(query.get("page[number]", 1))
                self._answer(jobs.page(number, int(query.get("page[size]", PAGE_SIZE))))
            elif match := re.fullmatch(f"{JOBS_PATH}/([^/]+)", target.path):
                self._answer(jobs.job(match[1]))
            else:
                self._answer(None)

        def do_POST(self) -> None:
            if self.path == "/finish":
                jobs.finish()
            self._answer(b"{}")

        def _answer(self, body: bytes | None) -> None:
            self.send_response(200 if body is not None else 404)
            body = body if body is not None else b'{"errors":[{"code":"10005","title":"?"}]}'
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("jobs", type=int)
    parser.add_argument("numbers", type=int)
    parser.add_argument("--open", type=int, default=0)
    parser.add_argument("--page-size", type=int, default=PAGE_SIZE)
    given = parser.parse_args()
    jobs = Jobs(given.jobs, given.numbers, given.open, given.page_size)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(jobs))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/v2", flush=True)
    # the parent ends this process by closing its standard input
    sys.stdin.read()


if __name__ == "__main__":
    main()
