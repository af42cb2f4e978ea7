"""A headless Chromium for tests, and axe, which finds barriers to people in a page.

Both come as npm packages, the browser with its libraries and a font, so a test needs neither root
nor an installed browser. Systems other than Linux on x86-64 use an installed Chromium.
"""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from support.npm_packages import NODE, installed

CHROMIUM = "@sparticuz/chromium@147.0.0"
AXE = "axe-core@4.14.1"
# no look-ups at the maker's hosts
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
UNPACK = """
import chromium from "@sparticuz/chromium";
await chromium.executablePath();
"""
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{folder}/fonts</dir><cachedir>{folder}/font-cache</cachedir></fontconfig>
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser, without a sandbox because the tests may run as root."""
    program, environment = _program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", *QUIET], env=dict(environment)
        )
        try:
            yield browser
        finally:
            browser.close()


def axe_source() -> str:
    """The script that defines `axe` in a page."""
    return (_installed() / "node_modules" / "axe-core" / "axe.min.js").read_text()


def _program() -> tuple[Path, dict[str, str | float | bool]]:
    """Path and environment of the browser."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        found = shutil.which("chromium") or shutil.which("google-chrome")
        assert found, "these tests need Chromium: install it, so that chromium is on the PATH"
        return Path(found), {}
    folder = _installed() / "browser"
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS.format(folder=folder))
    return folder / "chromium", {
        "HOME": str(folder),
        "LD_LIBRARY_PATH": str(folder / "al2023" / "lib"),
        "FONTCONFIG_FILE": str(fonts),
    }


def _installed() -> Path:
    """The folder of browser and axe."""
    name = f"browser-{CHROMIUM.rpartition('@')[2]}-{AXE.rpartition('@')[2]}"
    return installed(name, CHROMIUM, AXE, finish=_unpack)


def _unpack(folder: Path) -> None:
    """Unpack the browser beside the packages, with the libraries that it takes along for AWS."""
    (folder / "browser").mkdir()
    subprocess.run(
        [NODE, "--input-type=module", "--eval", UNPACK],
        cwd=folder,
        env={"TMPDIR": str(folder / "browser"), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs22.x"},
        check=True,
        timeout=120,
    )
