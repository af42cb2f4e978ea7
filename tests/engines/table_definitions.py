"""Prints the SQL with which dlt creates the raw tables in a warehouse, as JSON by table.

Run in an environment with the destination's packages: `python table_definitions.py bigquery`.
Nothing is sent: dlt's own client writes the SQL from what the source says of its tables.
"""

import json
import sys
from typing import Any

import dlt

from telnyx_jobs.schema import STORED
from telnyx_jobs.source.resource import empty_tables

pipeline = dlt.pipeline(
    "definitions", destination=sys.argv[1], dataset_name="telnyx_raw", pipelines_dir="pipelines"
)
pipeline.extract(empty_tables())
pipeline.normalize()
client: Any = pipeline.destination_client()
written = {
    table.name: client._get_table_update_sql(
        table.name, list(client.schema.get_table_columns(table.name).values()), False
    )
    for table in STORED
}
json.dump(written, sys.stdout)
