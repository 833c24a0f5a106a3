"""The probe: one forward and one backward pass, and the numbers of every layer's output."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.nn.parameter import is_lazy

from brickbook.errors import BadArgumentError, BadValueError, Sentence, first_line, wrong_value
from brickbook.introspect import (
    SignalDeferral,
    gathers_parameters,
    is_sharded,
    keeps_grad_mode,
    plain_name,
    unwrap_model,
)
from brickbook.measure.probe.batch import Batch, make_batch
from brickbook.measure.probe.distribution import DEFAULT_BINS, histogram
from brickbook.measure.probe.functions import CrossEntropy
from brickbook.measure.probe.hooks import (
    ActivationHooks,
    find_leaves,
    real_numbers,
    tensor_stats,
)
from brickbook.measure.probe.records import Signal, Signals, WeightGradient
from brickbook.measure.probe.restore import grad_mode, preserved_state, seeded_rng

__all__ = ["default_loss", "probe", "run_forward", "without_compile"]

Mode = Literal["train", "eval"]
MIN_CLASSES = 5  # an output of fewer values may well be an image, a box or a number
MAX_LOGITS = 2**24  # of more, the first are taken


@keeps_grad_mode
def probe(
    model: nn.Module,
    batch: Any = None,
    *,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
    loss: Callable[[Any], Tensor] | None = None,
    gradients: bool = True,
    mode: Mode | None = None,
    histograms: bool | int = False,
    per_unit: bool = False,
    weight_gradients: bool = False,
) -> Signals:
    """Run a model once and return the numbers of every layer's output, in the order they ran.

    Dead units and a norm's statistics want a batch of some size: 64 vectors, or 16 pictures. Of a
    gradient of the default loss the size says little, its course through depth much.

    The model is given back as it was, also after an error: modes, buffers, ``.grad``, hooks,
    torch's random numbers (of the CPU and of the model's devices) and grad mode; the batch too.
    No activation is kept beyond what the backward pass needs. A module that runs more than eight
    times is recorded the first eight. Compiled and data-parallel wrappers are run without. Under
    FSDP2, and with DTensors, all ranks call this; the numbers are each rank's own, and the record
    says so.

    Args:
        model: The model.
        batch: What it is called with: a tensor, a tuple of arguments or a dict of keywords.
        input_shape: Without a batch, the shape (batch size included) of what is drawn: N(0, 1), or
            token ids for a model whose first layer is an embedding.
        seed: That of the drawn batch and of dropout.
        loss: What the backward pass starts from, of the output; by default the loss in a dict of
            outputs, as the models of transformers give one for labels, or the mean of the squares
            of an output that is a tensor.
        gradients: Whether a backward pass follows.
        mode: "train" or "eval", None as the model is: in eval a fresh batch norm does not
            normalise.
        histograms: Keep the histograms of outputs and gradients: True for 64 bins at most, or how
            many.
        per_unit: Keep mean, std and the gradient's std of each unit (channel or feature).
        weight_gradients: Keep the numbers of the gradients by the parameters, and their histograms
            with ``histograms``. They take the memory that ``backward`` takes for them.

    Raises:
        BadArgumentError: ``model`` is no module, or there is not one of batch and input_shape.
        BadValueError: the model cannot run yet (meta device, lazy layers), or raises; the layer
            and the shapes it got are named.
    """
    check_model(model, mode)
    bins = check_bins(histograms)
    inner = unwrap_model(model)
    if weight_gradients and rank_of(inner)[1] > 1:
        problem = "of a model that is spread over several processes there are none."
        raise BadValueError("weight_gradients", problem)
    tensors = (*inner.parameters(), *inner.buffers())
    inference = any(tensor.is_inference() for tensor in tensors)
    gradients = gradients and not inference
    devices = {tensor.device for tensor in tensors}
    with (
        SignalDeferral() as signals,  # an interrupt ends the passes, not what puts back
        grad_mode(gradients, inference),
        seeded_rng(seed, devices),
        preserved_state(inner),
        without_compile(inner),
    ):
        given = make_batch(inner, batch, input_shape, seed)
        own, reached = given.copy_tensors(gradients)
        if mode is not None:
            inner.train(mode == "train")
        flags = {part.training for part in inner.modules()}
        with ActivationHooks(inner, gradients, bins, per_unit) as listener:
            with listener.functions, signals.handled():
                output = run_forward(inner, own, listener.stack)
            del own
            listener.active = False  # checkpointed parts run again in the backward pass
            value, weights = None, ()
            has_loss = loss is not None or listener.functions.cross_entropy is not None
            assumed = None if has_loss else read_as_logits(output, listener.rows)
            loss = loss or default_loss(output)
            if gradients and loss is not None:
                with signals.handled():
                    value, weights = run_backward(
                        inner, output, loss, listener, reached, weight_gradients
                    )
    return Signals(
        tuple(listener.rows),
        given.source,
        given.shapes,
        "mixed" if len(flags) > 1 else "train" if flags == {True} else "eval",
        value,
        seed,
        sum(listener.calls.values()),
        *rank_of(inner),
        *(listener.functions.cross_entropy or assumed or (None, None, None)),
        assumed is not None,
        weights,
    )


def check_bins(histograms: bool | int) -> int:
    """Return how many bins histograms have, 0 for none."""
    if isinstance(histograms, bool):
        return DEFAULT_BINS if histograms else 0
    if not isinstance(histograms, int) or histograms < 2:
        raise BadValueError("histograms", wrong_value("True, False or 2 bins or more", histograms))
    return histograms


def rank_of(model: nn.Module) -> tuple[int, int]:
    """Return the number of this process, of how many, if a model is spread over several."""
    spread = any(map(gathers_parameters, model.modules()))
    if spread or any(map(is_sharded, model.parameters())):
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def check_model(model: nn.Module, mode: object) -> None:
    """Raise for a model that cannot be run, or an unknown mode."""
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a module, got {model!r}.")
    if mode not in (None, "train", "eval"):
        raise BadValueError("mode", f"expected 'train', 'eval' or None, got {mode!r}.")
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            hint = "Run one batch through the model first."
            raise BadValueError("model", Sentence("{name} has no shape yet.", name=name), hint)
        if tensor.is_meta:
            problem = Sentence("{name} is on the meta device and has no values.", name=name)
            raise BadValueError("model", problem, "Materialize the model first.")


@contextmanager
def without_compile(model: nn.Module) -> Iterator[None]:
    """Run compiled parts as they are written: hooks would compile them anew."""
    stance: Any = getattr(torch.compiler, "set_stance", None)
    compiled = any(type(part).__name__ == "OptimizedModule" for part in model.modules())
    if stance is None or not compiled:
        yield
        return
    with stance("force_eager"):
        yield


def run_forward(model: nn.Module, batch: Batch, stack: Sequence[Any]) -> Any:
    """Run a model; an error says in which layer, and what that got.

    ``stack`` are the modules that are running: each with ``part``, ``name`` and ``shapes``.
    """
    try:
        return batch.run(model)
    except Exception as error:
        running = stack[-1] if stack else None
        part = running.part if running else model
        shapes = running.shapes if running else batch.shapes
        got = ", ".join(map(str, shapes)) or Sentence("no tensor")
        name = running.name if running else ""
        problem = "{module} got {shapes}: {error}"
        given = {"module": type(part).__name__, "shapes": got, "error": error_sentence(error)}
        problem = Sentence(problem, **given)
        raise BadValueError(name or "model", problem) from error


def run_backward(
    model: nn.Module,
    output: Any,
    loss: Callable[[Any], Tensor],
    hooks: ActivationHooks,
    inputs: list[Tensor],
    of_weights: bool = False,
) -> tuple[float | None, tuple[WeightGradient, ...]]:
    """Send gradients back; return the loss, None if nothing leads back from it.

    With ``of_weights`` return also the numbers of the gradients by the parameters.
    """
    with hooks.functions:
        value = loss(output)
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise BadValueError(
            "loss", f"expected a tensor with one number, got {describe_value(value)}."
        )
    if not value.requires_grad:
        return None, ()
    # As far as needed and no further: nothing reaches a parameter's .grad or its hooks.
    # A model may have detached what it got.
    wanted = [given for given in inputs if given.requires_grad]
    edges: list[Any] = [*hooks.edges, *map(get_gradient_edge, wanted)]
    known = find_leaves(model)
    for part in model.modules():
        if id(part) not in known:  # a token or a place that a model learns
            edges += [p for p in part.parameters(recurse=False) if p.requires_grad]
    named = [(name, p) for name, p in model.named_parameters() if of_weights and p.requires_grad]
    try:
        found = torch.autograd.grad(
            value.sum(), [*(p for _, p in named), *edges], allow_unused=True
        )
    except Exception as error:
        problem = Sentence("the backward pass failed: {error}", error=error_sentence(error))
        raise BadValueError("model", problem, "Pass gradients=False.") from error
    both = zip(named, found, strict=False)
    weights = (weight_gradient(*item, grad, hooks.bins) for item, grad in both if grad is not None)
    return float(value.detach()), tuple(weights)


def weight_gradient(name: str, weight: Tensor, grad: Tensor, bins: int) -> WeightGradient:
    """Return the numbers of a gradient by a parameter."""
    grad = grad.to_dense() if grad.layout != torch.strided else grad
    seen, whole = tensor_stats(grad), tensor_stats(weight)
    norm, size = (
        None if x["mean"] is None else math.hypot(x["mean"], x["std"]) * math.sqrt(grad.numel())
        for x in (seen, whole)
    )
    return WeightGradient(
        plain_name(name), tuple(grad.shape), grad.numel(), seen["mean"], seen["std"], norm,
        norm / size if norm is not None and size else None, seen["nan"], seen["inf"],
        histogram(real_numbers(grad), bins) if bins and grad.numel() else None,
    )  # fmt: skip


def default_loss(output: Any) -> Callable[[Any], Tensor] | None:
    """Return how to get a loss from an output: its own, or the mean square of a tensor."""
    if isinstance(output, Mapping):  # as in an output class of transformers, given labels
        own = output.get("loss")
        return operator.itemgetter("loss") if isinstance(own, Tensor) and own.numel() == 1 else None
    return mean_square if isinstance(output, Tensor) else None


@torch.no_grad()
def read_as_logits(output: Any, rows: Sequence[Signal]) -> CrossEntropy | None:
    """Return the cross entropy of a last layer's output over all labels; None if it is none."""
    logits = output.get("logits") if isinstance(output, Mapping) else output
    last = rows[-1] if rows else None
    if not isinstance(logits, Tensor) or last is None or last.part != "layer" or is_sharded(logits):
        return None
    if logits.layout != torch.strided or not logits.is_floating_point() or logits.dim() < 2:
        return None
    if logits.numel() != last.count or last.units < MIN_CLASSES:
        return None
    axes = [axis for axis in (-1, 1) if logits.shape[axis] == last.units]
    if not axes:
        return None
    samples = logits.detach().movedim(axes[0], -1).reshape(-1, last.units)
    samples = samples[: max(1, MAX_LOGITS // last.units)].float()
    value = float((samples.logsumexp(1) - samples.mean(1)).mean())
    if not math.isfinite(value):
        return None
    return CrossEntropy(value, last.units, float(samples.std(correction=0)))


def mean_square(output: Tensor) -> Tensor:
    """The mean of |x|²; of a 16-bit output in float32, where small squares are not lost."""
    if output.layout != torch.strided:
        kind = str(output.layout).removeprefix("torch.")
        problem = "the output is a {layout} tensor, of which there is no mean square."
        problem = Sentence(problem, layout=kind)
        raise BadValueError("model", problem, "Pass a loss, or gradients=False.")
    if not output.is_floating_point() and not output.is_complex():
        return output.new_zeros((), dtype=torch.float32)
    value = output.abs() if output.is_complex() else output
    return value.to(torch.promote_types(value.dtype, torch.float32)).square().mean()


def error_sentence(error: Exception) -> str:
    """The first line of an error, with its full stop."""
    line = first_line(error)
    return line if line.endswith((".", "!", "?")) else f"{line}."


def describe_value(value: object) -> str:
    """A value for an error."""
    return f"one of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
