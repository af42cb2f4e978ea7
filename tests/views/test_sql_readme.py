"""The queries of the READMEs and the data dictionary, on a file that a real sync has made."""

import re
import shutil
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from statistics import variance

import duckdb
import pytest

from support.syncs import api_of, rows, sync_once
from telnyx_jobs.demo_api import Account

ROOT = Path(__file__).parents[2]
FLAGS = re.DOTALL | re.MULTILINE


def queries() -> list[tuple[str, str]]:
    """Return the queries of the READMEs, each with the file and line it begins in.

    A block is one query, or several that begin with a numbered question.
    """
    found = []
    for name in ("README.md", "sql/README.md"):
        text = (ROOT / name).read_text()
        for block in re.finditer(r"^```sql\n(.*?)^```$", text, FLAGS):
            for query in re.finditer(r"(?:^-- \d+\. )?.+?(?=^-- \d+\. |\Z)", block[1], FLAGS):
                line = text.count("\n", 0, block.start(1) + query.start()) + 1
                found.append((f"{name}:{line}", query[0]))
    return found


QUERIES = queries()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sync the demo account, as it is at one moment, into a file."""
    database = tmp_path_factory.mktemp("demo") / "telnyx_jobs.duckdb"
    with api_of(Account().jobs(datetime(2026, 6, 1, 12, tzinfo=UTC))) as api:
        sync_once(api, database)
    return database


def test_questions_have_queries() -> None:
    """sql/README.md has a query for every view."""
    asked = set(re.findall(r"telnyx\.(\w+)", "\n".join(query for _, query in QUERIES)))

    assert {path.stem for path in (ROOT / "sql" / "views").glob("*.sql")} - asked == set()


def test_28_questions_have_short_queries() -> None:
    """Each question of the table has a query of six lines at most, of the views that it names."""
    text = (ROOT / "sql/README.md").read_text()
    table = re.findall(r"^\| (\d+) \| (.+\?) \| (.+) \|$", text, re.MULTILINE)
    asked = [
        (question[1], question[2], query.strip())
        for _, query in QUERIES
        if (question := re.match(r"-- (\d+)\. (.+\?)\n", query))
    ]

    assert [int(number) for number, _, _ in asked] == [*range(1, 29)]
    assert [
        (number, question, set(re.findall(r"\w+", views))) for number, question, views in table
    ] == [
        (number, question, set(re.findall(r"telnyx\.(\w+)(?!\w*\()", query)))
        for number, question, query in asked
    ]
    assert [number for number, _, query in asked if query.count("\n") > 6] == []


def recipe(heading: str, language: str = "sql") -> str:
    """Return the query below a heading of sql/README.md."""
    text = (ROOT / "sql/README.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", text[text.index(f"### {heading}") :], re.DOTALL)
    assert found
    return found[1]


def test_significance_is_that_of_a_ratio_over_jobs(demo: Path) -> None:
    """The rates and z of the change are those of the textbook's ratio estimator in Python."""
    sides: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
    sql = "select updated_at, coalesce(failed_count, 0), settled_count from telnyx.jobs"
    for updated_at, failed, settled in rows(demo, f"{sql} where settled_count > 0"):
        sides[updated_at >= datetime(2026, 5, 1, tzinfo=UTC)].append((failed, settled))

    def estimate(jobs: list[tuple[int, int]]) -> tuple[float, float]:
        share = sum(failed for failed, _ in jobs) / sum(settled for _, settled in jobs)
        mean = sum(settled for _, settled in jobs) / len(jobs)
        spread = variance([failed - share * settled for failed, settled in jobs])
        return share, spread / (len(jobs) * mean**2)

    (before, variance_before), (after, variance_after) = map(estimate, sides.values())
    z = (after - before) / sqrt(variance_before + variance_after)
    (found,) = rows(demo, recipe("Did a change help?"))
    assert found == pytest.approx((before, after, z), rel=1e-9)


def test_several_files_are_read_under_any_alias(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe runs on two files, and every view gives under an alias what it gives at home."""
    for name in ("customer_a", "customer_b"):
        shutil.copy(demo, tmp_path / f"{name}.duckdb")
    monkeypatch.chdir(tmp_path)
    views = sorted(path.stem for path in (ROOT / "sql" / "views").glob("*.sql"))
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        accounts = con.execute(recipe("Several files", "sql attach")).fetchall()
        for view in set(views) - {"jobs", "open_jobs"}:
            sql = f"select * from customer_b.telnyx.{view} order by all"
            here = f"select * from telnyx.{view} order by all"
            assert con.execute(sql).fetchall() == rows(demo, here), view
        (count,) = con.execute("select count(*) from customer_a.telnyx.jobs").fetchall()
    assert {account for account, *_ in accounts} == {"a", "b"}
    assert [count] == rows(demo, "select count(*) from telnyx.jobs")


def test_a_process_reads_a_replaced_file_once_all_its_connections_closed(tmp_path: Path) -> None:
    """A connection made while another one is open still reads the file that was replaced."""
    path, newer = tmp_path / "jobs.duckdb", tmp_path / "newer" / "jobs.duckdb"
    newer.parent.mkdir()
    for file, number in ((path, 1), (newer, 2)):
        with duckdb.connect(file) as con:
            con.execute(f"create table files as select {number} as number")

    def read(con: duckdb.DuckDBPyConnection) -> int:
        ((found,),) = con.execute("select number from files").fetchall()
        return int(found)

    with duckdb.connect(path, read_only=True) as first:
        newer.replace(path)
        with duckdb.connect(path, read_only=True) as second:
            assert (read(first), read(second)) == (1, 1)
    with duckdb.connect(path, read_only=True) as third:
        assert read(third) == 2


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
