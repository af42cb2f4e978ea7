"""The systemd units: verified by systemd, and their command run as systemd would run it."""

import json
import shlex
import subprocess
from configparser import ConfigParser
from datetime import datetime
from pathlib import Path

import pytest
from filelock import FileLock

from support.scheduled import DATABASE, installed, moved
from support.syncs import api_of, job, rows

UNITS = ["telnyx-jobs.service", "telnyx-jobs.timer"]


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """A folder with both units, for a program that exists."""
    root = installed(tmp_path, "KEY")
    for name in UNITS:
        (root / name).write_text(moved(f"systemd/{name}", root))
    return root


def analyze(*arguments: str, folder: Path) -> str:
    """What systemd-analyze prints on stdout; it must succeed without a warning."""
    done = subprocess.run(
        ["systemd-analyze", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def setting(unit: Path, section: str, name: str) -> str:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit)
    return parser[section][name]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_the_unit(unit: str, units: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong with the unit."""
    assert analyze("verify", f"./{unit}", folder=units) == ""


def test_the_service_is_hardened(units: Path) -> None:
    """systemd's own exposure level of the service is 2.0 or less, of 10."""
    printed = analyze(
        *("security", "--offline=true", "--threshold=20", "--no-pager", f"./{UNITS[0]}"),
        folder=units,
    )

    assert "Overall exposure level" in printed


def test_the_timer_elapses_every_quarter_of_an_hour(units: Path) -> None:
    """The timer's next four times are 15 minutes apart, off the full hour."""
    calendar = setting(units / UNITS[1], "Timer", "OnCalendar")
    printed = analyze(
        *("calendar", "--iterations=4", "--base-time=2026-11-23 10:00:00 UTC", calendar),
        folder=units,
    )

    times = [line.split("UTC")[0].split()[-1] for line in printed.splitlines() if "UTC" in line]
    assert times == ["10:07:00", "10:22:00", "10:37:00", "10:52:00"]


def run_service(units: Path, base_url: str) -> subprocess.CompletedProcess[str]:
    """The service's command, with no more of an environment than systemd gives it."""
    source = setting(units / UNITS[0], "Service", "LoadCredential").partition(":")
    credentials = units / "credentials"
    credentials.mkdir()
    (credentials / source[0]).write_bytes(Path(source[2]).read_bytes())
    line = setting(units / UNITS[0], "Service", "ExecStart").replace("$$", "$")
    return subprocess.run(
        shlex.split(line),
        cwd=(units / DATABASE).parent,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "CREDENTIALS_DIRECTORY": str(credentials),
            # as from the EnvironmentFile
            "TELNYX_BASE_URL": base_url,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_service_syncs_with_its_credential(tmp_path: Path) -> None:
    """The service's command takes the key from the credential and fills the file."""
    with api_of([job(1)]) as api:
        root = installed(tmp_path, api.key)
        (root / UNITS[0]).write_text(moved(f"systemd/{UNITS[0]}", root))
        done = run_service(root, api.url)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["jobs_changed"] == 1
    assert rows(root / DATABASE, "select job_id from telnyx.jobs") == [("job-00001",)]


def test_a_service_that_finds_another_sync_has_succeeded(units: Path) -> None:
    """What the service ends with beside another sync is its `SuccessExitStatus`."""
    state = (units / DATABASE).with_name(f".{DATABASE.name}.state")
    state.mkdir()
    with FileLock(state / "lock"):
        done = run_service(units, "http://127.0.0.1:9/v2")

    assert str(done.returncode) == setting(units / UNITS[0], "Service", "SuccessExitStatus")
    assert datetime.fromisoformat(json.loads(done.stderr)["ts"])
