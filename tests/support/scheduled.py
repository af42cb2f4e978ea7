"""What the tests of `pipelines/schedules/` share: an installation below a folder of the test."""

import subprocess
import sys
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from support.syncs import ROOT

SCHEDULES = ROOT / "pipelines" / "schedules"
CACHE = ROOT / ".cache"
DATABASE = Path("var/lib/telnyx-jobs/telnyx_jobs.duckdb")


def installed(folder: Path, key: str) -> Path:
    """The folder as the root that schedules know: with program, key and a place for the file."""
    program = folder / "opt/telnyx-jobs/bin/telnyx-jobs"
    secret = folder / "etc/telnyx-jobs/api_key"
    for each in (program, secret, folder / DATABASE):
        each.parent.mkdir(parents=True)
    program.symlink_to(Path(sys.executable).with_name("telnyx-jobs"))
    secret.write_text(f"{key}\n")
    return folder


def moved(schedule: str, root: Path) -> str:
    """A schedule's text, with that root instead of the machine's own."""
    text = (SCHEDULES / schedule).read_text()
    for name in ("opt", "etc", "var/lib"):
        text = text.replace(f"/{name}/telnyx-jobs", f"{root}/{name}/telnyx-jobs")
    return text


def python_with(name: str, *requirements: str) -> Path:
    """The `bin` folder of an environment with these, installed on first use and kept."""
    # other requirements are another environment
    digest = blake2b("\n".join(requirements).encode(), digest_size=4).hexdigest()
    folder = CACHE / f"{name}-{digest}"
    if not folder.exists():
        CACHE.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as temporary:
            fresh = Path(temporary) / folder.name
            new_environment(fresh, *requirements)
            # its scripts name the Python they were made for: they are run as modules
            fresh.rename(folder)
    return folder / "bin"


def new_environment(folder: Path, *requirements: str) -> None:
    """A virtual environment with these packages, installed by the pip of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    subprocess.run(
        [*pip, "install", "-qq", "--disable-pip-version-check", *requirements], check=True
    )
