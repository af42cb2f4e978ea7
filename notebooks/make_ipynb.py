"""Write explore_failures.ipynb: explore_failures.py for Jupyter, run on a demo history.

    python notebooks/make_ipynb.py

The history is the same at each run, and so is the notebook; a test compares the two files.
"""

import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import vl_convert

from telnyx_jobs.demo_api import Account, serve

NOTEBOOK = Path(__file__).with_name("explore_failures.py")
EXPORT = NOTEBOOK.with_suffix(".ipynb")

# far enough apart to see a job pending and running
SYNCS = [datetime(2026, 11, 15, tzinfo=UTC) + timedelta(hours=20 * n) for n in range(4)]

# of a picture, which has no container
WIDTH = 740
# pixels of the pictures for each one shown, for sharp text
SCALE = 1.5

# what marimo's controls do is done in the code there
HINT = """## In Jupyter

The code of each cell is hidden: *View*, *Expand All Code* shows it. To filter, give `job_type`,
`error_code`, `period`, `pointer` or `job` a `value=` where they are created, and run the cells
below again. `TELNYX_JOBS_DATABASE` names another file."""

VEGA_LITE = "application/vnd.vegalite.v6+json"


def make_history(database: Path, instants: Sequence[datetime] = SYNCS) -> None:
    """Fill the database with what a sync at each of these instants sees of the demo account."""
    account, now = Account(), instants[0]
    with serve(lambda: account.jobs(now)) as api:
        for now in instants:  # noqa: B007  the server's view of the account
            subprocess.run(
                [sys.executable, "-m", "telnyx_jobs", "sync", "--quiet"],
                env=os.environ
                | {
                    "TELNYX_BASE_URL": api.url,
                    "TELNYX_API_KEY": api.key,
                    "TELNYX_JOBS_DATABASE": str(database),
                },
                stdout=subprocess.DEVNULL,
                check=True,
            )


def make_ipynb(database: Path) -> nbformat.NotebookNode:
    """Return the notebook with its outputs, each chart also as a picture that needs no script."""
    export = database.with_suffix(".ipynb")
    subprocess.run(
        [
            *(sys.executable, "-m", "marimo", "export", "ipynb", str(NOTEBOOK)),
            *("--output", str(export), "--force", "--include-outputs", "--sort", "top-down"),
            *("--", "--database", str(database)),
        ],
        stdout=subprocess.DEVNULL,
        check=True,
    )
    notebook: nbformat.NotebookNode = nbformat.read(export, as_version=4)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_marimo_only(output)]
            for output in cell.outputs:
                if VEGA_LITE in output.get("data", {}):
                    _add_picture(output)
    notebook.cells = list(_merged(notebook.cells))
    notebook.cells.append(nbformat.v4.new_markdown_cell(HINT, id="hint"))
    nbformat.validate(notebook)
    return notebook


def _merged(cells: list[Any]) -> Iterator[Any]:
    """Yield the cells, hidden code without an output joined to the next that has one."""
    sources: list[str] = []
    for cell in cells:
        if cell.cell_type == "code":
            sources.append(cell.source)
            if not cell.outputs:
                continue
            cell.source, sources = "\n\n\n".join(sources), []
            # the first hides it in JupyterLab and VS Code, the second in Jupyter Book
            cell.metadata = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
        yield cell


def _is_marimo_only(output: Any) -> bool:
    """Return whether it is a control, which does nothing outside marimo."""
    data = output.get("data", {})
    return any("marimo-" in data.get(kind, "") for kind in ("text/html", "text/markdown"))


def _add_picture(output: Any) -> None:
    # text in marimo's export, an object in Jupyter's format
    output.data[VEGA_LITE] = json.loads(output.data[VEGA_LITE])
    # not SVG: its text runs over where the viewer's font is wider than the one measured here
    chart = output.data[VEGA_LITE] | {"width": WIDTH}
    picture = vl_convert.vegalite_to_png(chart, scale=SCALE)
    width, height = struct.unpack(">II", picture[16:24])
    output.data["image/png"] = base64.b64encode(_recompressed(picture)).decode()
    output.metadata["image/png"] = {
        "width": round(width / SCALE),
        "height": round(height / SCALE),
    }


def _recompressed(png: bytes) -> bytes:
    """Return the same picture in a third of the bytes: vl-convert compresses for speed."""
    chunks, pixels, place = [], b"", 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        data = png[place + 8 : place + 8 + length]
        place += 12 + length
        if kind == b"IDAT":
            pixels += data
        else:
            chunks.append((kind, data))
    # the last chunk is the end mark
    chunks.insert(-1, (b"IDAT", zlib.compress(zlib.decompress(pixels), 9)))
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "telnyx_jobs.duckdb"
        make_history(database)
        nbformat.write(make_ipynb(database), EXPORT)


if __name__ == "__main__":
    main()
