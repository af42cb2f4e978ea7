"""The destination that the settings name: no other module asks for it."""

from telnyx_jobs.destinations.base import Destination
from telnyx_jobs.progress import Report, nothing
from telnyx_jobs.settings import DUCKDB, Settings


def destination_for(settings: Settings, report: Report = nothing) -> Destination:
    """The DuckDB file, or a warehouse. Raises BadConfiguration."""
    if settings.destination == DUCKDB:
        from telnyx_jobs.destinations.duckdb_file import DuckDBFile

        return DuckDBFile(settings, report)
    from telnyx_jobs.destinations.warehouse import Warehouse

    return Warehouse(settings, report)
