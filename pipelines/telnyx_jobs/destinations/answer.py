"""What a user's own query gives, whatever it is asked of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

BATCH = 2_000
"""Rows that are read at once."""


class WrongQuery(ValueError):
    """SQL that cannot be run, and why, in one line."""


@dataclass(frozen=True)
class Rows:
    """Rows as they come, in batches. `json_columns` are the places of JSON texts."""

    names: Sequence[str]
    json_columns: frozenset[int]
    batches: Iterator[list[tuple[Any, ...]]]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for batch in self.batches:
            yield from batch


def relation_of(text: str) -> list[str]:
    """The parts of the name of a view or table, if that is all of the text; else nothing."""
    parts = [part.strip('"') for part in text.strip().rstrip(";").split(".")]
    return parts if len(parts) <= 2 and all(part.isidentifier() for part in parts) else []


def distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number after one that exists already."""
    found: list[str] = []
    for name in names:
        free, number = name, 0
        while free in found:
            number += 1
            free = f"{name}_{number}"
        found.append(free)
    return found


def one_statement(count: int) -> None:
    """Raises WrongQuery for more or less than one statement."""
    if count != 1:
        raise WrongQuery(f"{count} statements: give one query")
