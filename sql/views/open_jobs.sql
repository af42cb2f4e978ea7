-- One row per job that is not finished.
create or replace view telnyx.open_jobs as

with

jobs as (
    select
        job_id,
        job_type,
        status,
        created_at,
        estimated_completion_at,
        is_overdue,
        pending_count
    from telnyx.jobs
    where is_open
),

final as (
    select
        job_id,
        job_type,
        status,
        created_at,
        estimated_completion_at,
        is_overdue,
        pending_count,
        cast(date_diff('microsecond', created_at, current_timestamp) as double) / 1000000
            as age_seconds
    from jobs
)

select * from final;

comment on view telnyx.open_jobs is
'One row per job that is not finished, as the last sync saw it.';
comment on column telnyx.open_jobs.job_id is
'Id of the job, as Telnyx gives it.';
comment on column telnyx.open_jobs.job_type is
'What the job does, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.open_jobs.status is
'Status last seen: any word except completed, failed and expired. NULL when the API sent none.';
comment on column telnyx.open_jobs.created_at is
'When the job was created, UTC. NULL when the API sent none.';
comment on column telnyx.open_jobs.estimated_completion_at is
'When Telnyx expects the job to be complete, UTC. NULL when it gives no estimate.';
comment on column telnyx.open_jobs.is_overdue is
'True when the estimated completion has passed; false without an estimate.';
comment on column telnyx.open_jobs.pending_count is
'Pending operations. NULL when the API sent no list of them, 0 when an empty one.';
comment on column telnyx.open_jobs.age_seconds is
'Seconds from created_at to the moment of the query. NULL when created_at is.';
