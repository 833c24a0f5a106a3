"""Libraries beside brickbook: what they give is what ours must give.

`make test` does without them and skips what compares; `make parity` installs them and sets
``BRICKBOOK_PARITY``, with which a peer that is missing is a failure.
"""

from __future__ import annotations

import importlib
import os
import warnings
from types import ModuleType

import pytest

__all__ = ["import_peer"]


def import_peer(name: str = "mmcv.cnn") -> ModuleType:
    """Import a module of mmcv-lite, mmengine, mmpretrain, timm or transformers, or skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not ours to mend
        if not os.environ.get("BRICKBOOK_PARITY"):
            pytest.importorskip(name.partition(".")[0], exc_type=ImportError)
        return importlib.import_module(name)
