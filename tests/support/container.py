"""The image of the Containerfile, built by buildah, and its root run read-only by a user at random.

Needs root. No registry is asked: the base image is a Debian that mmdebstrap makes. An engine such
as podman is not needed either: the root is mounted as one would, in a namespace of its own.
"""

import json
import os
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.scheduled import CACHE, SCHEDULES
from support.syncs import ROOT, Json

BASE = "docker.io/library/debian:trixie-slim"
USER_ID = 1_234_567
"""A user that exists nowhere, as platforms assign one; its group is 0, as theirs."""
ENTER = """
set -e
mount --bind "$root" "$root"
mount --bind "$volume" "$root/var/lib/telnyx-jobs"
for each in $secrets; do mount --bind "${each%%:*}" "$root/${each##*:}"; done
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
exec chroot --userspec="$user:0" "$root" /usr/bin/env --chdir="$folder" -i "$@"
"""


@dataclass(frozen=True)
class Image:
    """What was built: its root, and what it says about how to run it."""

    root: Path
    config: Json

    def command(
        self,
        volume: Path,
        arguments: Sequence[str],
        environ: Mapping[str, str] | None = None,
        secrets: Mapping[Path, str] | None = None,
    ) -> list[str]:
        """The command line that runs these there, on that volume and nothing else to write to.

        `secrets` are files mounted at a place that the root has.
        """
        outside = {
            "root": str(self.root),
            "volume": str(volume),
            "folder": self.config["WorkingDir"],
            "user": str(USER_ID),
            "secrets": " ".join(f"{file}:{place}" for file, place in (secrets or {}).items()),
        }
        # an engine sets HOME to / for a user that has no entry
        inside = [*self.config["Env"], "HOME=/", *_assignments(environ or {})]
        namespace = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "-"]
        return ["env", *_assignments(outside), *namespace, *inside, *arguments]

    def run(
        self, volume: Path, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The entry point with these arguments, or with those that the image has for none."""
        given = arguments or self.config["Cmd"]
        return subprocess.run(
            self.command(volume, [*self.config["Entrypoint"], *given], environ),
            capture_output=True,
            text=True,
            check=False,
        )


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """The image, until it is left; its storage lies in the folder."""
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def buildah(*arguments: str) -> str:
        command = ["buildah", *storage, "--storage-driver", "overlay", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, str(_debian()))
    buildah("commit", "--quiet", "--rm", base, BASE)
    volumes = [f"--volume={file}:{place}:ro" for file, place in _pip_settings(folder).items()]
    file = SCHEDULES / "container" / "Containerfile"
    options = ["--format=docker", "--isolation=chroot", "--network=host", "--layers=false"]
    # the base image is at hand already
    options.append("--pull-never")
    buildah("build", *options, *volumes, "--tag=telnyx-jobs", f"--file={file}", ".")
    container = buildah("from", "--pull-never", "telnyx-jobs")
    try:
        inspected = json.loads(buildah("inspect", container))
        yield Image(Path(buildah("mount", container)), inspected["Docker"]["config"])
    finally:
        buildah("rm", "--all")
        buildah("rmi", "--all", "--force")


def _debian() -> Path:
    """A Debian as the base image has it, made at first use and kept."""
    CACHE.mkdir(exist_ok=True)
    kept = CACHE / "debian-trixie.tar"
    if not kept.exists():
        fresh = kept.with_suffix(f".{os.getpid()}.tar")
        command = ["mmdebstrap", "--quiet", "--variant=minbase", "trixie", str(fresh)]
        subprocess.run(command, check=True)
        fresh.rename(kept)
    return kept


def _pip_settings(folder: Path) -> dict[Path, str]:
    """What pip needs of this machine's settings, by its place in the build."""
    settings = folder / "pip.conf"
    lines = ["[global]"]
    if index := os.environ.get("PIP_INDEX_URL"):
        lines.append(f"index-url = {index}")
    files = {settings: "/etc/pip.conf"}
    if authorities := os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile:
        lines.append("cert = /run/authorities.crt")
        files[Path(authorities)] = "/run/authorities.crt"
    settings.write_text("\n".join(lines) + "\n")
    return files


def _assignments(environ: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environ.items()]
