"""Environments of their own below .cache, for engines whose packages would not agree with ours."""

import subprocess
from pathlib import Path

from support.scheduled import python_with
from support.syncs import ROOT, environment

_REQUIREMENTS = {
    "duckdb-delta": [
        "duckdb==1.5.5",
        "duckdb-extension-delta==1.5.5",
        "duckdb-extension-httpfs==1.5.5",
    ],
    "chdb": ["chdb==4.4.0", "chdb-core==26.9.0", "pyarrow"],
    # this package with what it needs for warehouses, and ClickHouse itself
    "destinations": [
        *("--editable", f"{ROOT}[bigquery,clickhouse,redshift,snowflake]"),
        *("chdb==4.4.0", "chdb-core==26.9.0"),
        # of fakesnow's server
        "snowflake-connector-python<5",
    ],
    # its server imports what later connectors no longer have
    "fakesnow": ["fakesnow[server]==0.12.1", "snowflake-connector-python<5"],
    "bqemulator": [
        *("bqemulator==1.4.0", "google-cloud-bigquery==3.47.0", "numpy"),
        # for that DuckDB the extension it needs is on PyPI
        *("duckdb==1.5.5", "duckdb-extension-spatial==1.5.5"),
    ],
    "dbt": ["dbt-core==1.11.16", "dbt-duckdb==1.10.1", "duckdb==1.5.5"],
    "sail": ["pysail==0.7.2", "pyspark-client==4.2.0", "pandas<3", "pyarrow"],
}


def python_of(name: str) -> Path:
    """The Python of an environment, installed on first use and kept."""
    return python_with(f"engine-{name}", *_REQUIREMENTS[name]) / "python"


def in_environment(folder: Path, *arguments: str, **environ: str) -> str:
    """What a script prints in the environment that has the packages of all destinations."""
    done = subprocess.run(
        [str(python_of("destinations")), *arguments],
        cwd=folder,
        env=environment(folder) | environ,
        capture_output=True,
        text=True,
        # an emulator of BigQuery needs minutes on a busy machine
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
