"""Harmful records: each is loaded exactly or kept aside, and its neighbours always load."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.raw_api import RawApi
from support.syncs import (
    Jobs,
    Json,
    api_of,
    job,
    numbers,
    rows,
    sync_once,
    tables,
    tally,
)
from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.api.parsing import DEEPEST, BrokenAnswer, read_job, read_page

NEIGHBOURS = 3
"""Good jobs around each hostile one."""
PAGE_SIZE = 16
DIGITS = "123456789012345678901234567890"
FORMULA = "=cmd|' /C calc'!A0"
SQL = "'; drop table telnyx_raw.jobs; --"
HTML = "<script>alert(1)</script>&amp;"
ODD = "\x00\x1b[31m\u202e\U0001f600\\\"'\t\r\n"
LONG = "x" * 200_000
LONG_ID = "i" * 255


@dataclass(frozen=True)
class Loaded:
    """What a query on the published file gives for a hostile job that is loaded."""

    text: str
    sql: str
    expected: Sequence[Any]


@dataclass(frozen=True)
class KeptAside:
    """Why a hostile record is rejected, and its id if known. `text` is what was sent."""

    text: str
    reason: str
    job_id: str | None


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def nested_objects(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def aside(name: str, fields: str, reason: str) -> KeptAside:
    """A record of this id and these further members."""
    return KeptAside(f'{{"id": "{name}", {fields}}}', reason, name)


def loaded(name: str, fields: str, column: str, expected: Any) -> Loaded:
    """A job of this id and these further members, of which one column is looked at."""
    sql = f"select {column} from telnyx_raw.jobs where id = '{name}'"
    return Loaded(f'{{"id": "{name}", {fields}}}', sql, [(expected,)])


def in_every_field(name: str, text: str) -> Loaded:
    """A job with the text in every text field."""
    operation = {"id": text, "phone_number": text}
    error = {
        "code": text,
        "title": text,
        "detail": text,
        "source": {"pointer": text, "parameter": text},
        "meta": {"url": text},
    }
    sent: Json = {
        "id": name,
        "record_type": text,
        "type": text,
        "status": text,
        "parameters": {text: text},
        "phone_numbers": [operation],
        "successful_operations": [operation],
        "pending_operations": [operation],
        "failed_operations": [operation | {"errors": [error]}],
        text or "unknown": text,
    }
    sql = (
        "select record_type, j.type, status, parameters, extra, n.phone_number_id, n.phone_number, "
        "o.outcome, o.phone_number_id, o.phone_number, code, title, detail, source_pointer, "
        "source_parameter, meta_url from telnyx_raw.jobs j "
        "join telnyx_raw.job_phone_numbers n on n.job_id = id "
        "join telnyx_raw.job_operations o on o.job_id = id "
        f"join telnyx_raw.job_operation_errors e on e.job_id = id where id = '{name}' "
        "order by outcome"
    )
    parameters = _compact({text: text})
    extra = _compact({text or "unknown": text})
    expected = [
        (*(text,) * 3, parameters, extra, text, text, outcome, *(text,) * 8)
        for outcome in ("failed", "pending", "successful")
    ]
    return Loaded(json.dumps(sent), sql, expected)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


HOSTILE: dict[str, Loaded | KeptAside] = {
    "lone surrogate": aside("h01", r'"status": "\ud800"', "surrogate|truncated"),
    "lone surrogate in an unknown field": aside("h02", r'"new": "\udfff"', "surrogate|truncated"),
    "lone surrogate as a name": aside("h03", r'"\ud800": 1', "surrogate|truncated"),
    "NaN": aside("h04", '"parameters": {"x": NaN}', "invalid character"),
    "infinity": aside("h05", '"parameters": {"x": -Infinity}', "invalid"),
    "past a double": aside("h06", '"parameters": {"x": 1e999}', "out of range|invalid"),
    "past 4,300 digits": aside("h07", f'"new": {"9" * 5000}', "4300 digits"),
    "past 64 bits": loaded(
        "h08", f'"parameters": {{"n": {DIGITS}}}', "parameters", f'{{"n":{DIGITS}}}'
    ),
    "past 64 bits, unknown": loaded("h09", f'"n": -{DIGITS}', "extra", f'{{"n":-{DIGITS}}}'),
    "number for a text": aside("h10", '"status": 5', "Expected `str"),
    "text for an array": aside("h11", '"phone_numbers": "all"', "Expected `array"),
    "object for an array": aside("h12", '"failed_operations": {"0": {}}', "Expected `array"),
    "null in an array": aside("h13", '"pending_operations": [null]', "Expected `object"),
    "number for an id": KeptAside('{"id": 7}', "Expected `str", None),
    "empty id": KeptAside('{"id": ""}', "length >= 1", None),
    "no id": KeptAside('{"status": "completed"}', "required field `id`", None),
    "id too long to ask for": KeptAside(f'{{"id": "{"i" * 70_000}"}}', "length <= 255", None),
    "longest id": Loaded(
        f'{{"id": "{LONG_ID}", "status": "pending"}}',
        f"select status from telnyx_raw.jobs where id = '{LONG_ID}'",
        [("pending",)],
    ),
    "text for a record": KeptAside('"a job"', "not an object", None),
    "array for a record": KeptAside("[[1, 2], {}]", "not an object", None),
    "null for a record": KeptAside("null", "not an object", None),
    "no value": aside("h20", '"status": ', "Expecting value"),
    "no quotes": aside("h21", '"status": completed', "Expecting value"),
    "two commas": aside("h22", '"status": "completed",, "type": "x"', "Expecting property name"),
    "raw control character": aside("h23", '"status": "a\nb"', "Invalid control character"),
    "not UTF-8": KeptAside('{"id": "h24", "status": "\udcff"}', "surrogate", "h24"),
    "impossible time": aside("h25", '"created_at": "2026-02-30T00:00:00Z"', "RFC3339"),
    "time past the year 9999": aside(
        "h26", '"updated_at": "9999-12-31T23:59:59-10:00"', "out of range"
    ),
    "nested as deep as is loaded": loaded(
        "h30", f'"parameters": {nested(DEEPEST)}', "parameters", nested(DEEPEST)
    ),
    "nested one level deeper": aside("h31", f'"parameters": {nested(DEEPEST + 1)}', "nested more"),
    "nested 500 deep": aside("h32", f'"parameters": {nested(500)}', "nested more"),
    "nested 1,000 deep": aside("h33", f'"new": {nested(1000)}', "nested more"),
    "nested 100,000 deep": aside("h34", f'"new": {nested(100_000)}', "nested more"),
    "objects nested 100,000 deep": aside(
        "h35", f'"parameters": {nested_objects(100_000)}', "nested more"
    ),
    "names twice": loaded("h40", '"status": "first", "status": "last"', "status", "last"),
    "id twice": Loaded(
        '{"id": 5, "id": "h41"}', "select id from telnyx_raw.jobs where id = 'h41'", [("h41",)]
    ),
    "first and last time there is": loaded(
        "h42",
        '"created_at": "0001-01-01T00:00:00Z", "updated_at": "9999-12-31T23:59:59Z"',
        "created_at::text || ' ' || updated_at::text",
        "0001-01-01 00:00:00+00 9999-12-31 23:59:59+00",
    ),
    "in the far future": loaded(
        "h43", '"created_at": "9998-01-01T00:00:00Z"', "created_at::text", "9998-01-01 00:00:00+00"
    ),
    "all escapes": loaded(
        "h44", r'"status": "\u0000\u001b\ud83d\ude00\/\b\f"', "status", "\0\x1b\U0001f600/\b\f"
    ),
    "SQL": in_every_field("h50", SQL),
    "HTML": in_every_field("h51", HTML),
    "spreadsheet formula": in_every_field("h52", FORMULA),
    "odd characters": in_every_field("h53", ODD),
    "empty texts": in_every_field("h54", ""),
    "very long texts": in_every_field("h55", LONG),
    "id of SQL": Loaded(
        json.dumps({"id": SQL, "status": "pending"}),
        "select status from telnyx_raw.jobs where id = '" + SQL.replace("'", "''") + "'",
        [("pending",)],
    ),
    "id of a path": Loaded(
        json.dumps({"id": "../../jobs?x=1#", "status": "pending"}),
        "select status from telnyx_raw.jobs where id = '../../jobs?x=1#'",
        [("pending",)],
    ),
}


@dataclass
class Published:
    """The file after three syncs of the same hostile account, and the tables after the first."""

    database: Path
    after_first: dict[str, list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    database = tmp_path_factory.mktemp("hostile") / "jobs.duckdb"
    records = []
    for place, hostile in enumerate(HOSTILE.values()):
        good = range(place * NEIGHBOURS, (place + 1) * NEIGHBOURS)
        records += [hostile.text, *(json.dumps(job(number)) for number in good)]
    # the neighbours newest first, as the list is
    records.reverse()
    with RawApi(records) as api:
        sync_once(api, database, page_size=PAGE_SIZE)
        after_first = tables(database)
        sync_once(api, database, page_size=PAGE_SIZE)
        sync_once(api, database, page_size=PAGE_SIZE, full=True)
    return Published(database, after_first)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_is_loaded_exactly_or_kept_aside(name: str, published: Published) -> None:
    """What was sent is in the tables, or in `rejected_records` as it came, with the reason."""
    hostile = HOSTILE[name]
    if isinstance(hostile, Loaded):
        found = rows(published.database, hostile.sql)
        tally("bad records", lost=int(found != hostile.expected))
        assert found == hostile.expected
        return
    text = hostile.text.encode(errors="backslashreplace").decode()
    kept = [
        (job_id, reason)
        for job_id, reason, record in rows(
            published.database, "select job_id, reason, record from telnyx_raw.rejected_records"
        )
        if record == text
    ]
    tally("bad records", lost=int(not kept))
    assert [job_id for job_id, _ in kept] == [hostile.job_id]
    assert re.search(hostile.reason, kept[0][1])


def test_the_neighbours_of_hostile_records_load(published: Published) -> None:
    """Every good job is in the file, whatever else its page held."""
    good = rows(
        published.database, "select id from telnyx_raw.jobs where id like 'job-%' order by id"
    )
    assert good == [(f"job-{number:05}",) for number in range(len(HOSTILE) * NEIGHBOURS)]


def test_no_hostile_record_is_counted_twice_or_not_at_all(published: Published) -> None:
    """The rows of jobs and of records kept aside are as many as the records that were sent."""
    aside = [hostile for hostile in HOSTILE.values() if isinstance(hostile, KeptAside)]
    sent = len(HOSTILE) * (NEIGHBOURS + 1)

    assert rows(
        published.database,
        "select (select count(*) from telnyx_raw.jobs), "
        "(select count(*) from telnyx_raw.rejected_records)",
    ) == [(sent - len(aside), len(aside))]


def test_the_next_days_find_nothing_new(published: Published) -> None:
    """A sync of the same hostile account, a full one too, succeeds and changes no row."""
    assert tables(published.database) == published.after_first


@pytest.mark.parametrize("year", [9999, 9998, 1], ids=str)
def test_an_impossible_creation_time_hides_no_newer_job(year: int, tmp_path: Path) -> None:
    """A job from the far future or past does not end the walk."""
    jobs = Jobs([job(number) for number in range(4)])
    jobs.append(job(4, created_at=f"{year:04}-12-31T23:59:59Z"))
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database, page_size=2)
        jobs += [job(number) for number in range(5, 30)]
        sync_once(api, database, page_size=2)

    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(30,)]


PIN = "314159"
WITH_PIN = {
    "rejected": f'{{"id": 5, "parameters": {{"external_pin": "{PIN}", "x": 1}}}}',
    "the only member": f'{{"id": 5, "parameters": {{"external_pin": "{PIN}"}}}}',
    "an object": f'{{"id": 5, "external_pin": {{"a": ["{PIN}", {{}}]}}, "x": NaN}}',
    "a number at the end": f'{{"id": 5, "external_pin": {PIN}}}',
    "twice in a row": f'{{"id": 5, "external_pin": "{PIN}", "external_pin": "{PIN}"}}',
    "an escaped name": f'{{"id": 5, "\\u0065xternal_pin": "{PIN}"}}',
    "commas and brackets in it": f'{{"id": 5, "external_pin": "],}}\\",{PIN}", "x": 1}}',
    "no object": f'[{{"external_pin": "{PIN}"}}]',
    "too deep": f'{{"id": "a", "external_pin": "{PIN}", "x": {nested(5_000)}}}',
    "deep down": f'{{"id": "a", "x": {"[" * 5_000}{{"external_pin": "{PIN}"}}{"]" * 5_000}}}',
    "no colon": f'{{"id": "a", "external_pin" "{PIN}"}}',
    "other quotes": f"{{'id': 'a', 'external_pin': '{PIN}'}}",
    "an open string": f'{{"id": "a", "x": external_pin: "{PIN}" ]',
}


@pytest.mark.parametrize("text", WITH_PIN.values(), ids=WITH_PIN.keys())
def test_the_pin_is_cut_out_of_any_text(text: str) -> None:
    """No record, however broken, is kept with its PIN."""
    body = f'{{"data": [{text}], "meta": {{}}}}'.encode()
    try:
        kept = repr(read_page(body))
    except BrokenAnswer:
        kept = ""

    assert PIN not in kept


def test_what_stands_beside_the_pin_is_kept_as_it_was_sent() -> None:
    """Removing the PIN keeps every other character of a rejected record."""
    text = '{ "id":5, "a" : [1e999, "external_pin"], "external_pin": [1, {}], "b":"\\u00e9" }'
    (kept,) = read_page(f'{{"data": [{text}], "meta": {{}}}}'.encode()).records

    assert isinstance(kept, Rejected)
    assert kept.text == '{ "id":5, "a" : [1e999, "external_pin"], "b":"\\u00e9" }'


def test_a_record_is_read_alike_with_and_without_a_bad_neighbour() -> None:
    """Other records on a page do not change the result for a record."""
    text = json.dumps(
        job(1, parameters={"external_pin": "1", "n": [1.5, None]}, phone_numbers=numbers(1))
    )
    deep = f'{{"id": "d", "parameters": {nested(DEEPEST)}}}'

    alone = read_page(f'{{"data": [{text}, {deep}], "meta": {{}}}}'.encode()).records
    beside = read_page(f'{{"data": [{text}, {deep}, 7], "meta": {{}}}}'.encode()).records

    assert beside[:2] == alone
    assert all(isinstance(record, Record) for record in alone)


OBJECTS = {name: each.text for name, each in HOSTILE.items() if each.text.startswith("{")}


@pytest.mark.parametrize("text", OBJECTS.values(), ids=OBJECTS.keys())
def test_a_retrieved_record_is_read_as_a_listed_one(text: str) -> None:
    """The retrieve endpoint and the list give the same result for the same text."""
    sent = text.encode(errors="surrogateescape")

    (listed,) = read_page(b'{"data": [' + sent + b'], "meta": {}}').records

    assert read_job(b'{"data": ' + sent + b"}") == listed
