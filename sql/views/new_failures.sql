-- One row per error code and pointer pattern first seen in the newest 7 days of the file.
create or replace view telnyx.new_failures as

with

jobs as (
    select updated_at
    from telnyx.jobs
),

failures as (
    select
        error_code,
        error_pointer_pattern,
        failed_operation_count,
        job_count,
        phone_number_count,
        first_failed_at,
        last_failed_at
    from telnyx.failure_rates_by_error_code_and_pointer
),

errors as (
    select
        error_code,
        error_pointer_pattern,
        error_title
    from telnyx.job_operation_errors
    where error_title is not null
),

-- The file's own present, not the clock's: a file that nobody synced for a month still shows the
-- last days it knows.
newest as (
    select max(updated_at) as updated_at
    from jobs
),

title_counts as (
    select
        error_code,
        error_pointer_pattern,
        error_title,
        count(*) as error_count
    from errors
    group by error_code, error_pointer_pattern, error_title
),

ranked_titles as (
    select
        error_code,
        error_pointer_pattern,
        error_title,
        row_number() over (
            partition by error_code, error_pointer_pattern
            order by error_count desc, error_title asc
        ) as title_rank
    from title_counts
),

final as (
    select
        failures.error_code,
        failures.error_pointer_pattern,
        ranked_titles.error_title,
        failures.first_failed_at,
        failures.last_failed_at,
        failures.failed_operation_count,
        failures.job_count,
        failures.phone_number_count
    from failures
    cross join newest
    left join ranked_titles
        on
            -- an error may lack its code or its pointer
            failures.error_code is not distinct from ranked_titles.error_code
            and failures.error_pointer_pattern
            is not distinct from ranked_titles.error_pointer_pattern
            and ranked_titles.title_rank = 1
    -- a difference, as a day subtracted has 23 hours or 25 where the session's clocks change
    where
        date_diff('microsecond', failures.first_failed_at, newest.updated_at)
        < cast(7 as bigint) * 86400000000
)

select * from final;

comment on view telnyx.new_failures is
'One row per code and pattern that first failed less than 7 days before the newest updated_at of
any job in the file (not before the clock''s time): in a file of a week or less, every failure.';
comment on column telnyx.new_failures.error_code is
'Code of the error; text. NULL: failed without any error, or with an error that has no code.';
comment on column telnyx.new_failures.error_pointer_pattern is
'Pointer with array indexes as *. NULL: failed without any error, or one without a pointer.';
comment on column telnyx.new_failures.error_title is
'The most frequent title of that code and pattern, ties alphabetical. NULL when there is none.';
comment on column telnyx.new_failures.first_failed_at is
'The earliest updated_at of the jobs that failed so, UTC. Never NULL.';
comment on column telnyx.new_failures.last_failed_at is
'The latest updated_at of those jobs, UTC. Never NULL.';
comment on column telnyx.new_failures.failed_operation_count is
'Failed operations with that code and pattern; each counts once, however many such errors it has.';
comment on column telnyx.new_failures.job_count is
'Jobs with at least one such operation.';
comment on column telnyx.new_failures.phone_number_count is
'Different phone numbers among them, identified by id, or by number without an id.';
