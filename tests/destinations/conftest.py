"""Databases in PostgreSQL: an empty one, and one that a sync has filled."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from support.postgres import Server
from support.syncs import Json, api_of, job, numbers
from support.warehouse_syncs import CREDENTIALS, sync_to

ONE_JOB = job(1, phone_numbers=numbers(1), successful_operations=numbers(1))
"""What a filled database holds."""


class Filled(NamedTuple):
    """A database that a sync of one job has filled, and the folder of that sync."""

    database: str
    folder: Path


@pytest.fixture
def database(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, which syncs of this process go into."""
    name = postgres.new_database()
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


@pytest.fixture(scope="session")
def filled_once(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """To be copied."""
    made = Filled(postgres.new_database(), tmp_path_factory.mktemp("filled"))
    with pytest.MonkeyPatch.context() as patch, api_of([ONE_JOB]) as api:
        patch.setenv(CREDENTIALS, postgres.url(made.database))
        sync_to(api, made.folder)
    return made


@pytest.fixture
def filled(
    filled_once: Filled, postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A database that a sync of one job has filled, which syncs of this process go into."""
    name = postgres.new_database(filled_once.database)
    shutil.copytree(filled_once.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv(CREDENTIALS, postgres.url(name))
    return name


@pytest.fixture
def one_job() -> Json:
    """The job that a filled database holds."""
    return dict(ONE_JOB)
