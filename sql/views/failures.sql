-- One row per failed operation and kind of error: code and pointer pattern.
create or replace view telnyx.failures as

with

jobs as (
    select
        id as job_id,
        type as job_type,
        updated_at as failed_at
    from telnyx_raw.jobs
),

failed_operations as (
    select
        job_id,
        position as operation_position,
        phone_number_id,
        phone_number
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

-- Distinct: an operation counts once per code and pattern, however many errors it carries.
error_kinds as (
    select distinct
        errors.job_id,
        errors.operation_position,
        errors.code as error_code,
        pointers.error_pointer_pattern
    from telnyx_raw.job_operation_errors as errors
    left join telnyx.error_pointers as pointers on errors.source_pointer = pointers.error_pointer
),

-- Left join: a failed operation without any error keeps a row.
final as (
    select
        failed_operations.job_id,
        failed_operations.operation_position,
        failed_operations.phone_number_id,
        failed_operations.phone_number,
        jobs.job_type,
        jobs.failed_at,
        error_kinds.error_code,
        error_kinds.error_pointer_pattern
    from failed_operations
    left join jobs on failed_operations.job_id = jobs.job_id
    left join error_kinds
        on
            failed_operations.job_id = error_kinds.job_id
            and failed_operations.operation_position = error_kinds.operation_position
)

select * from final;

comment on view telnyx.failures is
'One row per failed operation and kind of error (code and pointer pattern). An operation that failed
without any error has one row. Count operations with distinct (job_id, operation_position).';
comment on column telnyx.failures.job_id is
'Id of the job.';
comment on column telnyx.failures.operation_position is
'Place of the operation among the failed ones of its job, from 0.';
comment on column telnyx.failures.phone_number_id is
'Id of the phone number that failed. NULL when the API sent none.';
comment on column telnyx.failures.phone_number is
'Phone number that failed, in E.164. NULL when the API sent none.';
comment on column telnyx.failures.job_type is
'What the job does, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.failures.failed_at is
'When Telnyx last changed the job, UTC: the time of the failure, too. NULL when not sent.';
comment on column telnyx.failures.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.failures.error_pointer_pattern is
'Pointer with array indexes as *. NULL: failed without any error, or one without a pointer.';
