"""What of a layer a law may fill: its parameters by role, and what stands in the way."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.laws import Law, TruncNormal
from brickbook.init.matching import is_norm_class

__all__ = [
    "DTYPES", "Slot", "held_in", "out_of_range", "role_of", "slots", "slots_named",
    "sources", "unfit",
]  # fmt: skip

Role = Literal["weight", "bias", "scale", "embedding", "buffer", "other"]
DTYPES = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
)  # fmt: skip
GATES = {nn.LSTM: 4, nn.GRU: 3, nn.LSTMCell: 4, nn.GRUCell: 3}
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
ROLE_WORDS = ("weight", "bias", "scale", "embedding")
GUESSES: tuple[tuple[Role, str], ...] = (
    ("bias", r"bias|(?:^|_)b\d*$|shift|beta$"),
    ("embedding", r"embed|token|queries"),
    ("scale", r"scale|gamma|(?:^|_)ls\d*$|gain|temperature"),
    ("weight", r"weight|kernel|proj|(?:^|_)w\d*$"),
)


class Slot(NamedTuple):
    """A tensor of a layer: its role, its attribute, and how many equal parts it packs along dim 0.

    ``via`` says that it is computed by a parametrisation and set through its right inverse.
    """

    role: Role
    key: str
    tensor: Tensor
    parts: int = 1
    via: bool = False


@lru_cache(maxsize=4096)
def role_of_weight(kind: type) -> Role:
    """Say what the parameter called ``weight`` is in layers of a class."""
    if is_norm_class(kind) or issubclass(kind, nn.PReLU):
        return "scale"
    return "embedding" if issubclass(kind, (nn.Embedding, nn.EmbeddingBag)) else "weight"


@lru_cache(maxsize=4096)
def packs(kind: type) -> bool:
    """Whether a class has weights of several layers in one tensor, under names of its own."""
    return issubclass(kind, (nn.MultiheadAttention, *RECURRENT))


def slots(part: nn.Module) -> list[Slot]:
    """Return what a rule for a layer starts: weight and bias, or what torch's packed layers have.

    Of a layer under ``torch.nn.utils.spectral_norm`` it is ``weight_orig``, from which the weight
    is computed.
    """
    kind, own = type(part), part._parameters
    if packs(kind):
        return [packed(part, key, value) for key, value in own.items() if value is not None]
    found = []
    for name in ("weight", "bias"):
        tensor = own.get(name)
        if tensor is not None:
            found.append(Slot("bias" if name == "bias" else role_of_weight(kind), name, tensor))
        elif (source := own.get(f"{name}_orig")) is not None:
            found.append(Slot(name, f"{name}_orig", source))
    if "parametrizations" in part._modules:
        found += [slot for slot in parametrised(part) if slot.key in ("weight", "bias")]
    return found


def packed(part: nn.Module, key: str, tensor: Tensor) -> Slot:
    """Return a parameter of an attention or recurrent layer, with the parts it packs."""
    if "bias" in key:
        return Slot("bias", key, tensor)
    if isinstance(part, nn.MultiheadAttention):
        return Slot("weight", key, tensor, 3 if key == "in_proj_weight" else 1)
    gates = next((n for kind, n in GATES.items() if isinstance(part, kind)), 1)
    return Slot("weight", key, tensor, gates if re.match("weight_[ih]h", key) else 1)


def parametrised(part: nn.Module) -> Iterator[Slot]:
    """Yield what a layer computes by parametrisations that can be set: all have a right inverse."""
    for key, chain in part._modules["parametrizations"].items():  # pyright: ignore
        if all(hasattr(step, "right_inverse") for step in chain):
            yield Slot(role_of(part, key), key, computed(part, key), via=True)


def held_in(part: nn.Module, slot: Slot) -> list[Tensor]:
    """Return the tensors that hold a slot's numbers: itself, or what its parametrisation keeps."""
    if not slot.via:
        return [slot.tensor]
    return list(part.get_submodule(f"parametrizations.{slot.key}").parameters())


@torch.no_grad()
def computed(part: nn.Module, key: str) -> Tensor:
    """Return a parametrised tensor; no state changes (a spectral norm trains as it computes)."""
    chain = list(part._modules["parametrizations"].modules())  # pyright: ignore
    training = [step.training for step in chain]
    try:
        for step in chain:
            step.training = False
        return getattr(part, key)
    finally:
        for step, flag in zip(chain, training, strict=True):
            step.training = flag


def unreachable(part: nn.Module) -> Iterator[str]:
    """Yield what a layer computes from other parameters, so that no write would last."""
    if (
        "parametrizations" not in part._modules
        and not {"weight_v", "bias_v"} & part._parameters.keys()
    ):
        return
    chains = part._modules.get("parametrizations")
    for key in ("weight", "bias"):
        chain = chains._modules.get(key) if chains is not None else None
        fixed = chain is not None and not all(
            hasattr(step, "right_inverse") for step in chain.children()
        )
        if fixed or f"{key}_v" in part._parameters:  # the old weight_norm
            yield key


def sources(part: nn.Module, key: str) -> Iterator[Tensor]:
    """Yield the parameters that a layer computes one of its tensors from."""
    for name, tensor in part._parameters.items():
        if tensor is not None and name in (f"{key}_g", f"{key}_v"):  # the old weight_norm
            yield tensor
    chains = part._modules.get("parametrizations")
    chain = chains._modules.get(key) if chains is not None else None
    if chain is not None:
        yield from chain.parameters()


def role_of(part: nn.Module, key: str) -> Role:
    """Say what a parameter is: by its layer where torch has it, else guessed from its name."""
    if packs(type(part)):
        return "bias" if "bias" in key else "weight"
    if key in ("weight", "weight_orig"):
        return role_of_weight(type(part))
    if key in ("bias", "bias_orig"):
        return "bias"
    for role, words in GUESSES:
        if re.search(words, key):
            return role
    return "other"


def slots_named(part: nn.Module, keys: str, *, alone: bool = True) -> list[Slot]:
    """Return what a pattern of parameters means of a layer: a name, a glob, or a role's word.

    The word of a role is a name too (a norm's ``weight``), unless the layer is met along with
    others (``alone=False``). Persistent buffers only by their name or a glob with a letter.
    """
    by_role = keys in ROLE_WORDS and not alone

    def meant(slot: Slot) -> bool:
        return slot.role == keys or (not by_role and fnmatchcase(slot.key, keys))

    usual = {slot.key: slot for slot in slots(part)}
    found = []
    for key, tensor in part._parameters.items():
        if tensor is None:
            continue
        slot = usual.pop(key, None) or Slot(role_of(part, key), key, tensor)
        if meant(slot):
            found.append(slot)
    found += [slot for slot in usual.values() if meant(slot)]
    if keys not in ROLE_WORDS and keys.strip("*?"):
        found += [
            Slot("buffer", key, tensor)
            for key, tensor in part._buffers.items()
            if tensor is not None
            and key not in part._non_persistent_buffers_set
            and fnmatchcase(key, keys)
        ]
    return found


def unfit(tensor: Tensor) -> str:
    """Say why no law can fill a parameter; "" if one can."""
    if is_lazy(tensor):
        return "it has no shape yet: run one batch through the lazy module"
    if tensor.dtype not in DTYPES:
        return f"its dtype {str(tensor.dtype).removeprefix('torch.')} takes no law"
    if tensor.layout is not torch.strided:
        return f"its layout {str(tensor.layout).removeprefix('torch.')} takes no law"
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        return "it was made in inference mode, and cannot be written outside of it"
    if not tensor.is_contiguous() and 0 in tensor.stride():
        return "it is expanded: its elements share memory"
    return ""


def writable(tensor: Tensor) -> bool:
    """Whether a tensor of a dtype that takes laws certainly is fit; `unfit` knows of the others."""
    return (
        type(tensor) is nn.Parameter  # not one without a shape yet
        and tensor.layout is torch.strided
        and tensor.is_contiguous()
        and not tensor.is_inference()
    )


def out_of_range(law: Law, dtype: torch.dtype) -> str:
    """Say which number of a law a dtype cannot hold; "" if it holds them all."""
    if dtype.is_complex and isinstance(law, TruncNormal):
        return f"{law} cuts numbers off, and those of {str(dtype)[6:]} have no order"
    most = torch.finfo(dtype).max
    ends = [end for end in law.support if math.isfinite(end)]
    for number in (law.mean, law.std, *ends, *([ends[1] - ends[0]] if len(ends) == 2 else [])):
        if not abs(number) <= most:
            kind = str(dtype).removeprefix("torch.")
            return f"{law} has {number:.4g}, and {kind} ends at {most:.4g}"
    return ""
