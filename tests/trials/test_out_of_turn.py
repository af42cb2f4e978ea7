"""Pages out of turn on lists that move, shrink and lie: exact rows, and requests for what changed.

Pages of 20 jobs stand for Telnyx's of 250.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from support.answer_faults import refusal
from support.faulty_api import Exchange, Fault, FaultyApi, Request, good
from support.syncs import Jobs, Json, api_of, expected, held, job, numbers, rows, sync_once
from telnyx_jobs.api.rate_limit import RequestBudgetSpent

PAGE = 20
"""Jobs on a page of these tests."""


def account(open_places: Sequence[int], listed: int) -> Jobs:
    """Finished jobs of one number, newest first, but for those at these places, which are open."""
    jobs = Jobs(
        job(listed - place, phone_numbers=numbers(place), successful_operations=numbers(place))
        for place in range(listed)
    )
    for place in open_places:
        done = jobs[place]["successful_operations"]
        jobs[place].update(status="pending", pending_operations=done, successful_operations=[])
    return jobs


def end(jobs: Sequence[Json]) -> None:
    """These jobs end."""
    for each in jobs:
        done = each["pending_operations"]
        each.update(status="completed", successful_operations=done, pending_operations=[])


def change(each: Json) -> None:
    """A finished job is corrected."""
    each.update(status="failed", updated_at="2027-01-01T00:00:00.000Z")


def cost(api: Any, database: Path, **options: Any) -> int:
    """How many requests a sync sends."""
    before = len(api.requests)
    sync_once(api, database, page_size=PAGE, **options)
    return len(api.requests) - before


FOUR_PAGES = [page * PAGE + place for page in (5, 9, 14, 19) for place in range(2, 17)]


def test_open_jobs_that_the_filter_leaves_are_read_by_their_pages(tmp_path: Path) -> None:
    """When some of 60 open jobs have ended, the list of open ones and four pages show them all."""
    jobs = account(FOUR_PAGES, 400)
    with api_of(jobs) as api:
        sync_once(api, tmp_path / "jobs.duckdb", page_size=PAGE)
        end([jobs[place] for n, place in enumerate(FOUR_PAGES) if n % 5 > 2])
        asked = cost(api, tmp_path / "jobs.duckdb")

    assert asked == 1 + 2 + 4
    assert held(tmp_path / "jobs.duckdb") == expected(jobs)


@pytest.mark.parametrize("gone_above", [0, 45])
def test_open_jobs_are_found_where_the_list_has_lost_others(
    gone_above: int, tmp_path: Path
) -> None:
    """Old jobs that leave the list, and some above, cost one page more at most; no job by id."""
    jobs = account(FOUR_PAGES, 600)
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(jobs, otherwise=only_filtered(refusal(422))) as api:
        sync_once(api, database, page_size=PAGE)
        gone = [*jobs[30 : 30 + gone_above], *jobs[420:]]
        for each in gone:
            jobs.remove(each)
        jobs[:0] = [job(700 - n) for n in range(15)]
        end([each for each in jobs if each["status"] == "pending"])
        asked = cost(api, database)
        by_id = [r for r in api.requests[-asked:] if "?" not in r.target]

    assert asked <= 1 + 1 + 8 + 1
    assert by_id == []
    assert held(database) == expected([*jobs, *gone])


def test_a_finished_job_that_changes_is_found_wherever_it_lies(tmp_path: Path) -> None:
    """While jobs come and the oldest ones go, each change is found after a way through the list."""
    jobs = account([], 200)
    database = tmp_path / "jobs.duckdb"
    gone = []
    with api_of(jobs) as api:
        sync_once(api, database, page_size=PAGE)
        for number in range(12):
            change(jobs[(number * 37 + 23) % len(jobs)])
            gone.append(jobs.pop())
            jobs.insert(0, job(300 + number))
            sync_once(api, database, page_size=PAGE, audit_pages=1)
        changed = [each for each in jobs if each["status"] == "failed"]
        costs = [cost(api, database, audit_pages=1) for _ in range(10)]

    assert costs == [2] * 10
    assert len(changed) > 8
    assert rows(
        database, "select id from telnyx_raw.jobs where status = 'failed' order by id"
    ) == sorted((each["id"],) for each in [*changed, *gone] if each["status"] == "failed")


def test_a_job_that_turns_up_hours_late_is_found(tmp_path: Path) -> None:
    """A job that appears behind hundreds of newer ones is loaded once its page has its turn."""
    jobs = account([], 200)
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database, page_size=PAGE)
        jobs.insert(150, job(50, id="late"))
        for _ in range(10):
            sync_once(api, database, page_size=PAGE, audit_pages=1)

    assert held(database) == expected(jobs)


def test_each_list_is_read_again_for_itself(tmp_path: Path) -> None:
    """With two job types a long list and a short one both have their turn, back to --since."""
    jobs = account([], 200)
    for each in jobs[3::9]:
        each["type"] = "delete_phone_numbers"
    database = tmp_path / "jobs.duckdb"
    scope: Any = {
        "job_types": ("update_phone_numbers", "delete_phone_numbers"),
        "since": rows_since(jobs[119]),
    }
    with api_of(jobs) as api:
        sync_once(api, database, page_size=PAGE, **scope)
        change(jobs[118])
        change(jobs[111])
        for _ in range(7):
            sync_once(api, database, page_size=PAGE, audit_pages=1, **scope)

    assert held(database) == expected(jobs[:120])


def rows_since(each: Json) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(each["created_at"])


def test_a_budget_spent_on_the_account_loses_no_page(tmp_path: Path) -> None:
    """If the budget ends before the account is confirmed, the new page is read by the next run."""
    jobs = account([], 30)
    database = tmp_path / "jobs.duckdb"
    with api_of(jobs) as api:
        sync_once(api, database, page_size=PAGE)
        jobs[:0] = [job(500 - n) for n in range(50)]
        with pytest.raises(RequestBudgetSpent):
            sync_once(api, database, page_size=PAGE, max_requests=1)
        sync_once(api, database, page_size=PAGE)

    assert held(database) == expected(jobs)


# lists that cut operations


def cut(exchange: Exchange) -> None:
    """A list page shows no operations; a job by its id all of them."""
    body = json.loads(exchange.good.body)
    if isinstance(body.get("data"), list):
        body["data"] = [each | {"successful_operations": []} for each in body["data"]]
    exchange.reply(replace(exchange.good, body=json.dumps(body).encode()))


def test_jobs_that_lists_cut_are_asked_for_once(tmp_path: Path) -> None:
    """A finished job that lists show without operations is asked for by id when it changes only."""
    jobs = account([], 50)
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(jobs, otherwise=cut) as api:
        first = cost(api, database)
        costs = [cost(api, database) for _ in range(2)]
        jobs[3].update(updated_at="2027-01-01T00:00:00.000Z", successful_operations=numbers(1, 2))
        after = cost(api, database)

    # three pages, one comparison, and fifty jobs; then a page and, once, the job that changed
    assert (first, costs, after) == (3 + 1 + 50, [1, 1], 2)
    assert held(database) == expected(jobs)


def test_a_budget_spent_among_cut_jobs_loses_none(tmp_path: Path) -> None:
    """Jobs that must be asked for by id wait for further runs as long as the budget is spent."""
    jobs = account([], 50)
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(jobs, otherwise=cut) as api:
        for budget in (2, 5, 3):
            with pytest.raises(RequestBudgetSpent):
                sync_once(api, database, page_size=PAGE, max_requests=budget)
        sync_once(api, database, page_size=PAGE)

    assert held(database) == expected(jobs)


def test_replicas_that_take_turns_move_nothing_back(tmp_path: Path) -> None:
    """Every second answer comes from a replica that lags behind: no job moves back, none is lost,
    and a page of stale answers costs no request each."""
    jobs = account([], 50)
    before = [dict(each) for each in jobs]
    database = tmp_path / "jobs.duckdb"
    for each in jobs:
        each.update(
            updated_at="2027-01-01T00:00:00.000Z",
            successful_operations=numbers(*range(3)),
        )
    with api_of(jobs) as api:
        sync_once(api, database, page_size=PAGE)
    lagging = FaultyApi(before)
    with lagging as api:
        summary = sync_once(api, database, page_size=PAGE, audit_pages=1)
        asked = len(api.requests)

    assert (summary.stale_answers, summary.jobs_changed, asked) == (40, 0, 2)
    assert held(database) == expected(jobs)


# the filter


def is_filtered(request: Request) -> bool:
    return "filter[status][]" in parse_qs(urlsplit(request.target).query)


def only_filtered(fault: Fault) -> Fault:
    """The fault for requests with a status filter; any other one gets the right answer."""
    return lambda exchange: (fault if is_filtered(exchange.request) else good)(exchange)


def without_filter(exchange: Exchange) -> None:
    """The answer as if no status was asked for."""
    exchange.reply(exchange.answer(exchange.request.target.split("&filter")[0]))


def nothing_open(exchange: Exchange) -> None:
    body = {"data": [], "meta": {"total_pages": 0, "total_results": 0}}
    exchange.reply(replace(exchange.good, body=json.dumps(body).encode()))


def same_page(exchange: Exchange) -> None:
    """The first page of open jobs, whatever its number, of a list without end."""
    body = json.loads(exchange.answer(first_page(exchange.request.target)).body)
    body["meta"]["total_pages"] = 1_000
    exchange.reply(replace(exchange.good, body=json.dumps(body).encode()))


def first_page(target: str) -> str:
    return re.sub(r"(page(?:\[|%5B)number(?:\]|%5D))=\d+", r"\1=1", target)


FILTERS: dict[str, Fault] = {
    "right": good,
    "refused": refusal(422),
    "bad request": refusal(400),
    "ignored": without_filter,
    "empty": nothing_open,
    "repeated": same_page,
}


@pytest.mark.parametrize(("name", "most"), [("right", 1 + 1 + 10 + 1), ("refused", 20)])
def test_pruned_jobs_on_the_pages_read_cost_no_request(
    name: str, most: int, tmp_path: Path
) -> None:
    """Of a list whose older half was pruned, 30 open jobs on two pages are exact, and a sync asks
    for no pruned job: only for open ones among these, which have no known place, and which the
    filter leaves as they have ended or it is refused."""
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.run.prune import prune
    from telnyx_jobs.settings import Settings

    jobs = account([*range(100, 115), *range(300, 315)], 400)
    database = tmp_path / "jobs.duckdb"
    with FaultyApi(jobs, otherwise=only_filtered(FILTERS[name])) as api:
        sync_once(api, database, page_size=PAGE)
        settings = Settings(database)
        prune(settings, destination_for(settings), rows_since(jobs[199]))
        left = [*jobs[:200], *jobs[300:315]]
        costs = [cost(api, database, audit_pages=1) for _ in range(2)]
        assert held(database) == expected(left)
        change(jobs[150])
        change(jobs[250])
        end(jobs[300:310])
        costs += [cost(api, database, audit_pages=1) for _ in range(12)]
        by_id = {r.target.rpartition("/")[2] for r in api.requests if "?" not in r.target}

    assert max(costs) <= most
    assert by_id <= {each["id"] for each in jobs[300:315]}
    assert held(database) == expected(left)


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_of_any_kind_costs_one_request_a_day(name: str, tmp_path: Path) -> None:
    """Open jobs of 30 on two pages are exact, no job is asked for by id, and the dry run knows."""
    from telnyx_jobs.destinations.choose import destination_for
    from telnyx_jobs.progress import nothing
    from telnyx_jobs.run.dry_run import plan
    from telnyx_jobs.settings import Scope, Settings

    jobs = account([*range(100, 115), *range(160, 175)], 300)
    database = tmp_path / "jobs.duckdb"
    costs, planned = [], []
    with FaultyApi(jobs, otherwise=only_filtered(FILTERS[name])) as api:
        sync_once(api, database, page_size=PAGE)
        for _ in range(2):
            settings = Settings(
                database, api.url, api.key, Scope(), page_size=PAGE, max_retries=0, audit_pages=1
            )
            planned.append(plan(settings, destination_for(settings), nothing).requests)
            costs.append(cost(api, database, audit_pages=1))
        end([each for each in jobs if each["status"] == "pending"][:10])
        cost(api, database)
        by_id = [r.target for r in api.requests if "?" not in r.target]

    assert planned == costs
    assert max(costs) <= (4 if name == "right" else 5)
    # the first page, those of the open jobs, and the history's
    assert costs[1] <= 4
    assert by_id == []
    assert held(database) == expected(jobs)
