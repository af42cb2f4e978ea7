"""Rules for what sqlglot would translate to other rows, or to what an engine does not know.

All of them are here; a form without a rule is an error.
"""

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot import exp

_TEXTS = frozenset(
    {"job_id", "job_type", "error_code", "error_pointer", "error_title", "phone_number_key"}
)
_OTHERS = frozenset(
    {
        *("updated_at", "duration_seconds", "error_count", "job_place"),
        *("failed_attempts", "hours_to_recovery"),
    }
)
"""Columns that some view sorts by."""
_TEXT_EXTREMES = frozenset({"phone_number", "phone_number_id"})
"""Texts of which a view takes the greatest."""


def rewritten(dialect: str, node: exp.Expr) -> exp.Expr:
    """The node, rewritten if sqlglot would translate it to other rows than DuckDB's."""
    for kind, rule, *template in _RULES.get(dialect, ()):
        if isinstance(node, kind) and (found := rule(node)) is not None:
            if template:
                found = template[0].format(*(part.sql(dialect) for part in found))
            return sqlglot.parse_one(found, read=dialect) if isinstance(found, str) else found
    return node


# Each rule gets a node in DuckDB's terms. It gives None where it has nothing to
# rewrite; else a node, SQL of the dialect, or the parts that its template has room for.

Parts = tuple[exp.Expr, ...]


def _difference(node: exp.Expr) -> Parts | None:
    """Microseconds between two instants: sqlglot subtracts what clocks show in some time zone."""
    if node.text("unit").upper() != "MICROSECOND":
        return None
    return node.this, node.expression


def _utc_day(node: exp.Expr) -> Parts | None:
    """The instant of which a cast takes the UTC day."""
    if not isinstance(node.this, exp.AtTimeZone):
        return None
    zone = node.this.args["zone"]
    assert (zone.name, node.is_type("date")) == ("UTC", True), f"no rule for {node.sql()}"
    return (node.this.this,)


def _list(node: exp.Expr) -> Parts:
    """The text whose sorted distinct values a string_agg joins, and what it joins them by."""
    (text,), (ordered,) = node.this.this.expressions, node.this.expressions
    assert text == ordered.this, f"no rule for {node.sql()}"
    return text, node.args["separator"]


def _member(node: exp.Expr) -> Parts:
    """A JSON column, and the name of the member that is taken out of it."""
    return node.this, exp.Var(this=node.expression.expressions[-1].name)


def _all_matches(node: exp.Expr) -> exp.Expr | None:
    """Without the flag `g`: these engines replace every match, and take flags elsewhere, if any."""
    if node.args.get("modifiers") is None:
        return None
    return _with(node, modifiers=None)


def _days_before(node: exp.Expr) -> Parts | None:
    # each has a function for it; only some take a number of days from a date
    days = node.expression
    return (node.this, days) if isinstance(days, exp.Cast) and days.find(exp.DateDiff) else None


def _postgres_json(node: exp.Expr) -> exp.Expr:
    # its columns are jsonb, which JSON_EXTRACT_PATH does not take
    return _with(node, only_json_types=True)


def _postgres_order(node: exp.Expr) -> exp.Expr | None:
    # DuckDB sorts texts by their bytes, PostgreSQL as the database's language does
    column = node.this
    if not isinstance(column, exp.Column) or column.name in _OTHERS:
        return None
    assert column.name in _TEXTS, f"no rule for {node.sql()}"
    return _with(node, this=sqlglot.parse_one(f'{column.sql()} COLLATE "C"', read="postgres"))


def _greatest_text(node: exp.Expr) -> Parts | None:
    return (node.this,) if node.this.name in _TEXT_EXTREMES else None


def _both(node: exp.Expr) -> Parts:
    return node.this, node.expression


def _part(node: exp.Expr) -> Parts:
    return node.this, node.args["start"], node.args["length"]


def _clickhouse_monday(node: exp.Expr) -> str | None:
    # where weeks are counted from: the first Monday that a Date32 knows, not that of year 1
    return "toDate32('1900-01-01')" if node.this.name == "0001-01-01" else None


def _clickhouse_alias(node: exp.Expr) -> exp.Expr | None:
    # it calls a column of a join `table.column` if both sides have one of that name
    is_selected = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
    if not is_selected or not node.text("table") or isinstance(node.this, exp.Star):
        return None
    return exp.alias_(node.copy(), node.name)


def _with(node: exp.Expr, **changed: Any) -> exp.Expr:
    node = node.copy()
    for name, value in changed.items():
        node.set(name, value)
    return node


_SPARK = (
    # FROM_UTC_TIMESTAMP(…, 'UTC') changes nothing, and the cast then takes the day in the time
    # zone of the session
    (exp.Cast, _utc_day, "DATE_FROM_UNIX_DATE(CAST(FLOOR(UNIX_SECONDS({}) / 86400) AS INT))"),
    (exp.DateDiff, _difference, "(UNIX_MICROS({}) - UNIX_MICROS({}))"),
    # LISTAGG is right, but Spark 4.3 cannot plan two distinct ones over different columns in one
    # query (ClassCastException)
    (
        *(exp.GroupConcat, _list),
        "CASE WHEN COUNT({0}) > 0 THEN ARRAY_JOIN(ARRAY_SORT(COLLECT_SET({0})), {1}) END",
    ),
)
# a text, as string_agg takes nothing else and wants the very same to sort by
_BINARY = 'CAST({0} AS TEXT) COLLATE "C"'
_RULES: dict[str, Sequence[Any]] = {
    "spark": _SPARK,
    # for what sqlglot writes, `:`, a column must be a VARIANT in open-source Spark; dlt has texts
    "databricks": (*_SPARK, (exp.JSONExtract, _member, "GET_JSON_OBJECT({}, '$.{}')")),
    "postgres": (
        (exp.DateDiff, _difference, "CAST(EXTRACT(EPOCH FROM {} - {}) * 1000000 AS BIGINT)"),
        (exp.JSONExtract, _postgres_json),
        (exp.GroupConcat, _list, f"STRING_AGG(DISTINCT {_BINARY}, {{1}} ORDER BY {_BINARY})"),
        (exp.Ordered, _postgres_order),
        (exp.Max, _greatest_text, 'MAX({} COLLATE "C")'),
    ),
    "redshift": (
        (exp.GroupConcat, _list, "LISTAGG(DISTINCT {0}, {1}) WITHIN GROUP (ORDER BY {0})"),
        # columns of JSON are not text there, and need no parsing
        (exp.JSONExtract, _member, "{}.{}"),
        (exp.NullSafeEQ, _both, "({0} = {1} OR ({0} IS NULL AND {1} IS NULL))"),
        (exp.RegexpReplace, _all_matches),
    ),
    "snowflake": (
        (exp.JSONExtract, _member, "{}:{}"),
        (exp.Sub, _days_before, "DATEADD(DAY, -{1}, {0})"),
        (exp.RegexpReplace, _all_matches),
    ),
    "bigquery": (
        (exp.Cast, _utc_day, "DATE({}, 'UTC')"),
        (exp.DateDiff, _difference, "TIMESTAMP_DIFF({}, {}, MICROSECOND)"),
        (exp.Sub, _days_before, "DATE_SUB({}, INTERVAL {} DAY)"),
        (exp.RegexpReplace, _all_matches),
    ),
    "clickhouse": (
        # a Date begins in 1970, a Date32 in 1900
        (exp.Cast, _utc_day, "toDate32(toTimeZone({}, 'UTC'))"),
        (exp.Cast, _clickhouse_monday),
        (exp.Column, _clickhouse_alias),
        (
            *(exp.GroupConcat, _list),
            "CASE WHEN COUNT({0}) > 0 "
            "THEN arrayStringConcat(arraySort(groupUniqArray({0})), {1}) END",
        ),
        # a member that is missing is an empty text there
        (exp.JSONExtract, _member, "nullIf(JSONExtractRaw({}, '{}'), '')"),
        (exp.RegexpReplace, _all_matches),
        # its SUBSTRING counts bytes
        (exp.Substring, _part, "substringUTF8({}, {}, {})"),
    ),
}
