-- One row per error code and pointer pattern.
create or replace view telnyx.failure_rates_by_error_code_and_pointer as

with

failures as (
    select
        job_id,
        operation_position,
        nullif(coalesce(phone_number_id, phone_number), 'forgotten') as phone_number_key,
        failed_at,
        error_code,
        error_pointer_pattern
    from telnyx.failures
),

settled as (
    select cast(sum(settled_count) as bigint) as settled_operation_count
    from telnyx.jobs
),

counted as (
    select
        error_code,
        error_pointer_pattern,
        count(*) as failed_operation_count,
        count(distinct job_id) as job_count,
        count(distinct phone_number_key) as phone_number_count,
        min(failed_at) as first_failed_at,
        max(failed_at) as last_failed_at
    from failures
    group by error_code, error_pointer_pattern
),

final as (
    select
        counted.error_code,
        counted.error_pointer_pattern,
        counted.failed_operation_count,
        settled.settled_operation_count,
        telnyx.rate(
            counted.failed_operation_count, settled.settled_operation_count
        ) as failure_rate,
        counted.job_count,
        counted.phone_number_count,
        counted.first_failed_at,
        counted.last_failed_at,
        telnyx.wilson_low(
            counted.failed_operation_count, settled.settled_operation_count
        ) as failure_rate_low,
        telnyx.wilson_high(
            counted.failed_operation_count, settled.settled_operation_count
        ) as failure_rate_high
    from counted
    cross join settled
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
'Different phone numbers among them, identified by id, or by number without an id.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.first_failed_at is
'The earliest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.last_failed_at is
'The latest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_by_error_code_and_pointer.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
