"""The metrics, alert rules and dashboard in Debian's Prometheus."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from support.rates import rising
from support.syncs import ROOT, Json, access, api_of, environment, job, numbers, run

Ask = Callable[..., Json]
"""Asks Prometheus: a path below its API, then parameters; gives the data answered."""

MONITORING = ROOT / "pipelines" / "monitoring"
RULE_TESTS = ROOT / "tests" / "data" / "alerts.test.yaml"
METRICS = "telnyx_jobs.prom"
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: telnyx-jobs
    metrics_path: /telnyx_jobs.prom
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file, and its metrics as a schedule writes them."""
    folder = tmp_path_factory.mktemp("metrics")
    jobs = [job(400, status="pending", pending_operations=numbers(8)), *rising("1", "/x")]
    with api_of(jobs) as api:
        assert run(folder, "sync", environ=access(api)).returncode == 0
    (folder / METRICS).write_text(run(folder, "status", "--prometheus").stdout)
    return folder


def promtool(*arguments: str, text: str | None = None) -> str:
    """What promtool prints; it must find nothing wrong."""
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_the_metrics(folder: Path) -> None:
    """`promtool check metrics` finds neither an error nor a name against the conventions."""
    assert promtool("check", "metrics", text=(folder / METRICS).read_text()) == ""


def test_the_alerts_fire_when_they_should() -> None:
    """Each alert fires in the case it is for and in no other, by `promtool test rules`."""
    promtool("check", "rules", str(MONITORING / "alerts.yaml"))
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))


class _Metrics(SimpleHTTPRequestHandler):
    """A plain file server."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[int]:
    """The port at which the folder's files are served."""
    handler = partial(_Metrics, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def ask(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A Prometheus that scrapes the metrics from a file server."""
    home = tmp_path_factory.mktemp("prometheus")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with serving(folder) as port:
        config = home / "prometheus.yaml"
        config.write_text(CONFIG.format(rules=MONITORING / "alerts.yaml", port=port))
        command = [
            *("prometheus", f"--config.file={config}", f"--storage.tsdb.path={home / 'data'}"),
            f"--web.listen-address={address}",
        ]
        client = httpx.Client(base_url=f"http://{address}/api/v1/", trust_env=False)
        with (
            (home / "log").open("w") as log,
            subprocess.Popen(command, stderr=log, env=environment(home)) as process,
            client,
        ):

            def answer(path: str, **asked: str) -> Json:
                data: Json = client.get(path, params=asked).raise_for_status().json()["data"]
                return data

            try:
                # two scrapes, for queries that compare, and rules evaluated on the first
                _awaited(lambda: answer("query", query="telnyx_jobs_open_jobs offset 2s")["result"])
                yield answer
            finally:
                process.terminate()


def _awaited(found: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            if found():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < until, "Prometheus has no metrics after a minute"
        time.sleep(0.1)


def test_prometheus_scrapes_the_metrics(ask: Ask) -> None:
    """Prometheus has each figure of the file, by instance and job type."""
    (found,) = ask("query", query="telnyx_jobs_failed_operations")["result"]

    assert (found["metric"]["job_type"], found["value"][1]) == ("update_phone_numbers", "42")


def test_every_panel_of_the_dashboard_has_data(ask: Ask) -> None:
    """Each query of the Grafana dashboard is understood by Prometheus, and gives something."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    # as Grafana replaces it for all instances, and for the shortest window that has two scrapes
    asked = [query.replace("$instance", ".*").replace("[1h]", "[5s]") for query in queries]
    empty = [query for query in asked if not ask("query", query=query)["result"]]

    assert len(queries) > 10
    assert empty == []


def test_a_file_just_published_alerts_of_its_rising_rate_alone(ask: Ask) -> None:
    """Prometheus evaluates each rule without an error, and only the one that should fire does."""
    (group,) = ask("rules")["groups"]

    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    firing = [rule["name"] for rule in group["rules"] if rule["state"] != "inactive"]
    assert firing == ["TelnyxJobsRising"]


def test_the_dashboard_shows_every_metric(folder: Path) -> None:
    """The panels ask for each metric that is printed but one, and for no other."""
    printed = set(re.findall(r"^# TYPE (\w+)", (folder / METRICS).read_text(), re.MULTILINE))
    asked = set(re.findall(r"telnyx_jobs_\w+", (MONITORING / "dashboard.json").read_text()))

    # when the last run ended matters only if it failed, and then the file's age says it
    assert printed - asked == {"telnyx_jobs_last_run_timestamp_seconds"}
    assert asked - printed == set()
