"""From the bytes of an answer to records, as lenient as the API and not more.

A field with another type than documented, or a time that cannot be read, makes its record a
`Rejected`; the others of the page still load. Unknown fields go to `Record.unknown`.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from telnyx_jobs.api.decoding import elements, members, without_member
from telnyx_jobs.api.models import JOB_SHAPE, LONGEST_ID, Job, Page, Record, Rejected

SECRET_FIELD = "external_pin"
"""The port-out PIN among a job's parameters: with it others can take the account's numbers."""
_SECRET_NAME = re.compile(
    "".join(rf"(?:{letter}|(?i:\\u{ord(letter):04x}))" for letter in SECRET_FIELD)
)
"""The name in every spelling: letters plain or escaped."""
DEEPEST = 100
"""Levels of nesting that are loaded. Later readers of a value recurse too, on a stack that may be
deeper: this is far below Python's limit of 1,000."""
_UNUSABLE = (ValueError, RecursionError, OverflowError)
"""What decoding raises if text is not JSON, or a value has another type than documented."""
_TOO_DEEP = f"nested more than {DEEPEST} levels deep"


class BrokenAnswer(ValueError):
    """A body that is not the documented envelope: cut, not JSON, or without `data` and `meta`."""


class _Meta(msgspec.Struct):
    total_pages: int | None = None
    total_results: int | None = None


class _ListAnswer(msgspec.Struct):
    data: list[Job]
    meta: _Meta


class _RetrieveAnswer(msgspec.Struct):
    data: Job


_list_decoder = msgspec.json.Decoder(_ListAnswer)
_retrieve_decoder = msgspec.json.Decoder(_RetrieveAnswer)
_job_decoder = msgspec.json.Decoder(Job)


def read_page(body: bytes | bytearray) -> Page:
    """The list answer in `body`. Raises BrokenAnswer if it is not one."""
    try:
        answer = _list_decoder.decode(body)
        records: list[Record | Rejected] = [Record(_clean(job)) for job in answer.data]
    except _UNUSABLE:
        return _read_page_by_record(body)
    return Page(records, answer.meta.total_pages, answer.meta.total_results)


def read_job(body: bytes | bytearray) -> Record | Rejected:
    """The retrieve answer in `body`. Raises BrokenAnswer if it is not one."""
    try:
        return Record(_clean(_retrieve_decoder.decode(body).data))
    except _UNUSABLE:
        data = _envelope(body).get("data", "")
        if not data.startswith("{"):
            raise BrokenAnswer("the answer has no `data` object") from None
        return _read_record(data)


def _read_page_by_record(body: bytes | bytearray) -> Page:
    envelope = _envelope(body)
    try:
        texts = elements(envelope["data"])
        meta = json.loads(envelope["meta"])
    except (KeyError, ValueError, RecursionError):
        meta = None
    if not isinstance(meta, dict):
        raise BrokenAnswer("the answer has no `data` list and `meta` object")
    return Page(
        [_read_record(text) for text in texts],
        _total(meta.get("total_pages")),
        _total(meta.get("total_results")),
    )


def _envelope(body: bytes | bytearray) -> dict[str, str]:
    """The members of the body, each as its text."""
    # bytes that are not UTF-8 become surrogates, so they spoil their own record only
    text = body.decode("utf-8-sig", errors="surrogateescape")
    try:
        return members(text)
    except ValueError:
        raise BrokenAnswer("the answer is not a JSON object") from None


def _total(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _read_record(text: str) -> Record | Rejected:
    """The record in this text, read alone."""
    try:
        return Record(_clean(_job_decoder.decode(text)))
    except _UNUSABLE:
        return _read_leniently(text)


def _read_leniently(text: str) -> Record | Rejected:
    """The record as the standard library reads it, with its unknown fields apart."""
    try:
        value = json.loads(text)
    except RecursionError:
        return _rejected(text, _TOO_DEEP)
    except ValueError as error:
        return _rejected(text, str(error))
    if not isinstance(value, dict):
        return _rejected(text, "the record is not an object")
    try:
        # one level more than for a field: the record itself
        known, unknown = _split(_without_secret(value, DEEPEST + 1), JOB_SHAPE)
        job = _clean(_job_decoder.decode(json.dumps(known)))
        if unknown:
            msgspec.json.decode(json.dumps(unknown))
    except _UNUSABLE as error:
        return _rejected(text, str(error))
    return Record(job, unknown or None)


def _rejected(text: str, reason: str) -> Rejected:
    kept = without_member(text, SECRET_FIELD)
    if not _is_json(kept):
        # where members begin and end is unknown then: nothing is kept from the name on
        kept = _SECRET_NAME.split(kept, 1)[0]
    return Rejected(_id_in(text), reason, _legal(kept))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _id_in(text: str) -> str | None:
    """The id in the text of a record, if it can be requested."""
    try:
        job_id = json.loads(members(text)["id"])
    except (KeyError, ValueError, RecursionError):
        return None
    if not isinstance(job_id, str) or not 0 < len(job_id) <= LONGEST_ID:
        return None
    return _legal(job_id)


def _legal(text: str) -> str:
    return text.encode("utf-8", errors="backslashreplace").decode()


def _clean(job: Job) -> Job:
    """The job with times in UTC and without the PIN.

    Raises OverflowError past the year 9999, and ValueError for parameters nested too deep.
    """
    job.etc = _utc(job.etc)
    job.created_at = _utc(job.created_at)
    job.updated_at = _utc(job.updated_at)
    job.parameters = _without_secret(job.parameters)
    return job


def _utc(time: datetime | None) -> datetime | None:
    if time is None or time.tzinfo is UTC:
        return time
    if time.tzinfo is None:
        # Telnyx documents all times as UTC
        return time.replace(tzinfo=UTC)
    return time.astimezone(UTC)


def _without_secret(value: Any, levels: int = DEEPEST) -> Any:
    """The value without the PIN. Raises ValueError if it has more levels than these."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict):
        return {k: _without_secret(v, levels - 1) for k, v in value.items() if k != SECRET_FIELD}
    return [_without_secret(item, levels - 1) for item in value]


def _split(value: Any, shape: Any) -> tuple[Any, dict[str, Any]]:
    """The documented part of a value, and the rest in the value's own nesting."""
    unknown: dict[str, Any] = {}
    if isinstance(value, dict) and isinstance(shape, dict):
        known = {}
        for name, item in value.items():
            if name in shape:
                known[name], rest = _split(item, shape[name])
            else:
                rest = item
            if name not in shape or rest:
                unknown[name] = rest
        return known, unknown
    if isinstance(value, list) and isinstance(shape, list):
        parts = [_split(item, shape[0]) for item in value]
        unknown = {str(place): rest for place, (_, rest) in enumerate(parts) if rest}
        return [part for part, _ in parts], unknown
    return value, unknown
