"""What `telnyx-jobs examples` writes, from a checkout and from the installed wheel."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from support.syncs import ROOT, complaint, environment, run

PLACES = {
    "schedules": ROOT / "pipelines" / "schedules",
    "monitoring": ROOT / "pipelines" / "monitoring",
    "notebooks": ROOT / "notebooks",
    "dbt": ROOT / "dbt",
    ".dlt": ROOT / ".dlt",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Each file below a folder by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def expected() -> dict[str, bytes]:
    """The examples as the repository has them."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", *map(str, PLACES.values())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in tracked.stdout.split("\0") if name]
    return {
        str(Path(name) / path.relative_to(place)): path.read_bytes()
        for name, place in PLACES.items()
        for path in paths
        if path.is_relative_to(place) and path.name not in ("make_ipynb.py", "make_sources.py")
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as its wheel has it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, str(ROOT)], capture_output=True, check=True)
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(folder / "package")
    return folder / "package"


def test_a_checkout_writes_all_of_them(tmp_path: Path) -> None:
    """Schedules, monitoring, notebook and configuration are written as the repository has them."""
    done = run(tmp_path, "examples", "--to", "here")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [f"here/{name}" for name in PLACES]
    assert contents(tmp_path / "here") == expected()


def test_the_wheel_has_them(installed: Path, tmp_path: Path) -> None:
    """The installed package writes the same, without a checkout."""
    environ = environment(tmp_path, PYTHONPATH=str(installed))
    command = [sys.executable, "-m", "telnyx_jobs", "examples", "--to", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True)

    assert contents(tmp_path) == expected()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Where one of the folders exists already nothing is written, with exit code 78."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text("# mine\n")
    done = run(tmp_path, "examples", "--to", ".")

    assert (done.returncode, complaint(done)) == (
        78,
        ".dlt exists already: give another --to",
    )
    assert contents(tmp_path) == {".dlt/config.toml": b"# mine\n"}


def test_a_folder_that_cannot_be_made_is_74(tmp_path: Path) -> None:
    """Where nothing can be written the exit code is 74, and the line says what to do."""
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "examples", "--to", "file/folder")

    assert done.returncode == 74
    assert "give --to a place that can" in complaint(done)
