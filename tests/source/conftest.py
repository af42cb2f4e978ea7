"""Databases that somebody's own pipelines load into."""

from collections.abc import Callable
from pathlib import Path

import dlt
import pytest

from support.own_pipelines import Into, pipelines_into
from support.postgres import Server


@pytest.fixture(params=["duckdb", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """dlt's name of a destination, and the address of an empty database there."""
    if request.param == "duckdb":
        return "duckdb", str(tmp_path / "warehouse.duckdb")
    server: Server = request.getfixturevalue("postgres")
    return "postgres", server.url(server.new_database())


@pytest.fixture
def into(database: tuple[str, str], tmp_path: Path) -> Into:
    kind, address = database
    destination: Callable[[str], object] = getattr(dlt.destinations, kind)
    return pipelines_into(destination(address), tmp_path)
