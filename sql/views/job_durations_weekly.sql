-- One row per job type and week of creation: how long closed jobs took.
create or replace view telnyx.job_durations_weekly as

with

jobs as (
    select
        job_type,
        updated_at,
        estimated_completion_at,
        duration_seconds,
        -- the day in UTC, whatever the time zone of the session
        cast(created_at at time zone 'UTC' as date) as day,
        coalesce(successful_count, 0)
        + coalesce(pending_count, 0)
        + coalesce(failed_count, 0) as operation_count
    from telnyx.jobs
    where not is_open
),

-- Counted back to Monday, as the first day of year 1 was one: not every warehouse's weeks begin so.
dated as (
    select
        job_type,
        duration_seconds,
        operation_count,
        day - cast(mod(date_diff('day', date '0001-01-01', day), 7) as integer) as week,
        case when updated_at > estimated_completion_at then 1 else 0 end as is_late,
        case
            when updated_at is not null and estimated_completion_at is not null then 1 else 0
        end as is_estimated
    from jobs
),

-- Jobs without a duration come last, so that the ranks of the others run from 1.
ranked as (
    select
        *,
        row_number() over (
            partition by job_type, week
            order by duration_seconds asc nulls last
        ) as duration_rank,
        cast(count(duration_seconds) over (partition by job_type, week) as double)
            as duration_count
    from dated
),

-- A percentile lies between the two ranks next to its position, the nearer weighing more: plain
-- arithmetic, since the aggregates for it differ from warehouse to warehouse.
weighted as (
    select
        *,
        greatest(0, 1 - abs(duration_rank - 1 - 0.5 * (duration_count - 1))) as median_weight,
        greatest(0, 1 - abs(duration_rank - 1 - 0.9 * (duration_count - 1))) as p90_weight
    from ranked
),

counted as (
    select
        job_type,
        week,
        count(*) as job_count,
        sum(duration_seconds * median_weight) as median_duration_seconds,
        sum(duration_seconds * p90_weight) as p90_duration_seconds,
        max(duration_seconds) as max_duration_seconds,
        cast(sum(is_late) as bigint) as late_job_count,
        cast(sum(is_estimated) as bigint) as estimated_job_count,
        cast(sum(operation_count) as bigint) as operation_count
    from weighted
    group by job_type, week
),

final as (
    select
        job_type,
        week,
        job_count,
        median_duration_seconds,
        p90_duration_seconds,
        max_duration_seconds,
        late_job_count,
        telnyx.rate(late_job_count, estimated_job_count) as late_rate,
        operation_count,
        estimated_job_count
    from counted
)

select * from final;

comment on view telnyx.job_durations_weekly is
'One row per job type and week of creation: how long closed jobs took. Open jobs count nowhere.';
comment on column telnyx.job_durations_weekly.job_type is
'What the jobs do, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.job_durations_weekly.week is
'Monday of the ISO week in which the jobs were created, UTC. NULL when they have no created_at.';
comment on column telnyx.job_durations_weekly.job_count is
'Closed jobs: completed, failed or expired.';
comment on column telnyx.job_durations_weekly.median_duration_seconds is
'Median seconds that the jobs took. NULL when none has a duration.';
comment on column telnyx.job_durations_weekly.p90_duration_seconds is
'90 % of the jobs took at most this many seconds, interpolated. NULL when none has a duration.';
comment on column telnyx.job_durations_weekly.max_duration_seconds is
'Seconds that the slowest job took. NULL when none has a duration.';
comment on column telnyx.job_durations_weekly.late_job_count is
'Jobs that closed after their estimated completion.';
comment on column telnyx.job_durations_weekly.late_rate is
'late_job_count divided by estimated_job_count, 0 to 1. NULL when no job has an estimate.';
comment on column telnyx.job_durations_weekly.operation_count is
'Operations of the jobs, of any outcome: what the durations were spent on.';
comment on column telnyx.job_durations_weekly.estimated_job_count is
'Jobs with an estimated completion and an updated_at: those that can be late.';
