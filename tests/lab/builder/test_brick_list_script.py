"""The script of the list of bricks without a browser: as node reads it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from brickbook.lab.builder import brick_list
from brickbook.lab.builder.brick_list import BRICKS_CSS, BRICKS_JS, BrickList

HERE = Path(brick_list.__file__).parent
JS = Path(__file__).parents[2] / "js"
EXPORT = re.compile(r"^export (?:const|function|class) (\w+)", re.MULTILINE)


@pytest.mark.processes
def test_what_needs_no_page(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the tests of the list's script in tests/js need it")
    names = [name for file in BRICKS_JS.names for name in EXPORT.findall((HERE / file).read_text())]
    assert len(names) == len(set(names)) > 8
    module = tmp_path / "bricks.mjs"
    module.write_text(f"{BRICKS_JS.read_text()}export {{ {', '.join(names)} }};\n")
    done = subprocess.run(
        [node, "--test", JS / "brick_list.test.mjs"],
        env=os.environ | {"BRICKS_MODULE": module.as_uri()},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.processes
def test_the_style_of_the_scripts():
    eslint = shutil.which("eslint")
    if eslint is None:
        pytest.skip("no eslint here: npm install --global eslint")
    done = subprocess.run(
        [eslint, "-c", JS / "eslint.config.mjs", "brickbook/lab"],
        cwd=JS.parents[1], capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_gets_all_files_as_one():
    files = {file.name for file in HERE.glob("brick_list*.js")}
    assert files | {"../../views/grid/grid_keys.js"} == set(BRICKS_JS.names)
    shown = BrickList()
    assert (shown._esm, shown._css) == (BRICKS_JS.read_text(), BRICKS_CSS.read_text())
    assert "CHECKSUM" not in shown._esm


def test_the_script_never_writes_markup_and_fetches_nothing():
    words = (
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(",
        "import ", "import(", "Jupyter", "require",
    )  # fmt: skip
    script, style = BRICKS_JS.read_text(), BRICKS_CSS.read_text()
    assert [word for word in words if word in script] == []
    assert [word for word in ("url(", "@import", "</") if word in style] == []


def test_every_word_of_the_script_is_sent_to_it():
    script = BRICKS_JS.read_text()
    heads = re.search(r"const HEADS = \{(.*)\};", script).group(1)
    asked = set(re.findall(r'"([a-z.]+)"', heads))
    asked |= {a or b for a, b in re.findall(r'words(?:\.(\w+)|\["([^"]+)"\])', script)}
    assert asked == set(brick_list.page_texts())
