"""Rules for what sqlglot would translate to other rows, or to what an engine does not know.

All of them are here; a form without a rule is an error.
"""

from collections.abc import Callable
from functools import partial

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
    rules = _RULES.get(dialect, ())
    for kind, rule in rules:
        if isinstance(node, kind) and (found := rule(node)) is not None:
            return sqlglot.parse_one(found, read=dialect) if isinstance(found, str) else found
    return node


# Each rule gets a node in DuckDB's terms and gives SQL of the dialect, a node, or None.


def _is_in_microseconds(node: exp.Expr) -> bool:
    return node.text("unit").upper() == "MICROSECOND"


def _utc_day(node: exp.Expr) -> exp.Expr | None:
    """The instant of which a cast takes the UTC day."""
    if not isinstance(node.this, exp.AtTimeZone):
        return None
    zone = node.this.args["zone"]
    assert (zone.name, node.is_type("date")) == ("UTC", True), f"no rule for {node.sql()}"
    instant: exp.Expr = node.this.this
    return instant


def _sorted_texts(dialect: str, node: exp.Expr) -> tuple[str, str]:
    """The text whose sorted distinct values a string_agg joins, and what it joins them by."""
    (text,), (ordered,) = node.this.this.expressions, node.this.expressions
    assert text == ordered.this, f"no rule for {node.sql()}"
    return text.sql(dialect), node.args["separator"].sql(dialect)


def _all_matches(node: exp.Expr) -> exp.Expr | None:
    """Without the flag `g`: these engines replace every match, and take flags elsewhere, if any."""
    if node.args.get("modifiers") is None:
        return None
    node = node.copy()
    node.set("modifiers", None)
    return node


def _spark_utc_day(node: exp.Expr) -> str | None:
    # FROM_UTC_TIMESTAMP(…, 'UTC') changes nothing, and the cast then takes the day in the time
    # zone of the session.
    instant = _utc_day(node)
    if instant is None:
        return None
    seconds = f"UNIX_SECONDS({instant.sql('spark')})"
    return f"DATE_FROM_UNIX_DATE(CAST(FLOOR({seconds} / 86400) AS INT))"


def _spark_difference(node: exp.Expr) -> str | None:
    # DATEDIFF subtracts what clocks show in the time zone of the session: across the end of
    # daylight saving time it is an hour short.
    if not _is_in_microseconds(node):
        return None
    ends = [node.args[end].sql("spark") for end in ("this", "expression")]
    return f"(UNIX_MICROS({ends[0]}) - UNIX_MICROS({ends[1]}))"


def _spark_list(node: exp.Expr) -> str:
    # LISTAGG is right, but Spark 4.3 cannot plan two distinct ones over different columns in one
    # query (ClassCastException).
    value, separator = _sorted_texts("spark", node)
    return (
        f"CASE WHEN COUNT({value}) > 0 "
        f"THEN ARRAY_JOIN(ARRAY_SORT(COLLECT_SET({value})), {separator}) END"
    )


def _postgres_difference(node: exp.Expr) -> str | None:
    # sqlglot casts both to times without a zone: that is by the clock of the session
    if not _is_in_microseconds(node):
        return None
    ends = [node.args[end].sql("postgres") for end in ("this", "expression")]
    return f"CAST(EXTRACT(EPOCH FROM {ends[0]} - {ends[1]}) * 1000000 AS BIGINT)"


def _postgres_json(node: exp.Expr) -> exp.Expr:
    # its columns are jsonb, which JSON_EXTRACT_PATH does not take
    node = node.copy()
    node.set("only_json_types", True)
    return node


def _json_member(dialect: str, node: exp.Expr) -> exp.Expr | str:
    # columns of JSON are not text there, and need no parsing
    member = node.expression.expressions[-1].name
    return f"{node.this.sql(dialect)}{':' if dialect == 'snowflake' else '.'}{member}"


def _postgres_order(node: exp.Expr) -> exp.Expr | None:
    # DuckDB sorts texts by their bytes, PostgreSQL as the database's language does
    column = node.this
    if not isinstance(column, exp.Column) or column.name in _OTHERS:
        return None
    assert column.name in _TEXTS, f"no rule for {node.sql()}"
    ordered = node.copy()
    ordered.set("this", sqlglot.parse_one(f'{column.sql()} COLLATE "C"', read="postgres"))
    return ordered


def _postgres_list(node: exp.Expr) -> str:
    value, separator = _sorted_texts("postgres", node)
    # a text, as string_agg takes nothing else and wants the very same to sort by
    binary = f'CAST({value} AS TEXT) COLLATE "C"'
    return f"STRING_AGG(DISTINCT {binary}, {separator} ORDER BY {binary})"


def _postgres_max(node: exp.Expr) -> str | None:
    if node.this.name not in _TEXT_EXTREMES:
        return None
    return f'MAX({node.this.sql("postgres")} COLLATE "C")'


def _redshift_list(node: exp.Expr) -> str:
    value, separator = _sorted_texts("redshift", node)
    return f"LISTAGG(DISTINCT {value}, {separator}) WITHIN GROUP (ORDER BY {value})"


def _redshift_same(node: exp.Expr) -> str:
    one, other = node.this.sql("redshift"), node.expression.sql("redshift")
    return f"({one} = {other} OR ({one} IS NULL AND {other} IS NULL))"


def _bigquery_difference(node: exp.Expr) -> str | None:
    if not _is_in_microseconds(node):
        return None
    ends = [node.args[end].sql("bigquery") for end in ("this", "expression")]
    return f"TIMESTAMP_DIFF({ends[0]}, {ends[1]}, MICROSECOND)"


def _bigquery_utc_day(node: exp.Expr) -> str | None:
    instant = _utc_day(node)
    return None if instant is None else f"DATE({instant.sql('bigquery')}, 'UTC')"


def _days_before(dialect: str, node: exp.Expr) -> str | None:
    # each has a function for it; only some take a number of days from a date
    days = node.expression
    if not (isinstance(days, exp.Cast) and days.find(exp.DateDiff)):
        return None
    day, number = node.this.sql(dialect), days.sql(dialect)
    if dialect == "snowflake":
        return f"DATEADD(DAY, -{number}, {day})"
    return f"DATE_SUB({day}, INTERVAL {number} DAY)"


def _clickhouse_utc_day(node: exp.Expr) -> str | None:
    # a Date begins in 1970, a Date32 in 1900
    instant = _utc_day(node)
    return None if instant is None else f"toDate32(toTimeZone({instant.sql()}, 'UTC'))"


def _databricks_member(node: exp.Expr) -> exp.Expr:
    # for what sqlglot writes, `:`, a column must be a VARIANT in open-source Spark; dlt has texts
    member = exp.Literal.string(f"$.{node.expression.expressions[-1].name}")
    return exp.Anonymous(this="GET_JSON_OBJECT", expressions=[node.this.copy(), member])


def _clickhouse_part(node: exp.Expr) -> str:
    # its SUBSTRING counts bytes
    parts = [node.this, node.args["start"], node.args["length"]]
    return f"substringUTF8({', '.join(part.sql('clickhouse') for part in parts)})"


def _clickhouse_member(node: exp.Expr) -> str:
    # a member that is missing is an empty text there
    member = node.expression.expressions[-1].name
    return f"nullIf(JSONExtractRaw({node.this.sql('clickhouse')}, '{member}'), '')"


def _clickhouse_monday(node: exp.Expr) -> str | None:
    # where weeks are counted from: the first Monday that a Date32 knows, not that of year 1
    return "toDate32('1900-01-01')" if node.this.name == "0001-01-01" else None


def _clickhouse_list(node: exp.Expr) -> str:
    value, separator = _sorted_texts("clickhouse", node)
    joined = f"arrayStringConcat(arraySort(groupUniqArray({value})), {separator})"
    return f"CASE WHEN COUNT({value}) > 0 THEN {joined} END"


def _clickhouse_alias(node: exp.Expr) -> exp.Expr | None:
    # it calls a column of a join `table.column` if both sides have one of that name
    is_selected = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
    if not is_selected or not node.text("table") or isinstance(node.this, exp.Star):
        return None
    return exp.alias_(node.copy(), node.name)


Rule = tuple[type[exp.Expr], Callable[[exp.Expr], exp.Expr | str | None]]

_SPARK: tuple[Rule, ...] = (
    (exp.Cast, _spark_utc_day),
    (exp.DateDiff, _spark_difference),
    (exp.GroupConcat, _spark_list),
)
_RULES: dict[str, tuple[Rule, ...]] = {
    "spark": _SPARK,
    "databricks": (*_SPARK, (exp.JSONExtract, _databricks_member)),
    "postgres": (
        (exp.DateDiff, _postgres_difference),
        (exp.JSONExtract, _postgres_json),
        (exp.GroupConcat, _postgres_list),
        (exp.Ordered, _postgres_order),
        (exp.Max, _postgres_max),
    ),
    "redshift": (
        (exp.GroupConcat, _redshift_list),
        (exp.JSONExtract, partial(_json_member, "redshift")),
        (exp.NullSafeEQ, _redshift_same),
        (exp.RegexpReplace, _all_matches),
    ),
    "snowflake": (
        (exp.JSONExtract, partial(_json_member, "snowflake")),
        (exp.Sub, partial(_days_before, "snowflake")),
        (exp.RegexpReplace, _all_matches),
    ),
    "bigquery": (
        (exp.Cast, _bigquery_utc_day),
        (exp.DateDiff, _bigquery_difference),
        (exp.Sub, partial(_days_before, "bigquery")),
        (exp.RegexpReplace, _all_matches),
    ),
    "clickhouse": (
        (exp.Cast, _clickhouse_utc_day),
        (exp.Cast, _clickhouse_monday),
        (exp.Column, _clickhouse_alias),
        (exp.GroupConcat, _clickhouse_list),
        (exp.JSONExtract, _clickhouse_member),
        (exp.RegexpReplace, _all_matches),
        (exp.Substring, _clickhouse_part),
    ),
}
