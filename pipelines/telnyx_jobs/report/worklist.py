"""The phone numbers that still fail: why, with what was sent, and request bodies to retry them."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import duckdb

from telnyx_jobs.destinations.duckdb_connection import connect
from telnyx_jobs.errors import BadConfiguration, CannotWrite
from telnyx_jobs.report.requests import PATHS, Unusable, request_body, without_nulls
from telnyx_jobs.report.rows import Rows, write
from telnyx_jobs.text import reason_of

LARGEST_BATCH = 1_000
"""Numbers that Telnyx takes in one request."""
_MASKED = r"\+[0-9]{1,3}-[0-9a-f]{16}"
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_KEY = "coalesce({0}.phone_number_id, {0}.phone_number)"
_FAILING = f"""
    with failing as (
        select *, {_KEY.format("failing_phone_numbers")} as number_key
        from telnyx.failing_phone_numbers
    )
"""
_ERRORS = f"""{_FAILING}
    select
        failing.phone_number,
        failing.phone_number_id,
        failing.job_type,
        errors.error_code,
        errors.error_pointer,
        case
            when not starts_with(errors.error_pointer, '/') then null
            when starts_with(errors.error_pointer, '/phone_numbers') then null
            when json_type(jobs.parameters, errors.error_pointer) = 'VARCHAR'
                then json_extract_string(jobs.parameters, errors.error_pointer)
            else cast(json_extract(jobs.parameters, errors.error_pointer) as varchar)
        end as sent_value,
        errors.error_title,
        failing.consecutive_failures,
        failing.last_failed_at,
        failing.last_job_id
    from failing
    left join telnyx.job_operation_errors as errors
        on
            failing.last_job_id = errors.job_id
            and failing.number_key = {_KEY.format("errors")}
    left join telnyx_raw.jobs as jobs on failing.last_job_id = jobs.id
    order by
        failing.consecutive_failures desc, failing.last_failed_at desc, failing.number_key,
        failing.job_type, errors.operation_position, errors.error_position
"""
_NUMBERS = f"""{_FAILING}
    select failing.phone_number, failing.phone_number_id, failing.job_type, failing.last_job_id,
        jobs.parameters
    from failing
    left join telnyx_raw.jobs as jobs on failing.last_job_id = jobs.id
    order by failing.job_type, failing.last_failed_at desc, failing.last_job_id, failing.number_key
"""


class _Number(NamedTuple):
    phone_number: str | None
    phone_number_id: str | None
    job_type: str | None
    last_job_id: str
    parameters: str | None


class _Batch(NamedTuple):
    """One request: what it asks for, and the numbers that it asks it for."""

    job_type: str
    body: Mapping[str, Any]
    numbers: Sequence[_Number]


def worklist(database: Path, form: str, out: TextIO, width: int | None) -> None:
    """Print each number that still fails, a row per error. Raises BadConfiguration."""
    with _opened(database) as connection:
        result = connection.execute(_ERRORS)
        names = [column[0] for column in result.description]
        write(Rows(names, frozenset(), iter(lambda: result.fetchmany(2_000), [])), form, out, width)


def write_requests(
    database: Path, folder: Path, form: str, out: TextIO, width: int | None
) -> set[str]:
    """Write a request body per batch, and print each number with its file, or why it has none.

    Returns the pointers of parameters left out because a request must not have null there.
    Raises BadConfiguration for masked numbers and a folder in use, and CannotWrite.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadConfiguration(f"{folder} is not an empty folder: give another --requests")
    with _opened(database) as connection:
        masked = f"regexp_full_match(phone_number, '{_MASKED}')"
        if connection.execute(f"from telnyx_raw.job_operations where {masked} limit 1").fetchall():
            raise BadConfiguration(
                f"{database} holds masked phone numbers, which cannot be asked for: "
                "give a --database with plain numbers"
            )
        numbers = [_Number(*row) for row in connection.execute(_NUMBERS).fetchall()]
    batches, left_out, nulls = _batched(numbers)
    found: list[tuple[str | None, ...]] = [(None, reason, *n[:4]) for n, reason in left_out]
    files = {}
    for place, batch in enumerate(batches, start=1):
        name = f"{place:03}-{batch.job_type}.json"
        files[name] = {"method": "POST", "path": PATHS[batch.job_type], "body": batch.body}
        found += [(name, None, *number[:4]) for number in batch.numbers]
    _write_files(folder, files)
    names = ("request", "left_out", *_Number._fields[:4])
    write(Rows(names, frozenset(), iter([found] if found else [])), form, out, width)
    return nulls


def _opened(database: Path) -> duckdb.DuckDBPyConnection:
    if not database.exists():
        raise BadConfiguration(f"{database} does not exist yet: run telnyx-jobs sync first")
    connection = connect(database, read_only=True)
    try:
        connection.execute("describe telnyx.failing_phone_numbers")
    except duckdb.CatalogException:
        connection.close()
        raise BadConfiguration(
            f"{database} is not as this version publishes it: run telnyx-jobs sync first, "
            "or give another --database"
        ) from None
    return connection


def _batched(
    numbers: Sequence[_Number],
) -> tuple[list[_Batch], list[tuple[_Number, str]], set[str]]:
    """Numbers by job type and parameters, all by E.164 number or all by id, as Telnyx wants it."""
    groups: dict[tuple[str, str, bool], list[_Number]] = {}
    left_out: list[tuple[_Number, str]] = []
    nulls: set[str] = set()
    for number in numbers:
        try:
            settings, without = without_nulls(
                number.job_type, json.loads(number.parameters or "null")
            )
            request_body(number.job_type, settings, [_target(number)])
        except Unusable as unusable:
            left_out.append((number, str(unusable)))
            continue
        nulls |= without
        key = json.dumps(settings, sort_keys=True)
        is_id = not _is_e164(number)
        groups.setdefault((str(number.job_type), key, is_id), []).append(number)
    batches = [
        _Batch(job_type, request_body(job_type, json.loads(key), [*map(_target, batch)]), batch)
        for (job_type, key, _), members in groups.items()
        for batch in _cut(members)
    ]
    return batches, left_out, nulls


def _cut(members: Sequence[_Number]) -> Iterator[Sequence[_Number]]:
    for first in range(0, len(members), LARGEST_BATCH):
        yield members[first : first + LARGEST_BATCH]


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
