"""The views carried from DuckDB to other warehouses, by sqlglot."""

import re
from functools import cache
from pathlib import Path

import pytest
from sqlglot import ErrorLevel, exp, parse, parse_one

from telnyx_jobs.views.dialects import carried_views, data_tests

VIEWS = Path(__file__).parents[2] / "sql" / "views"

# data_dictionary reads DuckDB's own catalogue
PORTABLE = sorted(path.stem for path in VIEWS.glob("*.sql") if path.stem != "data_dictionary")

WAREHOUSES = (
    "bigquery",
    "clickhouse",
    "databricks",
    "postgres",
    "redshift",
    "snowflake",
    "spark",
)

REPLACES_ONCE = {"duckdb", "postgres"}
"""Where regexp_replace needs 'g' to replace every match. Elsewhere it always does, and has no 'g'
or takes the fourth argument for something else: the one seam that sqlglot leaves open."""


@cache
def creation(view: str) -> exp.Create:
    """Return the statement that creates a view; not to be changed."""
    statements = parse((VIEWS / f"{view}.sql").read_text(), read="duckdb")
    return next(each for each in statements if isinstance(each, exp.Create))


def carried(view: str, warehouse: str) -> str:
    """Return the statement in the words of another warehouse. Raises on what it cannot say."""
    statement = creation(view).copy()
    if warehouse not in REPLACES_ONCE:
        for replacement in statement.find_all(exp.RegexpReplace):
            replacement.set("modifiers", None)
    return statement.sql(warehouse, unsupported_level=ErrorLevel.RAISE)


def columns(statement: exp.Expression) -> list[str]:
    """Return the columns of a view's last step, in order."""
    final = next(each for each in statement.find_all(exp.CTE) if each.alias == "final")
    return [each.alias_or_name for each in final.this.selects]


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("view", PORTABLE)
def test_view_is_carried_to_the_warehouse(view: str, warehouse: str) -> None:
    """Each view can be said in each dialect, is read there without error, and keeps its columns."""
    statement = parse_one(carried(view, warehouse), read=warehouse, error_level=ErrorLevel.RAISE)

    assert isinstance(statement, exp.Create)
    assert columns(statement) == columns(creation(view))
    # what the parser does not understand it keeps as a command
    assert not list(statement.find_all(exp.Command))


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_macros_are_expanded(warehouse: str) -> None:
    """No view and no data test of another warehouse calls a macro, as none can hold them."""
    queries = [view.query.sql(warehouse) for view in carried_views(warehouse)]
    queries += [sql for _, sql in data_tests(warehouse, lambda schema, name: f"{schema}.{name}")]

    assert "sqrt" in "".join(queries).lower()
    assert [sql for sql in queries if re.search(r"telnyx\W*\.\W*\w+\W*\(", sql)] == []


@pytest.mark.parametrize("warehouse", sorted({*WAREHOUSES} - REPLACES_ONCE))
def test_pattern_needs_no_flag_elsewhere(warehouse: str) -> None:
    """Where every match is replaced anyway, regexp_replace has three arguments."""
    statement = parse_one(carried("error_pointers", warehouse), read=warehouse)

    (replacement,) = statement.find_all(exp.RegexpReplace)
    arguments = {name for name, value in replacement.args.items() if isinstance(value, exp.Expr)}
    assert arguments == {"this", "expression", "replacement"}


def test_pattern_replaces_every_index_in_postgres() -> None:
    """PostgreSQL, like DuckDB, replaces the first match alone without 'g'."""
    assert "'/*/', 'g')" in carried("error_pointers", "postgres")


@pytest.mark.parametrize(
    "function",
    [exp.DateTrunc, exp.TimestampTrunc, exp.PercentileCont, exp.Quantile, exp.Median, exp.Filter],
)
@pytest.mark.parametrize("view", PORTABLE)
def test_view_avoids_what_differs_from_warehouse_to_warehouse(
    view: str, function: type[exp.Expr]
) -> None:
    """No view takes weeks or percentiles from functions that mean something else elsewhere."""
    assert not list(creation(view).find_all(function))


@pytest.mark.parametrize("view", PORTABLE)
def test_order_of_nulls_is_said_wherever_lists_are_joined(view: str) -> None:
    """Within an aggregate the place of NULLs is spelled out: not each warehouse can change it."""
    aggregates = creation(view).find_all(exp.GroupConcat)
    ordered = [each for aggregate in aggregates for each in aggregate.find_all(exp.Ordered)]

    assert [each.args.get("nulls_first") for each in ordered] == [True] * len(ordered)
