-- Every failed operation counts once for each of its codes, and once where it has none; each
-- row's rate is a share within its bounds, never NaN. Both in one query: the view is read once.
with

failed as (
    select count(*) as operation_count
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

codes as (
    select distinct
        job_id,
        operation_position,
        code
    from telnyx_raw.job_operation_errors
),

code_counts as (
    select
        job_id,
        operation_position,
        count(*) as code_count
    from codes
    group by job_id, operation_position
),

further_codes as (
    select coalesce(sum(code_count - 1), 0) as code_count
    from code_counts
),

expected as (
    select failed.operation_count + further_codes.code_count as failed_operation_count
    from failed
    cross join further_codes
),

rates as (
    select
        error_code,
        failed_operation_count,
        settled_operation_count,
        failure_rate,
        failure_rate_low,
        failure_rate_high,
        sum(failed_operation_count) over () as total_count
    from telnyx.failure_rates_by_error_code
)

select
    rates.error_code,
    rates.failed_operation_count,
    rates.settled_operation_count,
    expected.failed_operation_count as expected_count,
    rates.total_count,
    rates.failure_rate,
    rates.failure_rate_low,
    rates.failure_rate_high
from expected
left join rates on true
where
    expected.failed_operation_count <> coalesce(rates.total_count, 0)
    or (
        rates.failed_operation_count is not null
        and (
            rates.failure_rate is null
            -- NaN and infinity sort above every number
            or rates.failure_rate not between 0 and 1
            or rates.failure_rate not between rates.failure_rate_low and rates.failure_rate_high
            or rates.failure_rate_low < 0
            or rates.failure_rate_high > 1
            or rates.failed_operation_count < 1
            or rates.failed_operation_count > rates.settled_operation_count
        )
    );
