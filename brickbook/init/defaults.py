"""Torch's own starts as laws: what its layers draw when they are built, said before it is drawn.

A layer counts only where it resets itself as torch wrote it; a class with a reset of its own is
that class's affair. What a class does to its weights after torch's constructor cannot be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from brickbook.init.laws import Constant, Law, Normal, Uniform
from brickbook.init.matching import post_order
from brickbook.init.recipes import Kaiming, Xavier
from brickbook.init.targets import slots
from brickbook.init.walking import walk

__all__ = ["Laws", "defaults_of", "is_torchs", "laws_by_tensor", "own_tensors"]

Laws = dict[str, Law]


class Layer(NamedTuple):
    """Layers that torch starts alike: by which method, and with which laws for which tensors."""

    kinds: tuple[type[nn.Module], ...]
    method: str
    laws: Callable[..., Laws]


def shape_of_weight(part: nn.Module) -> tuple[int, ...]:
    """Return the shape of a layer's weight, also where it is computed; () if it has none yet."""
    for slot in slots(part):
        if slot.key in ("weight", "weight_orig") and not is_lazy(slot.tensor):
            return tuple(slot.tensor.shape)
    kept = part._parameters.get("weight_v")  # the old weight_norm
    return () if kept is None else tuple(kept.shape)


def beside(weight: Law, bias: Law) -> Laws:
    """Return the laws of a weight and its bias; the old spectral_norm calls them ``_orig``."""
    return {"weight": weight, "bias": bias, "weight_orig": weight, "bias_orig": bias}


def around_zero(bound: float) -> Law:
    """Return the uniform law of a bound."""
    return Uniform(-bound, bound)


def projection(part: nn.Linear | _ConvNd) -> Laws:
    """Return U(±1/√fan_in) for the weight and for the bias.

    The weight's bound is computed as torch does, by way of He's law with a slope of √5, so that
    it is the same number.
    """
    shape = shape_of_weight(part)
    if not shape:
        return {}
    fan_in = math.prod(shape[1:])
    slope = Kaiming("uniform", math.sqrt(5), "fan_in", "leaky_relu")
    bias = around_zero(1 / math.sqrt(fan_in)) if fan_in else Constant(0.0)
    return beside(slope.at(shape), bias)


def bilinear(part: nn.Bilinear) -> Laws:
    """Return U(±1/√in1_features) for weight and bias."""
    shape = shape_of_weight(part)
    law = around_zero(1 / math.sqrt(shape[1])) if shape and shape[1] else Constant(0.0)
    return beside(law, law)


def embedding(part: nn.Module) -> Laws:
    """Return N(0, 1)."""
    return {"weight": Normal(0.0, 1.0)}


def norm(part: nn.Module) -> Laws:
    """Return 1 for the scale and 0 for the shift."""
    return {"weight": Constant(1.0), "bias": Constant(0.0)}


def statistics(part: nn.Module) -> Laws:
    """Return what running statistics begin with: mean 0, variance 1, no batches."""
    return {
        "running_mean": Constant(0.0),
        "running_var": Constant(1.0),
        "num_batches_tracked": Constant(0.0),
    }


def slope(part: nn.PReLU) -> Laws:
    """Return the slope that the layer was built with."""
    return {"weight": Constant(float(part.init))}


def attention(part: nn.MultiheadAttention) -> Laws:
    """Return Glorot's laws for the projections, the three that are packed counted as one."""
    found: Laws = {}
    for key, tensor in part._parameters.items():
        if tensor is not None and key.endswith("proj_weight"):
            found[key] = Xavier("uniform").at(tuple(tensor.shape))
        elif tensor is not None and key in ("bias_k", "bias_v"):
            found[key] = Xavier("normal").at(tuple(tensor.shape))
    if part.in_proj_bias is not None:
        found["in_proj_bias"] = found["out_proj.bias"] = Constant(0.0)
    return found


def recurrent(part: nn.RNNBase | nn.RNNCellBase) -> Laws:
    """Return U(±1/√hidden_size) for every tensor."""
    law = around_zero(1 / math.sqrt(part.hidden_size) if part.hidden_size > 0 else 0.0)
    return {key: law for key, tensor in part._parameters.items() if tensor is not None}


def transformer(part: nn.Transformer) -> Laws:
    """Return Glorot's uniform law for every matrix of the encoder and the decoder."""
    found = dict(part.named_parameters())
    matrices = ((k, p) for k, p in found.items() if not is_lazy(p) and p.dim() > 1)
    return {key: Xavier("uniform").at(tuple(tensor.shape)) for key, tensor in matrices}


LAYERS = (
    Layer((nn.Linear, _ConvNd), "reset_parameters", projection),
    Layer((nn.Bilinear,), "reset_parameters", bilinear),
    Layer((nn.Embedding, nn.EmbeddingBag), "reset_parameters", embedding),
    Layer((_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm), "reset_parameters", norm),
    Layer((_NormBase,), "reset_running_stats", statistics),
    Layer((nn.PReLU,), "reset_parameters", slope),
    Layer((nn.RNNBase, nn.RNNCellBase), "reset_parameters", recurrent),
    Layer((nn.MultiheadAttention,), "_reset_parameters", attention),
    Layer((nn.Transformer,), "_reset_parameters", transformer),
)


def is_torchs(part: nn.Module, method: str) -> bool:
    """Whether a module's method of this name is one that torch wrote."""
    owner = next((kind for kind in type(part).__mro__ if method in vars(kind)), None)
    return owner is not None and owner.__module__.startswith("torch.nn.modules.")


def defaults_of(part: nn.Module) -> Laws:
    """Return the laws by which torch starts a layer: of its own tensors, and (dotted) inner ones.

    Empty for what is no layer of torch, and where a class resets itself in its own way. Source:
    the constructors of ``torch.nn``; norms 1 and 0, projections U(±1/√fan_in) (LeCun et al. 1998,
    Efficient BackProp, §4.6, up to a factor), attention Glorot & Bengio 2010, eq. 16.
    """
    found: Laws = {}
    for layer in LAYERS:
        if isinstance(part, layer.kinds) and is_torchs(part, layer.method):
            found.update(layer.laws(part))
    return found


def laws_by_tensor(model: nn.Module) -> dict[int, Law]:
    """Return torch's law for every parameter and buffer that has one, by the tensor's id.

    Of a tensor under two names the first has the say, and a layer that is made of layers over
    these, as in construction.
    """
    found: dict[int, Law] = {}
    made: list[tuple[nn.Module, Laws]] = []
    for _, part in walk(model):
        laws = defaults_of(part)
        for key, tensor in own_tensors(part):
            if key in laws:
                found.setdefault(id(tensor), laws[key])
        if isinstance(part, (nn.MultiheadAttention, nn.Transformer)):
            made.append((part, laws))
    depth = {id(part): at for at, (_, part) in enumerate(post_order(model))}
    for part, laws in sorted(made, key=lambda item: depth[id(item[0])]):
        inner = dict(part.named_parameters(remove_duplicate=False))
        found.update((id(inner[key]), law) for key, law in laws.items() if key in inner)
    return found


def own_tensors(part: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a module's own parameters and buffers."""
    for own in (part._parameters, part._buffers):
        yield from ((key, tensor) for key, tensor in own.items() if tensor is not None)
