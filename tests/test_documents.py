"""The documents: their tables agree with the code, and their links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from typer.main import get_command

from telnyx_jobs import errors
from telnyx_jobs.cli.commands import app
from telnyx_jobs.cli.process import INTERRUPTED
from telnyx_jobs.settings import ENV_PREFIX
from telnyx_jobs.views.files import data_test_texts, view_texts

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "*/README.md", "*/*/README.md")
    for path in ROOT.glob(pattern)
    if not path.relative_to(ROOT).parts[0].startswith(".")
)
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


def table_under(title: str, text: str = SETTINGS) -> list[list[str]]:
    """The cells of each row of the table below a title, of docs/settings.md by default."""
    section = text.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def commands() -> Iterator[tuple[str, Any]]:
    """Each command and one of its options."""
    group: Any = get_command(app)
    for name, command in group.commands.items():
        for option in command.params:
            if option.opts[0].startswith("--"):
                yield name, option


def default_of(option: Any) -> str:
    """The default as the table writes it."""
    if option.required:
        return "required"
    if option.default is None:
        return "all" if option.multiple else "none"
    if isinstance(option.default, bool):
        return "on" if option.default else "off"
    if isinstance(option.default, float):
        return f"`{option.default:g}`"
    return f"`{option.default}`"


def test_the_table_of_options_is_that_of_the_command_line() -> None:
    """docs/settings.md has each option once by its variable, with default and commands."""
    expected: dict[tuple[str, str], dict[str, str]] = {}
    for command, option in commands():
        name = option.opts[0]
        own = f"{ENV_PREFIX}_{name.removeprefix('--').replace('-', '_').upper()}"
        variable = str(
            ([option.envvar] if isinstance(option.envvar, str) else option.envvar or [own])[0]
        )
        expected.setdefault((name, variable), {})[command] = default_of(option)

    documented: dict[tuple[str, str], dict[str, str]] = {}
    for option, variable, default, names, _ in table_under("Options"):
        usual, *others = re.split(r", (?=[\w-]+: )", default)
        defaults = dict.fromkeys(names.split(), usual) | dict(each.split(": ") for each in others)
        documented[option.strip("`").split()[0], variable.strip("`")] = defaults

    assert documented == expected


def test_the_table_of_exit_codes_is_complete() -> None:
    """docs/settings.md has every exit code that a command ends with."""
    classes = errors.TelnyxJobsError.__subclasses__()
    codes = {0, 1, 2, INTERRUPTED} | {each.exit_code for each in classes}

    assert [int(code) for code, _ in table_under("Exit codes")] == sorted(codes)


def test_the_proof_of_each_warehouse_counts_every_view_and_data_test() -> None:
    """As tests/engines fails if one of them does not run, or gives other rows."""
    text = (ROOT / "docs" / "warehouses.md").read_text(encoding="utf-8")
    found = {row[0]: row[-2:] for row in table_under("What is proved", text)}
    numbers = len(view_texts().keys() - {"data_dictionary"}), len(data_test_texts())
    assert len(found) == 7
    assert set(map(tuple, found.values())) == {tuple(f"{n} / {n}" for n in numbers)}


def test_readme_is_short() -> None:
    """The README has at most 120 lines and 900 words; the rest is in docs/."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 120
    assert len(text.split()) <= 900


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    """Each relative link of a document leads to a file, and to a heading where it names one."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        path = (document.parent / target).resolve() if target else document
        if re.match(r"[a-z]+:", link):
            continue
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)

    assert broken == []


def test_the_readme_has_no_link_that_breaks_on_pypi() -> None:
    """The description for PyPI has the whole README, and absolute links only."""
    metadata = ProjectMetadata(str(ROOT), PluginManager())
    description = metadata.core.readme

    links = re.findall(r"\]\(([^)]+)\)", description)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(description.splitlines()) == len(readme.splitlines())


def test_hooks_run_what_lint_runs() -> None:
    """Each hook before a commit is a command of `make lint`."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = {hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    recipe = makefile.split("\nlint:")[1].split("\n\n")[0]

    assert len(entries) == 4
    # the paths come from pre-commit, and ruff leaves out the same ones of them
    run = {entry.removesuffix(" --force-exclude") for entry in entries}
    assert {entry for entry in run if f"\t{entry}" not in recipe} == set()
