"""The queries of the READMEs and the data dictionary, on a file that a real sync has made."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.syncs import api_of, rows, sync_once
from telnyx_jobs.demo_api import Account

ROOT = Path(__file__).parents[2]


def queries() -> list[tuple[str, str]]:
    """Return the SQL blocks of the READMEs, each with the file and line it begins in."""
    blocks = []
    for name in ("README.md", "sql/README.md"):
        text = (ROOT / name).read_text()
        for block in re.finditer(r"^```sql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start(1)) + 1
            blocks.append((f"{name}:{line}", block[1]))
    return blocks


QUERIES = queries()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sync the demo account, as it is at one moment, into a file."""
    database = tmp_path_factory.mktemp("demo") / "telnyx_jobs.duckdb"
    with api_of(Account().jobs(datetime(2026, 6, 1, 12, tzinfo=UTC))) as api:
        sync_once(api, database)
    return database


def test_questions_have_queries() -> None:
    """sql/README.md has an example for each view that answers a question of its own."""
    text = "\n".join(query for _, query in QUERIES)
    asked = set(re.findall(r"telnyx\.(\w+)", text))

    every = {path.stem for path in (ROOT / "sql" / "views").glob("*.sql")}
    # what was asked for stands in the other views, and the finer rates differ in the key alone
    assert every - asked == {
        "failure_rates_by_error_code_and_pointer",
        "failure_rates_by_pointer",
        "job_phone_numbers",
    }


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[at for at, _ in QUERIES])
def test_query_of_a_readme_answers(demo: Path, query: str) -> None:
    """Each query runs on a synced file as it stands, and gives at least one row."""
    assert rows(demo, query)


@pytest.mark.parametrize("name", ["README.md", "sql/README.md"])
def test_readme_lists_every_view(name: str) -> None:
    """The table of views names each view once, and nothing else."""
    text = (ROOT / name).read_text()
    table = text[text.index("| view |") :].split("\n\n")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)

    assert sorted(listed) == sorted(path.stem for path in (ROOT / "sql" / "views").glob("*.sql"))


def test_dictionary_describes_the_whole_file(demo: Path) -> None:
    """After a sync every column of both schemas, but the loader's own, is listed and described."""
    columns = rows(
        demo,
        """
        select schema_name || '.' || table_name, column_name, data_type
        from duckdb_columns()
        where
            schema_name in ('telnyx', 'telnyx_raw')
            and not starts_with(table_name, '_dlt')
            and not starts_with(column_name, '_dlt')
        """,
    )
    described = rows(
        demo,
        """
        select relation, column_name, data_type
        from telnyx.data_dictionary
        where length(description) > 0 and column_name is not null
        """,
    )

    assert sorted(described) == sorted(columns)
    relations = rows(
        demo,
        "select relation from telnyx.data_dictionary "
        "where column_name is null and length(description) > 0",
    )
    assert {relation for (relation,) in relations} == {relation for relation, *_ in columns}


def test_no_schema_but_these_is_published(demo: Path) -> None:
    """The file holds no schema that the dictionary leaves out."""
    schemas = rows(demo, "select schema_name from duckdb_schemas() where not internal order by 1")

    assert [name for (name,) in schemas if name != "main"] == ["telnyx", "telnyx_raw"]
