"""The package itself: what a command imports, and which module knows which."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipelines" / "telnyx_jobs"

LAYERS = [
    "cli",
    "report",
    "export",
    "checks",
    "run",
    "destinations",
    "source",
    "views",
    "api",
]
"""Every folder of the package, from the top: each imports only folders further down."""

SHARED = {
    "addresses",
    "errors",
    "files",
    "progress",
    "quoting",
    "schema",
    "settings",
    "text",
    "threads",
    "version",
}
"""Modules that every folder may import; they import no folder."""

LONGEST_MODULE = 350
LONGEST_FUNCTION = 50
MOST_NAMES = 22

SLOW_TO_IMPORT = {
    *("altair", "dlt", "duckdb", "httpx", "jinja2", "pandas", "pyarrow", "sqlglot"),
}


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_slow_library(option: str) -> None:
    """What needs no data answers at once, without a library that takes long to import."""
    assert {name.partition(".")[0] for name in _imported_by(option)} & SLOW_TO_IMPORT == set()


def test_imports_go_down_the_layers() -> None:
    """No folder imports one above itself, and what all share imports no folder."""
    floors = dict(zip(LAYERS, range(len(LAYERS)), strict=True)) | dict.fromkeys(SHARED, len(LAYERS))
    upward = [
        f"{importer} imports {imported}"
        for importer, imported in _imports()
        if importer in floors and imported in LAYERS and floors[imported] < floors[importer]
    ]
    assert upward == []


def test_every_folder_has_its_layer() -> None:
    """The layers name each folder of the package, and the shared modules are the others."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - {"demo_api"} == set(LAYERS)
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules - {"__init__", "__main__"} == SHARED


def test_a_module_is_read_in_one_sitting() -> None:
    """No module of the package is longer than 350 lines."""
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {str(path): count for path, count in lines.items() if count > LONGEST_MODULE} == {}


def test_a_function_fits_on_a_screen() -> None:
    """No function of the package is longer than 50 lines, but for a command with its options."""
    longer = {
        f"{path.relative_to(PACKAGE)}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    }
    assert longer == {"cli/sync.py: sync"}


def test_the_package_shows_at_most_22_names() -> None:
    """The top of the package has at most 22 modules and folders."""
    names = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()]
    assert len([path for path in names if not path.name.startswith("__pycache__")]) <= MOST_NAMES


def test_the_demo_api_knows_nothing_of_the_package() -> None:
    """The demo API imports no other module of the package, so that it cannot share its errors."""
    known = {imported for name, imported in _imports() if name == "demo_api"}
    assert known <= {"demo_api"}


def test_only_the_command_line_knows_the_demo_api() -> None:
    """No module of the package but the command line imports the demo API."""
    importers = {name for name, imported in _imports() if imported == "demo_api"}
    assert importers - {"demo_api"} == {"cli"}


def _imported_by(*arguments: str) -> set[str]:
    """Dotted names of the modules that the command imports, or tries to."""
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "telnyx_jobs", *arguments],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    # lines as `import time:       120 |        340 |   json.decoder`
    names = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "telnyx_jobs.cli.commands" in names
    return names


def _imports() -> Iterator[tuple[str, str]]:
    """Each import inside the package, wherever it stands, as importing and imported module.

    A subpackage counts as one module, and the package's own names, such as its version, as none.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            for name in _imported_names(node):
                package, _, rest = name.partition(".")
                module = rest.partition(".")[0]
                if package == PACKAGE.name and _is_module(module):
                    yield importer, module


def _imported_names(node: ast.AST) -> list[str]:
    """Full dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports name their module in full"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _is_module(name: str) -> bool:
    return (PACKAGE / f"{name}.py").exists() or (PACKAGE / name / "__init__.py").exists()
