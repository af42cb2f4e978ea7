"""Telnyx phone-number jobs, exact in DuckDB: a dlt source, its SQL views and a command line.

In your own pipeline:

    from telnyx_jobs import create_views, telnyx_jobs

    pipeline = dlt.pipeline("mine", destination="duckdb", dataset_name="my_data")
    pipeline.run(telnyx_jobs())
    create_views(pipeline)

Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from telnyx_jobs.version import __version__

if TYPE_CHECKING:
    import dlt
    from dlt.extract import DltSource

__all__ = ["__version__", "create_views", "telnyx_jobs"]


def telnyx_jobs(
    api_key: str | None = None,
    base_url: str | None = None,
    full: bool | None = None,
    since: datetime | None = None,
    job_types: Sequence[str] | None = None,
    page_size: int | None = None,
    max_requests: int | None = None,
    same_account: bool | None = None,
) -> "DltSource":
    """The jobs of one Telnyx account, as a dlt source for any SQL destination.

    What is not given comes from dlt's configuration, as `SOURCES__TELNYX__API_KEY` or `api_key`
    under `[sources.telnyx]` in `.dlt/secrets.toml`, else from a default.

    Args:
        api_key: The key of the account.
        base_url: Address of the API, `https://api.telnyx.com/v2`.
        full: Read every page, not only new ones, and mark jobs that the API no longer returns.
        since: Read no jobs created before this time (UTC if it has no zone).
        job_types: Only jobs of these types.
        page_size: Jobs per list page, 250 at most.
        max_requests: Stop after this many requests; the next run continues from there.
        same_account: Load although the API no longer returns any of the loaded jobs.

    Raises, when the pipeline runs: TelnyxJobsError as the cause of dlt's PipelineStepFailed.

    Source: https://developers.telnyx.com/api-reference/bulk-phone-number-operations
    """
    given = {name: value for name, value in locals().items() if value is not None}
    # dlt takes a second to import, so this module does without it
    from telnyx_jobs.source import resource

    return resource.telnyx_jobs(**given)


def create_views(pipeline: "dlt.Pipeline", schema: str = "telnyx") -> None:
    """Create the views on the dataset that the pipeline loads, in a schema of this name.

    Run it again after an upgrade; existing views are replaced.
    """
    from telnyx_jobs.views.create import create_views as create

    create(pipeline, schema)
