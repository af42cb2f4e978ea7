"""What the demo account's jobs were sent with: their parameters, and what fails because of them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from support.demo_account import ACCOUNT, NOW, SCHEMA

Json = dict[str, Any]
SENT = [job for job in ACCOUNT.jobs(NOW) if job["parameters"]]


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of an object that is not an object itself, with its pointer."""
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from leaves(item, f"{pointer}/{name}")
    else:
        yield pointer, value


def documented(schema: Json, pointer: str = "") -> set[str]:
    """Pointers of a documented object's fields that are not objects themselves."""
    if "properties" not in schema:
        return {pointer}
    return {
        found
        for name, field in schema["properties"].items()
        for found in documented(field, f"{pointer}/{name}")
    }


def at(pointer: str, value: Any) -> Any:
    for name in pointer.split("/")[1:]:
        value = value[name]
    return value


def test_every_documented_parameter_is_sent_by_some_job() -> None:
    """The parameters of all jobs are the ones of Telnyx's specification, to the last leaf."""
    job = SCHEMA.raw_schema["components"]["schemas"]["PhoneNumbersJob"]
    sent = {pointer for job in SENT for pointer, _ in leaves(job["parameters"])}

    assert sent == documented(job["properties"]["parameters"])


def test_false_null_and_empty_values_are_kept() -> None:
    """Parameters hold false, null and an empty array, and some jobs have no parameters at all."""
    values = [json.dumps(value) for job in SENT for _, value in leaves(job["parameters"])]

    assert {"false", "null", "[]"} <= set(values)
    assert 0 < len(ACCOUNT.jobs(NOW)) - len(SENT) < 30


def test_targets_are_strings_and_integers() -> None:
    """A job's targets are its numbers in order, by E.164 number, by id as text or as an integer."""
    for job in SENT:
        asked = [value for number in job["phone_numbers"] for value in number.values()]
        assert [str(target) for target in job["parameters"]["phone_numbers"]] == asked
    kinds = {type(target) for job in SENT for target in job["parameters"]["phone_numbers"]}
    assert kinds == {str, int}


def test_some_parameters_hold_a_port_out_pin() -> None:
    """A secret that a connector must drop is in one place, so that it can be dropped."""
    pins = [pin for job in SENT if (pin := job["parameters"].get("external_pin"))]

    assert len(pins) > 5
    assert not [pin for pin in pins if not re.fullmatch("QZ[0-9]{6}", pin)]
    assert json.dumps(ACCOUNT.jobs(NOW)).count('"QZ') == len(pins)


def test_pointers_name_what_was_sent() -> None:
    """An error that points at a parameter points at one that its job was sent with, not at null."""
    pointers = Counter(
        (pointer, at(pointer, job["parameters"]) is not None)
        for job in SENT
        for operation in job["failed_operations"]
        for error in operation["errors"]
        if (pointer := error.get("source", {}).get("pointer", "/base")) != "/base"
        and not pointer.startswith("/phone_numbers/")
    )

    assert {is_sent for _, is_sent in pointers} == {True}
    assert {pointer for pointer, _ in pointers} >= {
        "/connection_id",
        "/billing_group_id",
        "/emergency_address_id",
        "/customer_reference",
        "/voice/call_forwarding/forwards_to",
    }


def test_failures_differ_by_what_was_sent() -> None:
    """Of connections, billing groups and addresses one each fails far more than the usual one."""
    for pointer, code in (
        ("/connection_id", "85004"),
        ("/billing_group_id", "10010"),
        ("/emergency_address_id", "20207"),
    ):
        failed: Counter[str] = Counter()
        settled: Counter[str] = Counter()
        for job in SENT:
            value = job["parameters"].get(pointer.removeprefix("/"))
            lost = job["failed_operations"]
            codes = [e.get("code") for operation in lost for e in operation["errors"]]
            failed[value] += codes.count(code)
            settled[value] += len(job["successful_operations"]) + len(lost)
        rates = sorted(failed[value] / settled[value] for value in settled if settled[value] > 200)

        assert len(rates) >= 6, pointer
        assert rates[-1] > 0.015, pointer
        assert rates[-1] > 3 * rates[len(rates) // 2], pointer
