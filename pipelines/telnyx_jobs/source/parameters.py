"""The leaves of a job's parameters, each with its JSON pointer."""

from collections.abc import Iterator
from typing import Any

import msgspec

_MOST_MEMBERS = 100
"""Longer arrays are one leaf."""


def leaves(parameters: Any) -> Iterator[tuple[str, str]]:
    """JSON pointer (RFC 6901) and text of each leaf, the numbers asked for left out.

    A leaf is anything but an object or array with members; an array of more than 100 members is one
    too. Its text is the string itself, else its JSON.
    """
    if isinstance(parameters, dict):
        parameters = {name: item for name, item in parameters.items() if name != "phone_numbers"}
    if parameters not in ({}, [], None):
        yield from _leaves("", parameters)


def _leaves(pointer: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            token = name.replace("~", "~0").replace("/", "~1")
            yield from _leaves(f"{pointer}/{token}", item)
    elif isinstance(value, list) and 0 < len(value) <= _MOST_MEMBERS:
        for place, item in enumerate(value):
            yield from _leaves(f"{pointer}/{place}", item)
    else:
        yield pointer, value if isinstance(value, str) else msgspec.json.encode(value).decode()
