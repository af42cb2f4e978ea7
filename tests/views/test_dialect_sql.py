"""The views and data tests in the SQL of each warehouse: translated, parsed, with our rules."""

from collections.abc import Mapping
from functools import cache

import pytest
import sqlglot

from telnyx_jobs.views.dialects import create_statements, data_tests
from telnyx_jobs.views.files import sql_folder

VIEWS = sorted(path.stem for path in (sql_folder() / "views").glob("*.sql"))
DIALECTS = ("duckdb", "postgres", "redshift", "snowflake", "bigquery", "databricks", "clickhouse")


def named(schema: str, table: str) -> str:
    return f"{schema}.{table}"


def quoted(schema: str, table: str) -> str:
    """As Snowflake has it."""
    return f'"{schema.upper()}"."{table.upper()}"'


created = cache(create_statements)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_views_are_carried_over_to(dialect: str) -> None:
    """Every view and data test is translated without a warning, and parses in the dialect."""
    views = created(dialect, quoted if dialect == "snowflake" else named)
    kept = {"data_dictionary"} if dialect in ("duckdb", "postgres") else set()
    assert views.keys() == {*VIEWS} - {"data_dictionary"} | kept
    tests = dict(data_tests(dialect, named))
    assert tests.keys() == {path.stem for path in (sql_folder() / "tests").glob("*.sql")}
    for statement in [*tests.values(), *(sql for each in views.values() for sql in each)]:
        for parsed in sqlglot.parse(statement, read=dialect):
            # what a parser does not understand it keeps as a command
            assert not isinstance(parsed, sqlglot.exp.Command), statement


RULES: Mapping[str, tuple[str, ...]] = {
    "postgres": ('COLLATE "C"', "EXTRACT(EPOCH FROM"),
    "redshift": ("WITHIN GROUP (ORDER BY", " IS NULL AND "),
    "snowflake": ('"TELNYX_RAW"."JOBS"', "CONVERT_TIMEZONE('UTC'"),
    "bigquery": ("TIMESTAMP_DIFF(", "DATE(`updated_at`, 'UTC')"),
    "databricks": ("UNIX_MICROS(", "DATE_FROM_UNIX_DATE("),
    "clickhouse": ("join_use_nulls = 1", "toDate32('1900-01-01')", "groupUniqArray("),
}


@pytest.mark.parametrize("dialect", RULES)
def test_the_rules_of(dialect: str) -> None:
    """What sqlglot would translate to other rows is written as the dialect needs it."""
    statements = created(dialect, quoted if dialect == "snowflake" else named)
    text = "\n".join(sql for each in statements.values() for sql in each)
    assert [rule for rule in RULES[dialect] if rule not in text] == []
    if dialect != "postgres":
        assert "'g')" not in text
