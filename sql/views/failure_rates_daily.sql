-- One row per UTC day, job type, error code and pointer pattern.
create or replace view telnyx.failure_rates_daily as

with

-- Days in UTC, whatever the time zone of the session.
jobs as (
    select
        job_type,
        settled_count,
        cast(updated_at at time zone 'UTC' as date) as day
    from telnyx.jobs
),

failures as (
    select
        job_type,
        error_code,
        error_pointer_pattern,
        cast(failed_at at time zone 'UTC' as date) as day
    from telnyx.failures
),

settled as (
    select
        day,
        job_type,
        cast(sum(settled_count) as bigint) as settled_operation_count
    from jobs
    group by day, job_type
),

failed as (
    select
        day,
        job_type,
        error_code,
        error_pointer_pattern,
        count(*) as failed_operation_count
    from failures
    group by day, job_type, error_code, error_pointer_pattern
),

counted as (
    select
        failed.day,
        failed.job_type,
        failed.error_code,
        failed.error_pointer_pattern,
        failed.failed_operation_count,
        settled.settled_operation_count
    from failed
    inner join settled
        on
            -- a job may lack its time or its type
            failed.day is not distinct from settled.day
            and failed.job_type is not distinct from settled.job_type
),

final as (
    select
        day,
        job_type,
        error_code,
        error_pointer_pattern,
        failed_operation_count,
        settled_operation_count,
        telnyx.rate(failed_operation_count, settled_operation_count) as failure_rate,
        telnyx.wilson_low(failed_operation_count, settled_operation_count) as failure_rate_low,
        telnyx.wilson_high(failed_operation_count, settled_operation_count) as failure_rate_high
    from counted
)

select * from final;

comment on view telnyx.failure_rates_daily is
'One row per UTC day, job type, error code and pointer pattern that failed. No failure, no row: so
neither the mean of these rates nor sums of the settled counts give the rate of a longer time: days
without failures are left out, which is too high. For weeks: failure_rates_weekly, which is
complete.';
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
