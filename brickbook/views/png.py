"""An SVG as a PNG, drawn by a Chromium that is on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from brickbook.errors import BadValueError, ConfigError, Sentence

__all__ = ["NoBrowserError", "find_browser", "svg_to_png"]

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)

FLAGS = (
    "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

MAX_SIDE = 16_384  # pixels to a side: what Chromium draws in one piece
TIMEOUT = 120  # seconds


class NoBrowserError(ConfigError, RuntimeError):
    """A picture that only a browser can draw, where there is none that does."""


def svg_to_png(svg: str, width: int, height: int) -> bytes:
    """Draw an SVG of this size; two pixels to a unit, or one if it is large.

    Raises:
        RuntimeError: No browser is found, or it writes nothing.
        ValueError: The picture is too large.
    """
    scale = 2 if max(width, height) * 2 <= MAX_SIDE else 1
    if max(width, height) > MAX_SIDE:
        raise BadValueError(
            "file",
            Sentence("{size} are too many pixels for a PNG.", size=f"{width} × {height}"),
            "Export it as .svg or .html.",
        )
    browser = find_browser()
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "picture.svg"), Path(folder, "picture.png")
        source.write_text(svg, encoding="utf-8")
        command = [
            browser, *FLAGS, *sandbox_flags(), f"--user-data-dir={folder}/profile",
            f"--force-device-scale-factor={scale}", f"--window-size={width},{height}",
            f"--screenshot={target}", source.as_uri(),
        ]  # fmt: skip
        with suppress(subprocess.TimeoutExpired):  # what it has written by then counts
            subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=False)
        if not target.is_file():
            problem = Sentence("{browser} drew no picture.", browser=browser)
            raise NoBrowserError("file", problem, "Export it as .svg or .html.")
        return target.read_bytes()


def find_browser() -> str:
    """Return the Chromium to call."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise NoBrowserError(
        "file",
        "a PNG is drawn by a browser, and there is none.",
        "Install chromium or google-chrome, or export it as .svg or .html.",
    )


def sandbox_flags() -> tuple[str, ...]:
    """Chromium refuses to run as root with its sandbox; the file is our own."""
    return ("--no-sandbox",) if getattr(os, "geteuid", lambda: 1)() == 0 else ()
