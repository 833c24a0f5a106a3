"""The grid's script without a browser: as node reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from brickbook.i18n import Texts
from brickbook.views.grid.bundle import HERE, ScriptBundle, StyleBundle
from brickbook.views.grid.payload import GRID_CSS, GRID_JS

JS = Path(__file__).parents[2] / "js"
EXPORT = re.compile(r"^export (?:const|function|class) (\w+)", re.MULTILINE)


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node here: the tests of the grid's script in tests/js need it")
    return found


@pytest.mark.processes
def test_what_needs_no_page(node, tmp_path):
    names = [name for file in GRID_JS.names for name in EXPORT.findall((HERE / file).read_text())]
    module = tmp_path / "grid.mjs"
    module.write_text(f"{GRID_JS.read_text()}export {{ {', '.join(names)} }};\n", encoding="utf-8")
    messages = {
        "GRID_MODULE": module.as_uri(),
        "GRID_TEXTS": json.dumps(Texts("en").section("grid")),
    }
    done = subprocess.run(
        [node, "--test", JS / "grid.test.mjs"],
        env=os.environ | messages, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.processes
def test_the_style_of_the_scripts():
    eslint = shutil.which("eslint")
    if eslint is None:
        pytest.skip("no eslint here: npm install --global eslint")
    root = JS.parent.parent
    done = subprocess.run(
        [eslint, "-c", JS / "eslint.config.mjs", "brickbook/views", "tests/js"],
        cwd=root, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_read_as_one_module(tmp_path, monkeypatch):
    (tmp_path / "a.js").write_text(
        '// A remark.\nexport const a = "//";\n\nexport function b() {\n  return a;\n}\n'
    )
    (tmp_path / "c.js").write_text(
        'import { a, b } from "./a.js";\n\nexport default { a, b }; // kept\n'
    )
    monkeypatch.setattr("brickbook.views.grid.bundle.HERE", tmp_path)
    text = 'const a = "//";\nfunction b() {\nreturn a;\n}\nexport default { a, b }; // kept\n'
    assert ScriptBundle(("a.js", "c.js")).read_text() == text
    assert ScriptBundle(("a.js", "c.js")).read_bytes() == text.encode()


def test_a_script_has_the_checksum_of_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr("brickbook.views.grid.bundle.HERE", tmp_path)
    messages = []
    for word in ("one", "other"):
        (tmp_path / "a.js").write_text(f'const {word} = "× – CHECKSUM";\n', encoding="utf-8")
        messages.append(ScriptBundle(("a.js",)).read_text())
    assert messages == [
        'const one = "\\xd7 \\u2013 3ef57bf6";\n', 'const other = "\\xd7 \\u2013 a91f1287";\n',
    ]  # fmt: skip


def test_styles_are_read_as_one_sheet(tmp_path, monkeypatch):
    (tmp_path / "a.css").write_text("/* A remark. */\n.a {\n  color: red; /* kept */\n}\n")
    (tmp_path / "b.css").write_text(".b {}\n")
    monkeypatch.setattr("brickbook.views.grid.bundle.HERE", tmp_path)
    assert StyleBundle(("a.css", "b.css")).read_text() == ".a {\ncolor: red; /* kept */\n}\n.b {}\n"


def test_the_script_never_writes_markup_and_fetches_nothing():
    script, style = GRID_JS.read_text(), GRID_CSS.read_text()
    words = (
        "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "fetch(",
        "import ", "import(", "Jupyter", "require",
    )  # fmt: skip
    for word in words:
        assert word not in script
    assert "url(" not in style and "@import" not in style and "</" not in style


def test_every_rule_of_the_style_is_below_one_class():
    style = re.sub(r"/\*.*?\*/", "", GRID_CSS.read_text(), flags=re.DOTALL)
    # What is nested in a rule is below it: only what stands outermost can reach further.
    while (inner := re.sub(r"(?<=[{;}])[^{};@]*\{[^{}]*\}", "", style)) != style:
        style = inner
    heads = [head.strip() for head in re.findall(r"([^{};]+)\{", style)]
    selectors = [one.strip() for head in heads if head[0] != "@" for one in head.split(",")]
    assert [one for one in selectors if ".bb-grid" not in one] == [] and selectors


def test_every_text_of_the_script_is_in_the_table():
    script, table = GRID_JS.read_text(), Texts("en").section("grid")
    sentences = set(re.findall(r'\bsay\("([\w.]+)"', script))
    assert sentences - set(table) == set() and len(sentences) > 20


def test_it_stays_small():
    assert len(GRID_JS.read_bytes()) < 40_000 and len(GRID_CSS.read_bytes()) < 12_000
