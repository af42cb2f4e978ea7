-- One row per job.
create or replace view telnyx.jobs as

with

jobs as (
    select
        id as job_id,
        type as job_type,
        status,
        created_at,
        updated_at,
        etc as estimated_completion_at,
        phone_numbers_count as requested_count,
        successful_operations_count as successful_count,
        pending_operations_count as pending_count,
        failed_operations_count as failed_count,
        observed_at,
        missing_since,
        parameters
    from telnyx_raw.jobs
),

sent as (
    select
        job_id,
        max(case when pointer = '/customer_reference' then value end) as customer_reference,
        max(case when pointer = '/connection_id' then value end) as connection_id,
        max(case when pointer = '/billing_group_id' then value end) as billing_group_id,
        max(case when pointer = '/emergency_address_id' then value end) as emergency_address_id,
        max(case when pointer = '/tags' then value end) as tags
    from telnyx_raw.job_parameters
    where
        pointer in (
            '/customer_reference',
            '/connection_id',
            '/billing_group_id',
            '/emergency_address_id',
            '/tags'
        )
    group by job_id
),

derived as (
    select
        jobs.*,
        -- an unknown status is still open: better watched too long than dropped too early
        not telnyx.is_final(jobs.status) as is_open,
        coalesce(jobs.successful_count, 0) + coalesce(jobs.failed_count, 0) as settled_count,
        -- null in JSON is the text null among the leaves
        nullif(sent.customer_reference, 'null') as customer_reference,
        nullif(sent.connection_id, 'null') as connection_id,
        nullif(sent.billing_group_id, 'null') as billing_group_id,
        nullif(sent.emergency_address_id, 'null') as emergency_address_id,
        case when coalesce(sent.tags, '') <> 'null' then jobs.parameters -> '$.tags' end as tags
    from jobs
    left join sent on jobs.job_id = sent.job_id
),

final as (
    select
        job_id,
        job_type,
        status,
        is_open,
        created_at,
        updated_at,
        estimated_completion_at,
        requested_count,
        successful_count,
        pending_count,
        failed_count,
        settled_count,
        telnyx.rate(coalesce(failed_count, 0), settled_count) as failure_rate,
        case
            when not is_open
                then cast(date_diff('microsecond', created_at, updated_at) as double) / 1000000
        end as duration_seconds,
        is_open and coalesce(estimated_completion_at < current_timestamp, false) as is_overdue,
        observed_at,
        missing_since,
        telnyx.wilson_low(coalesce(failed_count, 0), settled_count) as failure_rate_low,
        telnyx.wilson_high(coalesce(failed_count, 0), settled_count) as failure_rate_high,
        customer_reference,
        connection_id,
        billing_group_id,
        emergency_address_id,
        tags
    from derived
)

select * from final;

comment on view telnyx.jobs is
'One row per job.';
comment on column telnyx.jobs.job_id is
'Id of the job, as Telnyx gives it.';
comment on column telnyx.jobs.job_type is
'What the job does, in the words of Telnyx, such as update_emergency_settings.';
comment on column telnyx.jobs.status is
'Status last seen: pending, in_progress, completed, failed, expired, or a word newer than these.';
comment on column telnyx.jobs.is_open is
'True unless the status is completed, failed or expired; an unknown or missing status is open.';
comment on column telnyx.jobs.created_at is
'When the job was created, UTC. NULL when the API sent none.';
comment on column telnyx.jobs.updated_at is
'When Telnyx last changed the job, UTC. NULL when the API sent none.';
comment on column telnyx.jobs.estimated_completion_at is
'When Telnyx expects the job to be complete, UTC. NULL when it gives no estimate.';
comment on column telnyx.jobs.requested_count is
'Phone numbers asked for. NULL when the API sent no list of them.';
comment on column telnyx.jobs.successful_count is
'Successful operations. NULL when the API sent no list of them, 0 when an empty one.';
comment on column telnyx.jobs.pending_count is
'Pending operations. NULL when the API sent no list of them, 0 when an empty one.';
comment on column telnyx.jobs.failed_count is
'Failed operations. NULL when the API sent no list of them, 0 when an empty one.';
comment on column telnyx.jobs.settled_count is
'Successful plus failed operations; a list the API did not send counts as 0. Never NULL.';
comment on column telnyx.jobs.failure_rate is
'Failed operations divided by settled ones, 0 to 1. NULL when none is settled.';
comment on column telnyx.jobs.duration_seconds is
'Seconds from created_at to updated_at. NULL while the job is open or when a time is missing.';
comment on column telnyx.jobs.is_overdue is
'True when the job is open and its estimated completion has passed; false without an estimate.';
comment on column telnyx.jobs.observed_at is
'When a sync last saw the job changed, UTC.';
comment on column telnyx.jobs.missing_since is
'When a sync first no longer found the job at Telnyx, UTC. NULL while Telnyx still shows it.';
comment on column telnyx.jobs.failure_rate_low is
'Lower bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.jobs.failure_rate_high is
'Upper bound of failure_rate at 95 % confidence, 0 to 1 (Wilson score). NULL when the rate is.';
comment on column telnyx.jobs.customer_reference is
'Customer reference that the job sets, from its parameters. NULL when not sent or null.';
comment on column telnyx.jobs.connection_id is
'Connection that the job sets, from its parameters. NULL when not sent or null.';
comment on column telnyx.jobs.billing_group_id is
'Billing group that the job sets, from its parameters. NULL when not sent or null.';
comment on column telnyx.jobs.emergency_address_id is
'Emergency address that the job sets, from its parameters. NULL when not sent or null.';
comment on column telnyx.jobs.tags is
'JSON: the tags that the job sets, from its parameters. NULL when not sent or null.';
