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
# the present jobs, newest first
Jobs = Callable[[], Sequence[Mapping[str, Any]]]

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
    raise not_found()


def _job_list(query: Mapping[str, list[str]], jobs: Sequence[Mapping[str, Any]]) -> Json:
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


def _page_part(query: Mapping[str, list[str]], part: str, default: int, most: int) -> int:
    """`page[number]` or `page[size]`, at least 1 and at most `most`."""
    values = query.get(f"page[{part}]", [str(default)])
    # the digits are counted before they are read: Python refuses to read thousands of them
    value = int(values[-1]) if re.fullmatch("[0-9]{1,18}", values[-1]) else 0
    if "page" in query or not 1 <= value <= most:
        raise Refusal(
            422,
            "10015",
            "Invalid pagination",
            "The provided 'page' parameter is invalid. It must be an object with 'size' "
            "and/or 'number' with numeric values.",
            {"pointer": f"page/{part}"},
        )
    return value


def _sorted(
    query: Mapping[str, list[str]], jobs: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    if "sort" not in query:
        return jobs
    if query["sort"][-1] != "created_at":
        raise Refusal(
            422,
            "10015",
            "Invalid sorting value",
            "The value provided for sorting is not valid. Check the value used and try again.",
            {"pointer": "/sort"},
        )
    return jobs[::-1]


def _filtered(
    query: Mapping[str, list[str]], jobs: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    # how Telnyx treats an unknown filter is not documented; a refusal shows a misspelt one
    for name in query:
        if name.startswith("filter") and name not in ("filter[type]", "filter[status][]"):
            raise Refusal(
                422,
                "10031",
                "Invalid request filter",
                f"The request filter {name} is invalid.",
                {"parameter": name},
            )
    types = _enumerated(query, "filter[type]", TYPES)[-1:]
    statuses = _enumerated(query, "filter[status][]", STATUSES)
    return [
        job
        for job in jobs
        if (not types or job["type"] in types) and (not statuses or job["status"] in statuses)
    ]


def _enumerated(
    query: Mapping[str, list[str]], name: str, allowed: tuple[str, ...]
) -> Sequence[str]:
    values = query.get(name, [])
    if any(value not in allowed for value in values):
        raise Refusal(
            422,
            "10032",
            "Invalid enumerated value",
            f"The value must be one of {', '.join(allowed)}.",
            {"parameter": name},
        )
    return values


def not_found() -> Refusal:
    return Refusal(
        404,
        "10005",
        "Resource not found",
        "The requested resource or URL could not be found.",
        {"pointer": "/base"},
    )


def unauthorized() -> Refusal:
    detail = "Could not understand the provided credentials."
    return Refusal(401, "10009", "Authentication failed", detail)


def method_not_allowed() -> Refusal:
    detail = "The URL is valid, but the method is not allowed."
    return Refusal(405, "10030", "Method not allowed", detail)


def too_many_requests() -> Refusal:
    detail = "You have exceeded the maximum number of allowed requests."
    return Refusal(429, "10011", "Too many requests", detail)


def malformed(status: int, detail: str) -> Refusal:
    return Refusal(status, "10015", "Bad Request", detail)
