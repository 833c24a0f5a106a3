"""What a model runs on: a batch that is given, or one that is drawn for a shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.errors import BadArgumentError, BadValueError, wrong_value
from brickbook.introspect import FILLABLE_DTYPES, is_weight_layer, plain_module_name
from brickbook.measure.probe.restore import reject_torchscript

PICTURES = ((16, 32), (16, 28), (4, 224), (16, 96))  # how many, and how wide

__all__ = [
    "Batch",
    "Shape",
    "check_shape",
    "collect_tensors",
    "first_layer",
    "guess_shape",
    "guess_shapes",
    "is_batch",
    "make_batch",
    "map_tensors",
]

Shape = tuple[int, ...]
EMBEDDING_TYPES = (nn.Embedding, nn.EmbeddingBag)


def check_shape(input_shape: Sequence[int]) -> Shape:
    """Return the shape as a tuple; BadValueError unless it has whole numbers from 1 up."""
    whole = isinstance(input_shape, Sequence) and all(
        isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in input_shape
    )
    if not whole:
        raise BadValueError(
            "input_shape",
            wrong_value("whole numbers from 1 up, such as (1, 3, 224, 224)", input_shape),
        )
    return tuple(input_shape)


@dataclass(frozen=True)
class Batch:
    """The arguments of a model, and where they come from."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None
    source: str = "given"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the tensors."""
        return tuple(tuple(x.shape) for x in collect_tensors((self.args, dict(self.kwargs or {}))))

    def copy_tensors(self, gradients: bool) -> tuple[Batch, list[Tensor]]:
        """Return the batch with copies of its tensors, and those that gradients may reach.

        A model may overwrite what it gets. The copies are no leaves: those must not be written.
        """
        reached: list[Tensor] = []

        def copy(value: Tensor) -> Tensor:
            value = value.detach()
            if not gradients or not value.dtype.is_floating_point:
                return value.clone()
            if value.is_inference():
                value = value.clone()
            fresh = value.requires_grad_().clone()
            reached.append(fresh)
            return fresh

        args, kwargs = map_tensors((self.args, dict(self.kwargs or {})), copy)
        return Batch(args, kwargs, self.source), reached

    def run(self, model: nn.Module) -> Any:
        """Call a model."""
        return model(*self.args, **(self.kwargs or {}))


def make_batch(model: nn.Module, batch: Any, input_shape: Sequence[int] | None, seed: int) -> Batch:
    """Return what is given, or draw what ``input_shape`` asks for; a ConfigError for neither."""
    if batch is not None and input_shape is not None:
        raise BadArgumentError("input_shape", "a batch is given already: pass one of the two.")
    if batch is None and input_shape is None:
        raise BadArgumentError("batch", "the model needs something to run on.", batch_hint(model))
    if input_shape is not None:
        return draw_batch(model, check_shape(input_shape), seed)
    if any(tensor.is_nested for tensor in collect_tensors(batch)):
        raise BadValueError("batch", "a nested tensor has no shape.", "Pass a padded one.")
    if isinstance(batch, Mapping):
        return Batch(kwargs=batch)
    # A named tuple is a value of its own, such as a PackedSequence.
    return Batch(tuple(batch) if type(batch) is list or type(batch) is tuple else (batch,))


def draw_batch(model: nn.Module, shape: Shape, seed: int) -> Batch:
    """Draw standard normal numbers, or token ids for a model that begins with an embedding.

    Ids are drawn for one or two dimensions: an embedding may also stand first in a model that
    takes pictures, and serve for places.
    """
    like = next((p for p in model.parameters() if p.dtype in FILLABLE_DTYPES), None)
    device = like.device if like is not None else torch.device("cpu")
    dtype = like.dtype if like is not None else torch.float32
    own = torch.Generator("cpu").manual_seed(seed)
    _, first = first_layer(model)
    if isinstance(first, EMBEDDING_TYPES) and len(shape) <= 2:
        ids = torch.randint(first.num_embeddings, shape, generator=own, device="cpu")
        return Batch((ids.to(device),), source="token ids")
    # Always in float32 on the CPU: the same numbers for every dtype and device.
    numbers = torch.randn(shape, generator=own, dtype=torch.float32, device="cpu")
    return Batch((numbers.to(device, dtype),), source="N(0, 1)")


def first_layer(model: nn.Module) -> tuple[str, nn.Module | None]:
    """Return name and module of the layer that stands first in a model."""
    reject_torchscript(model)
    for name, part in model.named_modules():
        if is_weight_layer(part):
            return plain_module_name(name), part
    return "", None


def batch_hint(model: nn.Module) -> str:
    """Return a hint that says what to pass to a model, by its first layer."""
    name, first = first_layer(model)
    pass_batch = "Pass batch=... or input_shape=..."
    shape = guess_shape(first)
    if first is None or shape is None:
        return f"{pass_batch}, the batch size included, to draw N(0, 1)."
    where = f"{name or 'it'}, a {type(first).__name__}, comes first"
    if isinstance(first, EMBEDDING_TYPES):
        return (
            f"{where} and takes integers below {first.num_embeddings}: "
            f"input_shape={shape} draws such token ids; or pass batch=..."
        )
    return f"{where}: input_shape={shape} draws N(0, 1) for it; or pass batch=..."


def guess_shape(layer: nn.Module | None) -> Shape | None:
    """Guess a shape that fits the first layer."""
    if isinstance(layer, EMBEDDING_TYPES):
        return (16, 32)
    if isinstance(layer, nn.Linear):
        return (64, layer.in_features)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
        return (16, layer.in_channels, *(64 for _ in layer.kernel_size))
    return None


def guess_shapes(layer: nn.Module | None) -> tuple[Shape, ...]:
    """Guess shapes that a model may take which begins with this layer, the likeliest first.

    Where fully connected layers follow, pictures have the size that was meant.
    """
    first = guess_shape(layer)
    if first is None or not isinstance(layer, nn.Conv2d):
        return () if first is None else (first,)
    return (first, *((count, first[1], size, size) for count, size in PICTURES))


def is_batch(value: Any) -> bool:
    """Whether a variable may be meant as a batch: a tensor, or a list, tuple or dict with some.

    >>> is_batch(torch.ones(2, 3)), is_batch({"x": torch.ones(2)}), is_batch([1, 2])
    (True, True, False)
    """
    plain = isinstance(value, Tensor) and not isinstance(value, nn.Parameter)
    return plain or (type(value) in (list, tuple, dict) and bool(collect_tensors(value)))


def collect_tensors(value: Any) -> list[Tensor]:
    """Return every tensor in a nest of lists, tuples and dicts, in order."""
    found: list[Tensor] = []
    map_tensors(value, lambda tensor: found.append(tensor) or tensor)
    return found


def map_tensors(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return a nest of lists, tuples and dicts with each tensor changed; other things as is.

    Of the classes derived from these, named tuples alone can be made anew: the tensors in others,
    such as an output class, are looked at, and the value is returned as is.
    """
    if isinstance(value, Tensor):
        return change(value)
    if type(value) is dict:
        return {key: map_tensors(item, change) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map_tensors(item, change) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        # Not by its constructor, which may have other arguments.
        return tuple.__new__(type(value), (map_tensors(item, change) for item in value))
    if isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            map_tensors(item, change)
    return value
