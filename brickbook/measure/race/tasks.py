"""Small built-in tasks to race on: each is data, a loss by its targets, and a model that fits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError

__all__ = [
    "TASKS", "Task", "class_patterns", "copying_tokens", "deep_linear", "digits", "make_mlp",
    "segment_digits", "spirals",
]  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Task:
    """Inputs, targets and a function that makes a model for them."""

    name: str
    inputs: Tensor
    targets: Tensor
    model_fn: Callable[[], nn.Module]

    def __repr__(self) -> str:
        return f"Task({self.name}: {len(self.inputs):,} samples of {tuple(self.inputs.shape[1:])})"


def make_mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return linear layers of these sizes, with an activation between each two.

    >>> [type(part).__name__ for part in make_mlp(2, 8, 3)]
    ['Linear', 'ReLU', 'Linear']
    """
    parts: list[nn.Module] = []
    for at, (wide, high) in enumerate(pairwise(sizes)):
        parts += [activation()] if at else []
        parts.append(nn.Linear(wide, high))
    return nn.Sequential(*parts)


def spirals(samples: int = 600, classes: int = 3, noise: float = 0.2, seed: int = 0) -> Task:
    """Points in the plane on interleaved spirals, one for each class.

    ``samples`` are rounded down to a multiple of ``classes``; ``noise`` is the std of the angle, in
    radians.
    """
    own = torch.Generator().manual_seed(seed)
    each = check_count("samples", samples, classes) // classes
    radius = torch.linspace(0.1, 1, each).repeat(classes)
    label = torch.arange(classes).repeat_interleave(each)
    angle = 2 * math.pi * label / classes + 4 * radius
    angle = angle + noise * torch.randn(len(label), generator=own)
    inputs = torch.stack([radius * angle.sin(), radius * angle.cos()], 1)
    model = partial(make_mlp, 2, *[64] * 3, classes)
    return Task("spirals", inputs, label, model)


def deep_linear(width: int = 32, depth: int = 20, samples: int = 512, seed: int = 0) -> Task:
    """Inputs N(0, 1) and an orthogonal map of them, to be learnt by a deep linear net.

    Signals through the net are products of its weights and nothing else. Source: Saxe et al. 2014,
    https://arxiv.org/abs/1312.6120.
    """
    own = torch.Generator().manual_seed(seed)
    check_count("depth", depth, 1)
    inputs = torch.randn(samples, check_count("width", width, 1), generator=own)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=own))
    model = partial(make_mlp, *[width] * (depth + 1), activation=nn.Identity)
    return Task("deep linear", inputs, inputs @ turn, model)


def copying_tokens(
    length: int = 8, vocabulary: int = 8, samples: int = 2048, seed: int = 0
) -> Task:
    """Sequences whose second half is blank, where the first half is to be said again.

    Token 0 is the blank; a target of -100, in the first half, is not counted. The model is a small
    transformer with learnt places.
    """
    own = torch.Generator().manual_seed(seed)
    check_count("vocabulary", vocabulary, 2)
    shape = samples, check_count("length", length, 1)
    tokens = torch.randint(1, vocabulary, shape, generator=own)
    inputs = torch.cat([tokens, torch.zeros_like(tokens)], 1)
    targets = torch.cat([torch.full_like(tokens, -100), tokens], 1)
    model = partial(TokenTransformer, vocabulary, 2 * length)
    return Task("copying tokens", inputs, targets, model)


def digits() -> Task:
    """The 1,797 digits of 8×8 pixels that scikit-learn ships, as vectors of mean 0 and std 1.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports] - optional
    except ImportError as error:
        problem = "the digits are those of scikit-learn: pip install scikit-learn."
        raise ImportError(problem, name="sklearn") from error
    found = load_digits()
    inputs = torch.from_numpy(found.data).float()
    inputs = (inputs - inputs.mean()) / inputs.std()
    targets = torch.from_numpy(found.target).long()
    return Task("digits", inputs, targets, partial(make_mlp, 64, 128, 128, 128, 10))


# The segments of a digit on a pocket calculator: top, both sides above, middle, both sides below,
# bottom; as (row, column, rows, columns) on 8 × 8 pixels.
SEGMENTS = (
    (0, 2, 1, 4), (1, 1, 3, 1), (1, 6, 3, 1), (3, 2, 1, 4), (4, 1, 3, 1), (4, 6, 3, 1),
    (7, 2, 1, 4),
)  # fmt: skip
LIT = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010",
       "1111111", "1111011")  # fmt: skip


def segment_digits(samples: int = 1500, noise: float = 0.5, seed: int = 0) -> Task:
    """Digits of seven segments on 8×8 pixels, shifted by up to one pixel, with noise, as vectors.

    They are made here, where `digits` needs scikit-learn. ``noise`` is the std of what is added to
    pixels that are 0 or 1, before all become mean 0 and std 1.
    """
    own = torch.Generator().manual_seed(seed)
    pictures = torch.zeros(10, 10, 10)
    for digit, lit in enumerate(LIT):
        for (row, column, high, wide), on in zip(SEGMENTS, lit, strict=True):
            if on == "1":
                pictures[digit, row + 1 : row + 1 + high, column + 1 : column + 1 + wide] = 1
    label = torch.randint(10, (check_count("samples", samples, 1),), generator=own)
    shift = torch.randint(3, (samples, 2), generator=own)
    rows = shift[:, :1] + torch.arange(8)
    columns = shift[:, 1:] + torch.arange(8)
    inputs = pictures[label[:, None, None], rows[:, :, None], columns[:, None]].flatten(1)
    inputs = inputs + noise * torch.randn(inputs.shape, generator=own)
    inputs = (inputs - inputs.mean()) / inputs.std()
    model = partial(make_mlp, 64, 128, 128, 128, 10)
    return Task("segment digits", inputs, label, model)


def class_patterns(
    shape: tuple[int, ...] = (32,),
    classes: int = 10,
    samples: int = 1024,
    noise: float = 2.0,
    seed: int = 0,
) -> Task:
    """A pattern of N(0, 1) numbers for each class, and ``noise`` times N(0, 1) added to it.

    Inputs have any shape, and are divided by ``√(1 + noise²)`` so that their std is 1.
    """
    own = torch.Generator().manual_seed(seed)
    check_count("classes", classes, 2)
    patterns = torch.randn(classes, *shape, generator=own)
    label = torch.randint(classes, (check_count("samples", samples, 1),), generator=own)
    inputs = patterns[label] + noise * torch.randn(samples, *shape, generator=own)
    model = partial(make_mlp, math.prod(shape), 128, 128, classes)
    inputs = inputs / math.sqrt(1 + noise**2)
    return Task("class patterns", inputs, label, partial(flattened, model))


def flattened(make: Callable[[], nn.Sequential]) -> nn.Sequential:
    """Return a model that flattens its input first."""
    return nn.Sequential(nn.Flatten(), *make())


TASKS: dict[str, Callable[[], Task]] = {
    "spirals": spirals,
    "deep linear": deep_linear,
    "copying tokens": copying_tokens,
    "digits": digits,
    "segment digits": segment_digits,
    "class patterns": class_patterns,
}


class TokenTransformer(nn.Module):
    """Tokens and places, two transformer layers that see everything, and logits for each place."""

    def __init__(self, vocabulary: int, length: int, width: int = 64) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (samples, places, vocabulary)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        return self.head(self.body(self.tokens(tokens) + self.places(places)))


def check_count(name: str, value: int, least: int) -> int:
    """Return a whole number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise BadValueError(name, f"expected a whole number from {least} up, got {value!r}.")
    return value
