"""Jobs as large as no answer should be: each is loaded to its last character or kept aside."""

import json
from pathlib import Path

import pytest

from support.raw_api import RawApi
from support.syncs import access, rows, run, sync_once


def test_a_job_of_a_million_numbers_loads(tmp_path: Path) -> None:
    """An array of a million elements becomes a million rows, each in its place."""
    element = '{"id":"%d"}'
    array = ",".join(element % number for number in range(1_000_000))
    database = tmp_path / "jobs.duckdb"
    with RawApi([f'{{"id": "many", "phone_numbers": [{array}]}}', '{"id": "next"}']) as api:
        sync_once(api, database)

    assert rows(
        database,
        "select count(*), count(distinct position), min(position), max(position), "
        "bool_and(phone_number_id = position::text) from telnyx_raw.job_phone_numbers",
    ) == [(1_000_000, 1_000_000, 0, 999_999, True)]
    assert rows(database, "select id from telnyx_raw.jobs order by id") == [("many",), ("next",)]


@pytest.mark.parametrize("status", ["completed", 5], ids=["loaded", "rejected"])
def test_a_job_of_25_mb_is_kept_whole(status: object, tmp_path: Path) -> None:
    """Twenty-five megabytes of parameters arrive to the last character, loaded or kept aside.

    They need more memory than a build may use at first, which is not reported.
    """
    text = "0123456789abcde\u00e9" * (25_000_000 // 17)
    sent = {"id": "large", "status": status, "parameters": {"note": text}}
    database = tmp_path / "jobs.duckdb"
    with RawApi([json.dumps(sent, ensure_ascii=False), '{"id": "next"}']) as api:
        done = run(tmp_path, "sync", "--database", database.name, environ=access(api))

    assert done.returncode == 0
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == [
        *("page", "load", "test", "publish")
    ]
    assert rows(
        database,
        "select parameters ->> 'note' from telnyx_raw.jobs where id = 'large' union all "
        "select record::json -> 'parameters' ->> 'note' from telnyx_raw.rejected_records",
    ) == [(text,)]
    assert rows(database, "select id from telnyx_raw.jobs where id = 'next'") == [("next",)]
