"""The lab as a reader sees it: a real JupyterLab in a real browser, against limits.

The peer of a row is its limit, or for the heap what it was after the first run of the cell. A run
of a cell is a run in its place: to go to another cell costs JupyterLab 0.2 MB by itself.
"""

from __future__ import annotations

from statistics import median

from notebook_page import Bench, Notebook, bench_or_reason

Row = dict[str, float | str]

AGAIN = 20  # further runs of a cell
CHOICES = 15

LOAD = "%load_ext brickbook"
IMPORT = f"{LOAD}\nfrom brickbook import *\nfrom brickbook.lab import *"
RESNET = f"""{IMPORT}
from torchvision_support import import_torchvision
model = import_torchvision().models.resnet50(weights=None)
"""
LARGE = f"""{IMPORT}
from torch import nn
model = nn.Sequential(*(nn.Linear(20, 20) for _ in range(500)))
"""
SHOW = "%brickbook show model"
GRID = """
if "grid" in globals(): grid.close()
grid = Grid()
grid.show(compare(before, before))
grid
"""
BEFORE = "from brickbook.lab.widgets.grid import Grid\nbefore = snapshot(model)"


# Clicks a picture; the answer is the time in ms until the figure has been drawn anew.
CHOOSE = """async (at) => {
  const frame = () => new Promise(requestAnimationFrame);
  const figure = () => document.querySelector(".js-plotly-plot");
  const picture = document.querySelectorAll(".bb-cell")[at];
  const drawn = figure() && new Promise((done) => figure().once("plotly_afterplot", done));
  const start = performance.now();
  picture.click();
  if (drawn) await drawn;
  else while (!figure()?.querySelector(".main-svg")) await frame();
  await frame();
  return performance.now() - start;
}"""


# Opens the tab of the weights; the answer is the time in ms until so many pictures are there.
OPEN = """async (count) => {
  const start = performance.now();
  document.querySelector("[role='tab'][data-name='weights']").click();
  const frame = () => new Promise(requestAnimationFrame);
  while (document.querySelectorAll(".bb-cell").length < count ||
         !document.querySelector(".bb-cell path")) await frame();
  return performance.now() - start;
}"""

# Takes a preset; the answer are the times in ms until the rules and the signals are drawn anew.
CHANGE = """async (name) => {
  const frame = () => new Promise(requestAnimationFrame);
  const menu = [...document.querySelectorAll(".widget-dropdown")]
    .find((one) => one.textContent.includes("presets")).querySelector("select");
  const rules = () => [...document.querySelectorAll("button")].map((one) => one.title).join() +
    [...document.querySelectorAll(".jp-OutputArea button")].map((one) => one.textContent).join();
  const drawing = document.querySelector(".bb-drawing");
  const before = [rules(), drawing.innerHTML];
  const start = performance.now();
  const waits = () => performance.now() - start < 20000; // a slow machine asks before it runs
  menu.value = name;
  menu.dispatchEvent(new Event("change", { bubbles: true }));
  while (rules() === before[0] && waits()) await frame();
  const first = performance.now() - start;
  while (drawing.innerHTML === before[1] && waits()) await frame();
  return [first, performance.now() - start];
}"""


def cases() -> list[Row]:
    """One row for each limit; none where there is no browser."""
    with bench_or_reason() as bench:
        if isinstance(bench, str):
            print(f"bench_browser: skipped, {bench}")
            return []
        rows = [*shown(bench), *held(bench)]
        counts = [
            ("requests to other hosts", bench.foreign_requests),
            ("console errors", bench.errors),
        ]
        for name, found in counts:
            for line in found:
                print(f"{name}: {line[:300]}")
            # No ratio to zero: one is over the bound.
            rows.append(row(f"{name}, all notebooks here", len(found), 0, 0, "", len(found)))
    return rows


def row(
    name: str, ours: float, peer: float, bound: float = 1, unit: str = "s", ratio: float = -1
) -> Row:
    ratio = ours / peer if ratio < 0 else ratio
    return {
        "name": name, "ours": ours, "peer": peer, "ratio": ratio, "bound": bound, "unit": unit,
    }  # fmt: skip


def shown(bench: Bench) -> list[Row]:
    """How long until all is on the page, and how much is sent for it."""
    rows = []
    models = [("ResNet-50, 161 parameters", RESNET, 161, 1, 0.35),
              ("1,000 parameters", LARGE, 1000, 2, 1)]  # fmt: skip
    for name, made, count, seconds, megabytes in models:
        with bench.notebook(f"show_{count}", made, SHOW) as opened:
            opened.run(0)
            start = opened.received
            elapsed = opened.run(1, DRAWN)
            rows.append(
                row(f"{name}: the first init lab of a page shown / limit", elapsed, seconds)
            )
            sent = (opened.received - start) / 1e6
            rows.append(row(f"{name}: sent for it / limit", sent, megabytes, unit="MB"))
            again = median(opened.run(1, DRAWN) for _ in range(5))
            rows.append(row(f"{name}: a further init lab shown / limit", again, seconds))
            opened.page.locator(".bb-drawing svg").wait_for()
            opened.page.wait_for_timeout(3000)  # all lines are drawn
            if name.startswith("ResNet"):
                both = [opened.page.evaluate(CHANGE, preset) for preset in PRESETS]
                plan, signals = (median(times) / 1000 for times in zip(*both, strict=True))
                rows.append(row(f"{name}: a changed rule until its line / limit", plan, 0.2))
                rows.append(row(f"{name}: a changed rule until its signals / limit", signals, 1.2))
            weights = opened.page.evaluate(OPEN, count) / 1000
            rows.append(row(f"{name}: the tab of the weights opened / limit", weights, seconds))
            rows.append(row(f"{name}: choose until repaint / limit", chosen(opened), 0.15))
    return rows


DRAWN = {".bb-drawing": 1}
PRESETS = ("Xavier, uniform", "Kaiming, fan in") * 3


def pictures(count: int) -> dict[str, int]:
    """Return what there is on the page when so many pictures are shown: some of them drawn."""
    return {".bb-cell": count, ".bb-cell path": 1}


def chosen(opened: Notebook) -> float:
    """Return the median of the seconds from a click on a picture to its large figure."""
    opened.page.evaluate(CHOOSE, 0)  # plotly is imported
    opened.page.wait_for_timeout(1000)
    elapsed = []
    for at in range(1, CHOICES + 1):
        elapsed.append(opened.page.evaluate(CHOOSE, at))
        opened.page.wait_for_timeout(100)
    return median(elapsed) / 1000


def held(bench: Bench) -> list[Row]:
    """What the page holds after many runs of a cell, against what it held after one."""
    rows = []
    kinds = [("builder", IMPORT, "%brickbook build --as net", {".bb-row": 2}),
             ("init lab of ResNet-50", RESNET, SHOW, DRAWN),
             ("grid of ResNet-50", f"{RESNET}{BEFORE}", GRID, pictures(161)),
             ("one line of text", "", "print('a line')", {})]  # fmt: skip
    for name, made, cell, wanted in kinds:
        with bench.notebook(f"heap_{name.split()[0]}", made, cell) as opened:
            opened.run(0)
            opened.run(1, wanted)
            first = opened.heap()
            for _ in range(AGAIN):
                opened.run(1, wanted)
            text = f"JS heap, {name}: after {AGAIN} re-runs / after the first"
            rows.append(row(text, opened.heap(), first, 1.3, "MB"))
    return rows
