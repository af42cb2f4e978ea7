"""What Telnyx replies: from a request target and the present jobs to a status and a body.

As documented for the two GET endpoints of
https://developers.telnyx.com/api-reference/bulk-phone-number-operations; where the documentation
says nothing, a comment names the choice.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, unquote

Json = dict[str, Any]
Query = Mapping[str, list[str]]
Shown = Sequence[Mapping[str, Any]]
# the present jobs, newest first
Jobs = Callable[[], Shown]

JOBS_PATH = "/v2/phone_numbers/jobs"
TYPES = ("update_emergency_settings", "delete_phone_numbers", "update_phone_numbers")
STATUSES = ("pending", "in_progress", "completed", "failed", "expired")
DEFAULT_PAGE_SIZE = 20
LARGEST_PAGE_SIZE = 250

_ERROR_PAGE = "https://developers.telnyx.com/docs/overview/errors/{}"


class Refusal(Exception):
    """A request that Telnyx answers with an error: the HTTP status and its one error."""

    def __init__(
        self, status: int, code: str, title: str, detail: str, source: Json | None = None
    ) -> None:
        super().__init__(f"{status} {code} {title}")
        self.status = status
        self.error: Json = {
            "code": code,
            "title": title,
            "detail": detail,
            **({"source": source} if source else {}),
            # the only documented error without a page
            **({"meta": {"url": _ERROR_PAGE.format(code)}} if code != "10011" else {}),
        }

    @property
    def body(self) -> Json:
        return {"errors": [self.error]}


def answer(target: str, jobs: Jobs) -> Json:
    """The body of the 200 for a GET of `target`, a path with or without a query.

    Raises Refusal where Telnyx replies 404 or 422.
    """
    path, _, query = target.partition("?")
    path = unquote(path)
    if path == JOBS_PATH:
        return _job_list(parse_qs(query, keep_blank_values=True), jobs())
    folder, _, job_id = path.rpartition("/")
    if folder == JOBS_PATH:
        for job in jobs():
            if job["id"] == job_id:
                return {"data": job}
    detail = "The requested resource or URL could not be found."
    raise Refusal(404, "10005", "Resource not found", detail, {"pointer": "/base"})


def _job_list(query: Query, jobs: Shown) -> Json:
    number = _page_part(query, "number", 1, most=10**18)
    size = _page_part(query, "size", DEFAULT_PAGE_SIZE, most=LARGEST_PAGE_SIZE)
    chosen = _filtered(query, _sorted(query, jobs))
    first = (number - 1) * size
    return {
        # a page beyond the last is not documented: here it is empty
        "data": chosen[first : first + size],
        "meta": {
            "total_pages": -(-len(chosen) // size),
            "total_results": len(chosen),
            "page_number": number,
            "page_size": size,
        },
    }


def _page_part(query: Query, part: str, default: int, most: int) -> int:
    """`page[number]` or `page[size]`, at least 1 and at most `most`."""
    values = query.get(f"page[{part}]", [str(default)])
    # the digits are counted before they are read: Python refuses to read thousands of them
    value = int(values[-1]) if re.fullmatch("[0-9]{1,18}", values[-1]) else 0
    if "page" in query or not 1 <= value <= most:
        detail = (
            "The provided 'page' parameter is invalid. It must be an object with 'size' and/or "
            "'number' with numeric values."
        )
        raise Refusal(422, "10015", "Invalid pagination", detail, {"pointer": f"page/{part}"})
    return value


def _sorted(query: Query, jobs: Shown) -> Shown:
    if "sort" not in query:
        return jobs
    if query["sort"][-1] != "created_at":
        detail = "The value provided for sorting is not valid. Check the value used and try again."
        raise Refusal(422, "10015", "Invalid sorting value", detail, {"pointer": "/sort"})
    return jobs[::-1]


def _filtered(query: Query, jobs: Shown) -> Shown:
    # how Telnyx treats an unknown filter is not documented; a refusal shows a misspelt one
    for name in query:
        if name.startswith("filter") and name not in ("filter[type]", "filter[status][]"):
            detail = f"The request filter {name} is invalid."
            raise Refusal(422, "10031", "Invalid request filter", detail, {"parameter": name})
    types = _enumerated(query, "filter[type]", TYPES)[-1:]
    statuses = _enumerated(query, "filter[status][]", STATUSES)
    return [
        job
        for job in jobs
        if (not types or job["type"] in types) and (not statuses or job["status"] in statuses)
    ]


def _enumerated(query: Query, name: str, allowed: tuple[str, ...]) -> Sequence[str]:
    values = query.get(name, [])
    if any(value not in allowed for value in values):
        detail = f"The value must be one of {', '.join(allowed)}."
        raise Refusal(422, "10032", "Invalid enumerated value", detail, {"parameter": name})
    return values
