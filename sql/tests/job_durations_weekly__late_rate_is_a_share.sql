-- Late jobs are jobs with an estimate, so that their rate is a share, never NaN.
select
    job_type,
    week,
    job_count,
    late_job_count,
    estimated_job_count,
    late_rate
from telnyx.job_durations_weekly
where
    late_rate not between 0 and 1
    or (late_rate is null) <> (estimated_job_count = 0)
    or late_job_count > estimated_job_count
    or estimated_job_count > job_count;
