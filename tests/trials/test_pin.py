"""The port-out PIN among the demo's parameters, in what a user gets."""

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from support.syncs import run
from telnyx_jobs.demo_api import Account


def test_no_pin_is_found_in_what_a_sync_of_the_demo_leaves(tmp_path: Path) -> None:
    """Sync, export, report and worklist leave none of the demo's port-out PINs anywhere."""
    said = ""
    for arguments in (
        ["sync", "--demo", "--json", "--debug"],
        ["export", "--to", "exported"],
        ["report"],
        ["report", "--html", "report.html"],
        ["worklist", "--format", "json"],
        ["worklist", "--requests", "requests"],
    ):
        done = run(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
        said += done.stdout + done.stderr
    parameters = [job["parameters"] for job in Account().jobs(datetime.now(UTC))]
    pins = {each["external_pin"] for each in parameters if "external_pin" in each}
    found = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.is_file() and any(pin.encode() in path.read_bytes() for pin in pins)
    }
    with duckdb.connect(str(tmp_path / "telnyx_jobs.duckdb"), read_only=True) as connection:
        # compressed in the file itself
        for (table,) in connection.sql("select table_name from duckdb_tables()").fetchall():
            rows = connection.sql(f"select * from telnyx_raw.{table}").fetchall()
            said += json.dumps(rows, default=str)

    assert len(pins) > 5
    assert "customer_reference" in said
    assert found == set()
    assert [pin for pin in pins if pin in said] == []
