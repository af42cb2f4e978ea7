"""The texts of a record: where an answer may hold a phone number, besides its arrays."""

import re
from collections.abc import Callable
from typing import Any

from telnyx_jobs.api.models import ErrorMeta, ErrorSource, JobError, Record

NUMBER_FIELDS = {"phone_number", "phone_numbers"}
"""Fields of parameters and unknown ones that hold phone numbers."""


def digits_of(text: str) -> str:
    return re.sub("[^0-9]", "", text)


def change_texts(
    record: Record,
    text: Callable[[str | None], str | None],
    value: Callable[[Any], Any],
) -> None:
    """Replace each text of the record by what `text` returns, each JSON value by that of `value`.

    Ids, times and the members of arrays, errors excepted, stay as they are.
    """
    job = record.job
    for operation in job.failed_operations or ():
        for error in operation.errors or ():
            _change_error(error, text)
    job.record_type = text(job.record_type)
    job.type = text(job.type)
    job.status = text(job.status)
    job.parameters = value(job.parameters)
    record.unknown = value(record.unknown)


def _change_error(error: JobError, text: Callable[[str | None], str | None]) -> None:
    error.code = text(error.code)
    error.title = text(error.title)
    error.detail = text(error.detail)
    if isinstance(error.source, ErrorSource):
        error.source.pointer = text(error.source.pointer)
        error.source.parameter = text(error.source.parameter)
    else:
        error.source = text(error.source)
    if isinstance(error.meta, ErrorMeta):
        error.meta.url = text(error.meta.url)
