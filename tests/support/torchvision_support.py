"""Torchvision beside a torch that its compiled operators were not built for.

Torchvision's models are plain Python, but its import also describes two compiled operators to
torch, and fails where they are missing: a torchvision that was built for CUDA cannot load its
library into a CPU build of torch. Declaring the operators, without a body, is enough to import the
models.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
LIBRARIES: list[torch.library.Library] = []  # a schema lives as long as its library


def import_torchvision() -> ModuleType:
    """Import torchvision with its models, declaring the operators it misses.

    Raises ModuleNotFoundError where torchvision is not installed, so that ``pytest.importorskip``
    can stand before it.
    """
    with warnings.catch_warnings():
        # Not ours to mend: torchvision uses torch.jit.script, which torch deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return _import()
        except RuntimeError as error:
            if "torchvision::" not in str(error):
                raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        return _import()


def _import() -> ModuleType:
    importlib.import_module("torchvision.models")
    return sys.modules["torchvision"]


def _declare_operators() -> None:
    for name, schema in SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library = torch.library.Library("torchvision", "FRAGMENT")
            library.define(schema)
            LIBRARIES.append(library)
