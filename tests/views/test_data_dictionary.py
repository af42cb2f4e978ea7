"""The dictionary of all columns, as the file itself tells them."""

from duckdb import DuckDBPyConnection

from support.raw_account import VIEWS


def test_data_dictionary_describes_every_column(con: DuckDBPyConnection) -> None:
    """The dictionary lists columns with type and comment, not the loader's own."""
    con.execute("comment on column telnyx_raw.job_phone_numbers.position is 'Place.'")

    listed = con.execute(
        """
        select * from telnyx.data_dictionary
        where relation = 'telnyx_raw.job_phone_numbers'
        order by all
        """
    ).fetchall()
    assert listed == [
        ("telnyx_raw.job_phone_numbers", "job_id", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "phone_number", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "phone_number_id", "VARCHAR", None),
        ("telnyx_raw.job_phone_numbers", "position", "BIGINT", "Place."),
    ]

    views = con.execute(
        """
        select relation, column_name from telnyx.data_dictionary
        where relation like 'telnyx.%' and description is not null
        """
    ).fetchall()
    assert set(views) == {
        (f"telnyx.{view}", column) for view, columns in VIEWS.items() for column in columns.split()
    }

    relations = con.execute("select distinct relation from telnyx.data_dictionary").fetchall()
    assert ("telnyx_raw._dlt_loads",) not in relations
