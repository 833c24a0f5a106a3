"""Bricks that hold bricks: one after the other, beside each other, again and again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.blueprint import takes_bricks
from brickbook.errors import BadArgumentError, BadValueError, format_value
from brickbook.modules import BaseModule, InitCfg, ModuleList, Sequential

__all__ = ["Add", "Concat", "Repeat", "Residual", "sequential"]

MAX_TIMES = 10_000
ModuleOrList = nn.Module | Sequence[nn.Module]


def as_sequential(part: ModuleOrList, name: str) -> nn.Module:
    """Return a module, of a list of modules a `Sequential`."""
    if isinstance(part, (list, tuple)) and all(isinstance(each, nn.Module) for each in part):
        return Sequential(*part)
    if not isinstance(part, nn.Module):
        hint = "Configs are built by MODELS.build and Blueprint."
        raise BadArgumentError(name, f"expected a module or a list of modules, got {part!r}.", hint)
    return part


def as_branches(parts: Sequence[ModuleOrList]) -> ModuleList:
    """Return branches as a list; there must be one at least."""
    if not isinstance(parts, (list, tuple, nn.ModuleList)) or not len(parts):
        raise BadArgumentError("branches", f"expected a list of branches, got {parts!r}.")
    return ModuleList(as_sequential(part, f"branches[{at}]") for at, part in enumerate(parts))


@takes_bricks(bricks="chain")
def sequential(bricks: ModuleOrList, init_cfg: Any = None) -> Sequential:
    """Bricks one after the other; with none in it, the input itself."""
    chain = as_sequential(bricks, "bricks")
    parts = chain if isinstance(chain, nn.Sequential) else (chain,)
    return Sequential(*parts, init_cfg=init_cfg)


@takes_bricks(body="chain", shortcut="chain")
class Residual(BaseModule):
    """``body(x) + shortcut(x)``; without a shortcut ``body(x) + x``.

    Both must give the same shape: ValueError names the two. Nothing is broadcast.
    Source: He et al. 2016, arXiv 1512.03385, eq. 1 and 2.

    Args:
        body: A module, or a list of modules that run one after the other.
        shortcut: The same; None passes the input on.
        init_cfg: How the modules inside are initialised.

    >>> Residual(nn.Conv2d(3, 3, 1))(torch.ones(1, 3, 4, 4)).shape
    torch.Size([1, 3, 4, 4])
    """

    def __init__(
        self, body: ModuleOrList, shortcut: ModuleOrList | None = None, init_cfg: InitCfg = None
    ) -> None:
        super().__init__(init_cfg)
        self.body = as_sequential(body, "body")
        self.shortcut = nn.Identity() if shortcut is None else as_sequential(shortcut, "shortcut")

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape that both parts give."""
        out = self.body(x)
        short = self.shortcut(x)
        if not torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
            check_same_shape(out, short)
        return out + short


def check_same_shape(out: Any, short: Any) -> None:
    """Compare two shapes; what is no tensor (a proxy of torch.fx) has none to compare."""
    if isinstance(out, Tensor) and isinstance(short, Tensor) and out.shape != short.shape:
        problem = f"the body gives {tuple(out.shape)}, the shortcut {tuple(short.shape)}."
        raise BadValueError("Residual", problem)


@takes_bricks(branches="chains")
class Add(BaseModule):
    """The sum of what the branches make of the same input.

    All must give the same shape: ValueError names them. Nothing is broadcast.

    Args:
        branches: Modules, or lists of modules; an empty list passes the input on.
        init_cfg: How the modules inside are initialised.
    """

    def __init__(self, branches: Sequence[ModuleOrList], init_cfg: InitCfg = None) -> None:
        super().__init__(init_cfg)
        self.branches = as_branches(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape that all branches give."""
        outs = [branch(x) for branch in self.branches]
        if not torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
            check_joinable("Add", outs, None)
        total = outs[0]
        for out in outs[1:]:
            total = total + out
        return total


@takes_bricks(branches="chains")
class Concat(BaseModule):
    """What the branches make of the same input, joined along ``dim``, by default the channels.

    The other axes must agree: ValueError names the shapes.
    Source: Szegedy et al. 2015, arXiv 1409.4842, section 4.

    Args:
        branches: Modules, or lists of modules; an empty list passes the input on.
        dim: The axis that grows; 0 is that of the batch.
        init_cfg: How the modules inside are initialised.

    >>> Concat([nn.Identity(), nn.Identity()])(torch.ones(1, 3, 4)).shape
    torch.Size([1, 6, 4])
    """

    def __init__(
        self, branches: Sequence[ModuleOrList], dim: int = 1, init_cfg: InitCfg = None
    ) -> None:
        super().__init__(init_cfg)
        self.branches = as_branches(branches)
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined tensor."""
        outs = [branch(x) for branch in self.branches]
        if not torch.jit.is_scripting():  # pyright: ignore[reportPrivateImportUsage]
            check_joinable("Concat", outs, self.dim)
        return torch.cat(outs, dim=self.dim)

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


def check_joinable(name: str, outs: Sequence[Any], dim: int | None) -> None:
    """Compare the shapes of branches, but for the axis ``dim``."""
    if not all(isinstance(out, Tensor) for out in outs):
        return  # proxies of torch.fx
    shapes = [tuple(out.shape) for out in outs]
    axes = len(shapes[0])
    if dim is not None and not -axes <= dim < axes:
        raise BadValueError(
            name, f"the branches give {join_shapes(shapes)}: they have no dim {dim}."
        )
    left_out = None if dim is None else dim % axes
    rest = {(len(shape), tuple(size for at, size in enumerate(shape) if at != left_out))
            for shape in shapes}  # fmt: skip
    if len(rest) > 1:
        but = "be the same" if dim is None else f"agree but for dim {dim}"
        raise BadValueError(name, f"the branches give {join_shapes(shapes)}: they must {but}.")


def join_shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    """Write shapes in a row."""
    return " and ".join(map(str, shapes))


@takes_bricks(body="maker")
class Repeat(Sequential):
    """The same bricks several times in a row, each time with parameters of their own.

    Args:
        times: How often, from 1 up.
        body: A function without arguments that makes a module; it is called ``times`` times. Of
            a module copies are made, with equal numbers at first.
        init_cfg: How the modules inside are initialised.

    >>> len(Repeat(3, lambda: nn.Linear(4, 4)))
    3
    """

    def __init__(
        self,
        times: int,
        body: Callable[[], nn.Module] | ModuleOrList,
        init_cfg: InitCfg = None,
    ) -> None:
        if isinstance(times, bool) or not isinstance(times, int) or times < 1:
            raise BadValueError(
                "times", f"expected a whole number from 1 up, got {format_value(times)}."
            )
        if times > MAX_TIMES:
            raise BadValueError(
                "times", f"expected {MAX_TIMES:,} or less, got {format_value(times)}."
            )
        super().__init__(*repeat_module(times, body), init_cfg=init_cfg)
        self.times = times


def repeat_module(times: int, body: Callable[[], nn.Module] | ModuleOrList) -> list[nn.Module]:
    """Make a module several times."""
    if callable(body) and not isinstance(body, nn.Module):
        return [as_sequential(body(), "body") for _ in range(times)]
    first = as_sequential(body, "body")
    return [first, *(copy.deepcopy(first) for _ in range(times - 1))]
