"""Files that an earlier version published, kept in tests/data/published."""

import subprocess
from pathlib import Path

PUBLISHED = Path(__file__).parents[1] / "data" / "published"


def unpacked(archive: Path, folder: Path) -> Path:
    """The published file of an archive, unpacked with its state folder and all modes."""
    # tarfile has no filter, which later versions of Python want, before 3.11.4
    options = ["--extract", "--same-permissions", "--no-same-owner", "--file", str(archive)]
    subprocess.run(["tar", *options, "--directory", str(folder)], check=True)
    return folder / archive.name.partition(".")[0] / "jobs.duckdb"
