"""Whole syncs of the jobs that Telnyx documents: the rows worked out by hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.syncs import (
    Json,
    api_of,
    rows,
    sync_once,
)

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"

EXAMPLE_ID = "42587e44-3a3e-46de-9255-0c9a7a1d1ec7"
CREATED = datetime(2020, 10, 23, 18, 10, tzinfo=UTC)
COUNTS = (
    "phone_numbers_count, successful_operations_count, "
    "pending_operations_count, failed_operations_count"
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "jobs.duckdb"


def payload(name: str) -> Json:
    data = json.loads((PAYLOADS / f"{name}.json").read_bytes())["data"]
    found: Json = data[0] if isinstance(data, list) else data
    return found


def sync_payload(name: str, database: Path) -> None:
    with api_of([payload(name)]) as api:
        sync_once(api, database)


def children(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of the child tables, without the job's id."""
    return {
        "numbers": rows(
            database,
            "select position, phone_number_id, phone_number "
            "from telnyx_raw.job_phone_numbers order by all",
        ),
        "operations": rows(
            database,
            "select outcome, position, phone_number_id, phone_number "
            "from telnyx_raw.job_operations order by all",
        ),
        "errors": rows(
            database,
            "select operation_position, position, code, title, detail, source_pointer, "
            "source_parameter, meta_url from telnyx_raw.job_operation_errors order by all",
        ),
    }


BAD_ADDRESS = (0, 0, "10015", "Bad Request", "The field is invalid.")


@pytest.mark.parametrize("name", ["job_retrieve_seed", "job_list_docs", "job_example_spec_2021-10"])
def test_the_documented_example_gives_its_rows(name: str, database: Path) -> None:
    """The documented job, with `source` as object or as string, gives the rows worked out."""
    sync_payload(name, database)

    assert rows(
        database,
        f"select id, record_type, type, status, etc, created_at, updated_at, parameters, {COUNTS}, "
        "extra, missing_since from telnyx_raw.jobs",
    ) == [
        (
            EXAMPLE_ID,
            "phone_numbers_job",
            "update_emergency_settings",
            "pending",
            CREATED + timedelta(days=7),
            CREATED,
            CREATED + timedelta(seconds=1),
            None,
            *(4, 2, 1, 1),
            None,
            None,
        )
    ]
    assert children(database) == {
        "numbers": [
            (0, "2637816387126861836", None),
            (1, None, "+19715555098"),
            (2, None, "+19705555099"),
            (3, "3388768018273", None),
        ],
        "operations": [
            ("failed", 0, "3388768018273", "+19705551234"),
            ("pending", 0, "2637816387126861837", "+19705555099"),
            ("successful", 0, "2637816387126861836", "+19705555098"),
            ("successful", 1, "33081887126861836", "+19715555098"),
        ],
        "errors": [(*BAD_ADDRESS, "/emergency_address_id", None, None)],
    }
    assert rows(
        database,
        "select error_code, error_title, failed_operation_count, settled_operation_count, "
        "failure_rate from telnyx.failure_rates_by_error_code",
    ) == [("10015", "Bad Request", 1, 3, pytest.approx(1 / 3))]


@pytest.mark.parametrize(
    ("name", "pending", "successful", "extra"),
    [
        (
            "job_example_spec_2020-12",
            None,
            [("2637816387126861836", "+19705555098"), ("33081887126861836", "+19715555098")],
            '{"created_by":"015e81fc-11b7-4170-974d-5592ce987da7"}',
        ),
        (
            "job_example_spec_2021-08a",
            ("2637816387126861835", "+19705555095"),
            [("2637816387126861836", "+19705555098"), ("33081887126861837", "+19715555099")],
            '{"created_by":"015e81fc-11b7-4170-974d-5592ce987da7"}',
        ),
        (
            "job_example_spec_2021-08b",
            ("2637816387126861837", "+19705555099"),
            [("2637816387126861836", "+19705555098"), ("33081887126861836", "+19715555098")],
            None,
        ),
    ],
)
def test_older_shapes_give_their_rows(
    name: str,
    pending: tuple[str, str] | None,
    successful: list[tuple[str, str]],
    extra: str | None,
    database: Path,
) -> None:
    """The shapes of 2020 and 2021, without some arrays, give the rows worked out."""
    sync_payload(name, database)

    assert rows(database, f"select id, {COUNTS}, extra from telnyx_raw.jobs") == [
        (EXAMPLE_ID, None, 2, 1 if pending else None, 1, extra)
    ]
    assert children(database) == {
        "numbers": [],
        "operations": [
            ("failed", 0, "3388768018273", "+19705551234"),
            *([("pending", 0, *pending)] if pending else []),
            *[("successful", place, *number) for place, number in enumerate(successful)],
        ],
        "errors": [(*BAD_ADDRESS, "/emergency_address_id", None, None)],
    }


def test_the_block_job_gives_its_row(database: Path) -> None:
    """A job of the sibling endpoint, with empty and absent arrays, is a job without children."""
    sync_payload("block_job_list_docs", database)

    assert rows(database, f"select id, type, {COUNTS}, extra from telnyx_raw.jobs") == [
        (EXAMPLE_ID, "delete_phone_number_block", None, 0, None, 0, None)
    ]
    assert children(database) == {"numbers": [], "operations": [], "errors": []}


def test_the_newest_shape_gives_its_rows_without_the_pin(database: Path) -> None:
    """A job with saved parameters keeps them all, mixed types and nulls too, but not the PIN."""
    sync_payload("job_with_parameters_2026-10", database)

    ((parameters,),) = rows(database, "select parameters from telnyx_raw.jobs")
    expected = payload("job_with_parameters_2026-10")["parameters"]
    del expected["external_pin"]
    assert json.loads(parameters) == expected
    assert children(database) == {
        "numbers": [(0, "2637816387126861836", None), (1, None, "+19715550198")],
        "operations": [
            ("failed", 0, "33081887126861836", "+19715550198"),
            ("successful", 0, "2637816387126861836", "+19705550198"),
        ],
        "errors": [
            (
                *(0, 0, "10036", "Resource is being processed", "SYNTHETIC", "/base", None),
                "https://developers.telnyx.com/docs/overview/errors/10036",
            )
        ],
    }
    assert b"123456" not in database.read_bytes()


def test_the_expired_job_gives_its_rows(database: Path) -> None:
    """An expired job with empty arrays leaves its numbers unaccounted for."""
    sync_payload("job_expired_2026-10", database)

    assert rows(database, f"select status, {COUNTS}, parameters from telnyx_raw.jobs") == [
        ("expired", 2, 0, 0, 0, "{}")
    ]
    assert rows(
        database,
        "select position, phone_number_id, phone_number, job_type, status "
        "from telnyx.unaccounted_phone_numbers order by all",
    ) == [
        (0, "2637816387126861836", None, "delete_phone_numbers", "expired"),
        (1, None, "+19715550198", "delete_phone_numbers", "expired"),
    ]
