"""How warehouses keep the rows of the raw tables, in the SQL with which dlt creates them."""

import json
import re
from pathlib import Path

import pytest

from engines.environments import in_environment
from telnyx_jobs.schema import CHILDREN

CREDENTIALS = {
    "DESTINATION__BIGQUERY__CREDENTIALS__PROJECT_ID": "project-it",
    "DESTINATION__BIGQUERY__CREDENTIALS__PRIVATE_KEY": "key-of-the-tests",
    "DESTINATION__BIGQUERY__CREDENTIALS__CLIENT_EMAIL": "loader@example.com",
    "DESTINATION__REDSHIFT__CREDENTIALS": "postgresql://user:word-of-the-tests@127.0.0.1:1/it",
}
ORDERS = {
    "bigquery": r"CLUSTER BY `(\w+)`$",
    "redshift": r"\"(\w+)\" [^\n,]*\bSORTKEY\b",
}
"""By warehouse: what the rows are kept in the order of."""


def created_in(warehouse: str, folder: Path) -> dict[str, str]:
    """The SQL that creates each raw table."""
    script = str(Path(__file__).with_name("table_definitions.py"))
    printed = in_environment(folder, script, warehouse, **CREDENTIALS)
    return {table: sql for table, [sql] in json.loads(printed).items()}


@pytest.mark.parametrize("warehouse", ORDERS)
def test_the_rows_of_a_job_are_kept_together(warehouse: str, tmp_path: Path) -> None:
    """Replacing the children of a job need not read those of others."""
    created = created_in(warehouse, tmp_path)
    names = ["jobs", *(table.name for table in CHILDREN)]
    orders = {name: re.findall(ORDERS[warehouse], created[name], re.MULTILINE) for name in names}
    assert orders == {"jobs": ["created_at"], **{name: ["job_id"] for name in names[1:]}}
