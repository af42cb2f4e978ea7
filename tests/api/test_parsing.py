"""Answers of the API as structs: lenient where the API is, nothing lost where it is not."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telnyx_jobs.api.models import Record, Rejected
from telnyx_jobs.api.parsing import BrokenAnswer, read_job, read_page

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"


def page_of(*records: Any) -> bytes:
    return json.dumps({"data": records, "meta": {"total_pages": 1}}).encode()


def only(body: bytes) -> Record | Rejected:
    (record,) = read_page(body).records
    return record


def record_of(value: Any) -> Record:
    record = only(page_of(value))
    assert isinstance(record, Record)
    return record


def rejected_of(body: bytes) -> Rejected:
    record = only(body)
    assert isinstance(record, Rejected)
    return record


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
def test_every_documented_shape_is_a_record(path: Path) -> None:
    """Each job that Telnyx documented since 2020 can be loaded."""
    body = path.read_bytes()
    is_list = isinstance(json.loads(body)["data"], list)

    record = only(body) if is_list else read_job(body)

    assert isinstance(record, Record)


def test_absent_and_null_fields_are_the_same() -> None:
    """A record says the same with a field null as with the field left out."""
    names = ["status", "type", "etc", "created_at", "parameters", "phone_numbers"]

    bare = record_of({"id": "a"})
    nulls = record_of({"id": "a"} | dict.fromkeys(names))

    assert nulls == bare
    assert nulls.content_hash() == bare.content_hash()


def test_an_empty_array_is_not_an_absent_one() -> None:
    """A missing array and an empty array stay different, and give two hashes."""
    absent = record_of({"id": "a"})
    empty = record_of({"id": "a", "failed_operations": []})

    assert (absent.job.failed_operations, empty.job.failed_operations) == (None, [])
    assert absent.content_hash() != empty.content_hash()


def test_the_order_of_keys_does_not_matter() -> None:
    """Two answers that say the same in another order have the same hash."""
    one = record_of({"id": "a", "parameters": {"x": 1, "y": 2}, "new": {"p": 1, "q": 2}})
    other = record_of({"new": {"q": 2, "p": 1}, "parameters": {"y": 2, "x": 1}, "id": "a"})

    assert one.content_hash() == other.content_hash()


def test_unknown_statuses_and_types_are_kept() -> None:
    """A status or a type never seen before does not reject a job."""
    record = record_of({"id": "a", "status": "paused", "type": "port_out"})

    assert (record.job.status, record.job.type) == ("paused", "port_out")


@pytest.mark.parametrize(
    ("said", "utc"),
    [
        ("2026-01-02T03:04:05.678Z", datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
    ids=["as documented", "with an offset", "without a zone"],
)
def test_times_are_utc(said: str, utc: datetime) -> None:
    """A time is converted to UTC, whatever offset it was written with."""
    assert record_of({"id": "a", "created_at": said}).job.created_at == utc


def test_a_bare_source_is_kept() -> None:
    """`source` may be a bare string, as documented until 2025."""
    record = record_of(
        {"id": "a", "failed_operations": [{"errors": [{"code": "1", "source": "/base"}]}]}
    )

    assert record.job.failed_operations is not None
    assert record.job.failed_operations[0].errors is not None
    assert record.job.failed_operations[0].errors[0].source == "/base"


def test_unknown_fields_are_set_aside_with_their_place() -> None:
    """An unknown field is kept at its own place, at any depth, and named."""
    record = record_of(
        {
            "id": "a",
            "created_by": "somebody",
            "failed_operations": [
                {"id": "1"},
                {"id": "2", "hint": 3, "errors": [{"source": {"pointer": "/a", "line": 7}}]},
            ],
        }
    )

    assert record.unknown == {
        "created_by": "somebody",
        "failed_operations": {"1": {"hint": 3, "errors": {"0": {"source": {"line": 7}}}}},
    }
    assert record.unknown_fields() == {
        "created_by",
        "failed_operations[].hint",
        "failed_operations[].errors[].source.line",
    }


@pytest.mark.parametrize(
    "value",
    [
        {"id": 5},
        {"id": None},
        {"id": ""},
        {"status": "completed"},
        {"id": "a", "status": 5},
        {"id": "a", "created_at": "yesterday"},
        {"id": "a", "created_at": "9999-12-31T23:59:59-10:00"},
        {"id": "a", "phone_numbers": "none"},
        {"id": "a", "phone_numbers": [None]},
        {"id": "a", "failed_operations": [{"errors": {"code": "1"}}]},
        "a job",
        ["a"],
        7,
    ],
    ids=str,
)
def test_one_unusable_record_leaves_the_others(value: Any) -> None:
    """A record that cannot be read is rejected with its text, and its neighbours are not."""
    first, middle, last = read_page(page_of({"id": "x"}, value, {"id": "y"})).records

    assert isinstance(middle, Rejected)
    assert json.loads(middle.text) == value
    assert (first.job_id, last.job_id) == ("x", "y")


@pytest.mark.parametrize(
    "text",
    [
        b'{"id":"a","status":"\\ud800"}',
        b'{"id":"a","status":"\xff"}',
        b'{"id":"a","parameters":{"x":NaN}}',
        b'{"id":"a","parameters":{"x":1e999}}',
        b'{"id":"a","new":"\\udfff"}',
    ],
    ids=["lone surrogate", "not UTF-8", "NaN", "past a double", "surrogate in an unknown field"],
)
def test_illegal_json_values_spoil_their_own_record_only(text: bytes) -> None:
    """What strict JSON forbids inside one record rejects that record, with its id."""
    body = b'{"data":[' + text + b',{"id":"b"}],"meta":{}}'

    bad, good = read_page(body).records

    assert isinstance(bad, Rejected)
    assert bad.job_id == "a"
    assert isinstance(good, Record)


@pytest.mark.parametrize(
    "value",
    [
        {"id": "a", "parameters": {"external_pin": "1234", "tags": ["x"]}},
        {"id": "a", "parameters": {"voice": [{"external_pin": "1234"}]}},
        {"id": "a", "new": {"external_pin": "1234"}},
        {"id": 5, "parameters": {"external_pin": "1234"}},
    ],
    ids=["parameters", "deep in parameters", "unknown field", "rejected record"],
)
def test_the_pin_is_never_kept(value: Any) -> None:
    """No part of a kept record has `external_pin`."""
    assert "1234" not in repr(only(page_of(value)))


def test_the_pin_hides_behind_no_escape() -> None:
    """A key that spells external_pin with JSON escapes is dropped as well."""
    body = b'{"data":[{"id":"a","parameters":{"\\u0065xternal_pin":"1234"}}],"meta":{}}'

    assert "1234" not in repr(only(body))


def test_large_integers_stay_exact() -> None:
    """An integer past 64 bits in a job's parameters keeps every digit."""
    number = 123456789012345678901234567890

    assert record_of({"id": "a", "parameters": {"n": number}}).job.parameters == {"n": number}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"data":[{"id":"a"}',
        b'{"data":[]}',
        b'{"meta":{}}',
        b'{"data":{},"meta":{}}',
        b"[]",
        b"null",
    ],
)
def test_an_answer_without_its_envelope_is_broken(body: bytes) -> None:
    """A body without `data` and `meta` is not a list, whatever else it is."""
    with pytest.raises(BrokenAnswer):
        read_page(body)


def test_a_retrieve_answer_without_its_job_is_broken() -> None:
    """A body is not a job if its `data` is not an object."""
    with pytest.raises(BrokenAnswer):
        read_job(b'{"data":[]}')


def test_strange_totals_are_no_totals() -> None:
    """A total that is not a whole number counts as not announced."""
    page = read_page(b'{"data":[],"meta":{"total_pages":"3","total_results":true}}')

    assert (page.total_pages, page.total_results) == (None, None)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
json_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)
field_names = st.sampled_from(
    ["id", "status", "created_at", "parameters", "phone_numbers", "failed_operations", "x", "y"]
)


@given(st.dictionaries(field_names, json_values))
def test_a_record_is_whole_or_rejected(value: dict[str, Any]) -> None:
    """Everything in any object is in the record and its unknown fields, or in a rejected record."""
    record = only(page_of(value))

    if isinstance(record, Rejected):
        assert json.loads(record.text) == value
    else:
        unknown = {name: value[name] for name in value if name in ("x", "y")}
        said = {n: v for n, v in (record.unknown or {}).items() if n in ("x", "y")}
        assert said == unknown
        assert record.job.id == value["id"]
        assert record.job.parameters == value.get("parameters")
