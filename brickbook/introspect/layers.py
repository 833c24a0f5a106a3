"""Which tensors a layer has, and what each is: weight, bias, scale, packed, parametrised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any, Literal, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.nn.utils.spectral_norm import SpectralNorm

from brickbook.errors import Sentence

__all__ = [
    "FILLABLE_DTYPES",
    "ORIGINALS",
    "ParamSlot",
    "cached_per_class",
    "compute_parametrized",
    "derived_params",
    "find_slots",
    "gate_names",
    "is_norm_layer",
    "is_packed_class",
    "layer_slots",
    "parametrized_slots",
    "renew_spectral_vectors",
    "role_of",
    "role_of_weight",
    "source_params",
    "spectral_origin",
    "spectral_steps",
    "storage_of",
    "unfillable_reason",
]

T = TypeVar("T")


def cached_per_class(function: Callable[[type], T]) -> Callable[[type], T]:
    """Keep a function's value for every class, as long as the class lives.

    A class that a notebook cell defines anew each time it runs is not kept alive.
    """
    values: WeakKeyDictionary[type, T] = WeakKeyDictionary()

    @wraps(function)
    def cached(cls: type) -> T:
        try:
            return values[cls]
        except KeyError:
            values[cls] = value = function(cls)
            return value

    return cached


NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
NORM_CLASS_NAME = re.compile(r"Norm(?:Act|Gated)?(?:\d[dD])?$")
NEVER_NORMS = (nn.Linear, _ConvNd, nn.Embedding, nn.EmbeddingBag)


@cached_per_class
def is_norm_class(cls: type) -> bool:
    """Whether the weight of a class is a scale: torch's norms, and by their names all others.

    >>> is_norm_class(nn.GroupNorm), is_norm_class(type("LlamaRMSNorm", (nn.Module,), {}))
    (True, True)
    """
    named = NORM_CLASS_NAME.search(cls.__name__) is not None
    return issubclass(cls, NORMS) or (named and not issubclass(cls, NEVER_NORMS))


def is_norm_layer(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer: its weight is a scale, not a projection."""
    if isinstance(module, NORMS):
        return True
    weight = module._parameters.get("weight")
    return weight is not None and not module._modules and is_norm_class(type(module))


Role = Literal["weight", "bias", "scale", "embedding", "buffer", "other"]

FILLABLE_DTYPES = (
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128,
)  # fmt: skip

LSTM_GATES, GRU_GATES = ("input", "forget", "cell", "output"), ("reset", "update", "new")
GATES = {  # in the order in which torch packs them along the first axis
    nn.LSTM: LSTM_GATES, nn.GRU: GRU_GATES, nn.LSTMCell: LSTM_GATES, nn.GRUCell: GRU_GATES,
}  # fmt: skip
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
WEIGHT_NORM_KEYS = (  # what torch.nn.utils.weight_norm makes of a tensor
    ("weight", "weight_g", "weight_v"), ("bias", "bias_g", "bias_v"),
)  # fmt: skip
NAMED_ROLES = ("weight", "bias", "scale", "embedding")

ROLE_GUESSES: tuple[tuple[Role, str], ...] = (
    ("bias", r"bias|(?:^|_)b\d*$|shift|beta$"),
    ("embedding", r"embed|token|queries"),
    ("scale", r"scale|gamma|(?:^|_)ls\d*$|gain|temperature"),
    ("weight", r"weight|kernel|proj|(?:^|_)w\d*$"),
)


class ParamSlot(NamedTuple):
    """A tensor of a layer that a law may fill.

    Attributes:
        role: what it is for the layer.
        key: its attribute.
        tensor: the tensor itself.
        packed: how many weights of equal size it packs along dim 0.
        through_parametrization: it is computed by a parametrisation and set through its inverse.
    """

    role: Role
    key: str
    tensor: Tensor
    packed: int = 1
    through_parametrization: bool = False


@cached_per_class
def role_of_weight(cls: type) -> Role:
    """Return what the parameter called ``weight`` is in layers of a class."""
    if is_norm_class(cls) or issubclass(cls, nn.PReLU):
        return "scale"
    return "embedding" if issubclass(cls, (nn.Embedding, nn.EmbeddingBag)) else "weight"


def is_packed_class(cls: type) -> bool:
    """Whether a class has weights of several layers in one tensor, under names of its own."""
    return issubclass(cls, (nn.MultiheadAttention, *RECURRENT))


def layer_slots(module: nn.Module) -> list[ParamSlot]:
    """Return what a rule for a layer fills: weight and bias, or what torch's packed layers have.

    Of a layer under ``torch.nn.utils.spectral_norm`` it is ``weight_orig``, from which the weight
    is computed.
    """
    kind, own = type(module), module._parameters
    if is_packed_class(kind):
        return [packed_slot(module, key, value) for key, value in own.items() if value is not None]
    found = []
    for name in ("weight", "bias"):
        tensor = own.get(name)
        if tensor is not None:
            found.append(
                ParamSlot("bias" if name == "bias" else role_of_weight(kind), name, tensor)
            )
        elif (source := own.get(f"{name}_orig")) is not None:
            found.append(ParamSlot(name, f"{name}_orig", source))
    if "parametrizations" in module._modules:
        found += [slot for slot in parametrized_slots(module) if slot.key in ("weight", "bias")]
    return found


def packed_slot(module: nn.Module, key: str, tensor: Tensor) -> ParamSlot:
    """Return a parameter of an attention or recurrent layer, with the parts it packs."""
    if "bias" in key:
        return ParamSlot("bias", key, tensor)
    if isinstance(module, nn.MultiheadAttention):
        return ParamSlot("weight", key, tensor, 3 if key == "in_proj_weight" else 1)
    gates = len(gate_names(module)) or 1
    return ParamSlot("weight", key, tensor, gates if re.match("weight_[ih]h", key) else 1)


def gate_names(module: nn.Module | None) -> tuple[str, ...]:
    """Return the gates of an LSTM or GRU, in torch's order along dim 0; () for other layers.

    >>> gate_names(nn.LSTM(1, 1)), gate_names(nn.GRUCell(1, 1))
    (('input', 'forget', 'cell', 'output'), ('reset', 'update', 'new'))
    """
    return next((names for kind, names in GATES.items() if isinstance(module, kind)), ())


def parametrized_slots(module: nn.Module) -> Iterator[ParamSlot]:
    """Yield what a layer computes by parametrisations that can be set: all have a right inverse."""
    for key, chain in module._modules["parametrizations"].items():  # pyright: ignore
        if has_right_inverse(chain):
            value = compute_parametrized(module, key)
            yield ParamSlot(role_of(module, key), key, value, through_parametrization=True)


def has_right_inverse(chain: nn.Module | None) -> bool:
    """Whether what a chain of parametrisations computes can be set."""
    return chain is not None and all(hasattr(step, "right_inverse") for step in chain.children())


def storage_of(module: nn.Module, slot: ParamSlot) -> list[Tensor]:
    """Return the tensors that store a slot's numbers: itself, or those it is computed from."""
    if not slot.through_parametrization:
        return [slot.tensor]
    return list(module.get_submodule(f"parametrizations.{slot.key}").parameters())


@torch.no_grad()
def compute_parametrized(module: nn.Module, key: str) -> Tensor:
    """Return a parametrised tensor; no state changes (a spectral norm trains as it computes)."""
    chain = list(module._modules["parametrizations"].modules())  # pyright: ignore
    training = [step.training for step in chain]
    try:
        for step in chain:
            step.training = False
        return getattr(module, key)
    finally:
        for step, flag in zip(chain, training, strict=True):
            step.training = flag


def spectral_steps(module: nn.Module, key: str) -> list[nn.Module]:
    """Return what divides a parametrised tensor by its spectral norm, and nothing else: or none.

    Its right inverse sets the original, and what is computed is another number.
    """
    chains = module._modules.get("parametrizations")
    chain = chains._modules.get(key) if chains is not None else None
    steps = list(chain.children()) if chain is not None else []
    alone = len(steps) == 1 and type(steps[0]).__name__ == "_SpectralNorm"
    return steps if alone else []


ORIGINALS = ("_orig", ".original")  # how the names end of what a spectral norm divides


def spectral_origin(model: nn.Module, name: str) -> tuple[nn.Module, str] | None:
    """Return the layer and key whose spectral norm is that of the parameter ``name``, if any.

    ``name`` is ``….parametrizations.KEY.original``, or ``….KEY_orig`` of the old spectral_norm.
    """
    if name.endswith("_orig"):
        owner, _, key = name.removesuffix("_orig").rpartition(".")
        module = model.get_submodule(owner)
        return (module, key) if old_spectral_norm(module, key) else None
    if not name.endswith(".original"):
        return None
    owner, found, key = name.removesuffix(".original").rpartition("parametrizations.")
    if not found or "." in key:
        return None
    module = model.get_submodule(owner.rstrip("."))
    return (module, key) if spectral_steps(module, key) else None


def old_spectral_norm(module: nn.Module, key: str) -> Any:
    """Return the hook of ``torch.nn.utils.spectral_norm`` for a tensor, None if it has none."""
    hooks = (hook for hook in module._forward_pre_hooks.values() if isinstance(hook, SpectralNorm))
    return next((hook for hook in hooks if hook.name == key), None)


@torch.no_grad()
def renew_spectral_vectors(module: nn.Module, key: str) -> None:
    """Give a spectral norm the singular vectors of its tensor: in eval mode σ is 1 then.

    By the power method from the longest row, until σ stands; nothing is drawn. Of zeros there are
    none: then the vectors stay.
    """
    if hook := old_spectral_norm(module, key):
        u, v = module._buffers[f"{key}_u"], module._buffers[f"{key}_v"]
        matrix = hook.reshape_weight_to_matrix(module._parameters[f"{key}_orig"])
    else:
        step: Any = spectral_steps(module, key)[0]
        original = module.get_submodule(f"parametrizations.{key}")._parameters["original"]
        if original is None or original.dim() < 2:  # it is divided by its length
            return
        u, v, matrix = step._u, step._v, step._reshape_weight_to_matrix(original)
    if u is None or v is None or not matrix.count_nonzero():
        return
    v.copy_(matrix[torch.linalg.vector_norm(matrix, dim=1).argmax()].conj())
    last = 0.0
    for _ in range(200):
        v.copy_(nn.functional.normalize(v, dim=0))
        u.copy_(nn.functional.normalize(torch.mv(matrix, v), dim=0))
        v.copy_(torch.mv(matrix.mH, u))
        sigma = torch.linalg.vector_norm(v).item()
        if abs(sigma - last) <= 1e-6 * sigma:
            break
        last = sigma
    v.copy_(nn.functional.normalize(v, dim=0))


def derived_params(module: nn.Module) -> list[str]:
    """Return what a layer computes from other parameters, so that no write would last."""
    own, chains = module._parameters, module._modules.get("parametrizations")
    if chains is None and "weight_g" not in own and "bias_g" not in own:
        return []
    fixed = {} if chains is None else chains._modules
    return [
        key
        for key, magnitude, direction in WEIGHT_NORM_KEYS
        if (magnitude in own and direction in own)
        or (key in fixed and not has_right_inverse(fixed[key]))
    ]


def source_params(module: nn.Module, key: str) -> Iterator[Tensor]:
    """Yield the parameters that a layer computes one of its tensors from."""
    for name, tensor in module._parameters.items():
        if tensor is not None and name in (f"{key}_g", f"{key}_v"):  # the old weight_norm
            yield tensor
    chains = module._modules.get("parametrizations")
    chain = chains._modules.get(key) if chains is not None else None
    if chain is not None:
        yield from chain.parameters()


def role_of(module: nn.Module, key: str) -> Role:
    """Return what a parameter is: by its layer where torch has it, else guessed from its name."""
    if is_packed_class(type(module)):
        return "bias" if "bias" in key else "weight"
    if key in ("weight", "weight_orig"):
        return role_of_weight(type(module))
    if key in ("bias", "bias_orig"):
        return "bias"
    for role, pattern in ROLE_GUESSES:
        if re.search(pattern, key):
            return role
    return "other"


def find_slots(module: nn.Module, param_pattern: str, *, alone: bool = True) -> list[ParamSlot]:
    """Return the tensors of a layer that a pattern matches.

    Args:
        module: the layer.
        param_pattern: a name, a glob, or a role. Persistent buffers are matched only by their name
            or a glob with a letter.
        alone: the layer is matched by itself; then a role is a name too (a norm's ``weight``).
    """
    only_role = param_pattern in NAMED_ROLES and not alone

    def matched(slot: ParamSlot) -> bool:
        return slot.role == param_pattern or (
            not only_role and fnmatchcase(slot.key, param_pattern)
        )

    default = {slot.key: slot for slot in layer_slots(module)}
    found = []
    for key, tensor in module._parameters.items():
        if tensor is None:
            continue
        slot = default.pop(key, None) or ParamSlot(role_of(module, key), key, tensor)
        if matched(slot):
            found.append(slot)
    found += [slot for slot in default.values() if matched(slot)]
    if param_pattern not in NAMED_ROLES and param_pattern.strip("*?"):
        found += [
            ParamSlot("buffer", key, tensor)
            for key, tensor in module._buffers.items()
            if tensor is not None
            and key not in module._non_persistent_buffers_set
            and fnmatchcase(key, param_pattern)
        ]
    return found


def unfillable_reason(tensor: Tensor) -> str:
    """Return why no law can fill a tensor; "" if one can."""
    if is_lazy(tensor):
        return "it has no shape yet: run one batch through the lazy module"
    if tensor.dtype not in FILLABLE_DTYPES:
        return Sentence("its dtype {dtype} takes no law", dtype=str(tensor.dtype)[6:])
    if tensor.layout is not torch.strided:
        return Sentence("its layout {layout} takes no law", layout=str(tensor.layout)[6:])
    if tensor.is_inference() and not torch.is_inference_mode_enabled():
        return "it was made in inference mode, and cannot be written outside of it"
    if not tensor.is_contiguous() and 0 in tensor.stride():
        return "it is expanded: its elements share memory"
    return ""
