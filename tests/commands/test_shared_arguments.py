"""Configs as they stand in a cell, a file or a line; nothing of them is run."""

from __future__ import annotations

import pytest

from brickbook.commands.arguments import parse_key_value, read_cell, read_config, read_inline
from brickbook.config import parse_shape
from brickbook.errors import ConfigError

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
    assert read_cell(body) == value


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
        read_cell(body)
    assert str(caught.value).startswith(f"the cell: neither a Python literal ({why}")
    assert "0x" not in str(caught.value)


def test_a_file_and_a_word(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("init_cfg = dict(type='Normal', std=.1)  # ä", encoding="utf-8")
    assert read_config(str(file)) == ONE == read_inline("dict(type='Normal', std=.1)")
    assert read_inline("name") is None and read_inline('[{"type": "Normal", "std": 0.1}]') == [ONE]


def test_small_words():
    assert parse_key_value("std=0.1") == ("std", 0.1) and parse_key_value("mode=fan_in") == (
        "mode",
        "fan_in",
    )
    assert parse_key_value("layer=['a', 'b']") == ("layer", ["a", "b"])
    assert parse_key_value("x==") == ("x", "=")
    assert parse_shape("3x32,32") == (3, 32, 32)
