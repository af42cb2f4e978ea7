"""`forget` and `prune` beside pages read out of turn, lists that cut operations, and other keys."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.faulty_api import Exchange, FaultyApi
from support.removals import traces_of
from support.syncs import EPOCH, Jobs, Json, api_of, expected, held, job, numbers, rows, sync_once
from telnyx_jobs.api.rate_limit import RequestBudgetSpent
from telnyx_jobs.checks.preflight import check
from telnyx_jobs.checks.verify import verify
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.dry_run import plan
from telnyx_jobs.run.forget import forget
from telnyx_jobs.run.prune import prune
from telnyx_jobs.settings import Settings

PAGE = 10
LISTED = 200
OWN = 4711
NUMBER, ID = "+15550004711", "id-4711"
SCATTERED, TOGETHER, ALONE = (70, 95, 130), range(152, 157), 185
"""Places of open jobs: for the filtered list, for a page by rank, and for a job by id."""


def account() -> Jobs:
    """Jobs that all name the number, newest first; some of them are open."""
    jobs = Jobs(
        job(
            LISTED - place,
            phone_numbers=numbers(place, OWN),
            successful_operations=numbers(place, OWN),
            parameters={"note": f"instead of {NUMBER}"},
        )
        for place in range(LISTED)
    )
    for place in (*SCATTERED, *TOGETHER, ALONE):
        done = jobs[place]["successful_operations"]
        jobs[place].update(status="pending", pending_operations=done, successful_operations=[])
    return jobs


def settings_of(api: Any, database: Path, page_size: int = PAGE) -> Settings:
    return Settings(database, api.url, api.key, page_size=page_size, max_retries=0)


def pruned(api: Any, database: Path, before: datetime) -> None:
    settings = settings_of(api, database)
    prune(settings, destination_for(settings), before)


def ended(jobs: Sequence[Json]) -> None:
    for each in jobs:
        done = each["pending_operations"]
        each.update(status="completed", successful_operations=done, pending_operations=[])


def without(jobs: Sequence[Json]) -> dict[str, Any]:
    """What the file holds of these jobs once the number is forgotten."""
    text = json.dumps(jobs).replace(f'"id": "{ID}", ', '"id": null, ').replace(NUMBER, "forgotten")
    return expected(json.loads(text))


def ways(requests: Sequence[Any]) -> set[str]:
    """How open jobs were read."""
    targets = [request.target for request in requests]
    found = {"filtered" for target in targets if "status" in target}
    found |= {"by id" for target in targets if "?" not in target}
    return found | {"by rank" for t in targets if "number%5D=16&" in t and "status" not in t}


def test_a_forgotten_number_comes_back_on_no_page_out_of_turn(tmp_path: Path) -> None:
    """The filtered list, a page by rank, a job by id and the history show it; no byte is kept."""
    jobs, database = account(), tmp_path / "jobs.duckdb"
    with FaultyApi(jobs) as api:
        sync_once(api, database, page_size=PAGE)
        settings = settings_of(api, database)
        forget(settings, destination_for(settings), [NUMBER], [])
        for each in jobs[60:]:
            each.update(updated_at="2027-01-01T00:00:00.000Z", new_field=f"of {NUMBER}")
        ended([jobs[place] for place in (*TOGETHER, ALONE)])
        before = len(api.requests)
        planned = plan(settings, destination_for(settings), nothing).requests
        asked = len(api.requests)
        with pytest.raises(RequestBudgetSpent):
            sync_once(api, database, page_size=PAGE, max_requests=2, audit_pages=1)
        assert len(api.requests) > asked > before
        sync_once(api, database, page_size=PAGE, audit_pages=1)
        read = ways(api.requests[asked:])
        assert planned > 4
        for _ in range(3):
            sync_once(api, database, page_size=PAGE, audit_pages=7)
        found = verify(settings, destination_for(settings), nothing)

    assert read == {"filtered", "by rank", "by id"}
    assert held(database) == without(jobs)
    assert traces_of(database, "5550004711", ID) == []
    assert found.differences == []


def cut(exchange: Exchange) -> None:
    """A list page shows no operations; a job by its id all of them."""
    body = json.loads(exchange.good.body)
    if isinstance(body.get("data"), list):
        body["data"] = [each | {"successful_operations": []} for each in body["data"]]
    exchange.reply(replace(exchange.good, body=json.dumps(body).encode()))


@pytest.mark.parametrize("forgets", [False, True])
def test_lists_that_cut_operations_after_a_prune(forgets: bool, tmp_path: Path) -> None:
    """Kept jobs stay whole, no pruned one is asked for or comes back, and new ones are whole."""
    jobs = Jobs(
        job(30 - n, phone_numbers=numbers(n, OWN), successful_operations=numbers(n, OWN))
        for n in range(30)
    )
    database, before = tmp_path / "jobs.duckdb", EPOCH + timedelta(hours=15)
    with FaultyApi(jobs, otherwise=cut) as api:
        sync_once(api, database, page_size=PAGE)
        pruned(api, database, before)
        if forgets:
            settings = settings_of(api, database)
            forget(settings, destination_for(settings), [NUMBER], [])
        kept, gone = jobs[:16], {each["id"] for each in jobs[16:]}
        jobs.insert(0, job(31, phone_numbers=numbers(90), successful_operations=numbers(90)))
        jobs[3].update(updated_at="2027-01-01T00:00:00.000Z", successful_operations=numbers(1, 2))
        first = len(api.requests)
        for scope in ({}, {"full": True}, {}):
            sync_once(api, database, page_size=PAGE, audit_pages=1, **scope)
        by_id = {r.target.rpartition("/")[2] for r in api.requests[first:] if not r.query}

    left = [jobs[0], *kept]
    assert held(database) == (without(left) if forgets else expected(left))
    assert by_id & gone == set()


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_after_a_prune_the_file_still_belongs_to_its_account(kept: int, tmp_path: Path) -> None:
    """With no job or few left, the own key is accepted, and another one refused by each command."""
    jobs = Jobs(job(n) for n in range(20, 0, -1))
    others = Jobs(job(n, id=f"other-{n}") for n in range(40, 0, -1))
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api, api_of(others) as other:
        sync_once(api, database, page_size=PAGE)
        pruned(api, database, EPOCH + timedelta(hours=21 - kept))
        whole = database.read_bytes()
        own, theirs = settings_of(api, database, 1), settings_of(other, database, 1)
        said = set()
        for ask in (
            lambda: sync_once(other, database, page_size=PAGE, audit_pages=1),
            lambda: plan(theirs, destination_for(theirs), nothing),
            lambda: verify(theirs, destination_for(theirs), nothing),
        ):
            with pytest.raises(BadConfiguration, match="another account") as refused:
                ask()
            said.add(str(refused.value))
        said |= {f.message for f in check(theirs, destination_for(theirs)) if f.name == "account"}
        mine = [f for f in check(own, destination_for(own)) if f.name == "account"]
        unchanged = database.read_bytes() == whole
        assert verify(own, destination_for(own), nothing).differences == []
        jobs.insert(0, job(22))
        sync_once(api, database, page_size=PAGE, audit_pages=1)

    assert (len(said), unchanged) == (1, True)
    assert [finding.exit_code for finding in mine] == [0]
    assert rows(database, "select id from telnyx_raw.jobs order by id desc") == [
        (each["id"],) for each in jobs[: kept + 1]
    ]
