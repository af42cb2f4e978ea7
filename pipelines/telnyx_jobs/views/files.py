"""The SQL files of `sql/`: where they are, what they hold, in which order views are created."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

from telnyx_jobs.quoting import literal
from telnyx_jobs.schema import FINAL_STATUSES, VIEW_SCHEMA


def sql_folder() -> Path:
    """`sql/` inside the installed package, else at the top of the checkout."""
    package = Path(__file__).parents[1]
    return package / "sql" if (package / "sql").is_dir() else package.parents[1] / "sql"


def view_statements() -> list[str]:
    """The statements for the macros, then for the views with comments, each after those it uses."""
    return [*_ordered(macro_texts()).values(), *_ordered(view_texts()).values()]


def tested_statements() -> list[str]:
    """The same without comments, and without the views that no data test uses."""
    texts = _ordered(view_texts())
    used = set[str]().union(*map(_names_used, data_test_texts().values()))
    kept = []
    for name, text in reversed(texts.items()):
        if name in used:
            used |= _names_used(text)
            # comments take longer than views
            kept.append(text.split("\ncomment on ")[0])
    return [*_ordered(macro_texts()).values(), *reversed(kept)]


def macro_texts() -> dict[str, str]:
    """The statement of each macro by its name."""
    statuses = ", ".join(map(literal, FINAL_STATUSES))
    is_final = f"coalesce(status, '') in ({statuses})"
    return _texts("macros") | {
        "is_final": f"create or replace macro {VIEW_SCHEMA}.is_final(status) as ({is_final});"
    }


def view_texts() -> dict[str, str]:
    """The text of each view's file by its name."""
    return _texts("views")


def data_test_texts() -> dict[str, str]:
    """The query of each data test by its name; the rows that it returns are faults."""
    return _texts("tests")


def _texts(folder: str) -> dict[str, str]:
    paths = sorted((sql_folder() / folder).glob("*.sql"))
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def _ordered(texts: dict[str, str]) -> dict[str, str]:
    """Each after those it uses."""
    uses = {name: _names_used(text) & texts.keys() - {name} for name, text in texts.items()}
    return {name: texts[name] for name in TopologicalSorter(uses).static_order()}


def _names_used(sql: str) -> set[str]:
    code = re.sub(r"--.*|'(?:[^']|'')*'", "", sql)
    return set(re.findall(rf"\b{VIEW_SCHEMA}\.(\w+)", code))
