-- One row per job and leaf of its parameters.
create or replace view telnyx.job_parameters as

with

parameters as (
    select
        job_id,
        pointer,
        value
    from telnyx_raw.job_parameters
),

jobs as (
    select
        id as job_id,
        type as job_type,
        created_at as job_created_at
    from telnyx_raw.jobs
),

final as (
    select
        parameters.job_id,
        jobs.job_type,
        jobs.job_created_at,
        parameters.pointer,
        parameters.value
    from parameters
    left join jobs on parameters.job_id = jobs.job_id
)

select * from final;

comment on view telnyx.job_parameters is
'One row per job and leaf of its parameters: what was asked for, without the phone numbers.';
comment on column telnyx.job_parameters.job_id is
'Id of the job.';
comment on column telnyx.job_parameters.job_type is
'What the job does, in the words of Telnyx. NULL when the API sent none.';
comment on column telnyx.job_parameters.job_created_at is
'When the job was created, UTC. NULL when the API sent none.';
comment on column telnyx.job_parameters.pointer is
'JSON pointer (RFC 6901) to the value, such as /connection_id or /tags/0.';
comment on column telnyx.job_parameters.value is
'A string as it is, anything else as JSON: false, null, 7, []. An array of more than 100 members is
one value.';
