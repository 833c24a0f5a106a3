"""Which modules and parameters a rule speaks of: by class, by dotted name, by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from brickbook.errors import BadValueError

__all__ = [
    "Index", "Selector", "class_names", "is_norm_class", "is_norm_layer", "known_classes",
    "matches", "plain_name", "post_order", "read_selector",
]  # fmt: skip

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
NAMED_AS_NORM = re.compile(r"Norm(?:Act|Gated)?(?:\d[dD])?$")
NO_NORMS = (nn.Linear, _ConvNd, nn.Embedding, nn.EmbeddingBag)
COMPOSITES = (
    nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip
WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."
)
ENDS_IN_WRAPPER = re.compile(
    r"(?:^|\.)(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)$"
)


def plain_name(name: str) -> str:
    """Return a parameter's name without the prefixes that wrappers add.

    >>> plain_name("module._orig_mod.backbone._fsdp_wrapped_module.conv1.weight")
    'backbone.conv1.weight'
    """
    return WRAPPERS.sub("", name)


@lru_cache(maxsize=4096)
def class_names(kind: type) -> tuple[str, ...]:
    """Return the names a module class answers to: its own and its ancestors' below ``nn.Module``.

    mmcv knows the direct bases only, so ``layer='_BatchNorm'`` meets ``nn.SyncBatchNorm`` and
    classes derived from ``nn.BatchNorm2d`` here as well.

    >>> class_names(nn.Conv2d)
    ('Conv2d', '_ConvNd')
    """
    if not issubclass(kind, nn.Module):  # a duck-typed part
        return (kind.__name__,)
    own = kind.__mro__[: kind.__mro__.index(nn.Module)]
    return tuple(base.__name__ for base in own)


@lru_cache(maxsize=65536)
def matches_class(kind: type, layers: tuple[str | type, ...]) -> bool:
    """Whether modules of a class are meant by one of ``layers``."""
    names = class_names(kind)
    return any(
        layer in names if isinstance(layer, str) else issubclass(kind, layer) for layer in layers
    )


def matches(module: nn.Module, layers: Sequence[str | type]) -> bool:
    """Whether a module is meant by one of ``layers``: class names or classes."""
    return matches_class(type(module), tuple(layers))


@lru_cache(maxsize=4096)
def is_norm_class(kind: type) -> bool:
    """Whether the weight of a class is a scale: torch's norms, and by their names all others.

    >>> is_norm_class(nn.GroupNorm), is_norm_class(type("LlamaRMSNorm", (nn.Module,), {}))
    (True, True)
    """
    named = NAMED_AS_NORM.search(kind.__name__) is not None
    return issubclass(kind, NORMS) or (named and not issubclass(kind, NO_NORMS))


def is_norm_layer(module: nn.Module) -> bool:
    """Whether a module is a normalisation layer: its weight is a scale, not a projection."""
    if isinstance(module, NORMS):
        return True
    weight = module._parameters.get("weight")
    return weight is not None and not module._modules and is_norm_class(type(module))


def post_order(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) children first, as ``nn.Module.apply`` visits them, each module once."""
    seen = {module}
    stack = [(prefix, module, iter(module._modules.items()))]
    while stack:
        name, part, children = stack[-1]
        for key, child in children:
            if child is None or child in seen:
                continue
            seen.add(child)
            below = f"{name}.{key}" if name else key
            if child._modules:
                stack.append((below, child, iter(child._modules.items())))
                break
            yield below, child
        else:
            stack.pop()
            yield name, part


def known_classes(modules: Iterable[nn.Module]) -> set[str]:
    """Return every class name that a ``layer`` of these modules could be."""
    return {name for kind in {type(part) for part in modules} for name in class_names(kind)}


@dataclass(frozen=True)
class Selector:
    """One word of a ``layer`` (or the name of an override), read.

    ``how`` says what ``word`` is: a class, a plain word (the name of a class, a module or a
    parameter), or a pattern of dotted names. ``keys`` is a pattern of parameters, "" for those
    that a layer is started by. ``literal`` is a glob as it was written: a name may have its signs.
    """

    word: str | type
    how: Literal["class", "word", "pattern"]
    text: str
    keys: str = ""
    literal: str = ""


@lru_cache(maxsize=4096)
def read_selector(word: str | type, path: str = "layer") -> Selector:
    """Read ``Conv2d``, a class, ``backbone.conv1``, ``layer*.conv1``, ``re:...`` or ``...:bias``.

    In a glob ``*`` stands for any characters, dots among them (as in `fnmatch`); a name that is the
    glob to the letter (``heads[0]``) is meant alone. ``re:`` begins a regular expression for the
    whole dotted name. After a colon stands a parameter: its name, a glob of names, or a role:
    ``weight``, ``bias``, ``scale``, ``embedding``. Raises ValueError for a regular expression that
    is none.
    """
    if isinstance(word, type):
        return Selector(word, "class", word.__name__)
    head, colon, tail = word.rpartition(":")
    if colon and head != "re" and re.fullmatch(r"[\w*?]+", tail):
        body, keys = head or "*", tail
    else:
        body, keys = word, ""
    if body.startswith("re:"):
        try:
            re.compile(body[3:])
        except re.error as error:
            raise BadValueError(path, f"{word!r} is no regular expression: {error}.") from None
        return Selector(word, "pattern", body[3:], keys)
    if any(sign in body for sign in "*?["):
        return Selector(word, "pattern", translate(body), keys, body)
    return Selector(word, "word", body, keys)


class Index:
    """The modules below one (and itself), children first, to be found by class and by name.

    Names are relative to that module and without the prefixes of wrappers.
    """

    def __init__(self, module: nn.Module, prefix: str = "") -> None:
        self.module, self.prefix = module, prefix
        self.parts = list(post_order(module, prefix))
        self.by_class: dict[type, list[int]] = {}
        for at, (_, part) in enumerate(self.parts):
            self.by_class.setdefault(type(part), []).append(at)

    @cached_property
    def names(self) -> list[str]:
        """The plain relative name of every part; "" for the module itself."""
        cut = len(self.prefix) + 1 if self.prefix else 0
        return [ENDS_IN_WRAPPER.sub("", plain_name(name[cut:])) for name, _ in self.parts]

    @cached_property
    def places(self) -> dict[int, int]:
        """Where each module stands, by id."""
        return {id(part): at for at, (_, part) in enumerate(self.parts)}

    @cached_property
    def by_name(self) -> dict[str, nn.Module]:
        """Every part by its full name."""
        return dict(self.parts)

    def part(self, name: str) -> nn.Module:
        """Return a module by its full name."""
        return self.by_name[name]

    def of_class(self, layers: tuple[str | type, ...]) -> list[int]:
        """Return the places of the modules that classes or their names mean, in order."""
        met = [places for kind, places in self.by_class.items() if matches_class(kind, layers)]
        return met[0] if len(met) == 1 else sorted(at for places in met for at in places)

    def below(self, places: Iterable[int]) -> list[int]:
        """Return the places of these modules and of all modules inside of them, in order."""
        found: set[int] = set()
        for at in places:
            if at not in found:
                found.update(self.places[id(part)] for part in self.parts[at][1].modules())
        return sorted(found)

    def named(self, selector: Selector) -> list[int]:
        """Return the places of the modules that a word or a pattern names; to the letter first."""
        word = selector.text if selector.how == "word" else selector.literal
        exact = [at for at, name in enumerate(self.names) if name and name == word]
        if exact or selector.how == "word":
            return exact
        match = re.compile(selector.text).fullmatch
        return [at for at, name in enumerate(self.names) if match(name)]

    def parameters(self, selector: Selector) -> list[tuple[int, str]]:
        """Return (place, key) of the parameters whose full dotted name a selector is."""
        tensors = [
            (f"{name}.{key}" if name else key, (at, key))
            for at, name in enumerate(self.names)
            for key, tensor in self.parts[at][1]._parameters.items()
            if tensor is not None
        ]
        word = selector.text if selector.how == "word" else selector.literal
        exact = [place for name, place in tensors if name == word]
        if exact or selector.how == "word":
            return exact
        match = re.compile(selector.text).fullmatch
        return [place for name, place in tensors if match(name)]
