"""Who is notified of a sync: webhook and heartbeat as real servers, the sync as a process."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from support.answer_faults import refusal
from support.faulty_api import Exchange, FaultyApi
from support.listener import Listener
from support.prepared_process import PreparedProcess
from support.rates import rising
from support.syncs import (
    Jobs,
    Json,
    Published,
    access,
    api_of,
    complaint,
    environment,
    error,
    failure,
    job,
    run,
)
from telnyx_jobs.cli.notify import ATTEMPTS
from telnyx_jobs.cli.process import STOP_SECONDS

NAME = "telnyx_jobs.duckdb"
NOBODY = "http://127.0.0.1:9/s3cret"
"""An address that refuses every connection."""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def addresses(listener: Listener) -> dict[str, str]:
    """The environment that names webhook and heartbeat."""
    return {
        "TELNYX_JOBS_WEBHOOK": f"{listener.url}/hook",
        "TELNYX_JOBS_PING": f"{listener.url}/ping",
    }


def hooked(listener: Listener) -> list[Json]:
    return [each.json for each in listener.received if each.target == "/hook"]


def pings(listener: Listener) -> list[str]:
    return [target for target in listener.targets if target.startswith("/ping")]


def jobs_that_failed(*codes: str) -> Jobs:
    """A job for each of these error codes."""
    return Jobs(
        job(number, failed_operations=[failure(number, error(code, f"/tags/{number}"))])
        for number, code in enumerate(codes, 1)
    )


def quoted(text: str) -> str:
    """Our own text as the webhook shows it."""
    parted = text.replace("://", ":\u200b//")
    return f"`{parted}`"


def pair(code: str) -> Json:
    return {"error_code": code, "error_pointer_pattern": "/tags/*"}


def test_a_failure_is_one_json_object_with_a_text(listener: Listener, tmp_path: Path) -> None:
    """A failed run POSTs one object: a text for people, and its fields for programs."""
    done = run(tmp_path, "sync", "--webhook", f"{listener.url}/hook", "--base-url", NOBODY)

    (message,) = listener.received
    content = message.json
    assert (message.method, message.target, done.returncode) == ("POST", "/hook", 77)
    assert content.pop("run_id").startswith("2")
    assert content == {
        "text": f"telnyx-jobs sync ended with exit code 77: {quoted(complaint(done))}",
        "database": "telnyx_jobs.duckdb",
        "exit_code": 77,
        "error": complaint(done),
        "published": False,
        "new_failures": [],
        "rising_failures": [],
    }


@pytest.mark.parametrize(
    ("arguments", "environ", "config", "code"),
    [
        ([], {"TELNYX_JOBS_PAGE_SIZE": "many"}, "", 78),
        ([], {}, "[telnyx_jobs\n", 78),
        (["--no-such-option"], {}, "", 2),
        (["--base-url", "ftp://127.0.0.1"], {"TELNYX_API_KEY": "KEY"}, "", 78),
        (["--ping", "nowhere"], {}, "", 78),
    ],
    ids=["environment", "file", "option", "address of the API", "address of the heartbeat"],
)
def test_a_failure_before_the_run_is_told(
    arguments: list[str],
    environ: Mapping[str, str],
    config: str,
    code: int,
    listener: Listener,
    tmp_path: Path,
) -> None:
    """A setting that cannot be used is reported to the webhook, wherever either comes from."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(config)
    done = run(
        tmp_path, "sync", *arguments, f"--webhook={listener.url}/hook", environ=dict(environ)
    )

    assert done.returncode == code
    assert [each.json["exit_code"] for each in listener.received] == [code]


def test_addresses_may_stand_in_the_file(listener: Listener, tmp_path: Path) -> None:
    """Webhook and heartbeat may come from `.dlt/config.toml`, as every option does."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(
        f'[telnyx_jobs]\nwebhook = "{listener.url}/hook"\nping = "{listener.url}/ping"\n'
    )
    run(tmp_path, "sync")

    assert sorted(listener.targets) == ["/hook", "/ping/77"]


def test_failures_never_seen_before_are_told_once(listener: Listener, tmp_path: Path) -> None:
    """The first sync reports how many kinds it found, a later one names the new ones, once."""
    jobs = jobs_that_failed("10015", "85004")
    with api_of(jobs) as api:
        environ = access(api) | addresses(listener)
        run(tmp_path, "sync", environ=environ)
        jobs += [job(9, failed_operations=[failure(9, error("20012", "/tags/0"))])]
        run(tmp_path, "sync", environ=environ)
        run(tmp_path, "sync", environ=environ)

    first, second = hooked(listener)
    assert first["text"] == (
        "telnyx-jobs: first sync, with 2 kinds of failure; later syncs report new ones"
    )
    assert first["new_failures"] == [pair("10015"), pair("85004")]
    assert second["text"] == (
        "telnyx-jobs: 1 kind of failure never seen before: `20012 at /tags/*`"
    )
    assert (second["exit_code"], second["error"]) == (0, None)
    assert second["new_failures"] == [pair("20012")]


def test_a_long_list_is_cut_in_the_text_alone(
    listener: Listener, tmp_path: Path, publish: Published
) -> None:
    """Of many new kinds of failure the text names five; the fields hold all."""
    jobs = jobs_that_failed()
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        jobs += jobs_that_failed(*(f"1000{digit}" for digit in range(1, 8)))
        run(tmp_path, "sync", environ=access(api) | addresses(listener))

    (message,) = hooked(listener)
    assert message["text"].endswith("`10005 at /tags/*`, and 2 more")
    assert message["new_failures"] == [pair(f"1000{digit}") for digit in range(1, 8)]


def test_a_rising_rate_is_reported_once(
    listener: Listener, tmp_path: Path, publish: Published
) -> None:
    """The sync that finds a rate risen reports it; later ones do not, until it rises again."""
    calm, risen = (
        [each | {"status": "pending"} for each in rising("10015", "/tags/0", recent=recent)]
        for recent in (2, 40)
    )
    jobs = Jobs(calm)
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        for content in (risen, risen, calm, risen):
            jobs[:] = content
            run(tmp_path, "sync", environ=access(api) | addresses(listener))

    messages = hooked(listener)
    assert [message["text"] for message in messages] == [
        "telnyx-jobs: 1 failure rate rises in the newest 7 days: "
        "`10015 at /tags/*` from 2.00% to 40.00%"
    ] * 2
    rates = {"recent_failure_rate": 0.4, "earlier_failure_rate": 0.02}
    assert [message["rising_failures"] for message in messages] == [[pair("10015") | rates]] * 2


def test_the_first_sync_reports_no_rise(listener: Listener, tmp_path: Path) -> None:
    """What rises when a file is first filled began before anybody looked."""
    with api_of(rising("10015", "/tags/0")) as api:
        run(tmp_path, "sync", environ=access(api) | addresses(listener))

    (message,) = hooked(listener)
    assert message["rising_failures"] == []


def test_a_heartbeat_has_a_beginning_and_an_end(listener: Listener, tmp_path: Path) -> None:
    """A run pings `/start`, then the address itself or the exit code; the body is its id."""
    with FaultyApi([], {1: refusal(422)}) as api:
        ping = f"{listener.url}/ping/?project=1"
        done = run(tmp_path, "sync", "--json", "--ping", ping, environ=access(api))
        run(tmp_path, "sync", "--ping", ping, environ=access(api))

    assert listener.targets == [
        "/ping/start?project=1",
        "/ping/?project=1",
        "/ping/start?project=1",
        "/ping/69?project=1",
    ]
    bodies = [each.body.decode() for each in listener.received]
    assert bodies[:2] == [json.loads(done.stdout)["run_id"]] * 2
    assert bodies[2] == bodies[3] != bodies[0]


def test_a_run_that_finds_another_at_work_tells_nobody(listener: Listener, tmp_path: Path) -> None:
    """While another sync holds the lock a run ends with 75, and nobody is notified."""
    state = tmp_path / ".telnyx_jobs.duckdb.state"
    state.mkdir()
    with FileLock(state / "lock"), api_of([]) as api:
        done = run(tmp_path, "sync", environ=access(api) | addresses(listener))

    assert done.returncode == 75
    assert listener.received == []


def test_a_run_that_spent_its_requests_has_not_failed(listener: Listener, tmp_path: Path) -> None:
    """A run that publishes before `--max-requests` ends it with 75 is reported as a success."""
    with api_of([job(1), job(2)]) as api:
        done = run(
            tmp_path,
            *("sync", "--page-size", "1", "--max-requests", "1"),
            environ=access(api) | addresses(listener),
        )

    assert done.returncode == 75
    assert listener.targets == ["/ping/start", "/ping"]


@pytest.mark.parametrize(
    "arguments",
    [["sync", "--help"], ["sync", "--dry-run"], ["status"]],
    ids=["help", "dry run that fails", "another command"],
)
def test_only_a_sync_tells(arguments: list[str], listener: Listener, tmp_path: Path) -> None:
    """Other commands, and a sync that writes nothing, notify nobody."""
    run(tmp_path, *arguments, environ=addresses(listener))

    assert listener.received == []


@contextmanager
def _at_work(folder: Path, listener: Listener) -> Iterator[PreparedProcess]:
    """A sync whose API does not answer, from when it has asked."""
    asked = threading.Event()

    def stuck(exchange: Exchange) -> None:
        asked.set()
        exchange.pause(60)

    with FaultyApi([], otherwise=stuck) as api:
        environ = environment(folder) | access(api) | addresses(listener)
        process = PreparedProcess(folder, environ, "sync")
        try:
            assert asked.wait(60)
            yield process
        finally:
            process.kill()
            process.communicate(timeout=10)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)], ids=["SIGTERM", "Ctrl-C"]
)
def test_a_stopped_run_is_told(
    sent: signal.Signals, code: int, listener: Listener, tmp_path: Path
) -> None:
    """A run that a signal ends is reported as a failure, with its exit code."""
    with _at_work(tmp_path, listener) as process:
        process.send_signal(sent)
        _, stderr = process.communicate(timeout=10)

    assert process.returncode == code
    message = json.loads(stderr.splitlines()[-1])["message"]
    assert [each["text"] for each in hooked(listener)] == [
        f"telnyx-jobs sync ended with exit code {code}: {quoted(message)}"
    ]
    assert pings(listener) == ["/ping/start", f"/ping/{code}"]


def test_a_stopped_run_ends_in_time_whoever_listens(tmp_path: Path) -> None:
    """Addresses that never answer do not delay a stopped run, which prints its one line."""
    with Listener([0] * 10) as listener, _at_work(tmp_path, listener) as process:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=10)
        seconds = time.monotonic() - began

    assert (process.returncode, seconds < STOP_SECONDS + 1) == (75, True)
    failed = [line for line in stderr.splitlines() if json.loads(line)["event"] == "failed"]
    assert len(failed) == 1


@pytest.mark.parametrize(
    ("status", "attempts"), [(500, ATTEMPTS), (429, ATTEMPTS), (404, 1), (302, 1)]
)
def test_who_does_not_listen_changes_nothing(status: int, attempts: int, tmp_path: Path) -> None:
    """A refusal is retried if that may help, no redirect is followed, and the run ends as it did.

    Without a key it ends at once.
    """
    with Listener([status] * 10) as listener:
        done = run(tmp_path, "sync", "--webhook", f"{listener.url}/s3cret")

    assert (done.returncode, listener.targets) == (77, ["/s3cret"] * attempts)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (warning,) = (line for line in lines if line["event"] != "failed")
    assert (warning["level"], "s3cret" in done.stderr) == ("warning", False)
    assert warning["message"] == (
        f"the webhook did not accept the message (HTTP {status}), the run is not affected: "
        "check --webhook"
    )


def test_a_passing_fault_is_no_warning(tmp_path: Path) -> None:
    """A message that a retry delivers is delivered."""
    with Listener([503]) as listener, api_of(jobs_that_failed("10015")) as api:
        done = run(tmp_path, "sync", "--quiet", "--webhook", listener.url, environ=access(api))

    assert (done.returncode, done.stderr, len(listener.received)) == (0, "", 2)


def test_nobody_at_the_address_is_one_warning_each(tmp_path: Path) -> None:
    """Unreachable addresses are reported by their options, once, with --quiet too."""
    with api_of(jobs_that_failed("10015")) as api:
        done = run(
            tmp_path,
            *("sync", "--quiet", "--webhook", NOBODY, "--ping", NOBODY),
            environ=access(api),
        )

    messages = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert done.returncode == 0
    assert sorted(messages) == [
        f"the {option} did not accept the message (no connection), the run is not affected: "
        f"check --{option}"
        for option in ("ping", "webhook")
    ]


def test_no_text_of_the_api_takes_effect(
    listener: Listener, tmp_path: Path, publish: Published
) -> None:
    """Mentions, links and markup from the API stand in code, taken apart; the fields are exact."""
    hostile = "` <!here> @channel *b* _i_ [x](http://evil.test) ![](www.evil.test)\n> :bomb:"
    with FaultyApi([], otherwise=refusal(422, title=hostile)) as api:
        run(tmp_path, "sync", environ=access(api) | addresses(listener))
    jobs = jobs_that_failed("10015")
    earlier, recent = rising(hostile, f"/{hostile}")
    with api_of(jobs) as api:
        publish(api, jobs, tmp_path / NAME)
        jobs += [earlier]
        run(tmp_path, "sync", environ=access(api) | addresses(listener))
        jobs += [recent]
        run(tmp_path, "sync", environ=access(api) | addresses(listener))

    texts = [message["text"] for message in hooked(listener)]
    outside = [re.sub("`[^`]*`", "...", text) for text in texts]
    assert outside == [
        "telnyx-jobs sync ended with exit code 69: ...",
        "telnyx-jobs: 1 kind of failure never seen before: ...",
        "telnyx-jobs: 1 failure rate rises in the newest 7 days: ... from 1.98% to 40.00%",
    ]
    assert [re.findall(r"[<>\n]|@channel|http://|www\.", text) for text in texts] == [[], [], []]
    assert hooked(listener)[1]["new_failures"] == [
        {"error_code": hostile, "error_pointer_pattern": f"/{hostile}"}
    ]


def test_no_phone_number_is_told(listener: Listener, tmp_path: Path) -> None:
    """A number in what the API says is left out of the message, and nothing in it is a command."""
    said = "<!channel> +1 (555) 000-0001 & 15550000002"
    with FaultyApi([], otherwise=refusal(422, title=said)) as api:
        run(tmp_path, "sync", environ=access(api) | addresses(listener))
    number = failure(1, error("+15550000003", "/numbers/+15550000003/x"))
    with api_of([job(1, failed_operations=[number])]) as api:
        run(tmp_path, "sync", environ=access(api) | addresses(listener))

    failed, found = hooked(listener)
    assert failed["text"].startswith(
        "telnyx-jobs sync ended with exit code 69: `the API refuses the request "
        "(422 10007 &lt;!channel&gt; [number] &amp; [number])"
    )
    assert found["new_failures"] == [
        {"error_code": "[number]", "error_pointer_pattern": "/numbers/[number]/x"}
    ]


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("webhook", "nowhere"),
        ("webhook", "ftp://127.0.0.1/"),
        ("ping", "http:///"),
        ("ping", "http://[::"),
    ],
)
def test_an_unusable_address_is_78(option: str, address: str, tmp_path: Path) -> None:
    """An unusable address ends with 78 before anything is written, and is not printed."""
    done = run(tmp_path, "sync", "--demo", f"--{option}", f"{address}s3cret")

    assert done.returncode == 78
    assert f"--{option}" in complaint(done)
    assert "s3cret" not in done.stderr
    assert list(tmp_path.iterdir()) == []
