"""How data flows through a model: by a run, by a symbolic trace, or the module tree alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from brickbook.errors import BadArgumentError, first_line
from brickbook.introspect import unwrap_model
from brickbook.measure.cost import watch_run
from brickbook.measure.network.calls import Call, CallLog, registered_modules
from brickbook.measure.network.folds import find_repeats
from brickbook.measure.network.fx_flow import trace_flow
from brickbook.measure.network.hooks_flow import FlowRecorder
from brickbook.measure.network.records import Flow, Network, Shape, State
from brickbook.measure.probe import Batch, first_layer, guess_shapes, make_batch

__all__ = ["network"]


def network(
    model: nn.Module,
    batch: Any = None,
    *,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
) -> Network:
    """Return the layers and functions of a model, and which takes what another gives.

    The model runs as in ``eval()``, on a twin on the meta device; where that cannot run, because
    the ``forward`` asks for values, itself, and is given back as it was. Where the run stops, what
    was reached has its shapes, and the call that stopped has the error; what is behind it stands as
    ``torch.fx`` traces it, else as it is registered. Where nothing says what to run on and the
    shapes that the first layer suggests do not fit, there is ``torch.fx`` alone, without shapes;
    else the modules as they are registered.

    Drawn functions are activations, pools, attention and their like, and those that join several
    tensors, as sums and concatenations; views and slices are passed through.

    Args:
        model: The model.
        batch: What it is called with: a tensor, a tuple of arguments or a dict of keywords.
        input_shape: Without a batch, the shape (batch size included) of what goes in.
        seed: That of a drawn batch, for a model that asks for values.

    Raises:
        BadArgumentError: ``model`` is no module, or there are both a batch and an input_shape.
        BadValueError: ``input_shape`` is not a sequence of whole numbers from 1 up.
    """
    if not isinstance(model, nn.Module):
        raise BadArgumentError("model", f"expected a module, got {model!r}.")
    inner = unwrap_model(model)
    guessed = batch is None and input_shape is None
    if guessed:
        shapes = ((1, *shape[1:]) for shape in guess_shapes(first_layer(inner)[1]))
        batches = (make_batch(inner, None, shape, seed) for shape in shapes)
    else:
        batches = iter((make_batch(inner, batch, input_shape, seed),))
    why = ""
    for given in batches:
        recorder, error = record_run(inner, given)
        if error is None:
            return make_network(recorder.log, "hooks", "", given.shapes, guessed)
        why = why or f"{type(error).__name__}: {first_line(error)}"
        if not guessed:
            return stopped_network(inner, recorder, given)
    why = why or "there is nothing to run it on."
    try:
        log = trace_flow(inner)
    except Exception as error:  # whatever a forward may raise
        trace_error = f"torch.fx: {type(error).__name__}: {first_line(error)}"
        return make_network(tree_log(inner), "tree", f"{why} {trace_error}")
    mark(log, "not run")
    return make_network(log, "fx", why)


def make_network(
    log: CallLog, flow: Flow, why: str, batch: tuple[Shape, ...] = (), guessed: bool = False
) -> Network:
    """Return the record of calls."""
    nodes = log.nodes()
    return Network(nodes, flow, why, batch, guessed, find_repeats(nodes))


def record_run(model: nn.Module, batch: Batch) -> tuple[FlowRecorder, Exception | None]:
    """Run a model, and return what was recorded, with the error that has stopped it."""
    recorders: list[FlowRecorder] = []

    def make_recorder(twin: nn.Module, own: Batch) -> FlowRecorder:
        recorders.append(FlowRecorder(twin, own))
        return recorders[-1]

    try:
        watch_run(model, batch, False, make_recorder)
    except Exception as error:  # whatever a forward may raise
        if not recorders:  # it cannot even be copied
            recorders.append(FlowRecorder(model, batch))
        recorders[-1].fail(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        return recorders[-1], error
    recorders[-1].succeed()
    return recorders[-1], None


def stopped_network(model: nn.Module, recorder: FlowRecorder, batch: Batch) -> Network:
    """Return the network of a run that has stopped, with what is behind that."""
    reached = recorder.log
    try:
        whole = trace_flow(model)
    except Exception as error:  # whatever a forward may raise
        why = f"torch.fx: {type(error).__name__}: {first_line(error)}"
        add_unreached(reached, model)
        return make_network(reached, "hooks", why, batch.shapes)
    known = {call.key: call for call in reached.calls}
    merged = 0
    for call in whole.calls:
        run = known.get(call.key)
        if run is None:
            call.state = "not reached"
            continue
        merged += 1
        call.state, call.error = run.state, run.error
        call.input, call.output = run.input, run.output
    inputs = [call for call in whole.calls if call.part == "input"]
    for call, run in zip(inputs, (c for c in reached.calls if c.part == "input"), strict=False):
        merged += call.state == "not reached"
        call.output, call.state = run.output, "ok"
    if merged < len(reached.calls):  # fx takes another way than the run did
        add_unreached(reached, model)
        return make_network(reached, "hooks", "torch.fx takes another way.", batch.shapes)
    return make_network(whole, "fx", "the run has stopped.", batch.shapes)


def mark(log: CallLog, state: State) -> None:
    """Set the state of all calls."""
    for call in log.calls:
        call.state = state


def tree_log(model: nn.Module) -> CallLog:
    """Return the modules as they are registered, as if each were called once."""
    log = CallLog()
    add_registered(log, model, {}, "not run")
    return log


def add_unreached(log: CallLog, model: nn.Module) -> None:
    """Add the modules that no call has reached."""
    last = {call.name: at for at, call in enumerate(log.calls) if call.module is not None}
    add_registered(log, model, last, "not reached")


def add_registered(log: CallLog, model: nn.Module, known: dict[str, int], state: State) -> None:
    """Add the modules that are not in ``known``, each within its parent's last call."""
    places = dict(known)
    for name, module in registered_modules(model):
        if name in places:
            continue
        log.running = []
        at = log.add_module(name, module)
        call: Call = log.calls[at]
        call.parent = places.get(name.rpartition(".")[0], -1) if name else -1
        call.state = state
        places[name] = at
