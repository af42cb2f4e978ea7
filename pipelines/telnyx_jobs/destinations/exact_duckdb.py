"""dlt's DuckDB destination, made to load from a folder of any name, and sooner.

dlt puts the path of a Parquet file into its SQL as it is. Here it is quoted, and a folder such as
`env=prod` is not taken for a column.
"""

from typing import Any

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import LoadJob
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob

from telnyx_jobs.quoting import literal


class _CopyJob(DuckDbCopyJob):
    def run(self) -> None:
        client = self._job_client.sql_client
        client.execute_sql(
            f"insert into {client.make_qualified_table_name(self.load_table_name)} by name "
            f"select * from read_parquet([{literal(self._file_path)}], union_by_name = true, "
            "hive_partitioning = false)"
        )


class _Client(DuckDbClient):
    def create_load_job(
        self, table: Any, file_path: str, load_id: str, restore: bool = False
    ) -> LoadJob:
        job = super().create_load_job(table, file_path, load_id, restore)
        is_parquet = type(job) is DuckDbCopyJob and file_path.endswith(".parquet")
        return _CopyJob(file_path) if is_parquet else job


def _capabilities(
    self: Any, config: Any = None, naming: Any = None
) -> DestinationCapabilitiesContext:
    """The same each time, unless a configuration is given; dlt asks 50 times in a load."""
    if config is not None:
        return duckdb.capabilities(self, config, naming)
    known = self.__dict__.setdefault("_known_capabilities", {})
    if type(naming) not in known:
        known[type(naming)] = duckdb.capabilities(self, None, naming)
    same: DestinationCapabilitiesContext = known[type(naming)].copy()
    return same


# under dlt's own name, which it keeps in the state and looks settings up by
exact_duckdb: Any = type(
    "duckdb",
    (duckdb,),
    {
        "client_class": _Client,
        "capabilities": _capabilities,
        "__module__": duckdb.__module__,
        "__qualname__": duckdb.__qualname__,
    },
)
