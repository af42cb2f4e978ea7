"""The dictionary of all columns, as the file describes them."""

from duckdb import DuckDBPyConnection

from support.raw_account import VIEWS


def test_data_dictionary_describes_every_column(con: DuckDBPyConnection) -> None:
    """It lists relations and their columns with comment and place, not the loader's own."""
    con.execute("comment on column telnyx_raw.job_phone_numbers.position is 'Place.'")
    con.execute("comment on table telnyx_raw.job_phone_numbers is 'The numbers.'")

    listed = con.execute(
        """
        select * from telnyx.data_dictionary
        where relation = 'telnyx_raw.job_phone_numbers'
        order by all
        """
    ).fetchall()
    assert listed == [
        ("telnyx_raw.job_phone_numbers", "job_id", "VARCHAR", None, 1),
        ("telnyx_raw.job_phone_numbers", "phone_number", "VARCHAR", None, 4),
        ("telnyx_raw.job_phone_numbers", "phone_number_id", "VARCHAR", None, 3),
        ("telnyx_raw.job_phone_numbers", "position", "BIGINT", "Place.", 2),
        ("telnyx_raw.job_phone_numbers", None, None, "The numbers.", 0),
    ]

    views = con.execute(
        """
        select relation, column_name from telnyx.data_dictionary
        where relation like 'telnyx.%' and description is not null
        """
    ).fetchall()
    assert set(views) == {
        (f"telnyx.{view}", column)
        for view, columns in VIEWS.items()
        for column in (None, *columns.split())
    }

    relations = con.execute("select distinct relation from telnyx.data_dictionary").fetchall()
    assert ("telnyx_raw._dlt_loads",) not in relations
