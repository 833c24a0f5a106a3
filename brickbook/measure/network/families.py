"""What kind of layer a module or a function of torch is; a new one is a row here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import nn
from torch.nn.modules.conv import _ConvNd

from brickbook.introspect import class_name, is_norm_layer
from brickbook.measure.network.records import Family

__all__ = ["JOINS_NOTHING", "family_of", "family_of_function", "is_leaf", "plain_function_name"]

CONTAINER_FILES = {"torch.nn.modules.container", "torch.nn.modules.transformer"}
FAMILY_OF_FILE: Mapping[str, Family] = {
    "conv": "conv", "linear": "linear", "sparse": "embedding", "rnn": "recurrent",
    "batchnorm": "norm", "instancenorm": "norm", "normalization": "norm",
    "activation": "activation",
    "pooling": "pool", "dropout": "dropout", "upsampling": "resize", "pixelshuffle": "resize",
    "flatten": "resize", "padding": "resize", "fold": "resize",
}  # fmt: skip
# By the last word of the class, for classes that are not torch's.
FAMILY_OF_WORD: tuple[tuple[Family, str], ...] = (
    ("norm", r"Norm(\d[dD])?$"),
    ("conv", r"Conv(\d[dD])?$|Conv(WS|AWS|AdaptivePadding)"),
    ("linear", r"Linear$"),
    ("embedding", r"Embed(ding|dings)?$"),
    ("attention", r"Attention$"),
    ("dropout", r"Drop(out|Path)$"),
    ("pool", r"Pool(\d[dD])?$"),
    ("activation", r"(Activation|ReLU|GELU|SiLU|Swish|Sigmoid|Tanh|Softmax)\d*$"),
)

# Functions that are drawn, whatever they take; of others only those that join several tensors.
FAMILY_OF_FUNCTION: Mapping[str, Family] = {
    **dict.fromkeys(
        (
            "relu", "relu6", "gelu", "silu", "tanh", "sigmoid", "leaky_relu", "elu", "selu", "celu",
            "mish", "hardswish", "hardsigmoid", "hardtanh", "softplus", "softmax", "log_softmax",
            "prelu", "glu", "rrelu", "threshold", "logsigmoid", "softsign", "tanhshrink",
        ),
        "activation",
    ),
    **{
        f"{kind}_pool{axes}d{end}": "pool"
        for kind in ("max", "avg", "lp", "adaptive_avg", "adaptive_max", "fractional_max")
        for axes in (1, 2, 3)
        for end in ("", "_with_indices")
    },
    **{f"conv{kind}{axes}d": "conv" for kind in ("", "_transpose") for axes in (1, 2, 3)},
    **dict.fromkeys(("linear", "bilinear"), "linear"),
    **dict.fromkeys(("embedding", "embedding_bag"), "embedding"),
    **dict.fromkeys(("layer_norm", "batch_norm", "group_norm", "instance_norm", "rms_norm",
                     "local_response_norm"), "norm"),
    **dict.fromkeys(("scaled_dot_product_attention", "multi_head_attention_forward"), "attention"),
    **dict.fromkeys(("interpolate", "upsample", "pixel_shuffle", "grid_sample"), "resize"),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), "recurrent"),
}  # fmt: skip

# What takes a second tensor for its shape, type or place alone.
JOINS_NOTHING = {
    "view_as", "expand_as", "reshape_as", "type_as", "to", "zeros_like", "ones_like", "empty_like",
    "full_like", "rand_like", "randn_like", "size", "dim", "broadcast_tensors",
}  # fmt: skip


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is drawn as one box: it has no modules inside, or is one of torch's layers.

    >>> is_leaf(nn.MultiheadAttention(4, 1)), is_leaf(nn.Sequential(nn.ReLU()))
    (True, False)
    """
    inside = [key for key, child in module._modules.items() if child is not None]
    if not set(inside) - {"parametrizations"}:
        return not isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict))
    file = type(module).__module__
    return file.startswith("torch.nn.modules.") and file not in CONTAINER_FILES


def family_of(module: nn.Module) -> Family:
    """Return the kind of a layer, "other" where it is not known.

    >>> family_of(nn.Conv2d(1, 1, 1)), family_of(nn.ReLU()), family_of(nn.Bilinear(1, 1, 1))
    ('conv', 'activation', 'linear')
    """
    if isinstance(module, nn.MultiheadAttention):
        return "attention"
    if is_norm_layer(module):
        return "norm"
    if isinstance(module, _ConvNd):
        return "conv"
    for base in type(module).__mro__:
        file = base.__module__
        if file.startswith("torch.nn.modules.") and base is not nn.Module:
            if base.__name__ in ("Identity", "NonDynamicallyQuantizableLinear"):
                return "other" if base.__name__ == "Identity" else "linear"
            found = FAMILY_OF_FILE.get(file.rpartition(".")[2])
            if found is not None:
                return found
    name = class_name(module)
    for family, word in FAMILY_OF_WORD:
        if re.search(word, name):
            return family
    return "other"


def plain_function_name(function: object) -> str:
    """Return the name of a function or operator, one for ``add``, ``add_``, ``+`` and ``+=``.

    >>> import operator, torch
    >>> [plain_function_name(f) for f in (operator.iadd, torch.Tensor.add_, torch.cat, "__add__")]
    ['add', 'add', 'cat', 'add']
    """
    name = function if isinstance(function, str) else getattr(function, "__name__", "")
    name = name.strip("_")
    return ALIASES.get(name, name)


ALIASES = {
    "iadd": "add", "radd": "add", "isub": "sub", "rsub": "sub", "imul": "mul", "rmul": "mul",
    "multiply": "mul", "subtract": "sub", "truediv": "div", "itruediv": "div", "rtruediv": "div",
    "divide": "div", "concat": "cat", "concatenate": "cat", "rmatmul": "matmul",
    "max_pool1d_with_indices": "max_pool1d", "boolean_dispatch": "max_pool2d",
}  # fmt: skip


def family_of_function(name: str) -> Family | None:
    """Return the kind of a function that is drawn whatever it takes; None for another."""
    return FAMILY_OF_FUNCTION.get(name)
