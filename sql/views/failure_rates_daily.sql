-- One row per UTC day, job type, error code and pointer pattern.
create or replace view telnyx.failure_rates_daily as

with

jobs as (
    select
        job_id,
        job_type,
        settled_count,
        -- the day in UTC, whatever the time zone of the session
        cast(updated_at at time zone 'UTC' as date) as day
    from telnyx.jobs
),

failed_operations as (
    select
        job_id,
        position
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

errors as (
    select
        errors.job_id,
        errors.operation_position,
        errors.code as error_code,
        pointers.error_pointer_pattern
    from telnyx_raw.job_operation_errors as errors
    left join telnyx.error_pointers as pointers on errors.source_pointer = pointers.error_pointer
),

settled as (
    select
        day,
        job_type,
        cast(sum(settled_count) as bigint) as settled_operation_count
    from jobs
    group by day, job_type
),

-- Distinct: an operation counts once per code and pattern, however many errors it carries.
error_kinds as (
    select distinct
        job_id,
        operation_position,
        error_code,
        error_pointer_pattern
    from errors
),

-- Left join: a failed operation without any error keeps a row.
failures as (
    select
        failed_operations.job_id,
        failed_operations.position,
        jobs.day,
        jobs.job_type,
        error_kinds.error_code,
        error_kinds.error_pointer_pattern
    from failed_operations
    left join jobs on failed_operations.job_id = jobs.job_id
    left join error_kinds
        on
            failed_operations.job_id = error_kinds.job_id
            and failed_operations.position = error_kinds.operation_position
),

counted as (
    select
        day,
        job_type,
        error_code,
        error_pointer_pattern,
        count(*) as failed_operation_count
    from failures
    group by day, job_type, error_code, error_pointer_pattern
),

rated as (
    select
        counted.day,
        counted.job_type,
        counted.error_code,
        counted.error_pointer_pattern,
        counted.failed_operation_count,
        settled.settled_operation_count,
        cast(counted.failed_operation_count as double)
        / nullif(settled.settled_operation_count, 0) as failure_rate,
        -- 3.84… is the square of 1.96, the normal distribution's quantile for 95 %
        3.841458820694124
        / nullif(cast(settled.settled_operation_count as double), 0) as wilson_weight
    from counted
    inner join settled
        on
            -- a job may lack its time or its type
            counted.day is not distinct from settled.day
            and counted.job_type is not distinct from settled.job_type
),

final as (
    select
        day,
        job_type,
        error_code,
        error_pointer_pattern,
        failed_operation_count,
        settled_operation_count,
        failure_rate,
        -- Wilson score interval at 95 %, in the form where nothing cancels: no failure gives a low
        -- bound of 0 exactly, no success a high bound of 1
        2 * failure_rate * failure_rate
        / (
            2 * failure_rate
            + wilson_weight
            + sqrt(wilson_weight * (wilson_weight + 4 * failure_rate * (1 - failure_rate)))
        ) as failure_rate_low,
        1 - 2 * (1 - failure_rate) * (1 - failure_rate)
        / (
            2 * (1 - failure_rate)
            + wilson_weight
            + sqrt(wilson_weight * (wilson_weight + 4 * failure_rate * (1 - failure_rate)))
        ) as failure_rate_high
    from rated
)

select * from final;

comment on view telnyx.failure_rates_daily is
'One row per UTC day, job type, error code and pointer pattern that failed. No failure, no row.';
comment on column telnyx.failure_rates_daily.day is
'UTC day on which Telnyx last changed the job. NULL when the job has no updated_at.';
comment on column telnyx.failure_rates_daily.job_type is
'What the job does, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.failure_rates_daily.error_code is
'Code of the error; text. NULL: failed without any error, or with one that has no code.';
comment on column telnyx.failure_rates_daily.error_pointer_pattern is
'Pointer with array indexes as *. NULL: failed without any error, or one without a pointer.';
comment on column telnyx.failure_rates_daily.failed_operation_count is
'Failed operations of the row; each counts once, however many such errors it carries.';
comment on column telnyx.failure_rates_daily.settled_operation_count is
'Successful and failed operations of that day and job type: the same in all of their rows.';
comment on column telnyx.failure_rates_daily.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. Rates of rows may overlap.';
comment on column telnyx.failure_rates_daily.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_daily.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
