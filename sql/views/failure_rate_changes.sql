-- One row per error code and pointer pattern that failed in the newest 35 days of the file.
create or replace view telnyx.failure_rate_changes as

with

jobs as (
    select
        job_id,
        updated_at,
        settled_count
    from telnyx.jobs
),

-- The file's own present, not the clock's: a file that nobody synced for a month still shows the
-- last days it knows. Ages are differences, in microseconds: a day subtracted has 23 hours or 25
-- where the session's time zone changes its clocks.
newest as (
    select max(updated_at) as updated_at
    from jobs
),

aged as (
    select
        jobs.job_id,
        jobs.settled_count,
        date_diff('microsecond', jobs.updated_at, newest.updated_at) as age
    from jobs
    cross join newest
),

windows as (
    select
        job_id,
        settled_count,
        case when age < cast(7 as bigint) * 86400000000 then 1 else 0 end as is_recent
    from aged
    where age < cast(35 as bigint) * 86400000000
),

settled as (
    select
        cast(coalesce(sum(is_recent * settled_count), 0) as bigint) as recent_count,
        cast(coalesce(sum((1 - is_recent) * settled_count), 0) as bigint) as earlier_count
    from windows
),

failed as (
    select
        failures.error_code,
        failures.error_pointer_pattern,
        cast(sum(windows.is_recent) as bigint) as recent_count,
        cast(sum(1 - windows.is_recent) as bigint) as earlier_count
    from telnyx.failures as failures
    inner join windows on failures.job_id = windows.job_id
    group by failures.error_code, failures.error_pointer_pattern
),

rated as (
    select
        failed.error_code,
        failed.error_pointer_pattern,
        failed.recent_count as recent_failed_operation_count,
        settled.recent_count as recent_settled_operation_count,
        telnyx.rate(failed.recent_count, settled.recent_count) as recent_failure_rate,
        telnyx.wilson_low(failed.recent_count, settled.recent_count) as recent_low,
        telnyx.wilson_high(failed.recent_count, settled.recent_count) as recent_high,
        failed.earlier_count as earlier_failed_operation_count,
        settled.earlier_count as earlier_settled_operation_count,
        telnyx.rate(failed.earlier_count, settled.earlier_count) as earlier_failure_rate,
        telnyx.wilson_low(failed.earlier_count, settled.earlier_count) as earlier_low,
        telnyx.wilson_high(failed.earlier_count, settled.earlier_count) as earlier_high
    from failed
    cross join settled
),

final as (
    select
        error_code,
        error_pointer_pattern,
        recent_failed_operation_count,
        recent_settled_operation_count,
        recent_failure_rate,
        earlier_failed_operation_count,
        earlier_settled_operation_count,
        earlier_failure_rate,
        case
            when earlier_failed_operation_count = 0 then 'new'
            when recent_failed_operation_count = 0 then 'gone'
            when recent_low > earlier_high then 'rising'
            when recent_high < earlier_low then 'falling'
            else 'steady'
        end as change
    from rated
)

select * from final;

comment on view telnyx.failure_rate_changes is
'One row per code and pattern that failed in the newest 35 days of the file: its newest 7 days
against the 28 before, counted back from the newest updated_at of any job, not from the clock''s
time. A code and pattern that failed in neither has no row.';
comment on column telnyx.failure_rate_changes.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.failure_rate_changes.error_pointer_pattern is
'Pointer with array indexes as *. NULL: failed without any error, or one without a pointer.';
comment on column telnyx.failure_rate_changes.recent_failed_operation_count is
'Failed operations of the newest 7 days with that code and pattern, each once.';
comment on column telnyx.failure_rate_changes.recent_settled_operation_count is
'Successful and failed operations of the newest 7 days: the same in every row.';
comment on column telnyx.failure_rate_changes.recent_failure_rate is
'Failed per settled operation of the newest 7 days, 0 to 1. NULL when nothing settled.';
comment on column telnyx.failure_rate_changes.earlier_failed_operation_count is
'Failed operations of the 28 days before with that code and pattern, each once.';
comment on column telnyx.failure_rate_changes.earlier_settled_operation_count is
'Successful and failed operations of the 28 days before: the same in every row.';
comment on column telnyx.failure_rate_changes.earlier_failure_rate is
'Failed per settled operation of the 28 days before, 0 to 1. NULL when nothing settled.';
comment on column telnyx.failure_rate_changes.change is
'new: no failure earlier. gone: none recently. rising, falling: the Wilson intervals of both rates
at 95 % do not overlap. Else steady.';
