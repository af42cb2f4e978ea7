"""With a mask: phone numbers are in no file and no output, and their masks join."""

import json
import shutil
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from support.faulty_api import Exchange, FaultyApi, good
from support.syncs import Jobs, access, api_of, failure, job, numbers, rows, run
from support.watched_sync import Run, holds
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import new_summary
from telnyx_jobs.run.sync import sync
from telnyx_jobs.settings import Scope, Settings

NUMBERS = {f"1555{n:07}" for n in range(1, 9)}


def masked_jobs() -> Jobs:
    """Jobs with plain numbers in every place that can hold them."""
    text = "Number +1 (555) 000-0003 (tel:%2B15550000003, 15550000003) is busy"
    return Jobs(
        [
            job(
                1,
                phone_numbers=numbers(1, 2, 3),
                successful_operations=numbers(1),
                failed_operations=[
                    failure(
                        3,
                        {
                            "code": "+15550000003",
                            "title": text,
                            "detail": text,
                            "source": {
                                "pointer": "/phone_numbers/+15550000003/tags",
                                "parameter": "+15550000003",
                            },
                            "meta": {"url": "https://example.com/?n=%2B15550000003"},
                        },
                    ),
                    failure(2, {"source": "/+15550000002"}),
                ],
                parameters={
                    "phone_numbers": ["+15550000001", 15550000002, "id-3", "2637816387126861836"],
                    "voice": {"forwards_to": "+15550000004", "+15550000005": True},
                    "n": 15550000001,
                },
                note={"deep": ["to +1-555-000-0006"]},
            ),
            job(2, status="in_progress", pending_operations=numbers(1)),
            job(3, status=5, phone_numbers=[{"phone_number": 15550000007}], x="15550000008"),
        ]
    )


def masked_sync(api: Any, database: Path, *, mask: bool = True, **scope: Any) -> None:
    settings = Settings(
        database=database,
        base_url=api.url,
        api_key=api.key,
        scope=Scope(**scope),
        max_retries=0,
        timeout=10.0,
        mask_phone_numbers=mask,
    )
    sync(settings, destination_for(settings), new_summary(settings.scope.mode), nothing)


def test_a_masked_run_writes_no_number(tmp_path: Path) -> None:
    """With a mask no file ever holds a phone number, nor does any output; ids stay."""
    with api_of(masked_jobs()) as api:
        watched = Run(
            *(tmp_path, api.url, "--page-size", "1", "--json", "--mask-phone-numbers"),
            key=api.key,
            forbidden=NUMBERS,
        )
        assert watched.ended() == 0, watched.errors

    assert watched.leaks(NUMBERS) == []
    database = watched.folder / "telnyx_jobs.duckdb"
    raw = rows(database, "select phone_number_id from telnyx_raw.job_phone_numbers order by 1")
    assert raw == [("id-1",), ("id-2",), ("id-3",)]
    ((parameters,),) = rows(
        database, "select parameters from telnyx_raw.jobs where id = 'job-00001'"
    )
    assert json.loads(parameters)["phone_numbers"][2:] == ["id-3", "2637816387126861836"]


@pytest.fixture(scope="module")
def masked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the masked file of those jobs; to be copied."""
    folder = tmp_path_factory.mktemp("masked")
    with api_of(masked_jobs()) as api:
        masked_sync(api, folder / "jobs.duckdb")
    return folder


@pytest.fixture
def database(masked_once: Path, tmp_path: Path) -> Path:
    """The masked file of those jobs, with the key of its masks."""
    shutil.copytree(masked_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "jobs.duckdb"


def test_masks_keep_the_country_and_join(database: Path) -> None:
    """A number has one mask in all tables and runs, which begins with its calling code."""
    jobs = masked_jobs()
    with api_of(jobs) as api:
        jobs.append(job(4, phone_numbers=[*numbers(3), {"phone_number": "+442071838750"}]))
        masked_sync(api, database)

    masks = rows(
        database,
        "select n.phone_number, o.outcome, e.code, "
        "e.source_pointer = '/phone_numbers/' || n.phone_number || '/tags', "
        "e.detail = 'Number ' || e.code || ' (tel:' || e.code || ', ' || e.code || ') is busy' "
        "from telnyx_raw.job_phone_numbers n join telnyx_raw.job_operations o "
        "on o.phone_number = n.phone_number and n.job_id = 'job-00004' "
        "join telnyx_raw.job_operation_errors e on e.code = o.phone_number",
    )
    ((mask, outcome, *rest),) = masks
    assert (outcome, *rest) == ("failed", mask, True, True)
    assert rows(
        database,
        "select count(*) from telnyx_raw.job_phone_numbers where job_id = 'job-00004' and "
        "regexp_full_match(phone_number, '\\+(1|44)-[0-9a-f]{16}')",
    ) == [(2,)]


def test_a_masked_account_is_not_changed_by_a_second_sync(database: Path) -> None:
    """Masks of the same numbers are the same, so nothing counts as changed."""
    with api_of(masked_jobs()) as api:
        before = rows(database, "select * from telnyx_raw.jobs order by id")
        masked_sync(api, database, full=True)

    assert rows(database, "select * from telnyx_raw.jobs order by id") == before
    assert rows(database, "select count(*) from telnyx_raw.job_observations") == [(2,)]


def test_masks_of_two_databases_do_not_join(database: Path) -> None:
    """Each database has its own key, in a file that only its owner reads."""
    other = database.parent / "other"
    with api_of(masked_jobs()) as api:
        masked_sync(api, other)
    found = []
    for path in (database, other):
        found += rows(path, "select distinct phone_number from telnyx_raw.job_operations")
        key = path.parent / f".{path.name}.state" / "mask.key"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600

    assert len(found) == len(set(found)) == 6


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (True, False, "--mask-phone-numbers"),
        (False, True, "not masked"),
        (True, True, "mask.key"),
    ],
    ids=["switched off", "switched on", "another key"],
)
def test_plain_and_masked_numbers_never_mix(
    first: bool, then: bool, message: str, database: Path
) -> None:
    """A file filled one way refuses the other, and another key, with 78; it stays as it was."""
    with api_of(masked_jobs()) as api:
        if not first:
            database = database.parent / "plain.duckdb"
            masked_sync(api, database, mask=False)
        before = database.read_bytes()
        if first and then:
            (database.parent / ".jobs.duckdb.state" / "mask.key").unlink()
        with pytest.raises(BadConfiguration, match=message):
            masked_sync(api, database, mask=then)

    assert database.read_bytes() == before


def test_pages_spooled_in_plain_do_not_reach_a_masked_file(tmp_path: Path) -> None:
    """Pages that a killed run cached without a mask are read again, masked, and deleted."""
    jobs = masked_jobs()
    database = tmp_path / "telnyx_jobs.duckdb"
    reached = threading.Event()

    def stuck(exchange: Exchange) -> None:
        reached.set()
        exchange.pause(60)

    with FaultyApi(jobs.newest_first(), {0: good, 1: good}, otherwise=stuck) as api:
        watched = Run(tmp_path, api.url, "--page-size", "1")
        assert reached.wait(60)
        watched.kill()
        watched.ended()
    (watched.folder / ".telnyx_jobs.duckdb.state").rename(tmp_path / ".telnyx_jobs.duckdb.state")
    with api_of(jobs) as served:
        masked_sync(served, database)

    left = [path for path in tmp_path.glob(".telnyx_jobs.duckdb.state/**/*") if path.is_file()]
    assert [p for p in (database, *left) if holds(p.read_bytes(), NUMBERS)] == []
    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(2,)]


def test_verify_agrees_with_a_masked_file(database: Path) -> None:
    """`verify` compares masks with masks: a masked file that is right has no difference."""
    with api_of(masked_jobs()) as api:
        done = run(database.parent, "verify", "--database", str(database), environ=access(api))

    assert (done.returncode, done.stdout) == (0, f"{database} agrees with the API\n")
