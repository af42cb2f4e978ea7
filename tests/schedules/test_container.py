"""The container: its image built and run as its Containerfile says, its manifests by their schemas.

The image is run without an engine (see support/container.py); compose and Kubernetes were not run.
"""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.container import Image, built
from support.scheduled import SCHEDULES, python_with
from support.syncs import access, api_of, job, rows

COMPOSE = SCHEDULES / "container" / "compose.yaml"
CRONJOB = SCHEDULES / "kubernetes" / "cronjob.yaml"
NAME = "telnyx_jobs.duckdb"
LARGEST_BYTES = 420_000_000


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built(tmp_path_factory.mktemp("image")) as image:
        yield image


@pytest.fixture
def volume(image: Image, tmp_path: Path) -> Path:
    """An empty volume, with the mode and owner that an engine copies from the image."""
    folder = tmp_path / "volume"
    folder.mkdir()
    like = (image.root / "var/lib/telnyx-jobs").stat()
    folder.chmod(like.st_mode)
    os.chown(folder, like.st_uid, like.st_gid)
    return folder


def test_the_compose_file_is_valid() -> None:
    """The compose file follows the Compose Specification's JSON schema."""
    python = python_with("check-jsonschema-0.39.0", "check-jsonschema==0.39.0") / "python"
    check = [
        str(python),
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(COMPOSE),
    ]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "ok -- validation done\n"), done.stdout


def test_the_cron_job_is_valid() -> None:
    """The manifest follows the schemas of Kubernetes 1.37, without a field they do not know."""
    python = python_with("kubernetes-validate-1.37.0", "kubernetes-validate==1.37.0") / "python"
    script = (
        "import sys, yaml, kubernetes_validate as schemas\n"
        "for each in yaml.safe_load_all(open(sys.argv[1])):\n"
        "    schemas.validate(each, '1.37', strict=True)\n"
        "    print(each['kind'])\n"
    )
    command = [str(python), "-c", script, str(CRONJOB)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "PersistentVolumeClaim\nCronJob\n"), done.stderr


def test_cron_job_and_image_agree(image: Image) -> None:
    """The CronJob mounts the image's only volume, and its arguments are the image's own."""
    _, cronjob = yaml.safe_load_all(CRONJOB.read_text())
    (container,) = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]

    mounted = [each["mountPath"] for each in container["volumeMounts"]]
    assert mounted == list(image.config["Volumes"]) == [image.config["WorkingDir"]]
    assert container["args"] == image.config["Cmd"]
    assert cronjob["spec"]["concurrencyPolicy"] == "Forbid"


def test_a_sync_in_the_container(image: Image, volume: Path) -> None:
    """A user that exists nowhere syncs under a read-only root, and is healthy from then on."""
    health = image.config["Healthcheck"]["Test"][1:]
    unhealthy = subprocess.run(image.command(volume, health), check=False, capture_output=True)
    with api_of([job(1)]) as api:
        done = image.run(volume, environ=access(api))
    healthy = subprocess.run(image.command(volume, health), check=False, capture_output=True)
    written = subprocess.run(
        image.command(volume, ["touch", "/tmp/x", "/opt/telnyx-jobs/x", "/x"]),
        check=False,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, unhealthy.returncode, healthy.returncode) == (0, 1, 0), done.stderr
    assert json.loads(done.stdout)["jobs_changed"] == 1
    assert rows(volume / NAME, "select job_id from telnyx.jobs") == [("job-00001",)]
    assert written.stderr.count("Read-only file system") == 3


def test_compose_syncs_again_and_again(image: Image, volume: Path, tmp_path: Path) -> None:
    """The compose file's command syncs, waits, syncs again, and stops on a signal."""
    service = yaml.safe_load(COMPOSE.read_text())["services"]["telnyx-jobs"]
    (script,) = service["command"]
    # $$ is compose's way to write $
    script = script.replace("$$", "$").replace("sleep 900", "sleep 0.1")
    secret = tmp_path / "api_key"
    (mounted,) = (f"run/secrets/{name}" for name in service["secrets"])
    assert f"cat /{mounted}" in script
    # as an engine makes it
    (image.root / mounted).parent.mkdir(exist_ok=True)
    (image.root / mounted).touch()
    with api_of([job(1)]) as api:
        secret.write_text(f"{api.key}\n")
        environ = {"TELNYX_BASE_URL": api.url}
        command = image.command(
            volume, [*service["entrypoint"], script], environ, {secret: mounted}
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            published = [json.loads(process.stdout.readline())["published"] for _ in range(2)]
            process.send_signal(signal.SIGTERM)
            code = process.wait(timeout=10)

    assert (published, code) == ([True, True], 0)


def test_the_core_is_small(image: Image) -> None:
    """The installed packages take 420 MB at most, without bytecode."""
    sizes = {
        path: path.stat().st_size
        for path in (image.root / "opt/telnyx-jobs").rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    }

    assert sum(sizes.values()) <= LARGEST_BYTES


def test_without_charts_the_page_says_how_to_install_them(image: Image, volume: Path) -> None:
    """The image has no charts: the page for a terminal works, the HTML is exit 78 and says why."""
    with api_of([job(1)]) as api:
        image.run(volume, environ=access(api))
    text = image.run(volume, "report")
    html = image.run(volume, "report", "--html", "report.html")

    assert (text.returncode, html.returncode) == (0, 78)
    assert "pip install 'telnyx-jobs[report]'" in html.stderr
