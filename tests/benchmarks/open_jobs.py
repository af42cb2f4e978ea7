"""Requests of a sync, by how many jobs are open and where they lie in the list.

    PYTHONPATH=tests python -m benchmarks.open_jobs

Each row is one sync, after a first one, of an account whose jobs have not changed meanwhile.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "pipelines"))

from support.syncs import Jobs, api_of, job, sync_once

CASES = {
    ("0", "-"): (6_000, range(0)),
    ("20", "newest page"): (6_000, range(20)),
    ("20", "one page, far back"): (6_000, range(5_000, 5_020)),
    ("20", "each on a page of its own"): (6_000, range(500, 5_500, 250)),
    ("540", "newest"): (6_000, range(540)),
    ("540", "all over"): (6_000, range(0, 5_940, 11)),
    ("12,000", "newest"): (20_000, range(12_000)),
    ("12,000", "all over"): (20_000, [n for n in range(20_000) if n % 5 < 3]),
}


def requests(listed: int, places: Sequence[int]) -> int:
    """Requests of the second sync."""
    jobs = Jobs(job(listed - place) for place in range(listed))
    for place in places:
        jobs[place]["status"] = "pending"
    with tempfile.TemporaryDirectory() as folder, api_of(jobs) as api:
        database = Path(folder, "jobs.duckdb")
        sync_once(api, database, audit_pages=1)
        before = len(api.requests)
        sync_once(api, database, audit_pages=1)
        return len(api.requests) - before


def main() -> None:
    print("| open jobs | where | requests |\n| ---: | --- | ---: |")
    for (count, where), (listed, places) in CASES.items():
        print(f"| {count} | {where} | {requests(listed, places)} |", flush=True)


if __name__ == "__main__":
    main()
