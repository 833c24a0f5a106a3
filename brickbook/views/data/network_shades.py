"""Colours of a network's boxes by what was measured, and how large a box is by its shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from brickbook.html import format_2g, format_percent
from brickbook.measure.network import Family, Network, NetworkNode
from brickbook.measure.probe import Signals
from brickbook.views.data.depth_curves import format_power

__all__ = ["FAMILY_COLOURS", "Colouring", "Shades", "box_extent", "make_shades"]

Colouring = Literal["kind", "std", "grad", "dead"]
LEAST_DECADES = 1.0

# Contrast 3 with white and with near black, beside the names that stand below the boxes.
FAMILY_COLOURS: Mapping[Family, str] = {
    "conv": "#2B8AC6", "linear": "#D55E00", "attention": "#8E6BC1", "embedding": "#A67C00",
    "recurrent": "#5E8C31", "norm": "#7a7a7a", "activation": "#009E73", "pool": "#B9669A",
    "dropout": "#8a8f98", "resize": "#6f8a91", "join": "#7a7a7a", "input": "#7a7a7a",
    "other": "#8c7b6b",
}  # fmt: skip
LAST_AXIS_FAMILIES = ("linear", "attention", "embedding", "recurrent")
LOW, MIDDLE, HIGH = (0x2B, 0x8A, 0xC6), (0x80, 0x80, 0x80), (0xD5, 0x5E, 0x00)


@dataclass(frozen=True)
class Shades:
    """A number for each box, and the colours between its ends.

    ``after`` and ``before`` are by the label of the node; ``before`` is empty where there is one
    time only. Of a std the middle is 1 and both axes are logarithmic; of a share it is a half.
    """

    quantity: Colouring
    after: Mapping[str, float]
    before: Mapping[str, float]
    decades: float

    def colour(self, value: float) -> str:
        """Return the colour of a number."""
        if self.quantity == "dead":
            at = 2 * min(1.0, max(0.0, value)) - 1
        elif not value or not math.isfinite(value):
            at = 1.0 if value else -1.0
        else:
            at = max(-1.0, min(1.0, math.log10(value) / self.decades))
        end = HIGH if at > 0 else LOW
        mixed = (round(m + (e - m) * abs(at)) for m, e in zip(MIDDLE, end, strict=True))
        return "#" + "".join(f"{part:02x}" for part in mixed)

    def text(self, value: float) -> str:
        """Write a number."""
        return format_percent(value) if self.quantity == "dead" else format_2g(value)

    def ends(self) -> tuple[str, str, str]:
        """Write the numbers at the ends and in the middle."""
        if self.quantity == "dead":
            return "0 %", "50 %", "100 %"
        power = math.ceil(self.decades)
        return format_power(-power), "1", format_power(power)


def make_shades(
    quantity: Colouring, signals: Signals | None, before: Signals | None = None
) -> Shades | None:
    """Return the shades of a quantity; None for the kind, or without numbers."""
    if quantity == "kind" or signals is None:
        return None
    after = numbers(signals, quantity)
    earlier = numbers(before, quantity) if before is not None else {}
    found = [abs(math.log10(x)) for x in (*after.values(), *earlier.values()) if x and x < math.inf]
    return Shades(quantity, after, earlier, float(math.ceil(max([LEAST_DECADES, *found]))))


def numbers(signals: Signals, quantity: Colouring) -> dict[str, float]:
    """Return a number for each output, by its label."""
    found = {}
    for row in signals:
        value = getattr(row, quantity)
        if value is None and quantity == "dead" and row.silent:
            value = 1.0
        if value is not None:
            found[row.label] = value
    return found


def channel_axes(network: Network) -> list[bool]:
    """Return for each node whether the channels are its last axis, as of sequences."""
    last: list[bool] = []
    for node in network:
        shape = node.output[0] if node.output else ()
        known = [last[source] for source in node.sources if source < len(last)]
        if node.family in LAST_AXIS_FAMILIES or node.kind in ("LayerNorm", "RMSNorm"):
            last.append(True)
        elif node.family in ("conv", "pool") or "BatchNorm" in node.kind or not known:
            last.append(node.family not in ("conv", "pool") and len(shape) < 4)
        else:
            last.append(known[0])
    return last


def box_extent(network: Network) -> list[tuple[float, float] | None]:
    """Return for each node the size of its picture or sequence, and the number of its channels.

    The size is the root of the product of two sides, or a length; 1 where there is neither. None
    where no shape is known.
    """
    axes = channel_axes(network)
    return [extent(node, axes[at]) for at, node in enumerate(network)]


def extent(node: NetworkNode, last: bool) -> tuple[float, float] | None:
    """Return size and channels of one node's first output."""
    shape: Sequence[int] = node.output[0] if node.output else ()
    if len(shape) < 2:
        return (1.0, float(shape[0])) if shape else None
    channels = shape[-1] if last or len(shape) == 2 else shape[1]
    sides = shape[1:-1] if last else shape[2:]
    return (math.prod(sides) ** (1 / len(sides)) if sides else 1.0), float(channels)
