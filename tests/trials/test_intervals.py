"""The bounds of a rate against statsmodels, which takes too long to import for a quick test."""

import duckdb
import numpy
from statsmodels.stats.proportion import proportion_confint

from telnyx_jobs.destinations.duckdb_tables import create_views, update_tables


def test_bounds_are_those_of_statsmodels() -> None:
    """Wilson's interval at 95 %: each share of up to 200 operations, and some of up to 10^9."""
    with duckdb.connect() as connection:
        update_tables(connection)
        create_views(connection)
        found = connection.execute(
            """
            with cases as (
                select part, whole
                from range(1, 201) as wholes (whole), lateral range(whole + 1) as parts (part)
                union all
                select least(part, whole), whole
                from
                    (select 10 ** n from range(3, 10) as powers (n)) as wholes (whole),
                    (select 7 ** n from range(10) as powers (n)) as parts (part)
            )

            select
                cast(part as bigint) as part,
                cast(whole as bigint) as whole,
                telnyx.wilson_low(part, whole) as low,
                telnyx.wilson_high(part, whole) as high
            from cases
            """
        ).fetchnumpy()
    low, high = proportion_confint(found["part"], found["whole"], alpha=0.05, method="wilson")

    assert len(low) > 20_000
    # theirs is slightly beyond 0 and 1 where nothing or everything failed
    numpy.testing.assert_allclose(found["low"], low, rtol=0, atol=1e-12)
    numpy.testing.assert_allclose(found["high"], high, rtol=0, atol=1e-12)
