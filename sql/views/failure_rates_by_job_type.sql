-- One row per job type.
create or replace view telnyx.failure_rates_by_job_type as

with

jobs as (
    select
        job_id,
        job_type,
        updated_at,
        settled_count,
        coalesce(failed_count, 0) as failed_count
    from telnyx.jobs
),

phone_number_counts as (
    select
        jobs.job_type,
        count(
            distinct nullif(coalesce(failed.phone_number_id, failed.phone_number), 'forgotten')
        ) as phone_number_count
    from telnyx_raw.job_operations as failed
    left join jobs on failed.job_id = jobs.job_id
    where failed.outcome = 'failed'
    group by jobs.job_type
),

counted as (
    select
        job_type,
        cast(sum(failed_count) as bigint) as failed_operation_count,
        cast(sum(settled_count) as bigint) as settled_operation_count,
        cast(sum(case when failed_count > 0 then 1 else 0 end) as bigint) as job_count,
        min(case when failed_count > 0 then updated_at end) as first_failed_at,
        max(case when failed_count > 0 then updated_at end) as last_failed_at
    from jobs
    group by job_type
),

final as (
    select
        counted.job_type,
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
        -- a job may lack its type
        on counted.job_type is not distinct from phone_number_counts.job_type
)

select * from final;

comment on view telnyx.failure_rates_by_job_type is
'One row per job type, also where nothing failed: how often operations of that type fail.';
comment on column telnyx.failure_rates_by_job_type.job_type is
'What the jobs do, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.failure_rates_by_job_type.failed_operation_count is
'Failed operations of that type, each once. Rows do not overlap.';
comment on column telnyx.failure_rates_by_job_type.settled_operation_count is
'Successful and failed operations of that type.';
comment on column telnyx.failure_rates_by_job_type.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. NULL when none is settled.';
comment on column telnyx.failure_rates_by_job_type.job_count is
'Jobs of that type with at least one failed operation.';
comment on column telnyx.failure_rates_by_job_type.phone_number_count is
'Different phone numbers that failed, identified by id, or by number without an id.';
comment on column telnyx.failure_rates_by_job_type.first_failed_at is
'The earliest updated_at of those jobs, UTC. NULL when there is none.';
comment on column telnyx.failure_rates_by_job_type.last_failed_at is
'The latest updated_at of those jobs, UTC. NULL when there is none.';
comment on column telnyx.failure_rates_by_job_type.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_by_job_type.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
