-- One row per error code that a run of failures began with.
create or replace view telnyx.recovery_rates_by_error_code as

with

recoveries as (
    select
        first_job_id,
        coalesce(phone_number_id, phone_number) as phone_number_key,
        failed_attempts,
        hours_to_recovery,
        case when recovered_job_id is not null then 1 else 0 end as is_recovered,
        case when failed_attempts > 1 or recovered_job_id is not null then 1 else 0 end
            as is_retried
    from telnyx.recoveries
),

-- Not from telnyx.failures, whose pointer patterns would be found and made distinct for nothing.
first_failures as (
    select distinct
        operations.job_id,
        coalesce(operations.phone_number_id, operations.phone_number) as phone_number_key,
        errors.code as error_code
    from telnyx_raw.job_operations as operations
    left join telnyx_raw.job_operation_errors as errors
        on
            operations.job_id = errors.job_id
            and operations.position = errors.operation_position
    where operations.outcome = 'failed'
),

-- A run that began with several codes counts in the row of each.
runs as (
    select
        first_failures.error_code,
        recoveries.failed_attempts,
        recoveries.hours_to_recovery,
        recoveries.is_recovered,
        recoveries.is_retried
    from recoveries
    inner join first_failures
        on
            recoveries.first_job_id = first_failures.job_id
            and recoveries.phone_number_key = first_failures.phone_number_key
),

-- Numbers of the same jobs have the same attempts and hours: counted first, few are left to sort.
alike as (
    select
        error_code,
        failed_attempts,
        hours_to_recovery,
        is_recovered,
        is_retried,
        count(*) as run_count
    from runs
    group by error_code, failed_attempts, hours_to_recovery, is_recovered, is_retried
),

-- The last rank of each group among the recovered, and half of those that have a time. Hours are
-- ranked from the longest on, so that every warehouse puts those without a time last.
ranked as (
    select
        *,
        sum(run_count) over (
            partition by error_code, is_recovered
            order by failed_attempts asc nulls first
            rows between unbounded preceding and current row
        ) as attempts_rank,
        sum(run_count) over (
            partition by error_code, is_recovered
            order by hours_to_recovery desc nulls last
            rows between unbounded preceding and current row
        ) as hours_rank,
        cast(sum(run_count) over (partition by error_code, is_recovered) as double) / 2
            as attempts_half,
        cast(
            sum(case when hours_to_recovery is null then 0 else run_count end)
                over (partition by error_code, is_recovered)
            as double
        ) / 2 as hours_half
    from alike
),

-- The median is the mean of the one or two in the middle.
counted as (
    select
        error_code,
        cast(sum(run_count) as bigint) as failing_count,
        cast(sum(is_retried * run_count) as bigint) as retried_count,
        cast(sum(is_recovered * run_count) as bigint) as recovered_count,
        avg(
            case
                when
                    is_recovered = 1
                    and attempts_rank >= attempts_half
                    and attempts_rank - run_count <= attempts_half
                    then cast(failed_attempts as double)
            end
        ) as median_attempts,
        avg(
            case
                when
                    is_recovered = 1
                    and hours_rank >= hours_half
                    and hours_rank - run_count <= hours_half
                    then hours_to_recovery
            end
        ) as median_hours
    from ranked
    group by error_code
),

final as (
    select
        error_code,
        failing_count,
        retried_count,
        recovered_count,
        telnyx.rate(recovered_count, retried_count) as recovery_rate,
        telnyx.wilson_low(recovered_count, retried_count) as recovery_rate_low,
        telnyx.wilson_high(recovered_count, retried_count) as recovery_rate_high,
        median_attempts,
        median_hours
    from counted
)

select * from final;

comment on view telnyx.recovery_rates_by_error_code is
'One row per error code that a run of failures began with: whether a retry is worth it. A run that
began with several codes counts in the row of each.';
comment on column telnyx.recovery_rates_by_error_code.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.recovery_rates_by_error_code.failing_count is
'Runs of failures of a phone number and job type that began with this code.';
comment on column telnyx.recovery_rates_by_error_code.retried_count is
'Runs with a second attempt, failed or not.';
comment on column telnyx.recovery_rates_by_error_code.recovered_count is
'Runs that ended with a successful attempt.';
comment on column telnyx.recovery_rates_by_error_code.recovery_rate is
'recovered_count divided by retried_count, 0 to 1. NULL when none was retried.';
comment on column telnyx.recovery_rates_by_error_code.recovery_rate_low is
'Lower bound of recovery_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.recovery_rates_by_error_code.recovery_rate_high is
'Upper bound of recovery_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.recovery_rates_by_error_code.median_attempts is
'Median failed attempts of the recovered runs. NULL when none recovered.';
comment on column telnyx.recovery_rates_by_error_code.median_hours is
'Median hours of the recovered runs. NULL when none recovered.';
