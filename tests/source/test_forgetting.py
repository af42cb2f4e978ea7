"""Forgotten numbers are found in every spelling, and longer numbers are left alone."""

import json

import pytest

from telnyx_jobs.api.models import FailedOperation, JobError, Record, Rejected
from telnyx_jobs.api.parsing import read_job
from telnyx_jobs.source.forgetting import ID, NUMBER, Forgotten, fingerprint_of

KEY = b"k" * 32
NUMBERS, IDS = ("13125550001", "4930123456"), ("1293384261075731499", "id-7")
FORGOTTEN = Forgotten(
    KEY,
    {fingerprint_of(KEY, NUMBER, number) for number in NUMBERS},
    {fingerprint_of(KEY, ID, each) for each in IDS},
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("+13125550001", "forgotten"),
        ("13125550001", "forgotten"),
        ("3125550001", "forgotten"),
        ("number +13125550001 is invalid", "number forgotten is invalid"),
        ("number '+1 (312) 555-0001' is", "number 'forgotten' is"),
        ("tel:+1-312-555-0001;ext=5", "tel:forgotten;ext=5"),
        ("call 312.555.0001 now", "call forgotten now"),
        ("?number=%2B13125550001&x=1", "?number=forgotten&x=1"),
        ("?number=%2b13125550001", "?number=forgotten"),
        ("tel13125550001x", "telforgottenx"),
        ("error 10015 13125550001", "error 10015 forgotten"),
        ("+13125550001 +13125550002", "forgotten +13125550002"),
        ("+13125550002 13125550001", "+13125550002 forgotten"),
        ("13125550001,13125550001", "forgotten,forgotten"),
        ("+49 30 123456", "forgotten"),
        ("the id 1293384261075731499 is unknown", "the id forgotten is unknown"),
        ("id-7", "forgotten"),
        ("/phone_numbers/id-7/tags", "/phone_numbers/forgotten/tags"),
    ],
)
def test_every_spelling_is_found(text: str, left: str) -> None:
    """A forgotten number or id is replaced wherever and however a text has it."""
    assert FORGOTTEN.text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+131255500010",
        "913125550001",
        "131255500012",
        "+1312555000",
        "+44 13125550001",
        "+44 3125550001",
        "+3125550001",
        "12933842610757314990",
        "id-77",
        "my-id-7",
        "10015",
        "2026-01-01T13:12:55.500Z",
        "30123456",
    ],
)
def test_longer_numbers_are_left(text: str) -> None:
    """What only contains the digits, or an end of them, stays as it is."""
    assert FORGOTTEN.text(text) == text


def test_a_record_loses_the_number_everywhere() -> None:
    """Elements lose number and id; parameters, errors and unknown fields lose every spelling."""
    sent = {
        "id": "job-1",
        "status": "completed",
        "phone_numbers": [{"id": "new-9", "phone_number": "+13125550001"}, {"id": "id-8"}],
        "successful_operations": [{"id": "id-7"}],
        "failed_operations": [
            {
                "id": "new-9",
                "phone_number": "+1 312 555 0001",
                "hint": "3125550001",
                "errors": [
                    {"code": "10015", "detail": "+13125550001", "source": {"pointer": "/new-9"}}
                ],
            }
        ],
        "parameters": {
            "phone_numbers": ["new-9", "(312) 555 - 0001", "id-8"],
            "as_number": 13125550001,
            "as_float": 13125550001.0,
            "share": 0.13125550001,
            "longer": 131255500010,
            "+13125550001": True,
        },
    }
    record = read_job(json.dumps({"data": sent}).encode())
    assert isinstance(record, Record)
    FORGOTTEN.record(record)

    job = record.job
    assert [(e.id, e.phone_number) for e in job.phone_numbers or ()] == [
        (None, "forgotten"),
        ("id-8", None),
    ]
    assert [(e.id, e.phone_number) for e in job.successful_operations or ()] == [
        (None, "forgotten")
    ]
    (failed,) = job.failed_operations or [FailedOperation()]
    (error,) = failed.errors or [JobError()]
    assert (failed.id, failed.phone_number, error.detail) == (None, "forgotten", "forgotten")
    assert getattr(error.source, "pointer", None) == "/forgotten"
    assert job.parameters == {
        "phone_numbers": ["forgotten", "forgotten", "id-8"],
        "as_number": "forgotten",
        "as_float": "forgotten",
        "share": 0.13125550001,
        "longer": 131255500010,
        "forgotten": True,
    }
    assert record.unknown == {"failed_operations": {"0": {"hint": "forgotten"}}}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (r'{"a": "\u002b\u00313125550001"}', '{"a": "forgotten"}'),
        ('{"a": 13125550001, "b": 131255500010}', '{"a": "forgotten", "b": 131255500010}'),
        ('{"a": "x\\"+13125550001", cut', '{"a": "x\\"forgotten", cut'),
        ('{"a": "+13125550001', '{"a": ""forgotten"'),
        ('{"a": "é"}', '{"a": "é"}'),
    ],
)
def test_a_rejected_record_loses_it_too(text: str, left: str) -> None:
    """Text that may not be JSON loses numbers that are escaped, bare, or cut off."""
    record = Rejected(None, "number 13125550001", text)
    FORGOTTEN.record(record)

    assert (record.reason, record.text) == ("number forgotten", left)
