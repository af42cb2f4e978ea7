-- One row per error code and pointer pattern.
create or replace view telnyx.failure_rates_by_error_code_and_pointer as

with

jobs as (
    select
        job_id,
        updated_at,
        settled_count
    from telnyx.jobs
),

failed_operations as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number
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
    select cast(sum(settled_count) as bigint) as settled_operation_count
    from jobs
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
        jobs.updated_at as job_updated_at,
        coalesce(failed_operations.phone_number_id, failed_operations.phone_number)
            as phone_number_key,
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
        error_code,
        error_pointer_pattern,
        count(*) as failed_operation_count,
        count(distinct job_id) as job_count,
        count(distinct phone_number_key) as phone_number_count,
        min(job_updated_at) as first_failed_at,
        max(job_updated_at) as last_failed_at
    from failures
    group by error_code, error_pointer_pattern
),

rated as (
    select
        counted.error_code,
        counted.error_pointer_pattern,
        counted.failed_operation_count,
        settled.settled_operation_count,
        cast(counted.failed_operation_count as double)
        / nullif(settled.settled_operation_count, 0) as failure_rate,
        counted.job_count,
        counted.phone_number_count,
        counted.first_failed_at,
        counted.last_failed_at,
        -- 3.84… is the square of 1.96, the normal distribution's quantile for 95 %
        3.841458820694124
        / nullif(cast(settled.settled_operation_count as double), 0) as wilson_weight
    from counted
    cross join settled
),

final as (
    select
        error_code,
        error_pointer_pattern,
        failed_operation_count,
        settled_operation_count,
        failure_rate,
        job_count,
        phone_number_count,
        first_failed_at,
        last_failed_at,
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

comment on view telnyx.failure_rates_by_error_code_and_pointer is
'One row per error code and pointer pattern: how often operations fail so, over every job.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.error_pointer_pattern is
'Pointer with array indexes as *. NULL: failed without any error, or one without a pointer.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failed_operation_count is
'Failed operations with that code and pattern; each counts once, however many such errors it has.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.settled_operation_count is
'Successful and failed operations of every job: the same in every row.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. Rates of rows may overlap.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.job_count is
'Jobs with at least one such operation.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.phone_number_count is
'Different phone numbers among them, told apart by id, or by number where there is no id.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.first_failed_at is
'The earliest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.last_failed_at is
'The latest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
