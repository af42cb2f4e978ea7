"""The sources of the dbt project are those of the package."""

from pathlib import Path

from make_sources import SOURCES, sources


def test_the_sources_come_from_the_schema() -> None:
    """`dbt/models/sources.yml` is what `make dbt-sources` writes from schema.py and the views."""
    assert Path(__file__).parents[1] / "dbt" / "models" / "sources.yml" == SOURCES
    assert SOURCES.read_text(encoding="utf-8") == sources()
