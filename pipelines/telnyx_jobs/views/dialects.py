"""The views and data tests in the SQL of other engines: sqlglot carries them over, and a few rules.

The files of `sql/` are DuckDB's SQL. What sqlglot would carry over to other rows, or to what an
engine does not know, is rewritten here and nowhere else; a form without a rule is an error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import sqlglot
from sqlglot import exp

from telnyx_jobs.schema import VIEW_SCHEMA
from telnyx_jobs.views.files import data_test_texts, sql_folder, view_statements

Naming = Callable[[str, str], str]
"""Gives for schema and name of a table or view what an engine calls it, in that engine's SQL."""

_OWN_CATALOGUE = "data_dictionary"
"""The view that reads the catalogue of DuckDB: another engine needs a text of its own."""
_COMMENTING = ("duckdb", "postgres", "redshift")
"""Dialects with `comment on` for views and their columns."""
_TEXTS = frozenset({"job_id", "error_code", "error_pointer", "error_title"})
_OTHERS = frozenset({"updated_at", "duration_seconds", "error_count"})
"""Columns that some view sorts by."""
_TEXT_EXTREMES = frozenset({"phone_number", "phone_number_id"})
"""Texts of which a view takes the greatest."""


@dataclass(frozen=True)
class View:
    """One view of `sql/views`. `comments` is by column, that of the view itself under ''."""

    name: str
    depth: int
    """How many views deep it reads, from 1."""
    query: exp.Query
    comments: dict[str, str]

    @property
    def columns(self) -> list[str]:
        final = next(cte for cte in self.query.ctes if cte.alias == "final")
        return list(final.this.named_selects)


def carried_views(dialect: str) -> list[View]:
    """The views with their queries in this dialect, each after those it reads."""
    views: dict[str, View] = {}
    for text in view_statements():
        create, *comments = (found for found in sqlglot.parse(text, read="duckdb") if found)
        name = create.this.name
        if name == _OWN_CATALOGUE and dialect != "duckdb":
            continue
        read = [t.name for t in create.expression.find_all(exp.Table) if t.db == VIEW_SCHEMA]
        views[name] = View(
            name,
            1 + max((views[each].depth for each in read), default=0),
            create.expression.transform(partial(_mended, dialect)),
            _comments(comments),
        )
    return sorted(views.values(), key=lambda view: (view.depth, view.name))


def create_statements(dialect: str, naming: Naming) -> dict[str, list[str]]:
    """By view, in order of creation, the statements that create it with its comments."""
    statements = {}
    for view in carried_views(dialect):
        target = naming(VIEW_SCHEMA, view.name)
        query = _written(view.query, dialect, naming)
        head = ""
        if dialect == "databricks":
            listed = ", ".join(f"`{c}` comment {_text(view.comments[c])}" for c in view.columns)
            head = f" ({listed}) comment {_text(view.comments[''])}"
        created = f"create or replace view {target}{head} as\n{query}"
        statements[view.name] = [created]
        if dialect in _COMMENTING:
            statements[view.name] += comment_statements("view", target, view.comments)
    own = sql_folder() / dialect / f"{_OWN_CATALOGUE}.sql"
    if own.exists():
        statements[_OWN_CATALOGUE] = [own.read_text()]
    return statements


def comment_statements(kind: str, target: str, comments: dict[str, str]) -> list[str]:
    """`comment on` for a table or view and its columns; their names are quoted."""
    return [
        f'comment on column {target}."{column}" is {_text(comment)}'
        if column
        else f"comment on {kind} {target} is {_text(comment)}"
        for column, comment in comments.items()
    ]


def knows_comments(dialect: str) -> bool:
    return dialect in _COMMENTING


def data_tests(dialect: str, naming: Naming) -> Iterator[tuple[str, str]]:
    """Name and query of each data test of `sql/tests`."""
    for name, text in data_test_texts().items():
        query = sqlglot.parse_one(text, read="duckdb")
        yield name, _written(query.transform(partial(_mended, dialect)), dialect, naming)


def spark_views() -> dict[str, str]:
    """The statement of each view for Spark, by the name of its file, in order of creation.

    The number before a view's name is how many views deep it reads.
    """
    return {f"{view.depth}_{view.name}": _spark_view(view) for view in carried_views("spark")}


def spark_text(text: str) -> str:
    return exp.Literal.string(text).sql("spark")


def _spark_view(view: View) -> str:
    columns = ",\n".join(f"  {c} COMMENT {spark_text(view.comments[c])}" for c in view.columns)
    body = view.query.sql("spark", pretty=True, comments=False)
    return (
        f"CREATE OR REPLACE VIEW {VIEW_SCHEMA}.{view.name} (\n{columns}\n)\n"
        f"COMMENT {spark_text(view.comments[''])}\nAS\n{body}"
    )


def _comments(statements: list[exp.Expr]) -> dict[str, str]:
    return {
        found.this.name if isinstance(found.this, exp.Column) else "": found.expression.name
        for found in statements
        if isinstance(found, exp.Comment)
    }


def _written(query: exp.Expr, dialect: str, naming: Naming) -> str:
    """The query with every name as the engine has it; raises for what sqlglot cannot carry over."""
    renamed = query.transform(partial(_renamed, dialect, naming))
    text = renamed.sql(
        dialect,
        pretty=True,
        comments=False,
        identify=True,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    # a join that finds nothing gives NULL there only when told so
    return f"{text}\nSETTINGS join_use_nulls = 1" if dialect == "clickhouse" else text


def _renamed(dialect: str, naming: Naming, node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Table) and node.db:
        # its columns may be called after the table, whatever that is called there
        alias = node.alias or node.name
        table = exp.to_table(naming(node.db, node.name), dialect=dialect)
        return exp.alias_(table, _folded(dialect, alias), table=True)
    if isinstance(node, exp.Identifier) and not node.args.get("quoted"):
        node.set("this", _folded(dialect, node.name))
    return node


def _folded(dialect: str, name: str) -> str:
    # dlt's names are upper case there, and quoted ones are taken as they stand
    return name.upper() if dialect == "snowflake" else name


def _mended(dialect: str, node: exp.Expr) -> exp.Expr:
    """The one place for what sqlglot carries over to other rows than those in DuckDB."""
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
    """Without the flag `g`: these replace every match anyhow, and take flags elsewhere, if any."""
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


def _clickhouse_utc_day(node: exp.Expr) -> str | None:
    # a Date begins in 1970, a Date32 in 1900
    instant = _utc_day(node)
    return None if instant is None else f"toDate32(toTimeZone({instant.sql()}, 'UTC'))"


def _clickhouse_monday(node: exp.Expr) -> str | None:
    # where weeks are counted from: the first Monday that a Date32 knows, not that of year 1
    return "toDate32('1900-01-01')" if node.this.name == "0001-01-01" else None


def _clickhouse_list(node: exp.Expr) -> str:
    value, separator = _sorted_texts("clickhouse", node)
    joined = f"arrayStringConcat(arraySort(groupUniqArray({value})), {separator})"
    return f"CASE WHEN COUNT({value}) > 0 THEN {joined} END"


Rule = tuple[type[exp.Expr], Callable[[exp.Expr], exp.Expr | str | None]]

_SPARK: tuple[Rule, ...] = (
    (exp.Cast, _spark_utc_day),
    (exp.DateDiff, _spark_difference),
    (exp.GroupConcat, _spark_list),
)
_RULES: dict[str, tuple[Rule, ...]] = {
    "spark": _SPARK,
    "databricks": _SPARK,
    "postgres": (
        (exp.DateDiff, _postgres_difference),
        (exp.GroupConcat, _postgres_list),
        (exp.Ordered, _postgres_order),
        (exp.Max, _postgres_max),
    ),
    "redshift": (
        (exp.GroupConcat, _redshift_list),
        (exp.NullSafeEQ, _redshift_same),
        (exp.RegexpReplace, _all_matches),
    ),
    "snowflake": ((exp.RegexpReplace, _all_matches),),
    "bigquery": (
        (exp.Cast, _bigquery_utc_day),
        (exp.DateDiff, _bigquery_difference),
        (exp.RegexpReplace, _all_matches),
    ),
    "clickhouse": (
        (exp.Cast, _clickhouse_utc_day),
        (exp.Cast, _clickhouse_monday),
        (exp.GroupConcat, _clickhouse_list),
        (exp.RegexpReplace, _all_matches),
    ),
}


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
