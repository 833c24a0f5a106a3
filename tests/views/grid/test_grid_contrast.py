"""The contrast of the grid's colours, in the themes of JupyterLab and on a page of its own."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from brickbook.views.grid.payload import GRID_CSS

THEMES = Path(sys.prefix, "share/jupyter/lab/themes/@jupyterlab")
SHEETS = {
    "light": "theme-light-extension",
    "dark": "theme-dark-extension",
    "dark high contrast": "theme-dark-high-contrast-extension",
}
# WCAG 2.2: 1.4.3 for small text, 1.4.11 for what a picture needs to be understood.
TEXT = [("ink", "paper"), ("soft", "paper"), ("paper", "ink")]
TEXT += [("on-chip", f"c{at}") for at in range(6)]
GRAPHICS = [
    (name, "paper") for name in ("before", "after", "soft", "focus", "v0", "v1", "v2", "v3", "ink")
]
NAMED = {"white": "#ffffff", "black": "#000000"}
VALUE = re.compile(r"(--[\w-]+):\s*([^;}]+)")

Colour = tuple[float, float, float, float]


def parsed(text: str) -> Colour:
    """Read #rgb, #rrggbb, #rrggbbaa or rgba()."""
    text = NAMED.get(text, text)
    if text.startswith("rgb"):
        red, green, blue, *alpha = (float(x) for x in re.findall(r"[\d.]+", text))
        return red / 255, green / 255, blue / 255, *(alpha or [1.0])  # type: ignore[return-value]
    digits = text[1:] if len(text) > 4 else "".join(2 * x for x in text[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in range(0, len(digits), 2)]
    return tuple([*parts, 1.0][:4])  # type: ignore[return-value]


def over(front: Colour, back: Colour) -> Colour:
    """Lay a colour that lets light through over another."""
    mixed = (a * front[3] + b * (1 - front[3]) for a, b in zip(front[:3], back[:3], strict=True))
    return (*mixed, 1.0)  # type: ignore[return-value]


def luminance(colour: Colour) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in colour[:3])
    return sum(x * y for x, y in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of a colour on an opaque one: from 1 to 21."""
    high, low = sorted((luminance(over(one, other)), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def resolved(value: str, known: dict[str, str], dark: bool) -> str:
    """Follow var(--x, fallback) and light-dark(a, b) to a colour."""
    value = value.strip()
    if found := re.fullmatch(r"light-dark\(([^,]+),([^,]+)\)", value):
        return found[2 if dark else 1].strip()
    if found := re.fullmatch(r"var\((--[\w-]+)(?:,(.*))?\)", value, re.DOTALL):
        inner = known.get(found[1], found[2])
        return resolved(inner, known, dark)
    return value


def colours(theme: str) -> dict[str, Colour]:
    """The colours of the grid by name, in a theme of JupyterLab or, as "page …", without one."""
    known: dict[str, str] = {}
    if not theme.startswith("page"):
        sheet = THEMES / SHEETS[theme] / "index.css"
        if not sheet.is_file():
            pytest.skip("no JupyterLab here, whose themes these are")
        known = dict(VALUE.findall(sheet.read_text(encoding="utf-8")))
    grid = GRID_CSS.read_text().split("@media")[0]
    own = {name: value for name, value in VALUE.findall(grid) if name.startswith("--bb-")}
    return {
        name.removeprefix("--bb-"): parsed(resolved(value, known, "dark" in theme))
        for name, value in own.items()
        if name not in ("--bb-hue", "--bb-dash", "--bb-columns")
    }


@pytest.mark.parametrize("theme", [*SHEETS, "page light", "page dark"])
def test_contrast(theme):
    found = colours(theme)
    messages = {
        (front, back, least): contrast(found[front], over(found[back], found["paper"]))
        for pairs, least in ((TEXT, 4.5), (GRAPHICS, 3.0))
        for front, back in pairs
    }
    low = {pair: round(value, 2) for pair, value in messages.items() if value < pair[2]}
    assert low == {}


def test_the_measure_itself():
    white, grey = parsed("white"), parsed("#767676")
    assert contrast(parsed("black"), white) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)
    assert contrast(parsed("rgba(0,0,0,.54)"), white) == pytest.approx(4.6, abs=0.05)
