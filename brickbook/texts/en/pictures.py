"""What the pictures say, in English: of one tensor, of the signals through depth, of costs."""

from __future__ import annotations

__all__ = ["PICTURES"]

PICTURES: dict[str, str] = {
    # One tensor, large.
    "figure.value": "value",
    "figure.elements": "elements per bin",
    "figure.density": "density",
    "figure.from": "from {low}: {count}",
    # Signals through depth: the axes,
    "depth.std": "output std",
    "depth.grad": "gradient std",
    "depth.order": "layer, in the order they ran",
    "depth.signals": "signals",
    "depth.dead": "dead",
    "depth.saturated": "saturated",
    "depth.or": " or ",
    "depth.after": "after {layer}: {share} {why}",
    "depth.no_outputs": "no outputs",
    # and what they show, in words.
    "depth.told": "Signals through depth: {told}",
    "depth.semicolon": "; ",
    "depth.nothing": "no numbers",
    "depth.at": "std {std} at {layer}",
    "depth.to": "{text}, {std} at {layer}",
    "depth.layers": "{text} ({n} layers)",
    "depth.layers.one": "{text} ({n} layer)",
    "depth.lost": "{text}, up to {share} {why} after {layer}",
    "cost.macs": "multiply-adds",
    "cost.params": "parameters",
    "cost.activations": "activation bytes",
    "cost.order": "module, in the model's order",
    "cost.told": "{name} ({kind}): {count}, {share} of all",
    # A still view: its picture and its table.
    "picture.told": "{n} histograms, before and after",
    "picture.told.one": "{n} histogram, before and after",
    "static.line": "{title}: {told}",
    "static.some": "{told}; {shown} of {n} parameters in the picture",
    "static.fold": "Show as table",
    "static.tensor": "tensor",
    "static.before": "histogram before",
    "static.after": "histogram after",
    "static.nothing": "Nothing was initialized yet.",
}
