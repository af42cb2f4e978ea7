"""What the process of a command changes about itself; importing a module never does."""

import codecs
import gc
import io
import os
import sys
from contextlib import suppress
from pathlib import Path

_MARKS = {"…": "...", "█": "#", "━": "-", "·": ".", "≥": ">=", "≤": "<="}


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
