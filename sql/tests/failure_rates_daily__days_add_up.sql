-- The days and job types of a code and pattern add up to its failures of all time.
with

daily as (
    select
        error_code,
        error_pointer_pattern,
        sum(failed_operation_count) as failed_operation_count
    from telnyx.failure_rates_daily
    group by error_code, error_pointer_pattern
),

all_time as (
    select
        error_code,
        error_pointer_pattern,
        failed_operation_count
    from telnyx.failure_rates_by_error_code_and_pointer
)

select
    coalesce(daily.error_code, all_time.error_code) as error_code,
    coalesce(daily.error_pointer_pattern, all_time.error_pointer_pattern)
        as error_pointer_pattern,
    daily.failed_operation_count as daily_count,
    all_time.failed_operation_count as all_time_count
from daily
full outer join all_time
    on
        daily.error_code is not distinct from all_time.error_code
        and daily.error_pointer_pattern is not distinct from all_time.error_pointer_pattern
where
    coalesce(daily.failed_operation_count, 0) <> coalesce(all_time.failed_operation_count, 0);
