"""This project against other ways to fill the same tables: `make bench JOBS=N NUMBERS=M RUNS=R`.

Every contestant is a whole process that starts from nothing, reads the same bytes from the same
server and ends with the tables jobs, job_phone_numbers, job_operations and job_operation_errors in
a DuckDB file, which is then counted. The table goes to stdout and into RESULTS.md.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import HERE, Cost, environment, machine, run, served, sync_command

CACHE = HERE.parents[1] / ".cache"
OURS = "telnyx-jobs sync"
TABLES = ("jobs", "job_phone_numbers", "job_operations", "job_operation_errors")
SLOW_SECONDS = 45.0
"""A contestant that takes longer runs once."""

_DLT = ("dlt[duckdb]==1.31.0", "duckdb==2.0.0", "pyarrow==26.0.1", "pytz", "sqlglot==30.21.0")
_SDK = ("telnyx==4.189.0", "pandas==3.1.1", "duckdb==2.0.0", "pyarrow==26.0.1", "pytz")
_AIRBYTE = ("airbyte==0.71.3", "airbyte-cdk==7.39.1", "duckdb==1.4.3")


@dataclass(frozen=True)
class Contestant:
    """A script of `peers/`; without requirements it runs in the project's own environment."""

    name: str
    script: str | None = None
    arguments: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        return "bench" if self.script else "telnyx_raw"

    def command(self, base_url: str, database: Path) -> list[str]:
        if self.script is None:
            return sync_command(base_url, database)
        script = str(HERE / "peers" / f"{self.script}.py")
        return [self.python(), script, base_url, str(database), *self.arguments]

    def python(self) -> str:
        """The interpreter of its environment, which is created if it is missing."""
        if not self.requirements:
            return sys.executable
        folder = CACHE / f"bench-{self.script}"
        python, made = folder / "bin" / "python", folder / "made-with"
        if not made.exists() or made.read_text() != repr(self.requirements):
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-qq"]
            subprocess.run([*pip, "--disable-pip-version-check", *self.requirements], check=True)
            made.write_text(repr(self.requirements))
        return str(python)


CONTESTANTS = (
    Contestant(OURS),
    Contestant("the limit: fetch, decode, flatten, insert", "limit"),
    Contestant("Telnyx SDK 4.189 + pandas", "sdk_pandas", (), _SDK),
    Contestant("PyAirbyte 0.71, declarative", "pyairbyte", (), _AIRBYTE),
    Contestant("dlt 1.31 rest_api, parquet", "dlt_rest_api", ("parquet",), _DLT),
    Contestant("dlt 1.31 rest_api, its default", "dlt_rest_api", ("default",), _DLT),
)

_COUNT = (
    "import duckdb, sys\n"
    "with duckdb.connect(sys.argv[1], read_only=True) as file:\n"
    "    for table in sys.argv[3:]:\n"
    "        print(*file.execute(f'select count(*) from {sys.argv[2]}.{table}').fetchone())\n"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--numbers", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    given = parser.parse_args()
    failed = round(given.numbers * 0.02)
    expected = [given.jobs, *[given.jobs * given.numbers] * 2, given.jobs * failed]
    costs: dict[str, list[Cost]] = {contestant.name: [] for contestant in CONTESTANTS}
    for contestant in CONTESTANTS:
        contestant.python()
    with served(given.jobs, given.numbers) as base_url:
        for _ in range(given.runs):
            for contestant in CONTESTANTS:
                earlier = costs[contestant.name]
                if earlier and earlier[0].wall_seconds > SLOW_SECONDS:
                    continue
                cost = once(contestant, base_url, expected)
                print(contestant.name, cost, file=sys.stderr, flush=True)
                earlier.append(cost)
    text = results(costs, given.jobs, given.numbers, sum(expected))
    given.results.write_text(text)
    print(text)


def once(contestant: Contestant, base_url: str, expected: Sequence[int]) -> Cost:
    """One run from nothing; raises if a table has a wrong number of rows."""
    (CACHE / "bench").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE / "bench") as folder:
        home = Path(folder)
        database = home / "result.duckdb"
        command = contestant.command(base_url, database)
        cost = run(command, environment(home), home / "log")
        count = [sys.executable, "-c", _COUNT, str(database), contestant.schema, *TABLES]
        counted = subprocess.run(count, check=True, capture_output=True, text=True).stdout
        if [int(line) for line in counted.split()] != list(expected):
            raise SystemExit(f"{contestant.name}: {counted.split()} rows, not {expected}")
        return cost


def results(costs: dict[str, list[Cost]], jobs: int, numbers: int, rows: int) -> str:
    """The table in Markdown."""
    ours = _median(costs[OURS], "wall_seconds")
    lines = [
        "# Results",
        "",
        f"{jobs:,} jobs of {numbers:,} numbers, 2 % failed with one error each: {rows:,} rows in "
        "four tables. Whole",
        "processes from start to end, from nothing, against one server on loopback; medians.",
        f"Written by `make bench`; {machine()}.",
        "",
        "| contestant | runs | wall s | CPU s | rows/s | peak memory MiB | largest process MiB "
        "| times ours |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in costs.items():
        wall = _median(runs, "wall_seconds")
        cells = [
            f"**{name}**" if name == OURS else name,
            str(len(runs)),
            f"{wall:.2f}",
            f"{_median(runs, 'cpu_seconds'):.2f}",
            f"{rows / wall:,.0f}",
            f"{_median(runs, 'tree_mib'):,.0f}",
            f"{_median(runs, 'largest_mib'):,.0f}",
            f"{wall / ours:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Peak memory is resident memory of the whole process tree, seen every 20 ms. What each "
        "contestant leaves",
        "out is said at the head of its script in `peers/`. Telnyx's own latency is the same for "
        "all, and not in here.",
    ]
    return "\n".join(lines) + "\n"


def _median(runs: Sequence[Cost], field: str) -> float:
    return median(float(getattr(cost, field)) for cost in runs)


if __name__ == "__main__":
    main()
