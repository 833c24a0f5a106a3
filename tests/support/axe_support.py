"""axe-core in a page of the browser: what keeps people out, of any part of it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

BUNDLE = "axe_playwright_python"  # a package that brings axe.min.js along
RUN = """async ([selector, options]) => {
  const { violations } = await axe.run(document.querySelector(selector), options);
  return violations.map(({ id, impact, help, nodes }) =>
    ({ id, impact, help, targets: nodes.map((node) => node.target.join(" ")) }));
}"""


def axe_file() -> Path:
    """Return axe-core's script, or skip the test."""
    spec = find_spec(BUNDLE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    folders += [Path.cwd() / "node_modules" / "axe-core"]
    for file in (folder / "axe.min.js" for folder in folders):
        if file.is_file():
            return file
    pytest.skip("no axe-core here: pip install axe-playwright-python")


def violations(
    page: Any, selector: str, *, impacts: tuple[str, ...] = ("serious", "critical")
) -> list[str]:
    """Return what axe-core finds in a part of the page, one line each.

    The script is not put into the page as an element: a page's policy may forbid that.
    """
    page.evaluate(axe_file().read_text(encoding="utf-8"))
    found = page.evaluate(RUN, [selector, {"resultTypes": ["violations"]}])
    return [
        f"{one['impact']}: {one['id']}: {one['help']}: {', '.join(one['targets'][:3])}"
        for one in found
        if one["impact"] in impacts
    ]
