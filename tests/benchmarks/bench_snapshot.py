"""`snapshot` of a 100 M-parameter transformer against the loop that people write with numpy."""

from __future__ import annotations

import numpy as np
import torch
from timing import fastest
from torch import nn

from brickbook.measure.snapshot import snapshot

BOUND = 0.25


def cases() -> list[dict[str, float | str]]:
    """One row: seconds of ours and of the peer, best of several, taken in turn."""
    model = transformer()
    ours, peer = fastest([lambda: snapshot(model), lambda: numpy_loop(model)])
    count = sum(parameter.numel() for parameter in model.parameters())
    name = f"snapshot of {count / 1e6:.0f} M parameters / numpy.histogram + min/max/mean/std"
    return [{"name": name, "ours": ours, "peer": peer, "ratio": ours / peer, "bound": BOUND}]


def transformer() -> nn.Module:
    """The layers of a BERT-base with 20,000 words, drawn with one seed."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
    words = nn.Embedding(20_000, 768)
    return nn.ModuleDict(
        {"words": words, "body": nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)}
    )


def numpy_loop(model: nn.Module) -> list[object]:
    found = []
    for parameter in model.parameters():
        values = parameter.detach().numpy()
        moments = values.min(), values.max(), values.mean(), values.std()
        found.append((np.histogram(values, 64), moments))
    return found
