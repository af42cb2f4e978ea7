"""The destination that the settings name: no other module asks for it."""

from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.schema import RAW_SCHEMA, VIEW_SCHEMA
from telnyx_jobs.settings import DUCKDB, Settings


def destination_for(settings: Settings, report: Report = nothing) -> Destination:
    """The DuckDB file, or a warehouse. Raises BadConfiguration."""
    _check_schemas(settings)
    if settings.destination == DUCKDB:
        from telnyx_jobs.destinations.duckdb_file import DuckDBFile

        return DuckDBFile(settings, report)
    from telnyx_jobs.destinations.warehouse import Warehouse

    return Warehouse(settings, report)


def _check_schemas(settings: Settings) -> None:
    names = (settings.dataset, settings.views_schema)
    if settings.destination == DUCKDB and names != (RAW_SCHEMA, VIEW_SCHEMA):
        raise BadConfiguration(
            "--dataset and --views-schema are for warehouses, and the DuckDB file has "
            f"{RAW_SCHEMA} and {VIEW_SCHEMA}: give a --destination, or for another account "
            "another --database"
        )
    if settings.dataset == settings.views_schema:
        raise BadConfiguration(
            f"the tables are in {settings.dataset}: give the views another --views-schema"
        )
