"""Models, states and file formats that several tests of checkpoints use."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

TORCH_FORMATS = {"zip.pth": True, "legacy.pth": False}
FORMATS = (*TORCH_FORMATS, "a.safetensors")


def save(content: object, file: Path) -> str:
    """Write a file in the format that its name says, and return its path."""
    if file.suffix == ".safetensors":
        save_file(content, file)
    else:
        torch.save(content, file, _use_new_zipfile_serialization=TORCH_FORMATS[file.name])
    return str(file)


def net() -> nn.Module:
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4)))


def ones(model: nn.Module) -> OrderedDict[str, Tensor]:
    return OrderedDict((name, torch.ones_like(each)) for name, each in model.state_dict().items())


def kept(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def equal(model: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
