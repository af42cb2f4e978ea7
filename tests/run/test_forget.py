"""Forgetting phone numbers: nothing of them stays, nothing comes back, and figures stay right."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.removals import traces_of
from support.syncs import (
    Jobs,
    Published,
    access,
    api_of,
    complaint,
    error,
    failure,
    job,
    rows,
    run,
    sync_once,
    tables,
)
from support.syncs import (
    numbers as operations,
)
from telnyx_jobs.checks.verify import verify
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.destinations.place import Place
from telnyx_jobs.export.formats import Export
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.exports import known_exports
from telnyx_jobs.run.forget import forget as run_forget
from telnyx_jobs.settings import Settings

OWN = 4711
NUMBER, ID = "+15550004711", "id-4711"


def account() -> Jobs:
    """Jobs in which one number succeeds, fails, waits, is quoted, and is in broken records."""
    detail = f"The number {NUMBER} is invalid"
    quoting = error("10015", f"/phone_numbers/{ID}") | {"detail": detail}
    jobs = Jobs(
        job(n, phone_numbers=operations(n), successful_operations=operations(n)) for n in (1, 2)
    )
    jobs += [
        job(
            3,
            phone_numbers=operations(6, OWN, 8),
            failed_operations=[failure(6, error("1", "/x")), failure(OWN, quoting)],
            successful_operations=operations(8),
            parameters={"phone_numbers": [NUMBER, "id-8"], "note": "call (555) 000-4711"},
            new_field={"about": "15550004711"},
        ),
        job(4, phone_numbers=[{"id": ID}], successful_operations=operations(OWN)),
        job(5, status="pending", phone_numbers=operations(OWN), pending_operations=operations(OWN)),
        job(6, phone_numbers=f"{NUMBER}"),
        job(7, phone_numbers=operations(9), status=f"held for {NUMBER}"),
    ]
    return jobs


def published(publish: Published, folder: Path) -> Path:
    """The published file of the account, in this folder."""
    with api_of(account()) as api:
        publish(api, account(), folder / "jobs.duckdb")
    return folder / "jobs.duckdb"


@pytest.fixture
def synced(publish: Published, tmp_path: Path) -> Path:
    """The published file of the account."""
    return published(publish, tmp_path)


@pytest.fixture(scope="module")
def forgotten_once(publish: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that file, the number forgotten; to be copied."""
    database = published(publish, tmp_path_factory.mktemp("forgotten"))
    forgotten(database, NUMBER)
    return database.parent


@pytest.fixture
def without_it(forgotten_once: Path, tmp_path: Path) -> Path:
    """The published file of the account, the number forgotten."""
    shutil.copytree(forgotten_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "jobs.duckdb"


def forget(database: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(database.parent, "forget", "--quiet", "--database", database.name, *arguments)


def forgotten(database: Path, *numbers: str, ids: Sequence[str] = ()) -> dict[str, Any]:
    """What the command reports as JSON, in this process."""
    settings = Settings(database)
    return run_forget(settings, destination_for(settings), numbers, ids).as_json()


def differences(api: Any, database: Path) -> list[Any]:
    settings = Settings(database, base_url=api.url, api_key=api.key, max_retries=0, page_size=1)
    return verify(settings, destination_for(settings), nothing).differences


def test_no_byte_of_a_number_is_left(synced: Path) -> None:
    """Afterwards no file and no stored text has the digits of the number, or its id."""
    place = Place(synced)
    place.pages.mkdir()
    (place.pages / "000000.json").write_text(NUMBER)
    place.foreign_wal.write_text(NUMBER)
    with place.runs.open("a") as log:
        log.write(json.dumps({"error": f"the API refuses {NUMBER}"}) + "\n")
    assert len(traces_of(synced, "5550004711", ID)) > 5
    mode = synced.stat().st_mode
    found = forgotten(synced, NUMBER)

    assert traces_of(synced, "5550004711", ID) == []
    assert (found["asked"], found["found"], found["jobs"]) == (1, 1, 4)
    assert found["rows"] == {
        "jobs": 2,
        "job_phone_numbers": 3,
        "job_operations": 3,
        "job_operation_errors": 1,
        "job_parameters": 1,
        "job_observations": 1,
        "rejected_records": 1,
        "sync_runs": 1,
    }
    assert found["files"] == ["spool", "foreign-jobs.duckdb.wal", "runs.jsonl"]
    assert synced.stat().st_mode == mode


def test_an_export_that_the_number_names(
    synced: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The report names it as it is; what is kept does not, also when it is exported again."""
    folder = tmp_path_factory.mktemp("exports")
    to = folder / "customer 1-555-000-4711"
    Export(str(to), None).write(synced, "export-1")
    found = forgotten(synced, NUMBER)
    assert [each["to"] for each in found["exports"]] == [str(to)]
    assert "exports.json" in found["files"]

    for number in (2, 3):
        assert traces_of(synced, "4711") == []
        kept = known_exports(Place(synced))
        assert [each.to for each in kept] == [str(folder / "customer forgotten")]
        Export(str(to), None).write(synced, f"export-{number}")


def test_places_and_counts_stay(publish: Published, without_it: Path, tmp_path: Path) -> None:
    """A forgotten number keeps its row with a fixed word; other rows stay as they were."""
    database = without_it
    before, after = tables(published(publish, tmp_path / "before")), tables(database)

    assert rows(
        database,
        "select * from telnyx_raw.job_phone_numbers where phone_number = 'forgotten' "
        "order by job_id",
    ) == [(f"job-0000{n}", place, None, "forgotten", None) for n, place in ((3, 1), (4, 0), (5, 0))]
    assert rows(
        database,
        "select job_id, outcome, position, phone_number_id from telnyx_raw.job_operations "
        "where phone_number = 'forgotten' order by job_id",
    ) == [
        ("job-00003", "failed", 1, None),
        ("job-00004", "successful", 0, None),
        ("job-00005", "pending", 0, None),
    ]
    assert rows(
        database,
        "select detail, source_pointer from telnyx_raw.job_operation_errors "
        "where operation_position = 1",
    ) == [("The number forgotten is invalid", "/phone_numbers/forgotten")]
    assert {name: len(found) for name, found in after.items()} == {
        name: len(found) for name, found in before.items()
    }
    assert after["job_observations"][:5] == before["job_observations"][:5]
    assert {row[2] for row in after["job_observations"][5:]} == {"held for forgotten"}
    for name in ("job_phone_numbers", "job_operations"):
        assert len(set(before[name]) - set(after[name])) == 3


def test_longer_numbers_stay(tmp_path: Path) -> None:
    """A job that has a longer number, or a longer id, is left as it was."""
    database = tmp_path / "jobs.duckdb"
    jobs = Jobs([job(1, parameters={"longer": f"{NUMBER}1", "id": f"{ID}1"})])
    with api_of(jobs) as api:
        sync_once(api, database)
        before = tables(database)
        found = forgotten(database, NUMBER, ids=[ID])

    assert (found["asked"], found["found"], found["jobs"]) == (2, 0, 0)
    assert tables(database) == before


def test_rates_stay_and_the_number_is_not_followed(
    publish: Published, without_it: Path, tmp_path: Path
) -> None:
    """Rates keep the forgotten operations; no view lists the word as a phone number."""
    rates = (
        "select error_code, failed_operation_count, settled_operation_count, failure_rate "
        "from telnyx.failure_rates_by_error_code order by all"
    )
    database = without_it

    assert rows(database, rates) == rows(published(publish, tmp_path / "before"), rates)
    for view in ("failing_phone_numbers", "recoveries", "unaccounted_phone_numbers"):
        assert rows(database, f"from telnyx.{view} where phone_number = 'forgotten'") == [], view
    assert rows(
        database,
        "select phone_number_count from telnyx.failure_rates_by_error_code "
        "where error_code = '10015'",
    ) == [(0,)]


def test_it_does_not_come_back(without_it: Path) -> None:
    """Neither a sync with its audit, a full one nor one by id loads it; nothing is rewritten."""
    database = without_it
    after = tables(database)
    with api_of(account()) as api:
        for options in ({"audit_pages": 2}, {"full": True}, {"job_ids": ("job-00003",)}):
            summary = sync_once(api, database, page_size=3, **options)
            assert (summary.jobs_changed, summary.missing_jobs) == (0, 0)
            assert tables(database) == after
        assert differences(api, database) == []


def test_a_new_job_with_it_is_loaded_without_it(without_it: Path) -> None:
    """A later job that names a forgotten number is loaded with the fixed word in its place."""
    database, jobs = without_it, account()
    with api_of(jobs) as api:
        new = [{"id": "new-id", "phone_number": NUMBER}]
        jobs.append(job(9, phone_numbers=new, successful_operations=new))
        jobs[4]["status"] = "completed"
        jobs[4]["successful_operations"] = jobs[4].pop("pending_operations")
        jobs[4]["pending_operations"] = []
        assert sync_once(api, database).jobs_changed == 2
        assert differences(api, database) == []

    assert rows(
        database,
        "select distinct phone_number from telnyx_raw.job_operations "
        "where job_id in ('job-00005', 'job-00009')",
    ) == [("forgotten",)]
    assert traces_of(database, "5550004711", "new-id") == []


@pytest.mark.parametrize(("numbers", "ids"), [([NUMBER], []), ([], [ID])])
def test_number_and_id_go_together(numbers: list[str], ids: list[str], synced: Path) -> None:
    """Forgetting a number forgets its id, and the other way round."""
    database = synced
    forgotten(database, *numbers, ids=ids)

    kinds = "select kind, count(*) from telnyx_raw.removals group by kind order by kind"
    assert rows(database, kinds) == [("phone_number", 1), ("phone_number_id", 1)]
    assert rows(
        database,
        "select count(*) from telnyx_raw.job_phone_numbers "
        f"where phone_number_id = '{ID}' or phone_number = '{NUMBER}'",
    ) == [(0,)]


def test_a_masked_number_is_found_by_its_plain_form(tmp_path: Path) -> None:
    """In a masked file the number is found through the mask's key, and does not return."""
    database = tmp_path / "jobs.duckdb"
    with api_of(account()) as api:
        options = ("--quiet", "--database", database.name, "--mask-phone-numbers")
        assert run(database.parent, "sync", *options, environ=access(api)).returncode == 0
        ((masked,),) = rows(
            database,
            "select phone_number from telnyx_raw.job_operations where phone_number_id = 'id-4711' "
            "limit 1",
        )
        found = forgotten(database, NUMBER)
        assert (found["found"], found["jobs"]) == (1, 4)
        assert traces_of(database, masked, masked.rpartition("-")[2], ID) == []
        after = tables(database)
        done = run(database.parent, "sync", "--full", "--json", *options, environ=access(api))
        assert done.returncode == 0, done.stderr

    assert json.loads(done.stdout)["jobs_changed"] == 0
    assert tables(database) == after


def test_a_number_that_is_nowhere_is_kept_away(synced: Path) -> None:
    """A number that no job has is said to be not found, exits 0, and is forgotten all the same."""
    database, jobs = synced, account()
    with api_of(jobs) as api:
        before = tables(database)
        done = forget(database, "--phone-number", "+15550000099")
        assert done.returncode == 0
        assert done.stdout.splitlines()[0] == "Forgot 1 number or id in jobs.duckdb: 0 found"
        assert tables(database) == before
        jobs.append(job(9, phone_numbers=operations(99), successful_operations=operations(99)))
        sync_once(api, database)

    assert rows(
        database, "select phone_number from telnyx_raw.job_operations where job_id = 'job-00009'"
    ) == [("forgotten",)]


def test_without_the_key_nothing_is_synced(without_it: Path) -> None:
    """A sync, a verification and a forgetting without forget.key end with 78 and change nothing."""
    database = without_it
    with api_of(account()) as api:
        before = database.read_bytes()
        Place(database).forget_key.rename(database.parent / "kept")
        for arguments in (["sync"], ["verify"], ["forget", "--phone-number", "+15550000001"]):
            options = ("--quiet", "--database", database.name)
            done = run(database.parent, *arguments, *options, environ=access(api))
            assert done.returncode == 78
            assert "forget.key" in complaint(done)
        assert database.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--phone-number", "15550004711"), 2),
        (("--phone-number", "+1555"), 2),
        (("--phone-number", NUMBER), 78),
        (("--phone-number", NUMBER, "--destination", "snowflake"), 78),
    ],
)
def test_what_cannot_be_forgotten(arguments: tuple[str, ...], code: int, tmp_path: Path) -> None:
    """Wrong usage is 2; a file that does not exist, or another warehouse, is 78."""
    done = forget(tmp_path / "jobs.duckdb", *arguments)

    assert done.returncode == code, done.stderr
    assert "5550004711" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == []
