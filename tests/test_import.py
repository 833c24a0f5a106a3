"""What importing brickbook loads, and what it offers."""

import subprocess
import sys

import pytest

import brickbook

HEAVY = ("plotly", "pandas", "ipywidgets", "anywidget", "IPython", "libcst", "torchvision", "scipy")


@pytest.mark.processes
def test_the_import_stays_light():
    code = (
        "import sys, brickbook\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print(sorted(m for m in sys.modules if m in ('brickbook.views', 'brickbook.lab')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split("\n")[:2] == ["[]", "[]"]


@pytest.mark.processes
@pytest.mark.parametrize("switch", ["enable", "disable"])
@pytest.mark.parametrize("module", ["brickbook", "brickbook.broken"])
def test_the_garbage_collector_is_as_it_was(switch, module):
    code = (
        "import gc, sys\n"
        f"gc.{switch}()\n"
        f"sys.modules['brickbook.backbones'] = None if {module != 'brickbook'} else sys\n"
        "if sys.modules['brickbook.backbones'] is sys: del sys.modules['brickbook.backbones']\n"
        "try:\n"
        "    import brickbook\n"
        "except ImportError:\n"
        "    print('failed')\n"
        "print(gc.isenabled())\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    failed = ["failed"] if module != "brickbook" else []
    assert out.stdout.split() == [*failed, str(switch == "enable")]


@pytest.mark.processes
def test_what_is_loaded_at_first_use_is_there():
    from brickbook import compare, snapshot
    from brickbook.measure.snapshot import compare as same

    assert compare is same and snapshot.__module__ == "brickbook.measure.snapshot.snapshot"
    assert set(brickbook.__all__) <= set(dir(brickbook))


def test_names_of_mmcv_that_are_not_here_yet_say_so():
    with pytest.raises(ImportError) as caught:
        from brickbook import auto_fp16  # noqa: F401
    version = brickbook.__version__
    assert str(caught.value) == f"mmcv's auto_fp16 is not in brickbook {version}."
    assert not set(brickbook.LATER) & set(brickbook.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = brickbook.nonsense


@pytest.mark.parametrize("name", ["Conv2dRFSearchOp", "RFSearchHook"])
def test_names_out_of_scope_say_so(name):
    with pytest.raises(ImportError) as caught:
        getattr(brickbook, name)
    out = "(receptive-field search) is out of brickbook's scope."
    assert str(caught.value) == f"mmcv's {name} {out}"
    assert caught.value.name == name


def test_all_is_sorted_complete_and_documented():
    names = brickbook.__all__
    assert names == sorted(
        names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in names:
        value = getattr(brickbook, name)
        assert isinstance(value, brickbook.Registry) or value.__doc__, name
