"""The leaves of a job's parameters."""

import json
from typing import Any

import pytest

from telnyx_jobs.schema import MARKER
from telnyx_jobs.source.flatten import stored_parameters_table
from telnyx_jobs.source.parameters import leaves


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (None, {}),
        ({}, {}),
        ([], {}),
        ("text", {"": "text"}),
        ({"a": "null", "b": None, "c": False, "d": 1.5}, {"/a": "null", "/b": "null"}),
        ({"tags": ["x", "y"], "empty": [], "none": {}}, {"/tags/0": "x", "/tags/1": "y"}),
        ({"a/b": {"m~n": 1, "": 2}}, {"/a~1b/m~0n": "1", "/a~1b/": "2"}),
        ({"phone_numbers": ["+1"], "x": {"phone_numbers": ["+2"]}}, {"/x/phone_numbers/0": "+2"}),
    ],
)
def test_leaves_have_their_pointer_and_text(parameters: Any, expected: dict[str, str]) -> None:
    """A string stands as it is, anything else as JSON; the numbers asked for are left out."""
    others = {"/c": "false", "/d": "1.5", "/empty": "[]", "/none": "{}"}
    found = dict(leaves(parameters))
    assert {name: text for name, text in found.items() if others.get(name) != text} == expected


@pytest.mark.parametrize(("size", "pointers"), [(100, 100), (101, 1)])
def test_an_array_of_more_than_100_members_is_one_leaf(size: int, pointers: int) -> None:
    """It stands as JSON."""
    found = dict(leaves({"ids": [*range(size)]}))
    assert len(found) == pointers
    assert size == 100 or json.loads(found["/ids"]) == [*range(size)]


def test_stored_parameters_give_the_same_rows() -> None:
    """From the JSON text of a file come the rows that the record gives; NULL gives none."""
    parameters = {"a": ["é", {"b": None}], "c": 1e-7}
    table = stored_parameters_table([("1", json.dumps(parameters)), ("2", None)])
    rows = [(row["pointer"], row["value"]) for row in table.to_pylist()]
    assert rows == list(leaves(parameters))
    assert {(row["job_id"], row[MARKER]) for row in table.to_pylist()} == {("1", None)}
