"""mmcv-lite beside brickbook: what its layers give is what ours must give."""

from __future__ import annotations

import importlib
import warnings
from types import ModuleType

import pytest


def import_mmcv(name: str = "mmcv.cnn") -> ModuleType:
    """Import a module of mmcv-lite or mmengine; skip the test where that is not installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not ours to mend
        pytest.importorskip("mmcv")
        return importlib.import_module(name)
