"""What ten times the jobs cost, and what a small change costs on a large file.

`python -m benchmarks.scaling --jobs N --numbers M` with `tests` on the Python path: a sync of N
jobs from nothing, one of 10 N, then one more of the large file in which 20 open jobs have ended.
The table goes to stdout and into SCALING.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import CACHE
from benchmarks.measure import (
    HERE,
    Cost,
    environment,
    finish_jobs,
    machine,
    run,
    served,
    sync_command,
)

OPEN_JOBS = 10
"""At the head of the list, and as many spread over the rest."""
CHANGED_JOBS = 2 * OPEN_JOBS
CHANGES = 3
"""How often the small change is measured, each time on the file as it was."""
_COPY = (
    "import sys, time\n"
    "from pathlib import Path\n"
    "from telnyx_jobs.destinations.duckdb_file import _copy\n"
    "started = time.perf_counter()\n"
    "with open(sys.argv[1], 'rb') as file:\n"
    "    _copy(file, Path(sys.argv[2]))\n"
    "print(time.perf_counter() - started)\n"
)


@dataclass(frozen=True)
class Measured:
    first: Cost
    """From nothing."""
    again: Cost
    """With 20 changed jobs; the median by time."""
    copy_seconds: float
    """What copying the file alone takes, a median: a sync cannot take less."""
    file_mib: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--numbers", type=int, default=500)
    parser.add_argument("--results", type=Path, default=HERE / "SCALING.md")
    given = parser.parse_args()
    small = measured(given.jobs, given.numbers)
    print(small, file=sys.stderr, flush=True)
    large = measured(10 * given.jobs, given.numbers)
    text = results(small, large, given.jobs, given.numbers)
    given.results.write_text(text)
    print(text)


def measured(jobs: int, numbers: int) -> Measured:
    (CACHE / "bench").mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=CACHE / "bench") as folder,
        served(jobs, numbers, open_jobs=OPEN_JOBS) as base_url,
    ):
        home = Path(folder)
        database, log = home / "result.duckdb", home / "log"
        command = sync_command(base_url, database)
        first = run(command, environment(home), log)
        finish_jobs(base_url)
        before = home / "before"
        database.rename(before)
        copying = [sys.executable, "-c", _COPY, str(before), str(database)]
        copies, syncs = [], []
        for _ in range(CHANGES):
            copied = subprocess.run(copying, check=True, capture_output=True, text=True)
            copies.append(float(copied.stdout))
            syncs.append(run(command, environment(home), log))
            changed = json.loads(log.read_text().splitlines()[-1])["jobs_changed"]
            if changed != CHANGED_JOBS:
                raise SystemExit(f"{changed} jobs changed, not {CHANGED_JOBS}")
            file_mib = database.stat().st_size / 1024**2
            database.unlink()
        again = sorted(syncs, key=lambda cost: cost.wall_seconds)[CHANGES // 2]
        return Measured(first, again, sorted(copies)[CHANGES // 2], file_mib)


def results(small: Measured, large: Measured, jobs: int, numbers: int) -> str:
    """The tables in Markdown."""
    lines = [
        "# Scaling",
        "",
        f"Written by `make scaling`; {machine()}. Jobs of {numbers:,} numbers, from nothing once, "
        f"with changes the median of {CHANGES}.",
        "",
        "| | operations | file MiB | wall s | CPU s | peak memory MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for measurement, count in ((small, jobs), (large, 10 * jobs)):
        for name, cost in (
            ("from nothing", measurement.first),
            (f"{CHANGED_JOBS} changed jobs", measurement.again),
        ):
            lines.append(
                f"| {name} | {count * numbers:,} | {measurement.file_mib:,.0f} "
                f"| {cost.wall_seconds:.1f} | {cost.cpu_seconds:.1f} | {cost.tree_mib:,.0f} |"
            )
    lines += [
        "",
        f"Ten times the jobs take {large.first.wall_seconds / small.first.wall_seconds:.1f} times "
        f"as long, in {large.first.tree_mib / small.first.tree_mib:.2f} times the memory. Copying "
        "the large",
        f"file takes {large.copy_seconds:.2f} s; the sync of {CHANGED_JOBS} changed jobs takes "
        f"{large.again.wall_seconds - large.copy_seconds:.1f} s more than that.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
