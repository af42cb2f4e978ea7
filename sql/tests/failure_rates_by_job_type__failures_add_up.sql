-- The job types add up to every failed and every settled operation; each row's rate is a share
-- within its bounds, never NaN, and NULL without operations. In one query: the view is read once.
with

expected as (
    select
        coalesce(sum(case when outcome = 'failed' then 1 else 0 end), 0) as failed_operation_count,
        count(*) as settled_operation_count
    from telnyx_raw.job_operations
    where outcome in ('successful', 'failed')
),

rates as (
    select
        job_type,
        failed_operation_count,
        settled_operation_count,
        failure_rate,
        failure_rate_low,
        failure_rate_high,
        sum(failed_operation_count) over () as total_failed_count,
        sum(settled_operation_count) over () as total_settled_count
    from telnyx.failure_rates_by_job_type
)

select
    rates.job_type,
    rates.failed_operation_count,
    rates.settled_operation_count,
    expected.failed_operation_count as expected_failed_count,
    rates.total_failed_count,
    expected.settled_operation_count as expected_settled_count,
    rates.total_settled_count,
    rates.failure_rate,
    rates.failure_rate_low,
    rates.failure_rate_high
from expected
left join rates on true
where
    expected.failed_operation_count <> coalesce(rates.total_failed_count, 0)
    or expected.settled_operation_count <> coalesce(rates.total_settled_count, 0)
    -- NaN and infinity sort above every number
    or rates.failure_rate not between 0 and 1
    or rates.failure_rate not between rates.failure_rate_low and rates.failure_rate_high
    or rates.failure_rate_low < 0
    or rates.failure_rate_high > 1
    or (rates.failure_rate is null) <> (coalesce(rates.settled_operation_count, 0) = 0)
    or (rates.failure_rate_low is null) <> (coalesce(rates.settled_operation_count, 0) = 0)
    or (rates.failure_rate_high is null) <> (coalesce(rates.settled_operation_count, 0) = 0);
