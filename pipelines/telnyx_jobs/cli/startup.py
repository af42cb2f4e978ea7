"""What the process of a command changes about itself; importing a module never does."""

import gc
import os
import sys
from importlib.abc import MetaPathFinder


class _Hidden(MetaPathFinder):
    """Answers that some modules are not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._names:
            raise ModuleNotFoundError(name)


def prepare_process() -> None:
    """Settings of this process, before any command."""
    # whatever is created is private, unless a command says otherwise
    os.umask(0o077)


def make_lean() -> None:
    """Faster and smaller syncs. Call it before pyarrow is imported.

    A sync creates few reference cycles, and looking for them takes 0.3 s. pyarrow's own allocator
    keeps 60 MB of freed memory, the system's does not.
    """
    gc.disable()
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def import_without_extras() -> None:
    """Import pyarrow and httpx without the packages that they import if installed.

    These are pandas and numpy, which no sync needs, and httpx's command line: together 0.5 s and
    50 MB. Each is looked for once.
    """
    hidden = _Hidden("pandas", "numpy", "httpx._main")
    sys.meta_path.insert(0, hidden)
    try:
        import httpx  # noqa: F401
        import pyarrow.compute

        # pyarrow looks for pandas at its first array
        pyarrow.array([])
    finally:
        sys.meta_path.remove(hidden)
