"""The phone numbers that still fail: why, with what was sent, and request bodies to retry them."""

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from telnyx_jobs.destinations.answer import Rows
from telnyx_jobs.destinations.base import Destination, Reader, published
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.report.requests import PATHS, Unusable, request_body, without_nulls
from telnyx_jobs.report.rows import write
from telnyx_jobs.text import reason_of

LARGEST_BATCH = 1_000
"""Numbers that Telnyx takes in one request."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MASKED = re.compile(r"\+[0-9]{1,3}-[0-9a-f]{16}")
_LIKE_MASKED = "+%-" + "_" * 16
"""The same for SQL's `like`, which takes some more. All numbers are masked, or none."""
_FAILING = """
    with failing as (
        select *, coalesce(phone_number_id, phone_number) as number_key
        from telnyx.failing_phone_numbers
    )
"""
_ERRORS = f"""{_FAILING}
    select
        failing.phone_number, failing.phone_number_id, failing.job_type, errors.error_code,
        errors.error_pointer, errors.error_title, failing.consecutive_failures,
        failing.last_failed_at, failing.last_job_id, errors.operation_position,
        errors.error_position
    from failing
    left join telnyx.job_operation_errors as errors
        on
            failing.last_job_id = errors.job_id
            and failing.number_key = coalesce(errors.phone_number_id, errors.phone_number)
"""
_NUMBERS = """
    select phone_number, phone_number_id, job_type, last_job_id, last_failed_at
    from telnyx.failing_phone_numbers
"""
_AT_ONCE = 1_000
"""Jobs whose parameters are read together."""


class _Error(NamedTuple):
    """A row of `_ERRORS`."""

    phone_number: str | None
    phone_number_id: str | None
    job_type: str | None
    error_code: str | None
    error_pointer: str | None
    error_title: str | None
    consecutive_failures: int
    last_failed_at: datetime | None
    last_job_id: str
    operation_position: int | None
    error_position: int | None

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands in the list, the same in every database."""
        return (
            *(-self.consecutive_failures, _newest_first(self.last_failed_at)),
            *(self.phone_number_id or self.phone_number or "", self.job_type or ""),
            *(self.operation_position or 0, self.error_position or 0),
        )


class _Number(NamedTuple):
    phone_number: str | None
    phone_number_id: str | None
    job_type: str | None
    last_job_id: str
    parameters: Any


def worklist(destination: Destination, form: str, out: TextIO, width: int | None) -> None:
    """Print each number that still fails, a row per error. Raises BadConfiguration."""
    with published(destination) as reader:
        found = sorted((_Error(*row) for row in reader.query(_ERRORS)), key=lambda row: row.place)
        parameters = _parameters(reader, {each.last_job_id for each in found})
    rows: list[tuple[Any, ...]] = [
        (*each[:5], _sent(parameters.get(each.last_job_id), each.error_pointer), *each[5:9])
        for each in found
    ]
    names = (*_Error._fields[:5], "sent_value", *_Error._fields[5:9])
    write(Rows(names, frozenset(), iter([rows] if rows else [])), form, out, width)


def write_requests(
    destination: Destination, folder: Path, form: str, out: TextIO, width: int | None
) -> set[str]:
    """Write a request body per batch, and print each number with its file, or why it has none.

    Returns the pointers of parameters left out because a request must not have null there.
    Raises BadConfiguration for masked numbers and a folder in use, and CannotWrite.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadConfiguration(f"{folder} is not an empty folder: give another --requests")
    with published(destination) as reader:
        _refuse_masked(reader, destination.name)
        rows = reader.query(_NUMBERS)
        parameters = _parameters(reader, {job_id for _, _, _, job_id, _ in rows})
    rows.sort(key=lambda row: (row[2] or "", _newest_first(row[4]), row[3], row[1] or row[0] or ""))
    numbers = [
        _Number(number, number_id, job_type, job_id, parameters.get(job_id))
        for number, number_id, job_type, job_id, _ in rows
    ]
    groups, left_out, nulls = _grouped(numbers)
    found: list[tuple[str | None, ...]] = [(None, reason, *n[:4]) for n, reason in left_out]
    files: dict[str, Any] = {}
    for (job_type, settings, _), members in groups.items():
        for first in range(0, len(members), LARGEST_BATCH):
            batch = members[first : first + LARGEST_BATCH]
            name = f"{len(files) + 1:03}-{job_type}.json"
            body = request_body(job_type, json.loads(settings), [*map(_target, batch)])
            files[name] = {"method": "POST", "path": PATHS[job_type], "body": body}
            found += [(name, None, *number[:4]) for number in batch]
    _write_files(folder, files)
    names = ("request", "left_out", *_Number._fields[:4])
    write(Rows(names, frozenset(), iter([found] if found else [])), form, out, width)
    return nulls


def _refuse_masked(reader: Reader, name: str) -> None:
    sql = "select phone_number from telnyx_raw.job_operations where phone_number like ? limit 1000"
    if any(_MASKED.fullmatch(number) for (number,) in reader.query(sql, [_LIKE_MASKED])):
        raise BadConfiguration(
            f"{name} holds masked phone numbers, which cannot be asked for: "
            "give a --database or --dataset with plain numbers"
        )


def _parameters(reader: Reader, job_ids: Collection[str]) -> dict[str, Any]:
    """What was sent in each of these jobs; those that sent nothing are left out."""
    found: dict[str, Any] = {}
    listed = sorted(job_ids)
    for first in range(0, len(listed), _AT_ONCE):
        some = listed[first : first + _AT_ONCE]
        rows = reader.query(
            "select id, cast(parameters as varchar) from telnyx_raw.jobs "
            f"where parameters is not null and id in ({', '.join('?' * len(some))})",
            some,
        )
        found |= {job_id: json.loads(text) for job_id, text in rows}
    return found


def _sent(parameters: Any, pointer: str | None) -> str | None:
    """The value at an error's pointer: a text as it is, other values as JSON; None if missing."""
    if not pointer or not pointer.startswith("/") or pointer.startswith("/phone_numbers"):
        return None
    value = parameters
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value if isinstance(value, str) else text


def _newest_first(time: datetime | None) -> float:
    return -time.timestamp() if time else inf


def _grouped(
    numbers: Sequence[_Number],
) -> tuple[dict[tuple[str, str, bool], list[_Number]], list[tuple[_Number, str]], set[str]]:
    """Numbers by job type and parameters, all by E.164 number or all by id, as Telnyx wants it.

    Also those that no request can have, each with the reason, and the nulls left out.
    """
    groups: dict[tuple[str, str, bool], list[_Number]] = {}
    left_out: list[tuple[_Number, str]] = []
    nulls: set[str] = set()
    for number in numbers:
        try:
            settings, without = without_nulls(number.job_type, number.parameters)
            request_body(number.job_type, settings, [_target(number)])
        except Unusable as unusable:
            left_out.append((number, str(unusable)))
            continue
        nulls |= without
        key = (str(number.job_type), json.dumps(settings, sort_keys=True), not _is_e164(number))
        groups.setdefault(key, []).append(number)
    return groups, left_out, nulls


def _is_e164(number: _Number) -> bool:
    return _E164.fullmatch(number.phone_number or "") is not None


def _target(number: _Number) -> str:
    target = number.phone_number if _is_e164(number) else number.phone_number_id
    if not target:
        raise Unusable("it has neither an E.164 number nor an id")
    return target


def _write_files(folder: Path, files: Mapping[str, Any]) -> None:
    """All files or none: the folder gets its name once they are written."""
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name, content in files.items():
            text = json.dumps(content, ensure_ascii=False, indent=2)
            (part / name).write_text(f"{text}\n", encoding="utf-8")
        os.replace(part, folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise CannotWrite(
            f"{folder} cannot be written ({reason_of(error)}): give another --requests"
        ) from None
