"""A model as the source of a class: plain torch, the same state dict, the same outputs."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from brickbook.blueprint import Blueprint
from brickbook.bricks.containers import Repeat
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.depthwise_separable_conv_module import DepthwiseSeparableConvModule
from brickbook.bricks.plain_torch.helpers import HELPERS, Helper
from brickbook.bricks.plain_torch.layers import torch_class, write_layer
from brickbook.config import to_quoted_literal
from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.modules import ModuleList, Sequential

__all__ = ["to_module_source"]

INDENT, WIDTH = "    ", 88
CHAINS = (nn.Sequential, Sequential, Repeat)
Config = Mapping[str, Any]

HEAD = (
    "    def __init__(self):",
    "        super().__init__()",
    "        layers = [",
)
FORWARD = (
    "        ]",
    "        for index, layer in enumerate(layers):",
    "            self.add_module(str(index), layer)",
    "",
    "    def forward(self, x):",
    "        for layer in self.children():",
    "            x = layer(x)",
    "        return x",
)


def to_module_source(
    config: Blueprint | Config | Sequence[Any] | nn.Module,
    input_shape: Sequence[int] | None = None,
    name: str = "Model",
) -> str:
    """Return the source of a class ``name`` that needs torch alone and is the model of ``config``.

    It has the same state dict and gives the same outputs. Its weights start as torch's layers do:
    the laws of bricks are no part of it. Bricks of this package are written as the layers of torch
    they consist of (a `ConvModule` as convolution, norm and activation); where torch has none, a
    small class stands before the model's own (a sum, a concatenation, an attention).

    Args:
        config: A `Blueprint`, a brick's config, a list of them, or a model.
        input_shape: The shape of one sample, for sizes that the config leaves out.
        name: The name of the class.

    Raises:
        BadValueError: A layer has no exact form in plain torch; the path is its name in the model.
        ConfigError: The model cannot be built, or ``name`` is no name for a class.

    >>> print(to_module_source([dict(type="Linear", out_features=2)], (4,)))
    from torch import nn
    <BLANKLINE>
    <BLANKLINE>
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            layers = [
                nn.Linear(4, 2),
            ]
            for index, layer in enumerate(layers):
                self.add_module(str(index), layer)
    <BLANKLINE>
        def forward(self, x):
            for layer in self.children():
                x = layer(x)
            return x
    <BLANKLINE>
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise BadArgumentError("name", f"expected a name for a class, got {name!r}.")
    model = config if isinstance(config, nn.Module) else build_without_memory(config, input_shape)
    if type(model) not in CHAINS or not has_counted_names(model):
        problem = "expected bricks in a row, or a model that is an nn.Sequential."
        raise BadArgumentError("config", problem)
    check_nothing_shared(model)
    writer = Writer()
    layers = [line for key, part in model.named_children() for line in writer.lines(part, key)]
    if name in {*(helper.name for helper in writer.helpers), "nn", "torch", "F", "OrderedDict"}:
        raise BadArgumentError("name", f"{name!r} means something else in the source.")
    lines = writer.imports()
    for helper in writer.helpers:
        lines += ["", "", *helper.source.splitlines()]
    lines += ["", "", f"class {name}(nn.Module):", *HEAD]
    lines += [*(f"{INDENT * 3}{line}" for line in layers), *FORWARD]
    source = "\n".join((*lines, ""))
    check_same_state(source, name, model)
    return source


def build_without_memory(config: Any, input_shape: Sequence[int] | None) -> nn.Module:
    """Build the model of a config on the meta device."""
    blueprint = config if isinstance(config, Blueprint) else Blueprint.from_config(config)
    with torch.device("meta"):
        return blueprint.build(input_shape if blueprint.open else None)


def has_counted_names(model: nn.Module) -> bool:
    """Whether the parts of a model are called 0, 1, 2 and so on."""
    names = [name for name, _ in model.named_children()]
    return names == [str(at) for at in range(len(names))]


def check_nothing_shared(model: nn.Module) -> None:
    """Refuse a model in which a module or a parameter stands twice: they would become two."""
    for kind in ("modules", "parameters"):
        named = getattr(model, f"named_{kind}")
        once = {name for name, _ in named()}
        twice = next((name for name, _ in named(remove_duplicate=False) if name not in once), None)
        if twice is not None:
            problem = "it stands at two places of the model, which the source would not share."
            raise BadValueError(twice, problem)


def check_same_state(source: str, name: str, model: nn.Module) -> None:
    """Compare names and shapes of the state dict with those of what the source makes."""
    space: dict[str, Any] = {}
    with torch.device("meta"):
        exec(source, space)  # written here, from literals and layers of torch
        made = space[name]()
    new = {key: value.shape for key, value in made.state_dict().items()}
    for key, value in model.state_dict().items():
        if new.pop(key, None) != value.shape:
            raise BadValueError(key, "it has no place in plain torch.")
    if new:
        raise BadValueError(next(iter(new)), "it is only in plain torch.")


class Writer:
    """Writes modules as lines of source; ``helpers`` are the classes that these lines use."""

    def __init__(self) -> None:
        self.helpers: list[Helper] = []
        self.uses_names = False

    def imports(self) -> list[str]:
        """Return the lines of import that the source needs."""
        source = "".join(helper.source for helper in self.helpers)
        lines = ["from collections import OrderedDict", ""] if self.uses_names else []
        lines += ["import torch"] if "torch." in source.replace("nn.functional", "") else []
        lines += ["import torch.nn.functional as F"] if "F." in source else []
        return [*lines, "from torch import nn"]

    def lines(self, module: nn.Module, path: str) -> list[str]:
        """Return an expression for a module, over one line or several, with a comma at its end."""
        if "forward" in vars(module) or has_hooks(module):
            raise self.refusal(module, path, "it was changed after it was made.")
        if type(module) in CHAINS:
            return self.chain(list(module.named_children()), path)
        if type(module) is ConvModule:
            return self.chain(self.conv_module_parts(module, path), path, named=True)
        if type(module) is DepthwiseSeparableConvModule:
            return self.chain(list(module.named_children()), path, named=True)
        write = self.helper if type(module) in HELPERS else self.layer
        made = write(module, path)
        flags = {value.requires_grad for value in module._parameters.values() if value is not None}
        if flags == {False}:
            made[-1] = f"{made[-1].removesuffix(',')}.requires_grad_(False),"
        elif len(flags) > 1:
            raise self.refusal(module, path, "only some of its parameters are trained.")
        return made

    def layer(self, module: nn.Module, path: str) -> list[str]:
        """Return the call of a layer of torch."""
        kind = torch_class(module)
        if kind is None:
            raise self.refusal(module, path, "it is no layer of torch.")
        call = write_layer(module, kind)
        if call is None:
            raise self.refusal(module, path, "its arguments cannot be read from it.")
        return [f"{call},"]

    def chain(
        self, parts: Sequence[tuple[str, nn.Module]], path: str, named: bool = False
    ) -> list[str]:
        """Return an ``nn.Sequential`` of modules, by their names where these are no numbers."""
        written = [self.lines(part, f"{path}.{name}") for name, part in parts]
        named = named or [name for name, _ in parts] != [str(at) for at in range(len(parts))]
        if not named:
            return wrap_call("nn.Sequential", written)
        self.uses_names = True
        pairs = []
        for (name, _), (first, *rest) in zip(parts, written, strict=True):
            lines = [f"({name!r}, {first}".replace("'", '"', 2), *rest]
            lines[-1] = f"{lines[-1].removesuffix(',')}),"
            pairs.append(lines)
        inside = [line for lines in pairs for line in lines]
        return ["nn.Sequential(OrderedDict([", *(f"{INDENT}{line}" for line in inside), "])),"]

    def conv_module_parts(self, module: ConvModule, path: str) -> list[tuple[str, nn.Module]]:
        """Return the steps of a ConvModule in the order in which they run."""
        if module.with_spectral_norm:
            raise self.refusal(module, path, "its spectral norm is no layer.")
        if module.efficient_conv_bn_eval:
            raise self.refusal(module, path, "its efficient evaluation is no layer.")
        steps: list[tuple[str, nn.Module]] = []
        for step in module.order:
            if step == "conv":
                if module.with_explicit_padding:
                    steps.append(("padding_layer", module.padding_layer))
                steps.append(("conv", module.conv))
            elif step == "norm" and module.norm_name:
                steps.append((module.norm_name, module.norm))
            elif step == "act" and module.with_activation:
                steps.append(("activate", module.activate))
        return steps

    def helper(self, module: nn.Module, path: str) -> list[str]:
        """Return the call of a class that is written before the model's."""
        helper = HELPERS[type(module)]
        for name, wanted in (helper.needs or {}).items():
            if read_attribute(module, name) != wanted:
                raise self.refusal(module, path, f"only {name}={wanted!r} is known in plain torch.")
        if helper not in self.helpers:
            self.helpers.append(helper)
        written = []
        for name in helper.arguments:
            value = read_attribute(module, name)
            if isinstance(value, (nn.ModuleList, ModuleList)):
                parts = [self.lines(part, f"{path}.{name}.{at}") for at, part in enumerate(value)]
                inside = [f"{INDENT}{line}" for part in parts for line in part]
                written.append(["[", *inside, "],"])
            elif isinstance(value, nn.Module):
                written.append(self.lines(value, f"{path}.{name}"))
            else:
                written.append([f"{to_quoted_literal(value)},"])
        return wrap_call(helper.name, written)

    def refusal(self, module: nn.Module, path: str, reason: str) -> BadValueError:
        """Return the error for a module that has no exact form in plain torch."""
        problem = Sentence(
            "{kind} cannot be written in plain torch: {reason}",
            kind=type(module).__name__, reason=Sentence(reason),
        )  # fmt: skip
        return BadValueError(path or "model", problem)


def read_attribute(module: nn.Module, name: str) -> Any:
    """Return an attribute of a module or of one of its parts; a method's result."""
    value: Any = module
    for word in name.split("."):
        value = getattr(value, word)
    return value() if callable(value) and not isinstance(value, nn.Module) else value


def has_hooks(module: nn.Module) -> bool:
    """Whether something listens to a module or was added to it."""
    return bool(
        module._forward_hooks or module._forward_pre_hooks
        or module._backward_hooks or module._backward_pre_hooks
    )  # fmt: skip


def wrap_call(name: str, written: Sequence[list[str]]) -> list[str]:
    """Write a call with these arguments: in one line where that is short."""
    alone = f"{name}({' '.join(line for lines in written for line in lines).removesuffix(',')}),"
    if all(len(lines) == 1 for lines in written) and len(alone) <= WIDTH - 12:
        return [alone]
    return [f"{name}(", *(f"{INDENT}{line}" for lines in written for line in lines), "),"]
