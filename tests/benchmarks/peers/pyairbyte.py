"""PyAirbyte with a declarative manifest of the list: `pyairbyte.py BASE_URL DATABASE`.

PyAirbyte stores each job's arrays as JSON in one row; SQL statements make the tables of it.
Left out: nothing of the four tables.
"""

import os
import sys
from pathlib import Path

os.environ |= {"DO_NOT_TRACK": "1", "AIRBYTE_OFFLINE_MODE": "1", "AIRBYTE_NO_UPDATE_CHECK": "1"}

# in an environment of its own
import airbyte  # type: ignore[import-not-found]
from airbyte.caches import DuckDBCache  # type: ignore[import-not-found]

ARRAYS = (
    "phone_numbers",
    "successful_operations",
    "pending_operations",
    "failed_operations",
)
TEXTS = ("id", "record_type", "type", "status", "etc", "created_at", "updated_at")
FLATTEN = """
create schema bench;
create table bench.jobs as
    select id, record_type, type, status, etc, created_at, updated_at from raw.jobs;
create table bench.job_phone_numbers as
    select job_id, position, item ->> 'id' as phone_number_id,
        item ->> 'phone_number' as phone_number
    from (
        select id as job_id, unnest(items) as item,
            generate_subscripts(items, 1) - 1 as position
        from (select id, cast(phone_numbers as json[]) as items from raw.jobs)
    );
create table bench.job_operations as
    select job_id, outcome, position, item ->> 'id' as phone_number_id,
        item ->> 'phone_number' as phone_number
    from (
        select id as job_id, outcome, unnest(items) as item,
            generate_subscripts(items, 1) - 1 as position
        from (
            select id, 'successful' as outcome, cast(successful_operations as json[]) as items
            from raw.jobs
            union all
            select id, 'pending', cast(pending_operations as json[]) from raw.jobs
            union all
            select id, 'failed', cast(failed_operations as json[]) from raw.jobs
        )
    );
create table bench.job_operation_errors as
    select job_id, operation_position, position, item ->> 'code' as code,
        item ->> 'title' as title, item ->> 'detail' as detail,
        item ->> '$.source.pointer' as source_pointer,
        item ->> '$.source.parameter' as source_parameter, item ->> '$.meta.url' as meta_url
    from (
        select job_id, operation_position, unnest(errors) as item,
            generate_subscripts(errors, 1) - 1 as position
        from (
            select job_id, position as operation_position,
                cast(item -> 'errors' as json[]) as errors
            from (
                select id as job_id, unnest(items) as item,
                    generate_subscripts(items, 1) - 1 as position
                from (select id, cast(failed_operations as json[]) as items from raw.jobs)
            )
        )
    );
"""


def manifest(base_url: str) -> dict[str, object]:
    properties: dict[str, object] = {name: {"type": ["null", "string"]} for name in TEXTS}
    properties |= {name: {"type": ["null", "array"]} for name in ARRAYS}
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["jobs"]},
        "streams": [
            {
                "type": "DeclarativeStream",
                "name": "jobs",
                "primary_key": ["id"],
                "retriever": {
                    "type": "SimpleRetriever",
                    "requester": {
                        "type": "HttpRequester",
                        "url_base": base_url,
                        "path": "phone_numbers/jobs",
                        "http_method": "GET",
                        "authenticator": {"type": "BearerAuthenticator", "api_token": "KEYbench"},
                    },
                    "record_selector": {
                        "type": "RecordSelector",
                        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
                    },
                    "paginator": {
                        "type": "DefaultPaginator",
                        "page_token_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "page[number]",
                        },
                        "page_size_option": {
                            "type": "RequestOption",
                            "inject_into": "request_parameter",
                            "field_name": "page[size]",
                        },
                        "pagination_strategy": {
                            "type": "PageIncrement",
                            "start_from_page": 1,
                            "page_size": 250,
                            "inject_on_first_request": True,
                        },
                    },
                },
                "schema_loader": {
                    "type": "InlineSchemaLoader",
                    "schema": {
                        "type": "object",
                        "$schema": "http://json-schema.org/schema#",
                        "properties": properties,
                    },
                },
            }
        ],
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
    }


def main(base_url: str, database: Path) -> None:
    source = airbyte.get_source("source-telnyx", config={}, source_manifest=manifest(base_url))
    source.select_all_streams()
    cache = DuckDBCache(db_path=database, schema_name="raw")
    source.read(cache=cache)
    with cache.get_sql_engine().begin() as connection:
        for statement in FLATTEN.split(";")[:-1]:
            connection.exec_driver_sql(statement)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
