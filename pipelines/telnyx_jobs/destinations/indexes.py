"""Indexes on the raw tables: in PostgreSQL only, since the other warehouses have none."""

from telnyx_jobs.destinations.connection import Connection
from telnyx_jobs.schema import JOBS, RAW_SCHEMA, TABLES


def create_missing_indexes(connection: Connection) -> None:
    """By the key of each table, and by the time of a job: in a database of any version."""
    if connection.name != "postgres":
        return
    found = connection.execute(
        "select indexname from pg_indexes where schemaname = %s", connection.schemas[RAW_SCHEMA]
    )
    present = {name for (name,) in found}
    indexed = [(table.name, table.key) for table in TABLES]
    for table, columns in [*indexed, (JOBS.name, ("created_at",))]:
        name = f"{table}_by_{'_'.join(columns)}"
        # `if not exists` alone would wait for whoever writes into the table
        if name not in present:
            connection.execute(
                f"create index {name} on {connection.named(RAW_SCHEMA, table)} "
                f"({', '.join(columns)})"
            )
