"""The panel of a migration in a real JupyterLab with a real browser."""

from __future__ import annotations

import re

import pytest
from axe_support import violations
from migration_example import OLD, PATH
from notebook_pages import theme, wait_for_value

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = f"%%brickbook migrate --name {PATH} --language en\n{OLD}"
PANEL = f"""
from brickbook.lab import Migrator
panel = Migrator({OLD!r}, path={PATH!r}, language="en")
panel
"""
HOSTILE = r"""
from brickbook.lab import Migrator
text = '''# </script><img src=x onerror="alert(1)"> \u202e \x1b[2J
optimizer = dict(type='<b onclick=alert(2)>', lr=0.1)
lr_config = dict(policy='step', step=[30], name='</style><img src=x onerror=alert(3)>')
runner = dict(type='EpochBasedRunner', max_epochs=90)
'''
panel = Migrator(text, path="<img src=x onerror=alert(4)>.py", language="en")
panel
"""
LINES = ".bb-migration .bb-line"
# Whatever is wider than its place.
CUT = """[...document.querySelectorAll(".bb-migration, .bb-migration *")].filter((node) =>
  node.offsetParent && node.scrollWidth > node.clientWidth + 1 &&
  !["inline", "table-row", "table-row-group"].includes(getComputedStyle(node).display))
  .map((node) => `${node.className} ${node.textContent.slice(0, 60)}`)"""


def option(page, label, words):
    page.get_by_label(label, exact=True).select_option(words)


def notes(page):
    return page.locator(".bb-list li")


def test_a_pasted_config_in_both_themes(stage, shoot):
    cell, page = stage.play(CELL), stage.page
    page.locator(f"{LINES}[data-sign='~']").first.wait_for()
    picture = page.locator(".bb-curves")
    picture.wait_for()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    assert "apart, at" in picture.get_attribute("alt")
    shoot("migrator_light")
    changed = page.locator(f"{LINES}[data-sign]:not([data-sign=''])")
    count = changed.count()
    assert count > 10 and changed.locator(".bb-sign").filter(has_text=re.compile("[−+]")).count()
    assert all(row.locator(".bb-ref").count() for row in changed.all()[:8])
    theme(page, "JupyterLab Dark")
    page.locator(".bb-lines").scroll_into_view_if_needed()
    shoot("migrator_dark")
    line = page.locator(f"{LINES}[data-sign='~'] ins").first
    colour = line.evaluate("node => getComputedStyle(node).color")
    assert min(int(number) for number in re.findall(r"\d+", colour)[:3]) > 150  # light on dark
    assert violations(page, ".jp-OutputArea:has(.bb-migration)") == []
    theme(page, "JupyterLab Light")
    assert violations(page, ".jp-OutputArea:has(.bb-migration)") == []
    assert cell.locator(".bb-title").inner_text().startswith(f"{PATH}: ")


def test_schedules_languages_and_severities(stage, shoot):
    stage.play(PANEL)
    page = stage.page
    page.locator(".bb-curves").wait_for()
    before = page.locator(".bb-curves").get_attribute("src")
    page.get_by_label("Schedule", exact=True).focus()
    option(page, "Schedule", "faithful")
    page.wait_for_function(
        "before => document.querySelector('.bb-curves').src !== before", arg=before
    )
    page.wait_for_function("document.activeElement.tagName === 'SELECT'")  # it keeps the focus
    wait_for_value(page, "panel.schedule", "faithful")
    everything = notes(page).count()
    option(page, "Notes shown", "by_hand")
    page.wait_for_function("document.querySelectorAll('.bb-list li').length === 1")
    assert page.locator(".bb-remark").count() == 1
    wait_for_value(page, "panel.page.shown", "by_hand")
    option(page, "Notes shown", "all")
    page.wait_for_function(f"document.querySelectorAll('.bb-list li').length === {everything}")
    option(page, "Language", "zh")
    page.get_by_text("需要手动修改").first.wait_for()
    stage.page.set_viewport_size({"width": 933, "height": 1000})
    page.wait_for_timeout(300)
    shoot("migrator_narrow")
    assert page.evaluate(CUT) == []


def test_by_keyboard_alone(stage):
    stage.play(PANEL)
    page, press = stage.page, stage.page.keyboard.press
    page.locator(".bb-curves").wait_for()
    page.get_by_label("Schedule", exact=True).focus()
    for _ in range(12):
        press("Tab")
        if page.evaluate("document.activeElement.role === 'option'"):
            break
    press("End")
    press("Home")
    press("ArrowDown")
    wait_for_value(page, "panel.page.selected", 1)
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.matches('.bb-note[aria-selected=true]')")
    assert page.locator(f"{LINES}.bb-current").count() == 1
    press("Enter")
    assert page.evaluate(f"{focused}.matches('.bb-line.bb-current')")
    press("Escape")
    assert page.evaluate(f"{focused}.matches('.bb-note[aria-selected=true]')")
    page.keyboard.type("bax")  # keys of the notebook: cells would come and go
    assert page.locator(".jp-CodeCell").count() == 1
    fold = page.locator(".bb-open").first
    fold.focus()
    press("Enter")
    page.wait_for_function(f"{focused}.matches('.bb-line') && !{focused}.hidden")
    page.get_by_label("all lines").focus()
    press("Space")
    page.wait_for_function("!document.querySelector('.bb-line[hidden]')")


def test_the_new_file_is_copied_and_downloaded(stage):
    stage.play(PANEL)
    page = stage.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy new file").click()
    page.get_by_text("Copied.").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    wait_for_value(page, "panel.migration.text", text)
    assert "optim_wrapper = " in text
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {PATH}").click()
    download = waiting.value
    assert download.suggested_filename == PATH
    assert download.path().read_text() == text


def test_hostile_texts_are_only_shown(stage, shoot):
    stage.play(HOSTILE)
    page = stage.page
    page.locator(f"{LINES}[data-sign='~']").first.wait_for()
    assert page.locator(".bb-migration img").count() == 1  # the curves
    assert page.locator(".bb-migration :is(b, style, script)").count() == 0
    assert "\\u202e \\x1b[2J" in page.locator(LINES).first.inner_text()
    shoot("migrator_hostile")
