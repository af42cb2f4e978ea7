"""What the process of a command changes about itself; importing a module never does."""

import codecs
import gc
import io
import os
import sys
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path

_MARKS = {"…": "...", "█": "#", "━": "-", "·": ".", "≥": ">=", "≤": "<="}


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
    try:
        Path.home()
    except RuntimeError:
        # a user that the system does not list; libraries ask for a home without using it
        os.environ["HOME"] = os.sep
    codecs.register_error("as_shown", _as_shown)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # one that was exchanged below Python cannot be changed any more
            with suppress(OSError):
                stream.reconfigure(errors="as_shown")


def _as_shown(error: UnicodeError) -> tuple[str, int]:
    """What a terminal without Unicode shows: marks of ASCII, or escapes such as `\\xe9`."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    shown = (_MARKS.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text)
    return "".join(shown), error.end


def with_docstrings() -> None:
    """Run this command again if Python has dropped docstrings, which the charts' library needs."""
    if sys.flags.optimize > 1:
        environ = os.environ | {"PYTHONOPTIMIZE": "1"}
        os.execve(sys.executable, [sys.executable, "-m", "telnyx_jobs", *sys.argv[1:]], environ)


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
