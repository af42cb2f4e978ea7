-- One row per error code.
create or replace view telnyx.failure_rates_by_error_code as

with

-- Distinct: an operation counts once per code, however many errors it carries.
failures as (
    select distinct
        job_id,
        operation_position,
        nullif(coalesce(phone_number_id, phone_number), 'forgotten') as phone_number_key,
        failed_at,
        error_code
    from telnyx.failures
),

settled as (
    select cast(sum(settled_count) as bigint) as settled_operation_count
    from telnyx.jobs
),

counted as (
    select
        error_code,
        count(*) as failed_operation_count,
        count(distinct job_id) as job_count,
        count(distinct phone_number_key) as phone_number_count,
        min(failed_at) as first_failed_at,
        max(failed_at) as last_failed_at
    from failures
    group by error_code
),

title_counts as (
    select
        code as error_code,
        title as error_title,
        count(*) as error_count
    from telnyx_raw.job_operation_errors
    where title is not null
    group by code, title
),

ranked_titles as (
    select
        error_code,
        error_title,
        row_number() over (
            partition by error_code
            order by error_count desc, error_title asc
        ) as title_rank
    from title_counts
),

final as (
    select
        counted.error_code,
        ranked_titles.error_title,
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
    left join ranked_titles
        on
            -- the row without a code may have a title too
            counted.error_code is not distinct from ranked_titles.error_code
            and ranked_titles.title_rank = 1
)

select * from final;

comment on view telnyx.failure_rates_by_error_code is
'One row per error code: how often operations fail with it, over every job.';
comment on column telnyx.failure_rates_by_error_code.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.failure_rates_by_error_code.error_title is
'The most frequent title of that code, ties alphabetical. NULL when there is none.';
comment on column telnyx.failure_rates_by_error_code.failed_operation_count is
'Failed operations with that code; each counts once, however many errors it carries.';
comment on column telnyx.failure_rates_by_error_code.settled_operation_count is
'Successful and failed operations of every job: the same in every row.';
comment on column telnyx.failure_rates_by_error_code.failure_rate is
'failed_operation_count divided by settled_operation_count, 0 to 1. Rates of rows may overlap.';
comment on column telnyx.failure_rates_by_error_code.job_count is
'Jobs with at least one such operation.';
comment on column telnyx.failure_rates_by_error_code.phone_number_count is
'Different phone numbers among them, identified by id, or by number without an id.';
comment on column telnyx.failure_rates_by_error_code.first_failed_at is
'The earliest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code.last_failed_at is
'The latest updated_at of those jobs, UTC. NULL when none of them has one.';
comment on column telnyx.failure_rates_by_error_code.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.failure_rates_by_error_code.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
