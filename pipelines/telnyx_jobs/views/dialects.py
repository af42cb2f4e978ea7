"""The views and data tests in the SQL of other engines, translated by sqlglot and a few rules.

The files of `sql/` are DuckDB's SQL, with macros that other engines get expanded.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import sqlglot
from sqlglot import exp

from telnyx_jobs.quoting import identifier, literal
from telnyx_jobs.schema import RAW_SCHEMA, TABLES, VIEW_SCHEMA, Table
from telnyx_jobs.views.files import data_test_texts, macro_texts, sql_folder, view_texts
from telnyx_jobs.views.rules import rewritten

Naming = Callable[[str, str], str]
"""Gives for schema and name of a table or view what an engine calls it, in that engine's SQL."""
Macros = Mapping[str, tuple[list[str], exp.Expr]]
"""By name the parameters and the body of each macro."""

_OWN_CATALOGUE = "data_dictionary"
"""The view that reads the catalogue of DuckDB: another engine needs another text."""
COMMENTING = ("duckdb", "postgres", "redshift")
"""Dialects with `comment on` for views and their columns."""


@dataclass(frozen=True)
class View:
    """One view of `sql/views`. `comments` is by column, that of the view itself under ''."""

    name: str
    depth: int
    """How many views deep it reads, from 1."""
    query: exp.Expr
    comments: dict[str, str]

    @property
    def columns(self) -> list[str]:
        final = next(cte for cte in self.query.find_all(exp.CTE) if cte.alias == "final")
        return list(final.this.named_selects)


def carried_views(dialect: str, tables: Collection[Table] = TABLES) -> list[View]:
    """The views on these tables with their queries in this dialect, each after those it reads."""
    macros = _macros()
    parsed = {name: _parsed(name, dialect) for name in view_texts()}
    known = {table.name for table in tables}
    views: dict[str, View] = {}

    def add(name: str) -> bool:
        """Whether the view can be, as all that it reads can."""
        if name in views or (found := parsed[name]) is None:
            return name in views
        create, *comments = found
        read = {(t.db, t.name) for t in create.expression.find_all(exp.Table)}
        raw = {table for schema, table in read if schema == RAW_SCHEMA}
        below = [view for schema, view in read if schema == VIEW_SCHEMA]
        if not (raw <= known and all(add(view) for view in below)):
            return False
        query = _expanded(macros, create.expression)
        views[name] = View(
            name,
            1 + max((views[each].depth for each in below), default=0),
            query if name == _OWN_CATALOGUE else query.transform(partial(rewritten, dialect)),
            _comments(comments),
        )
        return True

    for name in parsed:
        add(name)
    return sorted(views.values(), key=lambda view: (view.depth, view.name))


def create_statements(
    dialect: str,
    naming: Naming,
    tables: Collection[Table] = TABLES,
    schemas: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """By view, in order of creation, the statements that create it with its comments.

    `schemas` are other names for the two schemas, for the view that lists what is in them.
    """
    statements = {}
    for view in carried_views(dialect, tables):
        target = naming(VIEW_SCHEMA, view.name)
        query = _written(_of_schemas(view, schemas or {}), dialect, naming)
        head = ""
        if dialect == "databricks":
            listed = ", ".join(
                f"`{c}` comment {spark_text(view.comments[c])}" for c in view.columns
            )
            head = f" ({listed}) comment {spark_text(view.comments[''])}"
        created = f"create or replace view {target}{head} as\n{query}"
        statements[view.name] = [created]
        if dialect in COMMENTING:
            statements[view.name] += comment_statements("view", target, view.comments)
    return statements


def translated(text: str, dialect: str) -> str:
    """An expression or a query in DuckDB's SQL, in this dialect."""
    parsed = sqlglot.parse_one(text, read="duckdb")
    return parsed.transform(partial(rewritten, dialect)).sql(dialect)


def comment_statements(kind: str, target: str, comments: dict[str, str]) -> list[str]:
    """`comment on` for a table or view and its columns; their names are quoted."""
    return [
        f"comment on column {target}.{identifier(column)} is {literal(comment)}"
        if column
        else f"comment on {kind} {target} is {literal(comment)}"
        for column, comment in comments.items()
    ]


def data_tests(dialect: str, naming: Naming) -> Iterator[tuple[str, str]]:
    """Name and query of each data test of `sql/tests`."""
    macros = _macros()
    for name, text in data_test_texts().items():
        query = _expanded(macros, sqlglot.parse_one(text, read="duckdb"))
        yield name, _written(query.transform(partial(rewritten, dialect)), dialect, naming)


def spark_views() -> dict[str, str]:
    """The script of each view for Spark, by the name of its file, in order of creation.

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
        f"COMMENT {spark_text(view.comments[''])}\nAS\n{body};\n"
    )


def _parsed(name: str, dialect: str) -> list[exp.Expr] | None:
    """The statements of a view's file; None if the dialect has no such view."""
    text, read = view_texts()[name], "duckdb"
    if name == _OWN_CATALOGUE and dialect != "duckdb":
        own = sql_folder() / dialect / f"{name}.sql"
        if not own.exists():
            return None
        text, read = own.read_text(encoding="utf-8"), dialect
    return [found for found in sqlglot.parse(text, read=read) if found]


def _of_schemas(view: View, schemas: Mapping[str, str]) -> exp.Expr:
    """The query; the list of what is in the two schemas with their other names."""
    if view.name != _OWN_CATALOGUE:
        return view.query

    def renamed(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Literal) and node.is_string:
            return exp.Literal.string(schemas.get(node.name, node.name))
        return node

    return view.query.transform(renamed)


def _macros() -> Macros:
    macros = {}
    for name, text in macro_texts().items():
        create = sqlglot.parse_one(text, read="duckdb")
        macros[name] = [each.name for each in create.this.expressions], create.expression
    return macros


def _expanded(macros: Macros, query: exp.Expr) -> exp.Expr:
    """The query with every macro expanded."""

    def expanded(node: exp.Expr) -> exp.Expr:
        if not (isinstance(node, exp.Dot) and node.this.name == VIEW_SCHEMA):
            return node
        parameters, body = macros[node.expression.name]
        given = dict(zip(parameters, node.expression.expressions, strict=True))

        def filled(column: exp.Expr) -> exp.Expr:
            if not (isinstance(column, exp.Column) and column.name in given):
                return column
            value = given[column.name].copy()
            return value if isinstance(value, exp.Column) else exp.paren(value)

        return body.transform(filled).transform(expanded)

    return query.transform(expanded)


def _comments(statements: list[exp.Expr]) -> dict[str, str]:
    return {
        found.this.name if isinstance(found.this, exp.Column) else "": found.expression.name
        for found in statements
        if isinstance(found, exp.Comment)
    }


def _written(query: exp.Expr, dialect: str, naming: Naming) -> str:
    """The query with every name as the engine has it; raises if sqlglot cannot translate it."""
    renamed = query.transform(partial(_renamed, dialect, naming))
    text = renamed.sql(
        dialect,
        pretty=True,
        comments=False,
        identify=True,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    # without this setting a join that finds nothing does not return NULL there
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
