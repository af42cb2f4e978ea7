"""What makes the process of a sync start faster and stay smaller."""

import ctypes
import gc
import os
import sys
from importlib.abc import MetaPathFinder

_ARENA_MAX = -8
"""glibc's name for the number of heaps that threads share."""


class _Hidden(MetaPathFinder):
    """Answers that some modules are not installed."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> None:
        if name in self._names:
            raise ModuleNotFoundError(name)


def make_lean() -> None:
    """Settings of this process, to be made before it imports pyarrow or starts a thread.

    No collection of cycles: what a sync makes in number has none, and looking takes 0.3 s. One heap
    for all threads: with one for each, what is freed in one is no use to another, 50 MB. And the
    system's allocator for pyarrow: its own keeps 60 MB of what is freed.
    """
    gc.disable()
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_ARENA_MAX, 1)


def import_without_extras() -> None:
    """Import pyarrow and httpx without what they use only where it is there.

    pandas and numpy, which no sync needs, and httpx's command line: together half a second and
    50 MB. Each looks once, and never again.
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


def give_memory_back() -> None:
    """Return to the system what was freed and is still kept, where the system can."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
