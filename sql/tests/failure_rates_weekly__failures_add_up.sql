-- Over all weeks and job types each error code has the failed operations that it has at all. Those
-- are counted in the tables: a second view beside this one needs twice the memory.
with

codes as (
    select distinct
        job_id,
        operation_position,
        code
    from telnyx_raw.job_operation_errors
),

operations as (
    select distinct
        job_id,
        operation_position
    from codes
),

with_errors as (
    select count(*) as operation_count
    from operations
),

failed as (
    select count(*) as operation_count
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

-- An operation that failed without any error counts like one whose error has no code.
counted as (
    select
        code as error_code,
        cast(count(*) as bigint) as operation_count
    from codes
    group by code

    union all

    select
        null as error_code,
        cast(failed.operation_count - with_errors.operation_count as bigint) as operation_count
    from failed
    cross join with_errors
),

expected as (
    select
        error_code,
        sum(operation_count) as failed_operation_count
    from counted
    group by error_code
),

weekly as (
    select
        error_code,
        sum(failed_operation_count) as failed_operation_count
    from telnyx.failure_rates_weekly
    group by error_code
)

select
    expected.error_code,
    expected.failed_operation_count as expected_count,
    weekly.failed_operation_count as weekly_count
from expected
left join weekly on expected.error_code is not distinct from weekly.error_code
where expected.failed_operation_count <> coalesce(weekly.failed_operation_count, 0);
