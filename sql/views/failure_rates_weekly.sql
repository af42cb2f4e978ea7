-- One row per UTC week, job type and error code: complete, so that weeks can be summed.
create or replace view telnyx.failure_rates_weekly as

with

-- Days in UTC, whatever the time zone of the session.
jobs as (
    select
        job_id,
        job_type,
        settled_count,
        cast(updated_at at time zone 'UTC' as date) as day
    from telnyx.jobs
),

-- Counted back to Monday, as the first day of year 1 was one: not every warehouse's weeks begin so.
dated as (
    select
        job_id,
        job_type,
        settled_count,
        day - cast(mod(date_diff('day', date '0001-01-01', day), 7) as integer) as week
    from jobs
),

settled as (
    select
        week,
        job_type,
        cast(sum(settled_count) as bigint) as settled_operation_count
    from dated
    group by week, job_type
    having sum(settled_count) > 0
),

-- Distinct: an operation counts once per code, however many errors it carries.
failures as (
    select distinct
        job_id,
        operation_position,
        error_code
    from telnyx.failures
),

failed as (
    select
        dated.week,
        dated.job_type,
        failures.error_code,
        count(*) as failed_operation_count
    from failures
    inner join dated on failures.job_id = dated.job_id
    group by dated.week, dated.job_type, failures.error_code
),

error_codes as (
    select distinct
        job_type,
        error_code
    from failed
),

-- A job may lack its time or its type, an error its code.
counted as (
    select
        settled.week,
        settled.job_type,
        error_codes.error_code,
        coalesce(failed.failed_operation_count, 0) as failed_operation_count,
        settled.settled_operation_count
    from settled
    inner join error_codes on settled.job_type is not distinct from error_codes.job_type
    left join failed
        on
            settled.week is not distinct from failed.week
            and settled.job_type is not distinct from failed.job_type
            and error_codes.error_code is not distinct from failed.error_code
),

final as (
    select
        week,
        job_type,
        error_code,
        failed_operation_count,
        settled_operation_count,
        telnyx.rate(failed_operation_count, settled_operation_count) as failure_rate,
        telnyx.wilson_low(failed_operation_count, settled_operation_count) as failure_rate_low,
        telnyx.wilson_high(failed_operation_count, settled_operation_count) as failure_rate_high
    from counted
)

select * from final;

comment on view telnyx.failure_rates_weekly is
'One row per UTC week, job type and error code. Complete: each week in which operations of a type
settled has a row for each code that the type ever failed with. So both counts of one type and code
can be summed over weeks, and divided.';
comment on column telnyx.failure_rates_weekly.week is
'Monday of the ISO week in which Telnyx last changed the jobs, UTC. NULL without updated_at.';
comment on column telnyx.failure_rates_weekly.job_type is
'What the jobs do, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.failure_rates_weekly.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.failure_rates_weekly.failed_operation_count is
'Failed operations of the row, each once, however many errors it carries. 0 when none failed so.';
comment on column telnyx.failure_rates_weekly.settled_operation_count is
'Successful and failed operations of that week and job type: the same in all of their rows.';
comment on column telnyx.failure_rates_weekly.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. Rates of rows may overlap.';
comment on column telnyx.failure_rates_weekly.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_weekly.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
