"""Running dlt inside a sync: its working folder, its errors, its log."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from telnyx_jobs.errors import TelnyxJobsError, causes_of
from telnyx_jobs.schema import RAW_SCHEMA
from telnyx_jobs.source.dlt_log import without_log

PIPELINE_NAME = "telnyx_jobs"


def pipeline_into(destination: Any, work: Path, dataset: str = RAW_SCHEMA) -> Any:
    """A pipeline with its working folder in `work`; what it must know is in the destination."""
    import dlt

    return dlt.pipeline(
        PIPELINE_NAME,
        pipelines_dir=str(work / "dlt"),
        destination=destination,
        dataset_name=dataset,
    )


@contextmanager
def failures_raised() -> Iterator[None]:
    """Raises what made dlt's step fail, and stops dlt from logging it too."""
    from dlt.pipeline.exceptions import PipelineStepFailed

    try:
        with without_log("retried in load", "was not fully loaded", with_exceptions=False):
            yield
    except PipelineStepFailed as failed:
        causes = causes_of(failed)
        ours = (each for each in causes if isinstance(each, TelnyxJobsError))
        raise next(ours, causes[-1]) from failed
