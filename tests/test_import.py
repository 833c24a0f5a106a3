"""What importing brickbook loads, and what it offers."""

import subprocess
import sys

import brickbook

HEAVY = ("plotly", "pandas", "ipywidgets", "anywidget", "IPython", "libcst", "torchvision", "scipy")


def test_the_import_stays_light():
    code = (
        "import sys, brickbook\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print(sorted(m for m in sys.modules if m in ('brickbook.views', 'brickbook.lab')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["[]", "[]"]


def test_all_is_sorted_complete_and_documented():
    names = brickbook.__all__
    assert names == sorted(
        names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in names:
        value = getattr(brickbook, name)
        assert isinstance(value, brickbook.Registry) or value.__doc__, name
