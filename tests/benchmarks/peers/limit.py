"""The limit that no sync of ours can beat: `limit.py BASE_URL DATABASE`, in our environment.

Fetch, decode, flatten, and Arrow into DuckDB in one process, with this project's own models. Left
out: dlt, merging, hashes, comments, views, data tests, the copy and the publishing.
"""

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import duckdb
import httpx

from telnyx_jobs.api.models import Record
from telnyx_jobs.api.parsing import read_page
from telnyx_jobs.schema import CHILDREN, JOBS
from telnyx_jobs.source.flatten import Observed, job_tables


def main(base_url: str, database: Path) -> None:
    now = datetime.now(UTC)
    tables = [JOBS, *CHILDREN]
    with (
        httpx.Client(headers={"Authorization": "Bearer KEYbench"}, timeout=60) as client,
        duckdb.connect(str(database)) as connection,
    ):
        connection.execute("create schema bench")
        for number in count(1):
            params = {"page[number]": str(number), "page[size]": "250"}
            page = read_page(client.get(f"{base_url}/phone_numbers/jobs", params=params).content)
            observed = [Observed(r, "", now) for r in page.records if isinstance(r, Record)]
            rows = job_tables(observed)
            for table in tables:
                connection.register("rows", rows[table.name])
                begin = "insert into {} from rows" if number > 1 else "create table {} as from rows"
                connection.execute(begin.format(f"bench.{table.name}"))
                connection.unregister("rows")
            if number >= (page.total_pages or 0):
                break
        for table in CHILDREN:
            # the marker rows, which a merge would have consumed
            connection.execute(f"delete from bench.{table.name} where _dlt_deleted")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
