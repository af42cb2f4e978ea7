"""dlt's own `rest_api` source into DuckDB: `dlt_rest_api.py BASE_URL DATABASE FORMAT`.

FORMAT is `parquet`, or `default` for dlt's default (insert statements). The four tables are views
over the tables that dlt makes of nested JSON. Positions are dlt's list index. Left out: an absent
array and an empty one look the same.
"""

import os
import sys
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
import duckdb
from dlt.sources.rest_api import rest_api_source

VIEWS = """
create schema bench;
create view bench.jobs as
    select id, record_type, type, status, etc, created_at, updated_at from raw.jobs;
create view bench.job_phone_numbers as
    select jobs.id as job_id, child._dlt_list_idx as position,
        child.id as phone_number_id, child.phone_number
    from raw.jobs__phone_numbers as child join raw.jobs on jobs._dlt_id = child._dlt_parent_id;
create view bench.job_operations as
    select jobs.id as job_id, 'successful' as outcome, child._dlt_list_idx as position,
        child.id as phone_number_id, child.phone_number
    from raw.jobs__successful_operations as child
    join raw.jobs on jobs._dlt_id = child._dlt_parent_id
    union all
    select jobs.id, 'failed', child._dlt_list_idx, child.id, child.phone_number
    from raw.jobs__failed_operations as child
    join raw.jobs on jobs._dlt_id = child._dlt_parent_id;
create view bench.job_operation_errors as
    select jobs.id as job_id, operation._dlt_list_idx as operation_position,
        child._dlt_list_idx as position, child.code, child.title, child.detail,
        child.source__pointer as source_pointer, child.meta__url as meta_url
    from raw.jobs__failed_operations__errors as child
    join raw.jobs__failed_operations as operation on operation._dlt_id = child._dlt_parent_id
    join raw.jobs on jobs._dlt_id = operation._dlt_parent_id;
"""


def main(base_url: str, database: Path, file_format: str) -> None:
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{base_url}/",
                "auth": {"type": "bearer", "token": "KEYbench"},
                "paginator": {
                    "type": "page_number",
                    "base_page": 1,
                    "page_param": "page[number]",
                    "total_path": "meta.total_pages",
                },
            },
            "resources": [
                {
                    "name": "jobs",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "phone_numbers/jobs",
                        "params": {"page[size]": 250},
                        "data_selector": "data",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(database.parent / "dlt"),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="raw",
    )
    if file_format == "parquet":
        pipeline.run(source, loader_file_format="parquet")
    else:
        pipeline.run(source)
    with duckdb.connect(str(database)) as connection:
        connection.execute(VIEWS)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
