"""Texts and names in SQL."""

import duckdb
import pytest

from telnyx_jobs.quoting import identifier, literal


@pytest.mark.parametrize("text", ["", "plain", "it's", "''", 'a "b"', "back\\slash", "-- ;\n"])
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """A literal and a name are read by the database as what they were made of."""
    query = f"select {literal(text)} as {identifier(text or 'x')}"
    with duckdb.connect() as con:
        found = con.execute(query)
        assert ([column[0] for column in found.description], found.fetchall()) == (
            [text or "x"],
            [(text,)],
        )
