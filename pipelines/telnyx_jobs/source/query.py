"""How a destination is asked, without knowing which one it is."""

from collections.abc import Callable, Sequence
from typing import Any

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
"""Runs SQL with `?` parameters and returns all rows. The SQL names tables as `telnyx_raw.jobs`,
whatever the destination calls that schema."""
