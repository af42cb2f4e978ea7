"""The SQL files of `sql/`: where they are, what they hold, in which order views are created."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

from telnyx_jobs.schema import VIEW_SCHEMA


def sql_folder() -> Path:
    """`sql/` inside the installed package, else at the top of the checkout."""
    package = Path(__file__).parents[1]
    return package / "sql" if (package / "sql").is_dir() else package.parents[1] / "sql"


def view_statements() -> list[str]:
    """The text of each view's file, a view after those it reads."""
    texts = {
        path.stem: path.read_text(encoding="utf-8")
        for path in (sql_folder() / "views").glob("*.sql")
    }
    reads = {name: _views_read(text) - {name} for name, text in texts.items()}
    return [texts[name] for name in TopologicalSorter(reads).static_order()]


def data_test_texts() -> dict[str, str]:
    """The query of each data test by its name; a query that returns rows has found a fault."""
    paths = sorted((sql_folder() / "tests").glob("*.sql"))
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def _views_read(sql: str) -> set[str]:
    code = re.sub(r"--.*|'(?:[^']|'')*'", "", sql)
    return set(re.findall(rf"\b{VIEW_SCHEMA}\.(\w+)", code))
