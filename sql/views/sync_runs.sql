-- One row per published sync.
create or replace view telnyx.sync_runs as

with

sync_runs as (
    select
        run_id,
        mode,
        started_at,
        finished_at,
        requests,
        pages,
        jobs_listed,
        jobs_retrieved,
        jobs_changed,
        open_jobs,
        missing_jobs,
        rejected_records,
        rows,
        unknown_fields,
        new_failures,
        retries,
        throttled_seconds,
        published,
        database,
        version,
        jobs_audited,
        stale_answers,
        unknown_job_ids,
        history_read_since
    from telnyx_raw.sync_runs
),

final as (
    select
        run_id,
        mode,
        started_at,
        finished_at,
        requests,
        pages,
        jobs_listed,
        jobs_retrieved,
        jobs_changed,
        open_jobs,
        missing_jobs,
        rejected_records,
        rows,
        unknown_fields,
        new_failures,
        retries,
        throttled_seconds,
        published,
        database,
        version,
        jobs_audited,
        stale_answers,
        unknown_job_ids,
        history_read_since
    from sync_runs
)

select * from final;

comment on view telnyx.sync_runs is
'One row per published sync. A failed one changes nothing here.';
comment on column telnyx.sync_runs.run_id is
'Id of the run.';
comment on column telnyx.sync_runs.mode is
'incremental, full or jobs (exactly the jobs named on the command line).';
comment on column telnyx.sync_runs.started_at is
'When the run began, UTC.';
comment on column telnyx.sync_runs.finished_at is
'When the run ended, UTC.';
comment on column telnyx.sync_runs.requests is
'Requests sent to the API, retries included.';
comment on column telnyx.sync_runs.pages is
'Pages of the list of jobs that were read.';
comment on column telnyx.sync_runs.jobs_listed is
'Jobs found on those pages.';
comment on column telnyx.sync_runs.jobs_retrieved is
'Jobs retrieved one by one, by id.';
comment on column telnyx.sync_runs.jobs_changed is
'Jobs that were new or differed from what was stored, and were written.';
comment on column telnyx.sync_runs.open_jobs is
'Jobs in the file that are not finished.';
comment on column telnyx.sync_runs.missing_jobs is
'Jobs in the file that Telnyx no longer has.';
comment on column telnyx.sync_runs.rejected_records is
'Records in the file that could not be loaded.';
comment on column telnyx.sync_runs.rows is
'JSON object: rows written, by table.';
comment on column telnyx.sync_runs.unknown_fields is
'JSON: fields the API sent that no column holds; kept in the column extra of the raw jobs.';
comment on column telnyx.sync_runs.new_failures is
'JSON: pairs of error code and pointer never seen before.';
comment on column telnyx.sync_runs.retries is
'Retries of failed requests.';
comment on column telnyx.sync_runs.throttled_seconds is
'Seconds spent waiting for the rate limit of the API.';
comment on column telnyx.sync_runs.published is
'Whether the run published the database: true for every run kept here.';
comment on column telnyx.sync_runs.database is
'The database file that the run published.';
comment on column telnyx.sync_runs.version is
'Version of the program that published. NULL for version 0.1.0, which kept none.';
comment on column telnyx.sync_runs.jobs_audited is
'Jobs of the history that were read again, the ones read longest ago.';
comment on column telnyx.sync_runs.stale_answers is
'Answers older than what was loaded already, and so left out.';
comment on column telnyx.sync_runs.unknown_job_ids is
'Ids asked for by --job-id that the API does not know, as a JSON array.';
comment on column telnyx.sync_runs.history_read_since is
'Since when every job of the list has been read, UTC. NULL until that is known.';
