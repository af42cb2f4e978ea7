-- Over all weeks and job types each error code has the failed operations that it has at all.
with

weekly as (
    select
        error_code,
        sum(failed_operation_count) as failed_operation_count
    from telnyx.failure_rates_weekly
    group by error_code
)

select
    rates.error_code,
    rates.failed_operation_count,
    weekly.failed_operation_count as weekly_count
from telnyx.failure_rates_by_error_code as rates
left join weekly on rates.error_code is not distinct from weekly.error_code
where rates.failed_operation_count <> coalesce(weekly.failed_operation_count, 0);
