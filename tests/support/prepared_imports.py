"""What a sync imports; imported once, before the processes of tests are forked."""

from importlib import import_module

from telnyx_jobs.settings import prepare_dlt

prepare_dlt()
for name in [
    *("telnyx_jobs.cli.commands", "telnyx_jobs.source.resource", "telnyx_jobs.run.sync"),
    # what these import at their first use
    *(
        "dlt.common.libs.pyarrow",
        "dlt.destinations.impl.duckdb.duck",
        "dlt.sources.helpers.requests",
    ),
    *("httpcore", "pyarrow.compute", "pyarrow.parquet", "pydantic.type_adapter"),
]:
    import_module(name)
