"""What no file and no output may contain: the key and the PIN. Phone numbers: test_masks."""

import json
import os
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from support.answer_faults import cut_by_length, refusal, whole
from support.faulty_api import Exchange, Fault, FaultyApi, Reply, good
from support.listener import Listener
from support.syncs import Json, error, failure, job, numbers, sync_once
from support.watched_sync import KEY, PARTS, Run, holds

PIN = "27182818"


def some_jobs() -> list[Json]:
    return [
        job(
            2,
            status="in_progress",
            parameters={"external_pin": PIN, "tags": ["a"]},
            pending_operations=numbers(1),
            failed_operations=[failure(2, error("10015", "/a")) | {"external_pin": PIN}],
            external_pin=PIN,
        ),
        job(1, status=5, parameters={"voice": [{"external_pin": PIN}]}),
    ]


def echo(status: int, form: str) -> Fault:
    """An answer that repeats what the client sent as its key, whole and in part."""

    def fault(exchange: Exchange) -> None:
        key = exchange.request.headers["authorization"]
        if form == "HTML":
            body = f"<html><title>{key}</title>{key}</html>".encode()
        else:
            title = f"{key} and {key[8:-3]} or {key[-12:]}"
            body = json.dumps({"errors": [{"code": key[-10:], "title": title}]}).encode()
        exchange.reply(Reply(status, body))

    return fault


FAULTS: Mapping[str, tuple[Fault, int]] = {
    "403 that echoes the key": (echo(403, "JSON"), 77),
    "500 that echoes the key": (echo(500, "JSON"), 69),
    "422 that echoes the key": (echo(422, "JSON"), 69),
    "HTML that echoes the key": (echo(200, "HTML"), 65),
    "cut bodies": (cut_by_length, 69),
    "redirect with the key": (
        lambda exchange: whole(302, b"", {"Location": f"http://127.0.0.1:9/?{KEY}"})(exchange),
        69,
    ),
}


def test_who_is_told_learns_no_secret(tmp_path: Path) -> None:
    """Webhook and heartbeat are the only further peers; no file and no output has an address."""
    addresses = {"s3cr3t-h00k", "s3cr3t-p1ng"}
    with (
        FaultyApi(some_jobs(), {1: refusal(500)}) as api,
        Listener([200, 500, 500, 500, 500, 500, 500]) as listener,
    ):
        run = Run(
            *(tmp_path, api.url, "--json", "--debug", "--page-size", "1", "--max-retries", "0"),
            *("--webhook", f"{listener.url}/s3cr3t-h00k"),
            *("--ping", f"{listener.url}/s3cr3t-p1ng"),
            forbidden=PARTS | {PIN} | addresses,
        )
        assert run.ended() == 69

    assert run.leaks(PARTS | {PIN} | addresses) == []
    assert b"the webhook did not accept" in run.errors
    assert run.watched("connect") == {
        str(("127.0.0.1", port)) for port in (api.port, listener.port)
    }
    sent = b" ".join(each.body for each in listener.received)
    assert not holds(sent, PARTS | {PIN} | addresses)
    assert set(listener.targets) == {"/s3cr3t-h00k", "/s3cr3t-p1ng/start", "/s3cr3t-p1ng/69"}


def test_a_whole_run_leaks_nothing_and_talks_to_nobody_else(tmp_path: Path) -> None:
    """No file holds key or PIN, at any time, and the only peer is the base URL."""
    forbidden = PARTS | {PIN}
    with FaultyApi(some_jobs()) as api:
        run = Run(
            *(tmp_path, api.url, "--json", "--page-size", "1"), forbidden=forbidden, afresh=True
        )
        assert run.ended() == 0, run.errors

    assert run.watched("scanned") == {"dlt"}
    assert run.leaks(forbidden) == []
    assert run.watched("connect") == {str(("127.0.0.1", api.port))}
    assert run.watched("look up") <= {"127.0.0.1"}
    assert list(run.home.iterdir()) == []
    assert {path.name for path in run.folder.iterdir()} == {
        "telnyx_jobs.duckdb",
        ".telnyx_jobs.duckdb.state",
    }


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_brings_the_key_to_light(name: str, tmp_path: Path) -> None:
    """Whatever fails, no part of the key is in a file or an output, with --debug too."""
    fault, code = FAULTS[name]
    # the first page is answered well, so that there is something on disk when it goes wrong
    with FaultyApi(some_jobs(), {0: good}, otherwise=fault) as api:
        run = Run(tmp_path, api.url, "--page-size", "1", "--max-retries", "1", "--debug")
        run.ended()

    assert run.leaks() == []
    runs = (run.folder / ".telnyx_jobs.duckdb.state" / "runs.jsonl").read_text()
    assert json.loads(runs.splitlines()[-1])["exit_code"] == code


def test_a_killed_run_leaves_no_secret_behind(tmp_path: Path) -> None:
    """What a killed run leaves on the disk holds neither key nor PIN."""
    reached = threading.Event()

    def stuck(exchange: Exchange) -> None:
        reached.set()
        exchange.pause(60)

    forbidden = PARTS | {PIN}
    with FaultyApi(some_jobs(), {0: good}, otherwise=stuck) as api:
        run = Run(tmp_path, api.url, "--page-size", "1", forbidden=forbidden)
        assert reached.wait(60)
        run.kill()
        run.ended()

    left = {path.name for path in run.folder.rglob("*") if path.is_file()}
    assert "000000.json" in left
    assert run.leaks(forbidden) == []


@pytest.mark.parametrize("key", [f"{KEY[:20]}\n{KEY[20:]}", f"{KEY}é", f"{KEY[:20]} {KEY[20:]}"])
def test_an_unusable_key_is_refused_unseen(key: str, tmp_path: Path) -> None:
    """A key that no header can carry is 77, sent nowhere and shown nowhere, not with --debug."""
    run = Run(tmp_path, "http://127.0.0.1:9/v2", "--debug", key=key)
    run.ended()

    assert run.leaks() == []
    assert run.watched("connect") == set()
    assert b"KeyRefused" in run.errors


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=oct)
def test_modes_do_not_depend_on_the_umask(umask: int, tmp_path: Path) -> None:
    """The state folder is 0700, its files 0600, the published file 0444, also when found open."""
    database = tmp_path / "jobs.duckdb"
    state = tmp_path / ".jobs.duckdb.state"
    state.mkdir()
    state.chmod(0o777)
    modes: set[int] = set()
    before = os.umask(umask)
    try:
        with FaultyApi(some_jobs(), otherwise=_noting(state, modes)) as api:
            sync_once(_keyed(api), database, page_size=1)
            sync_once(_keyed(api), database, page_size=1)
    finally:
        os.umask(before)

    assert stat.S_IMODE(database.stat().st_mode) == 0o444
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def _noting(state: Path, modes: set[int]) -> Fault:
    """Good answers, for each of which the modes of the state folder's files are noted."""

    def fault(exchange: Exchange) -> None:
        for path in (*state.glob("*"), *state.glob("spool/*")):
            # dlt's own files are hidden by the folder alone
            if path.is_file():
                with suppress(FileNotFoundError):
                    modes.add(stat.S_IMODE(path.stat().st_mode))
        exchange.reply(exchange.good)

    return fault


class _keyed:
    """A server with a key, as `sync_once` takes it."""

    key = KEY

    def __init__(self, api: FaultyApi) -> None:
        self.url = api.url
