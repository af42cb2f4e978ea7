-- One row per operation: what happened to one phone number in one job.
create or replace view telnyx.job_operations as

with

operations as (
    select
        job_id,
        outcome,
        position,
        phone_number_id,
        phone_number
    from telnyx_raw.job_operations
),

jobs as (
    select
        id as job_id,
        type as job_type,
        status as job_status,
        created_at as job_created_at,
        updated_at as job_updated_at
    from telnyx_raw.jobs
),

error_counts as (
    select
        job_id,
        -- only failed operations carry errors, so the outcome can be part of the join's key
        'failed' as outcome,
        operation_position as position,
        count(*) as error_count
    from telnyx_raw.job_operation_errors
    group by job_id, operation_position
),

final as (
    select
        operations.job_id,
        operations.outcome,
        operations.position,
        operations.phone_number_id,
        operations.phone_number,
        jobs.job_type,
        jobs.job_status,
        jobs.job_created_at,
        jobs.job_updated_at,
        coalesce(error_counts.error_count, 0) as error_count
    from operations
    left join jobs on operations.job_id = jobs.job_id
    left join error_counts
        on
            operations.job_id = error_counts.job_id
            and operations.outcome = error_counts.outcome
            and operations.position = error_counts.position
)

select * from final;

comment on view telnyx.job_operations is
'One row per operation: what happened to one phone number in one job.';
comment on column telnyx.job_operations.job_id is
'Id of the job.';
comment on column telnyx.job_operations.outcome is
'successful, pending or failed: the list of the job that has the operation.';
comment on column telnyx.job_operations.position is
'Place within that list, from 0, in the order of the API.';
comment on column telnyx.job_operations.phone_number_id is
'Id of the phone number. NULL when the API sent none.';
comment on column telnyx.job_operations.phone_number is
'Phone number in E.164. NULL when the API sent none.';
comment on column telnyx.job_operations.job_type is
'What the job does, in the words of Telnyx.';
comment on column telnyx.job_operations.job_status is
'Status of the job, last seen.';
comment on column telnyx.job_operations.job_created_at is
'When the job was created, UTC.';
comment on column telnyx.job_operations.job_updated_at is
'When Telnyx last changed the job, UTC: the time of the operation, too.';
comment on column telnyx.job_operations.error_count is
'Errors of the operation. 0 when it carries none, and 0 for operations that did not fail.';
