"""What a page of JupyterLab lets go of when a cell that shows a panel is run again."""

from __future__ import annotations

import pytest
from notebook_pages import run_cell

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

# A widget that keeps weak references to the page's models of others.
FIRST = '''import anywidget
from torch import nn

class Watch(anywidget.AnyWidget):
    _esm = """
    export default { initialize({ model }) {
      globalThis.watched = [];
      model.on("msg:custom", async ({ ids }) => {
        const found = await Promise.all(ids.map((id) => model.widget_manager.get_model(id)));
        globalThis.watched = found.map((one) => new WeakRef(one));
      });
    } };
    """

model = nn.Sequential(nn.Linear(20, 30), nn.BatchNorm1d(30))
watch = Watch()'''
SHOW = "panel = %brickbook show model\npanel"
BUILD = "panel = %brickbook build --as net\npanel"
SEND_IDS = """from brickbook.lab.widgets.base import descendants
parts = [panel, *descendants(panel)]
watch.send({"ids": [one.model_id for part in parts for one in (part, part.layout)]})"""
LEFT = "() => globalThis.watched.filter((one) => one.deref()).length"


@pytest.mark.parametrize("shown, least", [(SHOW, 50), (BUILD, 50)], ids=["init lab", "builder"])
def test_the_models_of_the_panel_that_was_there_are_let_go(stage, shown, least):
    page = stage.set_cells(FIRST, shown, SEND_IDS)
    devtools = page.context.new_cdp_session(page)
    run_cell(page, 0)
    run_cell(page, 1)
    run_cell(page, 2)
    page.wait_for_function(f"() => globalThis.watched?.length > {least}")
    devtools.send("HeapProfiler.collectGarbage")
    assert page.evaluate(LEFT) == page.evaluate("globalThis.watched.length")  # open ones stay
    run_cell(page, 1)
    for _ in range(50):  # what is closed goes in several steps of the page's own
        devtools.send("HeapProfiler.collectGarbage")
        if page.evaluate(LEFT) == 0:
            break
        page.wait_for_timeout(200)
    assert page.evaluate(LEFT) == 0
