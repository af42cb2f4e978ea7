"""How a run reports what it does, without knowing who listens."""

from typing import Protocol


class Report(Protocol):
    """Called with each event of a run. Fields hold counts and reasons, never numbers or keys."""

    def __call__(self, event: str, **fields: object) -> None: ...


def nothing(event: str, **fields: object) -> None:
    """The report of a quiet run."""
