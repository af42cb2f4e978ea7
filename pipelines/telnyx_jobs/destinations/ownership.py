"""Whose a dataset and its views are: nothing of another account or pipeline is replaced."""

from telnyx_jobs.destinations.connection import Connection
from telnyx_jobs.destinations.dlt_run import PIPELINE_NAME
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.schema import RAW_SCHEMA, SYNC_RUNS, VIEW_SCHEMA


def refuse_other_pipelines(connection: Connection) -> None:
    """Raises BadConfiguration if the dataset is that of another dlt pipeline."""
    if not connection.has([connection.named(RAW_SCHEMA, "_dlt_pipeline_state")]):
        return
    ((other,),) = connection.query(
        f"select min(pipeline_name) from {RAW_SCHEMA}._dlt_pipeline_state where pipeline_name <> ?",
        [PIPELINE_NAME],
    )
    if other is not None:
        raise BadConfiguration(
            f"{connection.schemas[RAW_SCHEMA]} is the dataset of the dlt pipeline {other}: give "
            "another --dataset"
        )


def refuse_other_views(connection: Connection) -> None:
    """Raises BadConfiguration if the views of another dataset would be replaced."""
    name = SYNC_RUNS.name
    if not connection.has([connection.named(VIEW_SCHEMA, name)]):
        return
    others = connection.query(
        f"select run_id from {VIEW_SCHEMA}.{name} "
        f"where run_id not in (select run_id from {RAW_SCHEMA}.{name}) limit 1"
    )
    if others:
        raise BadConfiguration(
            f"the views in {connection.schemas[VIEW_SCHEMA]} are not those of "
            f"{connection.schemas[RAW_SCHEMA]}: give another --views-schema"
        )
