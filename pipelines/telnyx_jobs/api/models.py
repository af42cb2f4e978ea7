"""A job as Telnyx describes it, and the result for each record of an answer.

Any field may be absent or null, `source` may be an object or (as documented until 2025) a bare
string, and an unknown status or type is kept as it is.

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Protocol

import msgspec

LONGEST_ID = 255
"""The longest id that can be requested by its address, in characters."""


class Member(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What an array of a job holds: a number asked for, or its operation."""

    id: str | None = None
    phone_number: str | None = None


class ErrorSource(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    pointer: str | None = None
    parameter: str | None = None


class ErrorMeta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    url: str | None = None


class JobError(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    code: str | None = None
    title: str | None = None
    detail: str | None = None
    source: ErrorSource | str | None = None
    meta: ErrorMeta | None = None


class FailedOperation(Member, gc=True):
    errors: list[JobError] | None = None


ARRAYS = ("phone_numbers", "successful_operations", "pending_operations", "failed_operations")


class Job(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
    record_type: str | None = None
    type: str | None = None
    status: str | None = None
    etc: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    parameters: Any = None
    phone_numbers: list[Member] | None = None
    successful_operations: list[Member] | None = None
    pending_operations: list[Member] | None = None
    failed_operations: list[FailedOperation] | None = None

    def arrays(self) -> dict[str, Sequence[Member] | None]:
        """The members of each array by its name, in the order of ARRAYS; None where not sent."""
        return {name: getattr(self, name) for name in ARRAYS}


@dataclass(slots=True)
class Record:
    """A job that can be loaded, with what it holds beyond the documented fields.

    `unknown` has the record's own nesting, array positions as keys: a field `hint` of the first
    failed operation is `{"failed_operations": {"0": {"hint": …}}}`.
    """

    job: Job
    unknown: dict[str, Any] | None = None

    @property
    def job_id(self) -> str:
        return self.job.id

    def content_hash(self) -> str:
        """Hash of the record's whole content; equal for two answers with the same content."""
        said = msgspec.json.encode((self.job, self.unknown), order="deterministic")
        return blake2b(said, digest_size=16).hexdigest()

    def unknown_fields(self) -> set[str]:
        """Names of the unknown fields, such as `failed_operations[].hint`."""
        return set(_names(self.unknown, JOB_SHAPE)) if self.unknown else set()


@dataclass(slots=True)
class Rejected:
    """A record that cannot be loaded: its text without the PIN, and the reason.

    The text is as it was sent, character by character; bytes that are not UTF-8 are `\\udcXX`.
    """

    job_id: str | None
    reason: str
    text: str

    def content_hash(self) -> str:
        return blake2b(self.text.encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class Page:
    """One page of the list. The totals are None if the API announces none."""

    records: list[Record | Rejected]
    total_pages: int | None
    total_results: int | None

    def job_ids(self) -> list[str]:
        """Ids of the jobs that can be loaded."""
        return [record.job_id for record in self.records if isinstance(record, Record)]


class Filter(Protocol):
    """Takes something out of what the API said."""

    def record(self, record: Record | Rejected) -> Record | Rejected:
        """The record, changed in place."""

    def said(self, text: str) -> str:
        """What the API said about a request."""


def _shape(type_: msgspec.inspect.Type) -> Any:
    """Documented fields of a struct as nested dicts; `[shape]` for a list, None for a leaf."""
    if isinstance(type_, msgspec.inspect.StructType):
        return {field.encode_name: _shape(field.type) for field in type_.fields}
    if isinstance(type_, msgspec.inspect.ListType):
        return [_shape(type_.item_type)]
    if isinstance(type_, msgspec.inspect.UnionType):
        return next((shape for t in type_.types if (shape := _shape(t))), None)
    return None


JOB_SHAPE = _shape(msgspec.inspect.type_info(Job))
"""The documented fields, as `_shape` returns them."""


def _names(unknown: Any, shape: Any, prefix: str = "") -> Iterator[str]:
    for name, value in unknown.items():
        if isinstance(shape, list):
            yield from _names(value, shape[0], f"{prefix}[]")
        elif name not in shape:
            yield f"{prefix}.{name}".lstrip(".")
        else:
            yield from _names(value, shape[name], f"{prefix}.{name}".lstrip("."))
