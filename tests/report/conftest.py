"""Published files that several reports are made of."""

from pathlib import Path

import pytest

from support.reported import hostile_account, published, small_account


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small account's published file."""
    return published(tmp_path_factory.mktemp("small"), small_account())


@pytest.fixture(scope="package")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile account's published file."""
    return published(tmp_path_factory.mktemp("hostile"), hostile_account())
