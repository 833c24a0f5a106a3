"""Give a model on the meta device memory and initialise it."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, overload

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakTensorKeyDictionary

from brickbook.errors import BadArgumentError, BadValueError, Sentence
from brickbook.init.execution.checkpoints import read_checkpoints
from brickbook.init.execution.execute import Execution, affected_tensors, check_draws
from brickbook.init.execution.own_starts import (
    ConstructorWatch,
    find_rewritten,
    skipped_starts,
    starts_by_name,
    watched_construction,
    with_starts,
)
from brickbook.init.execution.replay import TracedStart
from brickbook.init.execution.report import InitReport, Outcome
from brickbook.init.execution.rng import SeededRng
from brickbook.init.execution.writer import ParameterWriter, tensors_of
from brickbook.init.planning import (
    CompletedPlan,
    FrozenPolicy,
    InitOptions,
    PlanRow,
    PoisonMark,
    PrecedenceOrder,
    Reason,
    Why,
    complete_plan,
    is_poisoned,
    plan_with_tensors,
    poison,
    unfilled_error,
    user_stacklevel,
)
from brickbook.introspect import (
    deferred_signals,
    is_sharded,
    keeps_grad_mode,
    meta_attributes,
    restore_dict,
    rollback_on_error,
    tensors_in,
)

__all__ = ["materialize", "skeleton"]

LOG = logging.getLogger("brickbook")
T = TypeVar("T", bound=Tensor)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    class MaterializeOptions(TypedDict, total=False):
        """The options of `materialize`, for the types of its two forms."""

        device: torch.device | str
        seed: int | None
        strict: bool
        allow_uninitialized: bool
        order: PrecedenceOrder
        frozen: FrozenPolicy
        only_missing: bool
        protect: Sequence[str | type] | str | type
        reinitialize: bool
        assume_loaded: Collection[str | type] | str | type | None
        batch: object
        trace: bool | Callable[[], nn.Module]


@overload
def materialize(
    model: nn.Module, init_cfg: object = None, **options: Unpack[MaterializeOptions]
) -> InitReport: ...


@overload
def materialize(
    model: Callable[[], nn.Module], init_cfg: object = None, **options: Unpack[MaterializeOptions]
) -> tuple[nn.Module, InitReport]: ...


@keeps_grad_mode
def materialize(
    model: nn.Module | Callable[[], nn.Module],
    init_cfg: object = None,
    *,
    device: torch.device | str = "cpu",
    seed: int | None = None,
    strict: bool = False,
    allow_uninitialized: bool = False,
    order: PrecedenceOrder = "brickbook",
    frozen: FrozenPolicy = "init",
    only_missing: bool = False,
    protect: Sequence[str | type] | str | type = (),
    reinitialize: bool = False,
    assume_loaded: Collection[str | type] | str | type | None = None,
    batch: object = None,
    trace: bool | Callable[[], nn.Module] = False,
) -> InitReport | tuple[nn.Module, InitReport]:
    """Give a model on the meta device memory on ``device``, and every tensor meaningful numbers.

    First what `initialize` would write with the same seed: the same numbers, bit for bit. What no
    rule matches gets torch's own law for its layer (the plan shows it, by "torch"); then come
    modules' own ``reset_parameters()``, ``reset_buffers()``, ``init_non_persistent_buffers()`` and
    ``init_weights()``; then rules and checkpoints. Tensors that have values keep them unless a
    rule says otherwise, and move to ``device``. Of DTensors (``fully_shard``) each rank fills its
    part; custom init code sees one module's whole tensors at a time. If anything fails, the model
    is on the meta device again.

    What else a constructor does to the weights is not repeated. It is named, in a RuntimeWarning
    and in the plan, where the law is another one for that: exactly, if ``model`` is a callable. Of
    a model that exists already, torch's count of writes and what its classes are made of tell;
    neither shows what a function outside of them has written through ``.data``, or copied.

    With ``trace`` all that is repeated. What makes the model is called on the meta device, where
    nothing is drawn, under `brickbook.trace`. Each tensor gets the law that it ended with there, by
    its name, unless a rule matches it. What is computed without a draw (rotary angles, masks) is
    computed again, with memory, and so is what was drawn and then changed in a way that leaves no
    law: from a seed of the tensor's own, and of other tensors the numbers that they have now.
    Models of transformers, which skip their start on the meta device, are started. No
    ``init_weights`` is called but there.

    Args:
        model: The model, or a callable that makes it: it is called inside `skeleton`, which keeps
            the buffers that constructors compute.
        init_cfg: As in `initialize`.
        device: Where the memory is to be.
        seed: As in `initialize`.
        strict: As in `initialize`; and raise where a start of the model's own is not repeated.
        allow_uninitialized: Leave what nothing fills as "left" in the report, and NaN (0 where
            there is no NaN).
        order: As in `plan`, and so are the five that follow.
        frozen: Whether parameters that take no gradient are written.
        only_missing: Leave what was loaded.
        protect: What nothing may write.
        reinitialize: Initialise again what is initialised already.
        assume_loaded: What was loaded by other functions than brickbook's.
        batch: As in `initialize`.
        trace: Repeat what ``model`` does when it is called; for a model that exists (and is
            sharded, say), the function that makes one like it.

    Returns:
        The report; with the model before it, if ``model`` was a callable.

    Raises:
        ConfigError: For a config that cannot be carried out, before any memory is taken.
        ValueError: If anything would be left uninitialised, before any memory is taken; or if
            custom init code has left something so; or with ``strict``.

    >>> with torch.device("meta"):
    ...     model = nn.Linear(4, 2)
    >>> materialize(model, dict(type="Constant", layer="Linear", val=1.0), seed=0)
    InitReport: 2 parameters: 2 written by a law, seed 0
    >>> model.weight.device
    device(type='cpu')
    """
    where, rng = read_device(device), SeededRng.from_seed(seed)
    start = TracedStart.read(model, trace)
    if start is not None:
        built, watch = start.model, None
    elif isinstance(model, nn.Module):
        built, watch = model, None
    else:
        built, watch = build_without_memory(model)
    options = InitOptions(strict, order, frozen, only_missing, protect, reinitialize, assume_loaded)
    draft, _ = plan_with_tensors(built, init_cfg, options, custom_init=start is None)
    pending = read_checkpoints(draft, built)
    loaded = {id(tensor) for load in pending for tensor in load.filled(built)}
    if start is not None:
        completed, starts = start.complete(draft, loaded), None
    else:
        completed = complete_plan(draft, built, loaded)
        found = watch.find(built) if watch else find_rewritten(built)
        starts = starts_by_name(completed.plan, built, found)
    clear_start_notes(built)
    tensors = tensors_of(built, completed.plan)
    check_devices(tensors, where)
    check_draws(completed.plan, built, tensors, batch, rng, caller="materialize")
    if completed.uncovered and not allow_uninitialized:
        raise unfilled_error(completed.uncovered, built)
    draft.warn()
    names_with_values = {name for name, tensor in tensors_in(built) if not tensor.is_meta}
    affected = affected_tensors(completed.plan, built, tensors)
    with (
        rollback_on_error(built, [tensor for tensor in affected if not tensor.is_meta]) as signals,
        allocated_memory(built, where),
    ):
        writer = ParameterWriter(completed.plan, built, tensors_of(built, completed.plan), rng)
        execution = Execution(completed.plan, built, writer, pending, names_with_values)
        marks = {row.name: poison(writer.tensors.get(row.name)) for row in completed.without_law}
        with execution.pinned_rows():
            if start is not None:
                start.write_values(execution, where)
            execution.write_and_call()
            move_buffers(built, where)
            writer.refresh("")
            execution.load()
            empty = note_filled(completed, execution, marks)
            if empty and not allow_uninitialized:
                raise unfilled_error(map(not_filled, empty), built)
            execution.fit(batch)
        skipped = []
        if starts is not None:
            execution.plan = with_starts(execution, starts, watched=watch is not None)
            skipped = list(skipped_starts(execution, watched=watch is not None))
        for kind, problem, hint in skipped:
            if strict and kind is not Why.BY_DEFAULTS:
                raise BadValueError("model", problem, hint)
        execution.mark_initialized()
        signals.deferring = True  # an interrupt comes too late now
    for _, problem, hint in skipped:
        warnings.warn(f"model: {problem} {hint}", RuntimeWarning, user_stacklevel())
    report = execution.report(left_outcomes((*completed.uncovered, *empty), marks))
    LOG.info("%s: %r", type(built).__name__, report)
    return report if built is model else (built, report)


def build_without_memory(constructor: object) -> tuple[nn.Module, ConstructorWatch]:
    """Call what makes a model, without memory for its parameters; see what its own code writes."""
    if not callable(constructor):
        raise BadArgumentError(
            "model",
            Sentence(
                "expected a module or what makes one when it is called, got {value}.",
                value=repr(constructor),
            ),
        )
    with watched_construction() as watch, skeleton():
        model = constructor()
    if not isinstance(model, nn.Module):
        raise BadArgumentError(
            "model", Sentence("expected a call to give a module, got {value}.", value=repr(model))
        )
    return model, watch


def clear_start_notes(model: nn.Module) -> None:
    """Delete transformers' mark of initialised modules where all parameters are without memory."""
    for part in model.modules():
        if all(parameter.is_meta for parameter in part.parameters()):
            vars(part).pop("_is_hf_initialized", None)


def read_device(device: object) -> torch.device:
    """Read where the memory is to be."""
    try:
        where = torch.device(device)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except (RuntimeError, TypeError):
        raise BadArgumentError(
            "device", Sentence("expected a device, got {value}.", value=repr(device))
        ) from None
    if where.type == "meta":
        raise BadValueError("device", "there is no memory on the meta device.")
    return where


def note_filled(
    completed: CompletedPlan, execution: Execution, marks: Mapping[str, PoisonMark]
) -> list[PlanRow]:
    """Note what custom init code has filled of what it may fill; return the rows it has not."""
    empty = []
    for row in completed.uncertain:
        if is_poisoned(execution.writer.tensors[row.name], marks[row.name]):
            empty.append(row)
        else:
            execution.audit.written_by_code[row.name] = row.later_writers[-1]
    return empty


def not_filled(row: PlanRow) -> PlanRow:
    """Return the row of a tensor that custom init code did not fill after all."""
    return row._replace(why=Reason(Why.NOT_FILLED, ", ".join(row.later_writers)))


def left_outcomes(rows: Iterable[PlanRow], marks: Mapping[str, PoisonMark]) -> dict[str, Outcome]:
    """Return the outcomes of tensors that nothing has filled."""
    return {
        row.name: Outcome(row.name, "left", "", reason=f"{row.reason}; {marks[row.name]}")
        for row in rows
    }


def move_buffers(model: nn.Module, device: torch.device) -> None:
    """Move buffers that custom init code has made to the device."""
    for part in model.modules():
        for key, tensor in part._buffers.items():
            if tensor is not None and not is_lazy(tensor):
                part._buffers[key] = tensor.to(device)


def check_devices(tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Refuse a device on which a DTensor's mesh is not."""
    for name, tensor in tensors.items():
        if is_sharded(tensor) and tensor.device_mesh.device_type != device.type:
            kind = tensor.device_mesh.device_type
            problem = "{name} is sharded over {kind}, not {device}."
            fields = {"kind": repr(kind), "device": repr(device.type)}
            raise BadValueError("device", Sentence(problem, name=name, **fields))


@contextmanager
def skeleton() -> Iterator[None]:
    """Build modules in the block with parameters on the meta device and buffers as they are.

    Unlike ``torch.device('meta')`` it leaves tables that constructors compute (rotary angles,
    masks) with their values. A parameter loses its memory when a module takes it, so that at most
    one layer has any; its values are lost, and what constructors draw costs nothing. Tied
    parameters stay tied, lazy ones lazy. Only modules that this thread builds are concerned.

    >>> with skeleton():
    ...     layer = nn.BatchNorm2d(8)
    >>> layer.weight.is_meta, layer.running_var.sum()
    (True, tensor(8.))
    """
    thread = threading.get_ident()
    twins = WeakTensorKeyDictionary()  # a parameter that is taken twice has one twin

    def without_memory(
        module: nn.Module, name: str, parameter: nn.Parameter
    ) -> nn.Parameter | None:
        if threading.get_ident() != thread or parameter.is_meta or is_lazy(parameter):
            return None
        twin = twins.get(parameter)
        if twin is None:
            twin = twins[parameter] = to_meta(parameter)
        return twin

    handle = register_module_parameter_registration_hook(without_memory)  # pyright: ignore[reportArgumentType] - may return one
    try:
        yield
    finally:
        handle.remove()


def to_meta(parameter: nn.Parameter) -> nn.Parameter:
    """Return a parameter of the same kind, with the same attributes, on the meta device."""
    with torch.no_grad():
        twin = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    return copy_type_and_attrs(twin, parameter)


def copy_type_and_attrs(new: T, old: Tensor) -> T:
    """Give a tensor the class and the Python attributes of another."""
    if type(new) is not type(old):
        new.__class__ = type(old)  # pyright: ignore[reportAttributeAccessIssue]
    vars(new).update(vars(old))
    return new


@contextmanager
def allocated_memory(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Give every meta tensor of a model memory on ``device``; move there what has values.

    Parameters keep their dtype, strides, ``requires_grad``, class and attributes; tied ones stay
    one object. DTensors, and what modules do in their own ``_apply`` (FSDP, LSTM), are left to
    torch. If the block raises, the model is as it was: its own tensors on the meta device. The
    memory is not filled.
    """
    taken = MetaMemory(model, device)
    try:
        taken.allocate()
        yield
    except BaseException:
        with deferred_signals():
            taken.release()
        raise


class MetaMemory:
    """What a model had before it got memory."""

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        self.originals = [
            (part, dict(part._parameters), dict(part._buffers)) for part in model.modules()
        ]
        self.plain_tensors = list(meta_attributes(model))
        self.replacements: dict[int, Tensor] = {}  # by the id of what was there before
        self.attributes: dict[int, tuple[Tensor, dict[str, object]]] = {}
        self.moved_values: list[tuple[nn.Parameter, Tensor]] = []

    def allocate(self) -> None:
        """Allocate; a tensor that stands in several places is one again."""
        for part, parameters, buffers in self.originals:
            each: list[Any] = [(part._parameters, parameters), (part._buffers, buffers)]
            for own, before in each:
                own.update(
                    (key, self.replacement_for(old))
                    for key, old in before.items()
                    if old is not None
                )
        for part, key, tensor in self.plain_tensors:
            if id(tensor) in self.replacements:
                vars(part)[key] = self.replacements[id(tensor)]
        self.update_modules()

    def replacement_for(self, old: Tensor) -> Tensor:
        """Return what comes into a tensor's place: memory of its kind, or itself on the device."""
        if is_lazy(old):
            return old
        if id(old) in self.replacements:
            return self.replacements[id(old)]
        with torch.no_grad():
            if not old.is_meta:
                new = self.move_to_device(old)
            else:
                new = torch.empty_like(old, device=self.device)
                if isinstance(old, nn.Parameter):
                    new = nn.Parameter(new, old.requires_grad)
                new = copy_type_and_attrs(new, old)
        self.replacements[id(old)] = new
        self.attributes[id(new)] = new, dict(vars(new))
        return new

    def move_to_device(self, old: Tensor) -> Tensor:
        """Return a tensor with values on the device; a parameter remains the object it is."""
        new = old.to(self.device)
        if new is old or not isinstance(old, nn.Parameter):
            return new
        self.moved_values.append((old, old.data))
        old.data = new
        return old

    def update_modules(self) -> None:
        """Run the modules' ``_apply``, as ``.to()`` does: recurrent layers flatten their weights.

        It gives DTensors a new dict of attributes, so theirs are written back.
        """
        self.model._apply(lambda tensor: tensor)
        for tensor, notes in self.attributes.values():
            vars(tensor).update(notes)

    def release(self) -> None:
        """Put everything where it was."""
        for part, parameters, buffers in self.originals:
            restore_dict(part._parameters, parameters)  # pyright: ignore[reportArgumentType]
            restore_dict(part._buffers, buffers)  # pyright: ignore[reportArgumentType]
        for part, key, tensor in self.plain_tensors:
            vars(part)[key] = tensor
        for parameter, value in self.moved_values:
            parameter.data = value
        self.update_modules()
