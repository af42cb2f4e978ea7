"""The pattern of any JSON pointer, against a rule for one token at a time.

Apart from the tests with a database fixture: together with one, DuckDB's binding warns at exit of
objects that hypothesis has kept.
"""

import re
from functools import cache
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.raw_account import Error, add_failed_job, open_account


@cache
def _account() -> Any:
    """An account for all examples, of which each leaves it empty."""
    return open_account()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text("/019a~*", max_size=12), min_size=20, max_size=50))
def test_pointer_pattern_treats_tokens_one_by_one(pointers: list[str]) -> None:
    """The pattern of any pointer is that of its tokens, each by itself."""
    con = _account()
    con.execute("begin")
    add_failed_job(con, "a", *(Error(pointer=pointer) for pointer in pointers))
    patterns = con.execute(
        "select error_pointer_pattern from telnyx.job_operation_errors order by error_position"
    ).fetchall()
    con.execute("rollback")

    index = re.compile(r"0|[1-9][0-9]*")
    assert patterns == [
        ("/".join("*" if index.fullmatch(token) else token for token in pointer.split("/")),)
        for pointer in pointers
    ]
