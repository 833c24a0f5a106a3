"""Bricks from their configs: the registry MODELS, what a ``type`` means, and the building."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from brickbook.blueprint.infer import drop_open_arguments, open_arguments
from brickbook.blueprint.tree import Path, Slot, as_chain, format_path, slots_of
from brickbook.config import call, check_parts, copy_config, name_of, signature_of, unwrap_partial
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    Sentence,
    UnknownNameError,
    format_value,
    missing_arguments,
    nearest,
)
from brickbook.modules import Sequential
from brickbook.registry import Config, Registry, build_from_cfg, find, split_type

__all__ = [
    "FAMILIES",
    "MODELS",
    "KnownArgs",
    "ModelBuilder",
    "build_model_from_cfg",
    "check_sizes",
    "config_holding",
    "has_open_arguments",
    "kinds",
    "make_brick",
    "resolve",
    "slots_in",
]

# The arguments found for a brick, by its path; more than one where a Repeat makes it again.
KnownArgs = Mapping[Path, Sequence[Config]]

# The least that each of these can be.
MIN_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("kernel_size", "stride", "dilation", "groups", "num_groups"), 1),
    **dict.fromkeys(("in_channels", "out_channels", "num_features", "num_channels"), 1),
    **dict.fromkeys(("in_features", "out_features"), 1),
    "padding": 0,
}


def build_model_from_cfg(
    cfg: Config | Sequence[Config],
    registry: Registry,
    default_args: Config | None = None,
    *,
    path: str = "cfg",
) -> Any:
    """Build a module from a config, or a `Sequential` from a list of configs.

    Where a class takes bricks (`takes_bricks`), their configs may be of any kind. A name that the
    registry does not have is looked up in `MODELS`, if it stands below it, and in its children
    (``"GELU"``, ``"BN"``), as in mmengine; the class is called with the config's arguments alone.
    """
    check_parts(cfg, path)
    if isinstance(cfg, (list, tuple)):
        parts = (
            build_model_from_cfg(part, registry, default_args, path=f"{path}[{at}]")
            for at, part in enumerate(cfg)
        )
        return Sequential(*parts)
    if isinstance(cfg, Mapping) and "type" in cfg:
        make = find_model(cfg["type"], registry, path)
        slots = slots_of(make)
        cfg = {**cfg, "type": make}
        if slots:
            cfg = ModelBuilder(root=path).build_slots({**(default_args or {}), **cfg}, slots, ())
    return build_from_cfg(cfg, registry, default_args, path=path)  # pyright: ignore[reportArgumentType]


def find_model(kind: object, registry: Registry, path: str) -> Callable[..., Any]:
    """Return what ``type`` means in a registry, else in `MODELS` and its children, if below it."""
    if isinstance(kind, str) and isinstance(registry, Registry) and registry.root() is MODELS:
        found = None if registry.get(kind) is not None else look_up(kind)
        if found is not None:
            return found[1]
    return find(kind, registry, path)


MODELS = Registry(
    "model",
    build_func=build_model_from_cfg,
    locations=("brickbook.bricks", "brickbook.backbones"),
)

# The families of layers, below MODELS: "scope.Name" is found from MODELS too.
FAMILIES: Mapping[str, Registry] = {
    scope: Registry(name, build_from_cfg, MODELS, scope, locations=("brickbook.bricks",))
    for scope, name in (
        ("conv", "conv layer"),
        ("norm", "norm layer"),
        ("activation", "activation layer"),
        ("padding", "padding layer"),
        ("upsample", "upsample layer"),
        ("plugin", "plugin layer"),
        ("drop", "drop out layers"),
        ("position", "position encoding"),
        ("attention", "attention"),
        ("ffn", "feed-forward Network"),
        ("transformer_layer", "transformerLayer"),
        ("transformer", "transformer-layers sequence"),
    )
}


def kinds() -> dict[str, Registry]:
    """Return every registry a brick may come from, by the word that says its kind."""
    return {"model": MODELS, **MODELS.children}


def resolve(kind: object, path: str = "cfg") -> tuple[str, Callable[..., Any]]:
    """Return the kind ("conv", "norm", …) and the class that a brick's ``type`` means.

    A name is looked up in `MODELS`, then in its children in the order of their making; a scope
    (``"upsample.deconv"``) chooses the child.

    Raises:
        KeyError: The name is unknown.
    """
    if callable(kind):
        return "class", kind
    if not isinstance(kind, str):
        raise BadArgumentError(
            f"{path}.type",
            Sentence("type must be a str or valid type, but got {type}.", type=type(kind)),
        )
    found = look_up(kind)
    if found is None:
        known = [name for registry in kinds().values() for name in list(registry.module_dict)]
        problem = Sentence("no brick is called {name}.", name=format_value(kind))
        raise UnknownNameError(f"{path}.type", problem, nearest(kind, known))
    return found


def look_up(kind: str) -> tuple[str, Callable[..., Any]] | None:
    """Return the kind and the class of a name, None for an unknown one."""
    scope, name = Registry.split_scope_key(kind)
    families = kinds()
    if scope in families:
        families, kind = {scope: families[scope]}, name
    pairs = ((word, registry.get(kind)) for word, registry in families.items())
    return next(((word, make) for word, make in pairs if make is not None), None)


def make_brick(cfg: Config, path: str) -> nn.Module:
    """Build one brick whose bricks inside, if any, are made already."""
    kind, kwargs = split_type(cfg, path)
    word, make = resolve(kind, path)
    family = kinds().get(word)
    if family is not None:
        own = {"type": kind.removeprefix(f"{word}."), **kwargs}
        where = {"path": path} if "path" in signature_of(family.build_func).named else {}
        built = family.build(own, **where)  # a family may add arguments
    else:
        built = call(make, (), kwargs, path)
    if not isinstance(built, nn.Module):
        raise BadValueError(f"{path}.type", Sentence("{name} builds no nn.Module.", name=kind))
    return built


class ModelBuilder:
    """Builds the bricks of a tree; an error's path starts with ``root``.

    ``known_args`` are arguments that bricks leave out. The run on the meta device builds bricks
    that wait for their input, by a `build_brick` of its own.
    """

    def __init__(self, known_args: KnownArgs | None = None, root: str = "bricks") -> None:
        self.known_args = known_args or {}
        self.root = root
        self.repetitions: defaultdict[Path, int] = defaultdict(int)

    def build_brick(self, cfg: Config, path: Path) -> nn.Module:
        """Build a brick with everything in it."""
        text = format_path(path, self.root)
        kind, _ = split_type(cfg, text)
        make = resolve(kind, text)[1]
        slots = slots_of(make)
        own = {key: value for key, value in cfg.items() if key not in slots}
        turn, found = self.next_repetition(path), self.known_args.get(path, ())
        more = found[turn] if turn < len(found) else {}
        left = [name for name in open_arguments(own, make) if name not in more]
        if left:
            problem = missing_arguments(name_of(make), left)
            raise BadArgumentError(text, problem, "build(input_shape=...) finds it.")
        inside = {key: cfg[key] for key in slots if key in cfg}
        whole = {**drop_open_arguments(copy_config(own), make), **more, **inside}
        return make_brick(self.build_slots(whole, slots, path), text)

    def next_repetition(self, path: Path) -> int:
        """Count how often the brick at a path was made."""
        self.repetitions[path] += 1
        return self.repetitions[path] - 1

    def build_chain(self, bricks: object, path: Path) -> Sequential:
        """Build bricks that run one after the other."""
        parts = as_chain(bricks)
        return Sequential(*(self.build_brick(cfg, (*path, at)) for at, cfg in enumerate(parts)))

    def build_slots(self, cfg: Config, slots: Mapping[str, Slot], path: Path) -> dict[str, Any]:
        """Return a config with modules where its bricks were."""
        made = dict(cfg)
        for name, slot in slots.items():
            value, here = cfg.get(name), (*path, name)
            if not isinstance(value, (Mapping, list, tuple)):
                continue  # None, or made already
            if slot == "chain":
                made[name] = self.build_chain(value, here)
            elif slot == "maker":
                made[name] = partial(self.build_chain, value, here)
            else:
                parts = enumerate(as_chain(value))
                made[name] = [
                    part if isinstance(part, nn.Module) else self.build_chain(part, (*here, at))
                    for at, part in parts
                ]
        return made


def slots_in(cfg: Mapping[str, Any]) -> Mapping[str, Slot]:
    """Return the arguments of a brick that hold bricks; none for an unknown type."""
    kind = cfg.get("type")
    if isinstance(kind, str):  # no error is made, whose hint would take its time
        found = look_up(kind)
        return slots_of(found[1]) if found else {}
    return slots_of(kind) if callable(kind) else {}


def config_holding(kind: object, bricks: list[Any]) -> dict[str, Any]:
    """Return the config of a new brick that holds ``bricks``.

    >>> config_holding("Concat", [{"type": "ReLU"}])
    {'type': 'Concat', 'branches': [[{'type': 'ReLU'}], []]}
    """
    slots = slots_in({"type": kind})
    if not slots:
        resolve(kind)
        raise BadValueError("type", Sentence("{name} holds no bricks.", name=kind))
    name, slot = next(iter(slots.items()))
    cfg: dict[str, Any] = {"type": kind}
    if kind == "Repeat":
        cfg["times"] = 2
    return {**cfg, name: [bricks, []] if slot == "chains" else bricks}


def has_open_arguments(cfg: Config) -> bool:
    """Whether a brick leaves arguments to be found."""
    try:
        return bool(open_arguments(cfg, resolve(cfg.get("type"))[1]))
    except ConfigError:
        return False


def check_sizes(cfg: Mapping[str, Any], path: str) -> None:
    """Refuse a size that is too small.

    Only for the layers of torch and of this package: elsewhere the same names may mean anything.
    A padding layer may take away, which is a padding below 0.

    Raises:
        BadValueError: A size is too small; with the path of its argument.
    """
    make = unwrap_partial(resolve(cfg.get("type"), path)[1])
    if (getattr(make, "__module__", None) or "").partition(".")[0] not in ("torch", "brickbook"):
        return
    for name, least in MIN_SIZES.items():
        value = cfg.get(name)
        sizes = value if isinstance(value, (tuple, list)) else (value,)
        small = any(type(size) is int and size < least for size in sizes)
        if small and (name != "padding" or "kernel_size" in cfg):
            several = "expected sizes of {least} or more, got {value}."
            one = "expected a size of {least} or more, got {value}."
            problem = Sentence(several if sizes is value else one, least=least, value=value)
            raise BadValueError(f"{path}.{name}", problem)
