"""What a blueprint would be: per brick its output shape, its parameters, and what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from brickbook.arguments import parameters
from brickbook.blueprint import Blueprint, resolve
from brickbook.errors import ConfigError
from brickbook.lab.builder_sizes import check_sizes
from brickbook.lab.starting import CHANNELS, FEATURES
from brickbook.literals import spell
from brickbook.measure.tracing import ShapeRow, shapes

__all__ = ["BrickRow", "Preview", "preview", "shape_text"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class BrickRow:
    """One brick as the list shows it.

    Shapes are those of one sample. ``error`` is the message, ``key`` the argument it is about
    (``"norm_cfg.type"``), ``""`` for the brick as a whole. ``missing`` are the arguments that it
    still needs.
    """

    kind: str
    arguments: str
    output: Shape | None = None
    params: int = 0
    error: str = ""
    key: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The bricks in order, up to the first that does not fit with shapes."""

    input: Shape
    rows: tuple[BrickRow, ...] = ()

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return sum(row.params for row in self.rows)

    @property
    def fits(self) -> bool:
        """True if an input goes through the whole model."""
        return not any(row.error for row in self.rows)

    def before(self, at: int) -> Shape | None:
        """Return the shape that a brick at ``at`` gets, None if it is not known."""
        return self.input if at == 0 else self.rows[at - 1].output

    def summary(self) -> str:
        """Say the whole in a line."""
        if not self.rows:
            return "No bricks yet: choose a type and press Add."
        count = f"{len(self.rows)} brick{'s' if len(self.rows) > 1 else ''}"
        faulty = [at for at, row in enumerate(self.rows, 1) if row.error]
        if faulty:
            unfinished = self.rows[faulty[0] - 1].missing
            end = f"brick {faulty[0]} {'needs a value' if unfinished else 'does not fit'}"
        else:
            output = self.before(len(self.rows))
            end = f"{shape_text(self.input)} becomes {shape_text(output)}"
        return f"{count}, {self.params:,} parameters; {end}."


def preview(blueprint: Blueprint, input_shape: Shape) -> Preview:
    """Build the bricks on the meta device and send a shape through them."""
    rows: list[BrickRow] = []
    built: list[nn.Module | None] = []
    for at, cfg in enumerate(blueprint.bricks):
        row = BrickRow(name_of(cfg.get("type")), arguments_text(cfg))
        try:
            check_sizes(cfg, f"bricks[{at}]")
            module = build_on_meta(blueprint, at)
            row = replace(row, params=sum(p.numel() for p in counted(module)))
        except Exception as error:  # a constructor may raise anything, and the list shows it
            module = None
            row = replace(row, **complaint(error, at, cfg))
        built.append(module)
        rows.append(row)
    whole = [module for module in built[: built.index(None) if None in built else None] if module]
    trace = trace_of(whole, input_shape)
    for at, found in enumerate(trace):
        rows[at] = traced(rows[at], found, blueprint.bricks[at])
    return Preview(input_shape, tuple(rows))


def build_on_meta(blueprint: Blueprint, at: int) -> nn.Module:
    """Build a brick without memory, and without a draw from the global generator.

    A constructor that reads values it has just made fails on the meta device: it runs on the
    CPU, and the generator's state is put back.
    """
    try:
        with torch.device("meta"):
            return blueprint.build_brick(at)
    except ConfigError:
        raise
    except Exception:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            return blueprint.build_brick(at)


def counted(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters whose size is known already."""
    return [p for p in module.parameters() if not nn.parameter.is_lazy(p)]


def trace_of(modules: Sequence[nn.Module], input_shape: Shape) -> tuple[ShapeRow, ...]:
    """Send one sample through; an embedding at the front takes whole numbers."""
    if not modules:
        return ()
    dtype = torch.long if isinstance(modules[0], nn.Embedding) else torch.float32
    return shapes(nn.Sequential(*modules), (1, *input_shape), dtype=dtype).rows


def traced(row: BrickRow, found: ShapeRow, cfg: Mapping[str, Any]) -> BrickRow:
    """Add what the run on the meta device found."""
    row = replace(row, params=found.params, output=sample(found.output))
    if found.state != "error":
        return row
    got = sample(found.input) or ()
    words = found.error.partition(": ")[2]
    other_axes = re.search(r"[Ee]xpected \d+D", words)  # torch counts axes: sizes say nothing
    key, wanted = ("", "") if other_axes else mismatch(cfg, got)
    gets = f"gets {shape_text(got)}"
    return replace(row, error=f"takes {wanted}, {gets}." if key else f"{gets}: {words}", key=key)


def mismatch(cfg: Mapping[str, Any], got: Shape) -> tuple[str, str]:
    """Return the argument that says another size than ``got`` has, and the shape it wants."""
    for names, axis in ((CHANNELS, 0), (FEATURES, -1)):
        for name in names:
            size = cfg.get(name)
            if isinstance(size, int) and got and size != got[axis]:
                wanted = list(got)
                wanted[axis] = size
                return name, shape_text(tuple(wanted))
    return "", ""


def complaint(error: Exception, at: int, cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Say what went wrong while a brick was built, and at which argument."""
    if isinstance(error, ConfigError):
        key = error.path.removeprefix(f"bricks[{at}]").lstrip(".")
        missing = () if key else tuple(name for name in required_of(cfg) if name not in cfg)
        return {"error": f"{error.problem} {error.hint}".strip(), "key": key, "missing": missing}
    first = (str(error).strip().splitlines() or [""])[0]
    words = re.findall(r"\w+", first)
    key = next((word for word in words if word in cfg and word != "type"), "")
    return {"error": first or type(error).__name__, "key": key}


def sample(shape: Shape | None) -> Shape | None:
    """Take the batch away, where it is there still."""
    return shape[1:] if shape and shape[0] == 1 else shape


def shape_text(shape: Shape | None) -> str:
    """Write a shape.

    >>> shape_text((3, 32, 32)), shape_text(()), shape_text(None)
    ('3 × 32 × 32', 'one number', '')
    """
    if shape is None:
        return ""
    return " × ".join(map(str, shape)) or "one number"


def arguments_text(cfg: Mapping[str, Any]) -> str:
    """Write a brick's arguments short: the required ones bare, of sub-configs the type."""
    needed = required_of(cfg)
    keys = [*(key for key in needed if key in cfg), *(key for key in cfg if key not in needed)]
    words = []
    for key in keys:
        if key == "type":
            continue
        value = cfg[key]
        inner = value.get("type") if isinstance(value, Mapping) else None
        word = name_of(inner) if inner is not None else spell(value)
        words.append(word if key in needed else f"{key}={word}")
    return ", ".join(words)


def required_of(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the arguments that a brick must have, none for an unknown type."""
    try:
        return parameters(resolve(cfg.get("type"))[1]).required
    except ConfigError:
        return ()


def name_of(kind: object) -> str:
    """Return the name that a ``type`` goes by."""
    return kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
