"""What no file and no output may contain: the key, the PIN, and with a mask the phone numbers."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from support.answer_faults import cut_by_length, html, refusal, whole
from support.faulty_api import Exchange, Fault, FaultyApi, Reply
from support.listener import Listener
from support.syncs import Jobs, Json, api_of, error, failure, job, numbers, rows, sync_once
from telnyx_jobs.destinations.choose import destination_for
from telnyx_jobs.errors import BadConfiguration
from telnyx_jobs.progress import nothing
from telnyx_jobs.run.summary import new_summary
from telnyx_jobs.run.sync import sync
from telnyx_jobs.settings import Scope, Settings

ROOT = Path(__file__).parents[2]
KEY = "KEY0199F3A7C0DE5EC2E7_zQ8vWx4TnJb6LkRm"
PIN = "27182818"
PARTS = {KEY[start : start + 8] for start in range(len(KEY) - 7)}
"""Eight consecutive letters of a key give away a good part of it."""

WATCHED = """
import json, os, socket, sys, threading, time

log = open(os.environ["WATCH_LOG"], "a", buffering=1)
for name in ("connect", "connect_ex"):
    def watched(self, address, *rest, real=getattr(socket.socket, name)):
        log.write(json.dumps(["connect", str(address)]) + "\\n")
        return real(self, address, *rest)
    setattr(socket.socket, name, watched)

def look_up(host, *rest, real=socket.getaddrinfo, **more):
    log.write(json.dumps(["look up", str(host)]) + "\\n")
    return real(host, *rest, **more)
socket.getaddrinfo = look_up

def scan():
    words = [word.encode() for word in json.loads(os.environ["WATCH_FOR"])]
    while True:
        for folder, _, names in os.walk(os.environ["WATCH_FOLDER"]):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    content = open(path, "rb").read()
                except OSError:
                    continue
                if any(word in content for word in words):
                    log.write(json.dumps(["found", path]) + "\\n")
                if "/dlt/" in path:
                    log.write(json.dumps(["scanned", "dlt"]) + "\\n")
        time.sleep(0.005)

threading.Thread(target=scan, daemon=True).start()
from telnyx_jobs.cli.commands import main
main()
"""
"""A sync that logs each peer, and each file that ever holds what it must not, while it runs."""


class Run:
    """One sync in its own process, in an empty folder and home, watched from the inside."""

    def __init__(
        self, folder: Path, url: str, *arguments: str, key: str = KEY, forbidden: set[str] = PARTS
    ) -> None:
        self.folder = folder / "work"
        self.home = folder / "home"
        self._log = folder / "watched.jsonl"
        for each in (self.folder, self.home):
            each.mkdir(exist_ok=True)
        watch = {
            "WATCH_LOG": str(self._log),
            "WATCH_FOLDER": str(self.folder),
            "WATCH_FOR": json.dumps(sorted(forbidden)),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", WATCHED, "sync", "--timeout", "20", *arguments],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": str(ROOT / "pipelines"),
                "TELNYX_BASE_URL": url,
                "TELNYX_API_KEY": key,
                **watch,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def ended(self) -> int:
        """The exit code, once the run is over."""
        self.output, self.errors = self.process.communicate(timeout=60)
        return self.process.returncode

    def watched(self, kind: str) -> set[str]:
        """What was seen of this kind, from the start to the end."""
        lines = self._log.read_text().splitlines()
        return {what for each, what in map(json.loads, lines) if each == kind}

    def leaks(self, forbidden: set[str] = PARTS) -> list[str]:
        """Places that hold any of these: files during the run, files after it, and the outputs."""
        after = [
            str(path)
            for path in (*self.folder.rglob("*"), *self.home.rglob("*"))
            if path.is_file() and _holds(path.read_bytes(), forbidden)
        ]
        said = [
            name
            for name, text in (("stdout", self.output), ("stderr", self.errors))
            if _holds(text, forbidden)
        ]
        return sorted({*self.watched("found"), *after, *said})


def _holds(content: bytes, forbidden: set[str]) -> bool:
    return any(word.encode() in content for word in forbidden)


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
    "401": (refusal(401), 77),
    "403 that echoes the key": (echo(403, "JSON"), 77),
    "500 always": (refusal(500), 69),
    "500 that echoes the key": (echo(500, "JSON"), 69),
    "422 that echoes the key": (echo(422, "JSON"), 69),
    "HTML that echoes the key": (echo(200, "HTML"), 65),
    "HTML": (html, 65),
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
    assert not _holds(sent, PARTS | {PIN} | addresses)
    assert set(listener.targets) == {"/s3cr3t-h00k", "/s3cr3t-p1ng/start", "/s3cr3t-p1ng/69"}


def test_a_whole_run_leaks_nothing_and_talks_to_nobody_else(tmp_path: Path) -> None:
    """No file holds key or PIN, at any time, and the only peer is the base URL."""
    forbidden = PARTS | {PIN}
    with FaultyApi(some_jobs()) as api:
        run = Run(tmp_path, api.url, "--json", "--page-size", "1", forbidden=forbidden)
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
    with FaultyApi(
        some_jobs(), {0: lambda exchange: exchange.reply(exchange.good)}, otherwise=fault
    ) as api:
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
    good: Fault = lambda exchange: exchange.reply(exchange.good)  # noqa: E731
    with FaultyApi(some_jobs(), {0: good}, otherwise=stuck) as api:
        run = Run(tmp_path, api.url, "--page-size", "1", forbidden=forbidden)
        assert reached.wait(60)
        run.process.send_signal(signal.SIGKILL)
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


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
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


# phone numbers

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
        run = Run(
            *(tmp_path, api.url, "--page-size", "1", "--json", "--mask-phone-numbers"),
            key=api.key,
            forbidden=NUMBERS,
        )
        assert run.ended() == 0, run.errors

    assert run.leaks(NUMBERS) == []
    database = run.folder / "telnyx_jobs.duckdb"
    raw = rows(database, "select phone_number_id from telnyx_raw.job_phone_numbers order by 1")
    assert raw == [("id-1",), ("id-2",), ("id-3",)]
    ((parameters,),) = rows(
        database, "select parameters from telnyx_raw.jobs where id = 'job-00001'"
    )
    assert json.loads(parameters)["phone_numbers"][2:] == ["id-3", "2637816387126861836"]


def test_masks_keep_the_country_and_join(tmp_path: Path) -> None:
    """A number has one mask in all tables and runs, which begins with its calling code."""
    database = tmp_path / "jobs.duckdb"
    jobs = masked_jobs()
    with api_of(jobs) as api:
        masked_sync(api, database)
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


def test_a_masked_account_is_not_changed_by_a_second_sync(tmp_path: Path) -> None:
    """Masks of the same numbers are the same, so nothing counts as changed."""
    database = tmp_path / "jobs.duckdb"
    with api_of(masked_jobs()) as api:
        masked_sync(api, database)
        before = rows(database, "select * from telnyx_raw.jobs order by id")
        masked_sync(api, database, full=True)

    assert rows(database, "select * from telnyx_raw.jobs order by id") == before
    assert rows(database, "select count(*) from telnyx_raw.job_observations") == [(2,)]


def test_masks_of_two_databases_do_not_join(tmp_path: Path) -> None:
    """Each database has its own key, in a file that only its owner reads."""
    found = []
    with api_of(masked_jobs()) as api:
        for name in ("one", "other"):
            masked_sync(api, tmp_path / name)
            found += rows(
                tmp_path / name, "select distinct phone_number from telnyx_raw.job_operations"
            )
            key = tmp_path / f".{name}.state" / "mask.key"
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
    first: bool, then: bool, message: str, tmp_path: Path
) -> None:
    """A file filled one way refuses the other, and another key, with 78; it stays as it was."""
    database = tmp_path / "jobs.duckdb"
    with api_of(masked_jobs()) as api:
        masked_sync(api, database, mask=first)
        before = database.read_bytes()
        if first and then:
            (tmp_path / ".jobs.duckdb.state" / "mask.key").unlink()
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

    good: Fault = lambda exchange: exchange.reply(exchange.good)  # noqa: E731
    with FaultyApi(jobs.newest_first(), {0: good, 1: good}, otherwise=stuck) as api:
        run = Run(tmp_path, api.url, "--page-size", "1")
        assert reached.wait(60)
        run.process.kill()
        run.ended()
    (run.folder / ".telnyx_jobs.duckdb.state").rename(tmp_path / ".telnyx_jobs.duckdb.state")
    with api_of(jobs) as served:
        masked_sync(served, database)

    left = [path for path in tmp_path.glob(".telnyx_jobs.duckdb.state/**/*") if path.is_file()]
    assert [p for p in (database, *left) if _holds(p.read_bytes(), NUMBERS)] == []
    assert rows(database, "select count(*) from telnyx_raw.jobs") == [(2,)]


def test_verify_agrees_with_a_masked_file(tmp_path: Path) -> None:
    """`verify` compares masks with masks: a masked file that is right has no difference."""
    database = tmp_path / "jobs.duckdb"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with api_of(masked_jobs()[:2]) as api:
        masked_sync(api, database)
        done = subprocess.run(
            [sys.executable, "-m", "telnyx_jobs", "verify", "--database", str(database)],
            env=environ
            | {"PYTHONPATH": str(ROOT / "pipelines"), "TELNYX_BASE_URL": api.url}
            | {"TELNYX_API_KEY": api.key},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert (done.returncode, done.stdout) == (0, f"{database} agrees with the API\n")
