"""Depth-scaled residuals: smaller initial weights for the branches of a deep residual net.

With N residual branches of equal variance the stream's variance grows with N; a factor ``1/√N`` on
the last weight of each branch makes up for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from brickbook.errors import BadArgumentError, BadValueError, Sentence, wrong_type, wrong_value
from brickbook.init.initializers.base import INITIALIZERS, BaseInit, Target, check_choice
from brickbook.init.laws import Law
from brickbook.introspect import block_of, find_blocks
from brickbook.registry import build_from_cfg

__all__ = ["DepthMode", "DepthScaledInit", "read_inner_initializer"]

DepthMode = Literal["total", "layer"]
MAX_COUNT = 1_000_000_000
OUTER_KEYS = ("layer", "override", "bias", "bias_prob")


@INITIALIZERS.register_module(name="DepthScaled")
@dataclass
class DepthScaledInit(BaseInit):
    """Radford et al. 2019, §2.3: the law ``init``, times `1/√(per_block · depth)`.

    ``depth`` is the number of blocks, or names them in the model: a ModuleList or Sequential
    ('h'), or a glob whose words stand for one level each ('stages.*.blocks.*'). ``per_block`` is
    the number of residual branches a block has. ``mode='layer'`` takes, in place of the depth, the
    block's own place from 1 up.

    With two branches a block the factor is GPT-2's ``1/√(2L)``. ``mode='layer'`` holds each branch
    against the branches before it alone, as torchtitan's ``depth_init`` does. A weight needs the
    dimensions that ``init`` asks for. Source: Language Models are Unsupervised Multitask Learners,
    §2.3.

    Args:
        init: The config of the law that is scaled, without ``layer`` and ``bias``, or a `BaseInit`.
        depth: The number of blocks, 1 or more, or what names them.
        per_block: The number of residual branches a block has, 1 or more.
        mode: 'total' or 'layer'; 'layer' needs the name of the blocks.

    Raises:
        ConfigError: An argument is none of these; the model has no such blocks; with
            ``mode='layer'``, a weight stands in none of them.
    """

    init: Mapping[str, Any] | BaseInit
    depth: int | str
    per_block: int = 2
    mode: DepthMode = "total"

    def check(self) -> None:
        """Refuse what is no law, no depth or no mode."""
        self.inner = read_inner_initializer(self.init)
        check_choice("mode", self.mode, ("total", "layer"))
        check_count("per_block", self.per_block)
        if not isinstance(self.depth, str):
            check_count("depth", self.depth, "an int or the name of the blocks")
            if self.mode == "layer":
                problem = "mode='layer' needs the name of the blocks, got {value}."
                raise BadValueError("depth", Sentence(problem, value=self.depth))
        elif not self.depth:
            raise BadValueError("depth", "an empty name means nothing.")

    @property
    def min_dims(self) -> int:
        """What the inner law needs."""
        return self.inner.min_dims

    @property
    def model_arguments(self) -> frozenset[str]:
        """The depth, if it is a name, and those of the inner law."""
        own = frozenset({"depth"}) if isinstance(self.depth, str) else frozenset[str]()
        return own | self.inner.model_arguments

    def law(self, target: Target) -> Law:
        """Return the inner law times ``1/√(per_block · depth)``."""
        factor = 1 / math.sqrt(self.per_block * self.depth_at(target))
        return self.inner.law(target).scale_by(factor)

    def depth_at(self, target: Target) -> int:
        """Return the depth that counts for a weight, read from the model if it is a name."""
        depth, model = self.depth, target.model
        if isinstance(depth, int):
            return depth
        if model is None:
            problem = "what {name} names is known only in a model."
            raise BadValueError("depth", Sentence(problem, name=repr(depth)))
        blocks = target.remember(("blocks", depth), lambda: find_blocks(model, depth, "depth"))
        if self.mode == "total":
            return len(blocks)
        positions = target.remember(
            ("positions", depth), lambda: {name: at for at, name in enumerate(blocks)}
        )
        position = block_of(target.name, positions)
        if position is None:
            problem = "{weight} stands in none of the blocks that {name} names."
            shown = Sentence(problem, weight=target.name, name=repr(depth))
            raise BadValueError("depth", shown)
        return position + 1


def read_inner_initializer(init: Any, key: str = "init") -> BaseInit:
    """Build the initialiser that gives the law inside of another one.

    Args:
        init: Its config or a `BaseInit`; layers and biases belong to the outer one.
        key: The outer one's argument, with which the path of each error begins.

    Raises:
        ConfigError: ``init`` has no known ``type``, wrong arguments, or gives no law that could be
            used for other layers.
    """
    if not isinstance(init, BaseInit):
        for word in OUTER_KEYS:
            if isinstance(init, dict) and word in init:
                raise BadArgumentError(f"{key}.{word}", misplaced(key))
        init = build_from_cfg(init, INITIALIZERS, path=key)
    kind = type(init)
    plain = isinstance(init, BaseInit) and kind.__call__ is BaseInit.__call__
    if not plain or hasattr(kind, "adjust"):
        problem = "{name} gives no law that is known before the weights are."
        raise BadArgumentError(f"{key}.type", Sentence(problem, name=kind.__name__))
    if kind.roles is not None or kind.modules_to_fill is not BaseInit.modules_to_fill:
        problem = "{name} chooses what it fills: it is no law for others."
        raise BadArgumentError(f"{key}.type", Sentence(problem, name=kind.__name__))
    for word, given in (("layer", init.layers), ("bias", init.bias)):
        if given:
            raise BadArgumentError(f"{key}.{word}", misplaced(key))
    return init


def misplaced(key: str) -> str:
    """Say that an argument belongs beside the inner initialiser, not into it."""
    return Sentence("it belongs beside {key}, which gives only the law.", key=repr(key))


def check_count(key: str, value: object, expected: str = "an int") -> None:
    """Raise unless ``value`` is a whole number from 1 up."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadArgumentError(key, wrong_type(expected, value))
    if not 1 <= value <= MAX_COUNT:
        most = Sentence("{n} or less", n=f"{MAX_COUNT:,}")
        raise BadValueError(key, wrong_value("1 or more" if value < 1 else most, value))
