"""Any JSON text, and any other text: nothing crashes and nothing is lost.

`FUZZ_EXAMPLES=100000 pytest tests/trials/test_fuzz.py` looks further, at other examples each time.
"""

import json
import os
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from support.faulty_api import Exchange, FaultyApi, Reply
from support.syncs import rows, sync_once, tables, tally
from telnyx_jobs.api.decoding import elements, members, without_member
from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.api.parsing import SECRET_FIELD, BrokenAnswer, read_job, read_page
from telnyx_jobs.schema import CHILDREN, MARKER
from telnyx_jobs.source.flatten import Observed, job_tables
from telnyx_jobs.source.masking import Mask

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
NOW = datetime(2026, 5, 6, tzinfo=UTC)
PIN = "pin-3141592653"
NUMBER = "+12025550123"

T = TypeVar("T")


def fuzzed(examples: int, phases: Sequence[Phase] | None = None) -> Callable[[T], T]:
    """This many examples, or more of them at random on request."""
    checks = list(HealthCheck)
    asked = settings(suppress_health_check=checks, phases=phases or settings().phases)
    if EXAMPLES:
        return settings(asked, max_examples=max(1, EXAMPLES * examples // 400), derandomize=False)
    return settings(asked, max_examples=examples)


LITERALS = st.sampled_from(
    [
        *("null", "true", "0", "-0", "-1", "1.5", "1e999", "-1e-999", "NaN", "-Infinity"),
        *('""', '"\\ud800"', '"\\u0000"', '"\\ud83d\\ude00"', '"\udcff"', '"\x00"', '"a\nb"'),
        *('"2026-01-02T03:04:05Z"', '"9999-12-31T23:59:59-10:00"', '"0001-01-01T00:00:00+10:00"'),
        *(f'"{NUMBER}"', NUMBER[1:], f'"call {NUMBER}"', '"\\u002b12025550123"', "9" * 4_500),
        *("", "nul", "'a'", '"', "}", "]", ",", ":", "[" * 2_000 + "]" * 2_000, "[" * 50),
    ]
)
TIMES = [f"{year:04}-07-08T09:10:11.123456Z" for year in (1, 1969, 2026, 9999)]
NAMES = st.sampled_from(
    [
        *("id", "status", "type", "etc", "created_at", "updated_at", "parameters", "phone_numbers"),
        *("successful_operations", "pending_operations", "failed_operations", "phone_number"),
        *("errors", "code", "title", "source", "pointer", "meta", "url", "hint", "\\u0069d", "\\"),
    ]
)
PIN_NAMES = st.sampled_from([SECRET_FIELD, "\\u0065xternal_pin", "external\\u005fpin"])


def _containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    member = st.tuples(NAMES, inner).map(lambda pair: f'"{pair[0]}":{pair[1]}')
    secret = PIN_NAMES.map(lambda name: f'"{name}" : "{PIN}"')
    return st.lists(inner, max_size=4).map(lambda parts: f"[{','.join(parts)}]") | st.lists(
        member | secret, max_size=6
    ).map(lambda parts: "{" + ", ".join(parts) + "}")


VALUES = st.recursive(
    LITERALS | st.text(max_size=6).map(json.dumps) | st.floats().map(json.dumps),
    _containers,
    max_leaves=15,
)
JOBS = st.tuples(
    st.sampled_from(['"a"', '"b"', '"c/../d"', '"e\\u0000"', "7", '""', '"\\ud800"']),
    st.lists(st.tuples(NAMES, VALUES), max_size=6),
).map(lambda p: "{" + ",".join([f'"id":{p[0]}', *(f'"{n}":{v}' for n, v in p[1])]) + "}")
"""Texts that often are a job, and often are one that is broken."""


@st.composite
def documented_jobs(draw: st.DrawFn) -> str:
    """A job whose fields have their documented types, and few others."""
    text = st.none() | st.text(max_size=8) | st.just(f"to {NUMBER}")
    number = st.fixed_dictionaries({"id": text, "phone_number": text | st.just(NUMBER)})
    source = text | st.fixed_dictionaries({"pointer": text, "parameter": text})
    error = st.fixed_dictionaries({"code": text, "title": text, "detail": text, "source": source})
    failed = st.fixed_dictionaries(
        {"id": text, "phone_number": text, "errors": st.none() | st.lists(error, max_size=3)}
    )
    value = st.recursive(text, lambda v: st.lists(v) | st.dictionaries(st.text(max_size=4), v))
    arrays = st.none() | st.lists(number, max_size=4)
    job = st.fixed_dictionaries(
        {"id": st.text(min_size=1, max_size=8), "status": text, "parameters": value},
        optional={
            "created_at": st.sampled_from(TIMES),
            "phone_numbers": arrays,
            "successful_operations": arrays,
            "pending_operations": arrays,
            "failed_operations": st.none() | st.lists(failed, max_size=3),
            "hint": value,
        },
    )
    return json.dumps(draw(job))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")


def envelope(*records: str) -> bytes:
    return encoded(f'{{"data":[{",".join(records)}],"meta":{{"total_pages":1}}}}')


def read_or_broken(read: Callable[[bytes], T], body: bytes) -> T | None:
    """What is read; None for a broken answer. Any other error passes."""
    try:
        return read(body)
    except BrokenAnswer:
        return None


@fuzzed(150)
@given(st.binary(max_size=60) | VALUES.map(encoded) | VALUES.map(envelope))
def test_no_answer_raises_but_as_broken(body: bytes) -> None:
    """Any bytes are a page, a job, or a broken answer, and what is read can be written."""
    for record in [
        *getattr(read_or_broken(read_page, body), "records", []),
        *filter(None, [read_or_broken(read_job, body)]),
    ]:
        assert isinstance(record, Record | Rejected)
        msgspec.json.encode(record if isinstance(record, Rejected) else record.job)
        record.content_hash()


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@fuzzed(200)
@given(st.lists(JOBS | documented_jobs(), min_size=1, max_size=4))
def test_each_record_of_a_page_is_read_by_itself(texts: list[str]) -> None:
    """Where the brackets of each record match, each is a job or kept as it was sent."""
    texts = [text for text in texts if is_balanced(text)]
    page = read_page(envelope("{}", *texts))
    tally("bad records", tried=len(texts), lost=len(texts) + 1 - len(page.records))

    assert len(page.records) == len(texts) + 1
    for text, record in zip(texts, page.records[1:], strict=True):
        assert record == read_page(envelope(text)).records[0]
        if isinstance(record, Rejected) and SECRET_FIELD not in text and "\\u" not in text:
            assert record.text == text.encode("utf-8", errors="backslashreplace").decode()


def is_balanced(text: str) -> bool:
    try:
        return elements(f"[{text}]") == [text]
    except ValueError:
        return False


@fuzzed(200)
@example(['{"id":"a","id":","id":{"\\u0065xternal_pin" : "' + PIN + '"},"id":"}'])
@given(st.lists(JOBS | VALUES, min_size=1, max_size=3))
def test_no_pin_is_kept_of_any_record(texts: list[str]) -> None:
    """The PIN is in nothing that is read, however broken the rest is."""
    page = read_or_broken(read_page, envelope(*texts))

    assert PIN not in repr(page)


@fuzzed(100)
@given(VALUES)
def test_json_text_is_cut_up_as_a_parser_would(text: str) -> None:
    """Where the text is JSON its elements and members, and what is left of it, are the parser's."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(value, list):
        assert repr([json.loads(each) for each in elements(text)]) == repr(value)
    if isinstance(value, dict):
        assert repr({k: json.loads(v) for k, v in members(text).items()}) == repr(value)
    # as text, since a NaN is not equal to itself
    assert repr(json.loads(without_member(text, SECRET_FIELD))) == repr(_without_pin(value))


def _without_pin(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_pin(v) for k, v in value.items() if k != SECRET_FIELD}
    return [_without_pin(item) for item in value] if isinstance(value, list) else value


@fuzzed(150)
@given(st.lists(documented_jobs() | JOBS, max_size=4))
def test_every_record_flattens(texts: list[str]) -> None:
    """The tables of any jobs have a row per element, a marker per job, and legal text."""
    page = read_or_broken(read_page, envelope(*texts))
    records = {r.job_id: r for r in page.records if isinstance(r, Record)} if page else {}

    flat = job_tables([Observed(record, "hash", NOW) for record in records.values()])

    assert flat["jobs"]["id"].to_pylist() == list(records)
    for child in CHILDREN:
        assert flat[child.name][MARKER].to_pylist().count(True) == len(records)
    jobs = [record.job for record in records.values()]
    assert len(flat["job_phone_numbers"]) == len(jobs) + sum(
        len(job.phone_numbers or ()) for job in jobs
    )


@fuzzed(150)
@given(st.lists(JOBS | documented_jobs(), min_size=1, max_size=3))
def test_no_number_is_left_in_a_masked_record(texts: list[str]) -> None:
    """A number in E.164 is in no part of a masked record, loaded or rejected."""
    mask = Mask(b"k" * 32)
    page = read_or_broken(read_page, envelope(*texts))

    for record in page.records if page else ():
        kept = repr(mask.record(record))
        assert NUMBER not in re.sub(r"job_id='.*?'|Job\(id='.*?'", "", kept)


# not made smaller when it fails: an example takes a second
@fuzzed(4, [Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(JOBS | documented_jobs(), min_size=1, max_size=6))
def test_a_whole_sync_loses_nothing(texts: list[str]) -> None:
    """Each record of a page with matching brackets is in the file, and the next sync succeeds."""
    texts = [text for text in texts if is_balanced(text)]
    records = read_page(envelope(*texts)).records
    jobs = {r.job_id for r in records if isinstance(r, Record)}
    with TemporaryDirectory() as folder, _serving(envelope(*texts)) as api:
        database = Path(folder) / "jobs.duckdb"
        sync_once(api, database)
        first = tables(database)
        kept = {job_id for (job_id,) in rows(database, "select id from telnyx_raw.jobs")}
        aside = {
            text for (text,) in rows(database, "select record from telnyx_raw.rejected_records")
        }
        sync_once(api, database)
        assert tables(database) == first

    expected = _last_rejected(records)
    tally("bad records", tried=len(texts), lost=len(jobs - kept) + len(expected - aside))
    assert kept == jobs
    assert aside == expected


def _last_rejected(records: list[Record | Rejected]) -> set[str]:
    """Texts of the records that no later record with the same id replaces."""
    kept: dict[str, str | None] = {}
    for record in records:
        if isinstance(record, Rejected):
            kept[record.text] = record.job_id
        else:
            kept = {text: job_id for text, job_id in kept.items() if job_id != record.job_id}
    return set(kept)


class _serving(FaultyApi):
    """A server of one page, whatever is asked for; it knows no job by its id."""

    key = "KEY_fuzz"

    def __init__(self, body: bytes) -> None:
        def reply(exchange: Exchange) -> None:
            is_list = "page[number]" in exchange.request.query
            exchange.reply(Reply(200, body) if is_list else Reply(404, b'{"errors": []}'))

        super().__init__([], otherwise=reply)
