"""The files that dlt writes for a destination are ones that it loads."""

from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.destination.utils import verify_supported_data_types

from support.syncs import api_of, job
from telnyx_jobs.api.client import Client
from telnyx_jobs.schema import JOBS
from telnyx_jobs.settings import Scope
from telnyx_jobs.source.counts import Counts
from telnyx_jobs.source.extraction import Extraction
from telnyx_jobs.source.loaded import NOTHING_LOADED
from telnyx_jobs.source.resource import package_of


@pytest.mark.parametrize("name", ["bigquery", "redshift", "snowflake"])
def test_dlt_loads_the_files_of_a_package(name: str, tmp_path: Path) -> None:
    """dlt's own check of types and formats, which it makes before it loads, finds nothing."""
    pipeline = dlt.pipeline("files", pipelines_dir=str(tmp_path), destination=name)
    with api_of([job(1, parameters={"a": 1})]) as api, Client(api.url, api.key) as client:
        pipeline.extract(package_of(Extraction(client, NOTHING_LOADED, Scope(), Counts())))
    (load_id,) = pipeline.normalize().loads_ids
    package = pipeline.get_load_package_info(load_id)
    files = [each.job_file_info for each in package.jobs["new_jobs"]]
    assert JOBS.name in {each.table_name for each in files}
    assert pipeline.destination
    tables: Any = pipeline.default_schema.data_tables()
    capabilities = pipeline.destination.capabilities()
    assert not verify_supported_data_types(tables, files, capabilities, name)
