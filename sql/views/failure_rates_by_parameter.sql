-- One row per parameter and value that a job was sent with.
create or replace view telnyx.failure_rates_by_parameter as

with

jobs as (
    select
        job_id,
        updated_at,
        settled_count,
        coalesce(failed_count, 0) as failed_count,
        case when failed_count > 0 then updated_at end as failed_at
    from telnyx.jobs
),

parameters as (
    select
        job_id,
        pointer,
        value
    from telnyx_raw.job_parameters
),

failed_numbers as (
    select distinct
        job_id,
        nullif(coalesce(phone_number_id, phone_number), 'forgotten') as phone_number_key
    from telnyx_raw.job_operations
    where outcome = 'failed'
),

counted as (
    select
        parameters.pointer,
        parameters.value,
        cast(sum(jobs.failed_count) as bigint) as failed_operation_count,
        cast(sum(jobs.settled_count) as bigint) as settled_operation_count,
        cast(sum(case when jobs.failed_count > 0 then 1 else 0 end) as bigint) as job_count,
        min(jobs.failed_at) as first_failed_at,
        max(jobs.failed_at) as last_failed_at
    from parameters
    inner join jobs on parameters.job_id = jobs.job_id
    group by parameters.pointer, parameters.value
),

phone_number_counts as (
    select
        parameters.pointer,
        parameters.value,
        count(distinct failed_numbers.phone_number_key) as phone_number_count
    from parameters
    inner join failed_numbers on parameters.job_id = failed_numbers.job_id
    group by parameters.pointer, parameters.value
),

final as (
    select
        counted.pointer,
        counted.value,
        counted.failed_operation_count,
        counted.settled_operation_count,
        telnyx.rate(
            counted.failed_operation_count, counted.settled_operation_count
        ) as failure_rate,
        counted.job_count,
        coalesce(phone_number_counts.phone_number_count, 0) as phone_number_count,
        counted.first_failed_at,
        counted.last_failed_at,
        telnyx.wilson_low(
            counted.failed_operation_count, counted.settled_operation_count
        ) as failure_rate_low,
        telnyx.wilson_high(
            counted.failed_operation_count, counted.settled_operation_count
        ) as failure_rate_high
    from counted
    left join phone_number_counts
        on
            counted.pointer = phone_number_counts.pointer
            and counted.value = phone_number_counts.value
)

select * from final;

comment on view telnyx.failure_rates_by_parameter is
'One row per parameter and value, also where nothing failed: how often operations fail in the jobs
that were sent with it. A job counts in the row of each of its parameters.';
comment on column telnyx.failure_rates_by_parameter.pointer is
'JSON pointer (RFC 6901) to the parameter, such as /connection_id or /tags/0.';
comment on column telnyx.failure_rates_by_parameter.value is
'A string as it is, anything else as JSON, as in job_parameters.';
comment on column telnyx.failure_rates_by_parameter.failed_operation_count is
'Failed operations of the jobs with that value, each once.';
comment on column telnyx.failure_rates_by_parameter.settled_operation_count is
'Successful and failed operations of the jobs with that value.';
comment on column telnyx.failure_rates_by_parameter.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. NULL when none is settled.';
comment on column telnyx.failure_rates_by_parameter.job_count is
'Jobs with that value and at least one failed operation.';
comment on column telnyx.failure_rates_by_parameter.phone_number_count is
'Different phone numbers that failed, identified by id, or by number without an id.';
comment on column telnyx.failure_rates_by_parameter.first_failed_at is
'The earliest updated_at of those jobs, UTC. NULL when there is none.';
comment on column telnyx.failure_rates_by_parameter.last_failed_at is
'The latest updated_at of those jobs, UTC. NULL when there is none.';
comment on column telnyx.failure_rates_by_parameter.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_by_parameter.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
