"""What torch's constructors draw, as laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from brickbook.init.initializers import KaimingInit, Target, XavierInit
from brickbook.init.laws import Constant, Law, Normal, Uniform
from brickbook.introspect import layer_slots, post_order, tensors_in, walk

__all__ = [
    "is_torch_method",
    "own_tensors",
    "torch_default_laws",
    "torch_laws_by_id",
    "torch_write_counts",
]

LawsByKey = dict[str, Law]

PROJECTION = KaimingInit(math.sqrt(5), "fan_in", "leaky_relu", "uniform")  # U(±1/√fan_in)
GLOROT_UNIFORM, GLOROT_NORMAL = XavierInit(distribution="uniform"), XavierInit()


class TorchDefault(NamedTuple):
    """Layers that torch initialises alike: by which method, which tensors with which laws."""

    classes: tuple[type[nn.Module], ...]
    method: str
    laws: Callable[..., LawsByKey]


def weight_shape(module: nn.Module) -> tuple[int, ...]:
    """Return the shape of a layer's weight, also where it is computed; () if it has none yet."""
    for slot in layer_slots(module):
        if slot.key in ("weight", "weight_orig") and not is_lazy(slot.tensor):
            return tuple(slot.tensor.shape)
    kept = module._parameters.get("weight_v")  # the old weight_norm
    return () if kept is None else tuple(kept.shape)


def weight_and_bias_laws(weight: Law, bias: Law) -> LawsByKey:
    """Return the laws of a weight and its bias; the old spectral_norm calls them ``_orig``."""
    return {"weight": weight, "bias": bias, "weight_orig": weight, "bias_orig": bias}


def symmetric_uniform(bound: float) -> Law:
    """Return the uniform law of a bound."""
    return Uniform(-bound, bound)


def projection_laws(module: nn.Linear | _ConvNd) -> LawsByKey:
    """Return U(±1/√fan_in) for the weight and for the bias.

    The weight's bound is computed as torch does, by way of He's law with a slope of √5, so that
    it is the same number.
    """
    shape = weight_shape(module)
    if not shape:
        return {}
    fan_in = math.prod(shape[1:])
    bias = symmetric_uniform(1 / math.sqrt(fan_in)) if fan_in else Constant(0.0)
    return weight_and_bias_laws(PROJECTION.law(Target("weight", shape)), bias)


def bilinear_laws(module: nn.Bilinear) -> LawsByKey:
    """Return U(±1/√in1_features) for weight and bias."""
    shape = weight_shape(module)
    law = symmetric_uniform(1 / math.sqrt(shape[1])) if shape and shape[1] else Constant(0.0)
    return weight_and_bias_laws(law, law)


def embedding_laws(module: nn.Module) -> LawsByKey:
    """Return N(0, 1)."""
    return {"weight": Normal(0.0, 1.0)}


def norm_laws(module: nn.Module) -> LawsByKey:
    """Return 1 for the scale and 0 for the shift."""
    return {"weight": Constant(1.0), "bias": Constant(0.0)}


def running_stats_laws(module: nn.Module) -> LawsByKey:
    """Return what running statistics begin with: mean 0, variance 1, no batches."""
    return {
        "running_mean": Constant(0.0),
        "running_var": Constant(1.0),
        "num_batches_tracked": Constant(0.0),
    }


def prelu_laws(module: nn.PReLU) -> LawsByKey:
    """Return the slope that the layer was built with."""
    return {"weight": Constant(float(module.init))}


def attention_laws(module: nn.MultiheadAttention) -> LawsByKey:
    """Return Glorot's laws for the projections, the three that are packed counted as one."""
    found: LawsByKey = {}
    for key, tensor in module._parameters.items():
        if tensor is not None and key.endswith("proj_weight"):
            found[key] = GLOROT_UNIFORM.law(Target(key, tuple(tensor.shape)))
        elif tensor is not None and key in ("bias_k", "bias_v"):
            found[key] = GLOROT_NORMAL.law(Target(key, tuple(tensor.shape)))
    if module.in_proj_bias is not None:
        found["in_proj_bias"] = found["out_proj.bias"] = Constant(0.0)
    return found


def recurrent_laws(module: nn.RNNBase | nn.RNNCellBase) -> LawsByKey:
    """Return U(±1/√hidden_size) for every tensor."""
    law = symmetric_uniform(1 / math.sqrt(module.hidden_size) if module.hidden_size > 0 else 0.0)
    return {key: law for key, tensor in module._parameters.items() if tensor is not None}


def transformer_laws(module: nn.Transformer) -> LawsByKey:
    """Return Glorot's uniform law for every matrix of the encoder and the decoder."""
    found = dict(module.named_parameters())
    matrices = ((k, p) for k, p in found.items() if not is_lazy(p) and p.dim() > 1)
    return {key: GLOROT_UNIFORM.law(Target(key, tuple(tensor.shape))) for key, tensor in matrices}


TORCH_DEFAULTS = (
    TorchDefault((nn.Linear, _ConvNd), "reset_parameters", projection_laws),
    TorchDefault((nn.Bilinear,), "reset_parameters", bilinear_laws),
    TorchDefault((nn.Embedding, nn.EmbeddingBag), "reset_parameters", embedding_laws),
    TorchDefault(
        (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm), "reset_parameters", norm_laws
    ),
    TorchDefault((_NormBase,), "reset_running_stats", running_stats_laws),
    TorchDefault((nn.PReLU,), "reset_parameters", prelu_laws),
    TorchDefault((nn.RNNBase, nn.RNNCellBase), "reset_parameters", recurrent_laws),
    TorchDefault((nn.MultiheadAttention,), "_reset_parameters", attention_laws),
    TorchDefault((nn.Transformer,), "_reset_parameters", transformer_laws),
)


def is_torch_method(module: nn.Module, method: str) -> bool:
    """Whether a module's method of this name is one that torch wrote."""
    owner = next((kind for kind in type(module).__mro__ if method in vars(kind)), None)
    return owner is not None and owner.__module__.startswith("torch.nn.modules.")


def torch_default_laws(module: nn.Module) -> LawsByKey:
    """Return torch's laws for a layer: for its own tensors, and (dotted) inner ones.

    Empty for what is no layer of torch, and where a class resets itself in its own way. Source:
    the constructors of ``torch.nn``; norms 1 and 0, projections U(±1/√fan_in) (LeCun et al. 1998,
    Efficient BackProp, §4.6, up to a factor), attention Glorot & Bengio 2010, eq. 16.
    """
    found: LawsByKey = {}
    for layer in TORCH_DEFAULTS:
        if isinstance(module, layer.classes) and is_torch_method(module, layer.method):
            found.update(layer.laws(module))
    return found


def torch_laws_by_id(model: nn.Module) -> dict[int, Law]:
    """Return torch's law for every parameter and buffer that has one, by the tensor's id.

    Of a tensor under two names the first takes precedence, and a layer that is made of layers over
    these, as in construction.
    """
    found: dict[int, Law] = {}
    made: list[tuple[nn.Module, LawsByKey]] = []
    for _, module in walk(model):
        laws = torch_default_laws(module)
        for key, tensor in own_tensors(module):
            if key in laws:
                found.setdefault(id(tensor), laws[key])
        if isinstance(module, (nn.MultiheadAttention, nn.Transformer)):
            made.append((module, laws))
    depth = {id(module): at for at, (_, module) in enumerate(post_order(model))}
    for module, laws in sorted(made, key=lambda item: depth[id(item[0])]):
        inner = dict(module.named_parameters(remove_duplicate=False))
        found.update((id(inner[key]), law) for key, law in laws.items() if key in inner)
    return found


def torch_write_counts(model: nn.Module) -> dict[int, int]:
    """Return how often torch's constructors write each tensor that they start, by its id."""
    counts: dict[int, int] = {}
    for _, module in post_order(model):
        laws = torch_default_laws(module)
        inner = dict(tensors_in(module)) if laws else {}
        for key in laws.keys() & inner.keys():
            padded = key == "weight" and getattr(module, "padding_idx", None) is not None
            counts[id(inner[key])] = counts.get(id(inner[key]), 0) + (2 if padded else 1)
    return counts


def own_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield a module's own parameters and buffers."""
    for own in (module._parameters, module._buffers):
        yield from ((key, tensor) for key, tensor in own.items() if tensor is not None)
