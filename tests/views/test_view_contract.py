"""What holds of every view in sql/views, and the views that only show a table."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from support.raw_account import SQL, VIEWS, Error, add_documented_job, add_failed_job, insert, rows

# --- the contract ---------------------------------------------------------------------------


def test_views_have_the_promised_columns_in_order(con: DuckDBPyConnection) -> None:
    """The schema telnyx holds exactly the promised views, with their columns in order."""
    found = con.execute(
        """
        select table_name, string_agg(column_name, ' ' order by column_index)
        from duckdb_columns()
        where schema_name = 'telnyx'
        group by table_name
        """
    ).fetchall()

    assert dict(found) == VIEWS


def test_every_view_and_column_has_a_comment(con: DuckDBPyConnection) -> None:
    """No view and no column of a view lacks its comment."""
    silent = con.execute(
        """
        select view_name, null from duckdb_views()
        where schema_name = 'telnyx' and coalesce(comment, '') = ''
        union all
        select table_name, column_name from duckdb_columns()
        where schema_name = 'telnyx' and coalesce(comment, '') = ''
        """
    ).fetchall()

    assert silent == []


@pytest.mark.parametrize("path", sorted((SQL / "views").glob("*.sql")), ids=lambda path: path.stem)
def test_first_line_of_a_view_states_its_grain(path: Path) -> None:
    """Each view's file begins with its grain."""
    assert path.read_text().startswith("-- One row per ")


def test_empty_account_has_empty_views(con: DuckDBPyConnection) -> None:
    """On an account without jobs every view exists and, but for the dictionary, has no row."""
    views = VIEWS.keys() - {"data_dictionary"}

    assert {view: rows(con, view) for view in views} == {view: [] for view in views}


def test_no_view_depends_on_the_time_zone_of_the_session(con: DuckDBPyConnection) -> None:
    """Every view has the same rows in Auckland as in UTC."""
    add_documented_job(con)
    add_failed_job(con, "late", Error("10015"), updated_at="2026-03-01T23:30:00Z")

    con.execute("begin")  # so that the moment of the query is one and the same
    utc = {view: rows(con, view) for view in VIEWS}
    con.execute("set TimeZone = 'Pacific/Auckland'")
    auckland = {view: rows(con, view) for view in VIEWS}

    assert auckland == utc


# --- runs and dictionary ---------------------------------------------------------------------


def test_sync_runs_are_the_table(con: DuckDBPyConnection) -> None:
    """The view of runs has the rows of its table."""
    run = (
        "run-1",
        "full",
        datetime(2026, 3, 1, 8, tzinfo=UTC),
        datetime(2026, 3, 1, 9, tzinfo=UTC),
        *range(8),
        '{"jobs": 1}',
        "[]",
        '[["10015", "/x"]]',
        8,
        0.5,
        True,
        "telnyx_jobs.duckdb",
        "0.2.0",
        250,
        1,
        "[]",
        datetime(2026, 2, 1, tzinfo=UTC),
    )
    insert(con, "sync_runs", VIEWS["sync_runs"].replace(" ", ", "), [run])

    assert rows(con, "sync_runs") == [run]
