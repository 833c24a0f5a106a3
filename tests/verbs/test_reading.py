"""Configs as they stand in a cell, a file or a line; nothing of them is run."""

from __future__ import annotations

import pytest

from brickbook.errors import ConfigError
from brickbook.verbs.reading import argument, cell_config, inline, read_config, shape_of

ONE = {"type": "Normal", "std": 0.1}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"type": "Normal", "std": 0.1}', ONE),
        ('{"type": "Normal", "on": true}', {"type": "Normal", "on": True}),
        ("dict(type='Normal', std=.1)", ONE),
        ("# why\ndict(type='Normal',  # here\n     std=.1)\n# end", ONE),
        ("init_cfg = [dict(type='Normal', std=.1)]", [ONE]),
        ("  a = b = [\n    dict(type='Normal', std=.1),\n  ]\n", [ONE]),
        ("\n\n[dict(type='Normal', std=1e-1)]  # one\n", [ONE]),
        ("x = {'type': 'Ä', 'y': dict(z=(1, -2))}", {"type": "Ä", "y": {"z": (1, -2)}}),
        ("dict(type='Uniform', a=float('-inf'))", {"type": "Uniform", "a": float("-inf")}),
    ],
)
def test_a_cell(body, value):
    assert cell_config(body) == value


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("dict(type=", "'(' was never closed"),
        ("[\n dict(type='A'),\n dict(type='B'\n]", "line "),
        ("[x]", "it holds a name or a call"),
        ("__import__('os').abort()", "it holds a name or a call"),
        ("dict(**{'type': 1})", "it holds a name or a call"),
        ("init_cfg['a'] = {}", "invalid syntax"),
        ("import os\nos.abort()", "expected one config, found 2 statements"),
        ("import os", "invalid syntax"),
        ("# only a comment", ""),
        ("[" * 100_000, ""),
    ],
)
def test_what_is_no_config(body, why):
    with pytest.raises(ConfigError) as caught:
        cell_config(body)
    assert str(caught.value).startswith(f"the cell: neither a Python literal ({why}")
    assert "0x" not in str(caught.value)


def test_a_file_and_a_word(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("init_cfg = dict(type='Normal', std=.1)  # ä", encoding="utf-8")
    assert read_config(str(file)) == ONE == inline("dict(type='Normal', std=.1)")
    assert inline("name") is None and inline('[{"type": "Normal", "std": 0.1}]') == [ONE]


def test_small_words():
    assert argument("std=0.1") == ("std", 0.1) and argument("mode=fan_in") == ("mode", "fan_in")
    assert argument("layer=['a', 'b']") == ("layer", ["a", "b"])
    assert argument("x==") == ("x", "=")
    assert shape_of("3x32,32") == (3, 32, 32)
