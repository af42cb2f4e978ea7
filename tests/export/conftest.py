"""What all tests of exports share."""

from collections.abc import Iterator
from functools import cache

import pytest

from telnyx_jobs.views.dialects import spark_views

VIEWS_OF_SPARK = cache(spark_views)


@pytest.fixture(scope="module", autouse=True)
def views_once() -> Iterator[None]:
    """The views in Spark's words, which take longer than all else of a small export, made once."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("delta", "tables"):
            patch.setattr(f"telnyx_jobs.export.{module}.spark_views", VIEWS_OF_SPARK)
        yield
