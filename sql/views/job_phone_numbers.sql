-- One row per phone number asked for in a job.
create or replace view telnyx.job_phone_numbers as

with

job_phone_numbers as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number
    from telnyx_raw.job_phone_numbers
),

final as (
    select
        job_id,
        position,
        phone_number_id,
        phone_number
    from job_phone_numbers
)

select * from final;

comment on view telnyx.job_phone_numbers is
'One row per phone number asked for in a job.';
comment on column telnyx.job_phone_numbers.job_id is
'Id of the job.';
comment on column telnyx.job_phone_numbers.position is
'Place among the numbers asked for, from 0, in the order of the API.';
comment on column telnyx.job_phone_numbers.phone_number_id is
'Id of the phone number. NULL when it was asked for by its number.';
comment on column telnyx.job_phone_numbers.phone_number is
'Phone number in E.164. NULL when it was asked for by its id.';
