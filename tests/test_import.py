"""What importing brickbook loads, and what it offers."""

import subprocess
import sys
from pathlib import Path

import pytest

import brickbook

HEAVY = ("plotly", "pandas", "ipywidgets", "anywidget", "IPython", "libcst", "torchvision", "scipy")


@pytest.mark.processes
def test_the_import_loads_nothing():
    code = (
        "import sys, brickbook\n"
        "print(brickbook.__version__, hasattr(brickbook, '__wrapped__'))\n"
        "print([name for name in sys.modules if name.startswith('brickbook.')])\n"
        "print('torch' in sys.modules)\n"
        "brickbook.initialize\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
        "print(sorted(m for m in sys.modules if m in ('brickbook.views', 'brickbook.lab')))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines() == [f"{brickbook.__version__} False", "[]", "False", "[]", "[]"]


@pytest.mark.processes
def test_what_does_without_torch():
    names = sorted(brickbook.WITHOUT_TORCH)
    code = (
        f"import sys, brickbook\nfrom brickbook import {', '.join(names)}\n"
        f"print([getattr(brickbook, name).__name__ for name in {names}], 'torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == f"{[f'brickbook.{name}' for name in names]} False"


@pytest.mark.processes
def test_what_is_loaded_at_first_use_is_there():
    from brickbook import compare, snapshot
    from brickbook.measure.snapshot import compare as same

    assert compare is same and snapshot.__module__ == "brickbook.measure.snapshot.snapshot"
    assert set(brickbook.__all__) <= set(dir(brickbook))


def test_every_test_module_has_a_name_of_its_own():
    names = [file.name for file in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))  # else pytest takes one for the other


def test_no_folder_of_the_package_is_long():
    package = Path(brickbook.__file__).parent
    folders = [package, *(folder for folder in package.rglob("*") if folder.is_dir())]
    counts = {str(each.relative_to(package)): len(list(each.glob("*.py"))) for each in folders}
    # the names in bricks/ are mmcv's, which people import
    assert [name for name, count in counts.items() if count > 15 and name != "bricks"] == []


def test_no_arrow_of_the_map_is_excepted():
    settings = Path(__file__).parents[1] / "pyproject.toml"
    contracts = settings.read_text(encoding="utf-8").partition("[tool.importlinter]")[2]
    assert "exhaustive = true" in contracts and 'type = "acyclic_siblings"' in contracts
    assert "ignore_imports" not in contracts


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
