"""What a model's own code starts when the model is built, and nothing repeats."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from inspect import signature
from types import CodeType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from torch import Tensor, UntypedStorage, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from brickbook.errors import join_limited
from brickbook.init.execution.execute import Execution
from brickbook.init.laws import Constant
from brickbook.init.planning import (
    RESET_METHODS,
    InitPlan,
    Phase,
    PlanRow,
    Reason,
    Why,
    is_plan_driven,
    torch_write_counts,
)
from brickbook.introspect import (
    covers_storage,
    storages_in,
    tensors_in,
    walk,
    written_arguments,
)

__all__ = [
    "ConstructorWatch",
    "find_rewritten",
    "skipped_starts",
    "starts_by_name",
    "watched_construction",
    "with_starts",
]

TORCH_LAYERS = ("torch.nn.modules.", "torch.nn.utils.")
TRANSPARENT = ("torch.", "copy", "contextlib", "functools", "brickbook.init.execution.")
IS_META = Tensor.is_meta.__get__  # pyright: ignore[reportAttributeAccessIssue]
COPIES = ("clone", "_to_copy", "lift_fresh", "lift_fresh_copy")
CONSTANTS = {"zero_": 0.0, "zeros": 0.0, "ones": 1.0}
START_WORDS = re.compile(  # in a constructor: writes in place, and functions by their usual names
    r"^(?!_|requires_grad_$).*[a-z]_$|init\w*_(weight|param)|weights?_init|apply$"
    r"|(normal|uniform|xavier|kaiming|constant|orthogonal)_init$"
)
START_METHODS = ("init_weights", "initialize_weights", "_init_weights", "_initialize_weights")


class OwnStart(NamedTuple):
    """What code other than torch's own start has written into a tensor.

    Attributes:
        reason: what a plan says of it.
        constant: the number that all of the tensor is; NaN if that is not known.
        writer: who wrote it, if that is known.
    """

    reason: Reason
    constant: float = math.nan
    writer: Writer | None = None


class Writer(NamedTuple):
    """Who writes a tensor while a model is built.

    Attributes:
        text: the constructor, with what it has called; or a function that makes a model.
        owner: the class whose constructor it is.
        resets: the methods that `materialize` may call again, by class and name.
    """

    text: str
    owner: type | None
    resets: tuple[tuple[type, str], ...]


class ConstructorWatch(TorchDispatchMode):
    """Sees what is written while a model is built, and by whom; with or without memory.

    Tensors are known by their storage, so that views and ``.data`` count too. What torch's layers
    start themselves is not noted, and undoes an earlier note; a copy has the note of its original.
    """

    def __init__(self) -> None:
        super().__init__()
        self.starts: WeakKeyDictionary[UntypedStorage, OwnStart | None] = WeakKeyDictionary()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do an operation, and note what it wrote."""
        found = func(*args, **(kwargs or {}))
        self.note(func, args, kwargs or {}, found)
        return found

    def note(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: object
    ) -> None:
        """Note who wrote the tensors that an operation changes, or makes."""
        given = {id(storage): storage for storage in storages_in((args, kwargs))}
        changed: dict[int, UntypedStorage] = {}
        for at, argument in written_arguments(func):
            value = args[at] if at < len(args) else kwargs.get(argument)
            changed.update((id(storage), storage) for storage in storages_in(value))
        made = [storage for storage in storages_in(result) if id(storage) not in given]
        inherited = [self.start_of(storage) for key, storage in given.items() if key not in changed]
        start = next((each for each in inherited if each is not None), None)
        name = func.overloadpacket.__name__
        copies = name in COPIES or (name == "copy_" and start is not None)
        if not (copies or name.startswith(("empty", "new_empty"))):
            constant = args[1] if name == "fill_" else CONSTANTS.get(name, math.nan)
            whole = all(covers_storage(tensor) for tensor in args[:1] if isinstance(tensor, Tensor))
            known = whole and not isinstance(constant, Tensor)
            start = own_start(Why.STARTED_BY, float(constant) if known else math.nan) or start
        self.starts.update((storage, start) for storage in (*changed.values(), *made))

    def start_of(self, storage: UntypedStorage) -> OwnStart | None:
        """Return what is noted of a storage; one that no operation has made holds given numbers."""
        if storage not in self.starts:
            self.starts[storage] = own_start(Why.GIVEN)
        return self.starts[storage]

    def find(self, model: nn.Module) -> dict[int, OwnStart]:
        """Return what own code has started of what has no memory, by the ids of the tensors."""
        found: dict[int, OwnStart] = {}
        for _, tensor in tensors_in(model):
            for storage in storages_in(tensor) if tensor.is_meta else ():
                if start := self.starts.get(storage):
                    found[id(tensor)] = start
        return found


class SkippedInitWatch(TorchFunctionMode):
    """Sees what torch.nn.init leaves undone (truncated normal, orthogonal) for want of memory."""

    def __init__(self, watch: ConstructorWatch) -> None:
        super().__init__()
        self.watch = watch

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do what is asked; where torch.nn.init asks whether a tensor has memory, note it."""
        found = func(*args, **(kwargs or {}))
        asked_by = sys._getframe(1).f_globals.get("__name__")
        if func == IS_META and found and asked_by == nn.init.__name__:
            start = own_start(Why.STARTED_BY)
            self.watch.starts.update((storage, start) for storage in storages_in(args))
        return found


@contextmanager
def watched_construction() -> Iterator[ConstructorWatch]:
    """See what is written in the block, in this thread."""
    with ConstructorWatch() as watch, SkippedInitWatch(watch):
        yield watch


def own_start(kind: Why, constant: float = math.nan) -> OwnStart | None:
    """Return what is noted of a write that happens now; None if a layer of torch makes it."""
    writer = current_writer()
    return writer and OwnStart(Reason(kind, writer.text), constant, writer)


def current_writer() -> Writer | None:
    """Return who is writing now; None if it is a layer of torch."""
    frame, callee = sys._getframe(1), ""
    resets: list[tuple[type, str]] = []
    while frame is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if name == "build_without_memory":
            break
        if module.startswith(TORCH_LAYERS) and module != nn.Module.__module__:
            if not callee:
                return None
        elif not module.startswith(TRANSPARENT):
            first = frame.f_code.co_varnames[:1] if name in ("__init__", *RESET_METHODS) else ()
            owner = frame.f_locals.get(first[0]) if first else None
            if isinstance(owner, nn.Module) and name == "__init__":
                text = f"{type(owner).__name__}.__init__" + (f" ({callee})" if callee else "")
                return Writer(text, type(owner), tuple(resets))
            if isinstance(owner, nn.Module):
                resets.append((type(owner), name))
            callee = name if name.isidentifier() else callee
        frame = frame.f_back
    return Writer(callee or "what makes the model", None, tuple(resets))


def find_rewritten(model: nn.Module) -> dict[int, OwnStart]:
    """Return what has been written more often than torch's constructors do, by the tensor's id.

    Tensors without memory count writes too. What was written through ``.data``, or copied since,
    is not seen.
    """
    usual = torch_write_counts(model)
    return {
        id(tensor): OwnStart(Reason(Why.REWRITTEN))
        for _, tensor in tensors_in(model)
        if id(tensor) in usual and not (is_lazy(tensor) or tensor.is_inference())
        if tensor.is_meta and tensor._version > usual[id(tensor)]
    }


def starts_by_name(
    plan: InitPlan, model: nn.Module, starts: Mapping[int, OwnStart]
) -> dict[str, OwnStart]:
    """Return own starts by the names of a plan's rows; a parametrisation has that of its parts."""
    tensors = dict(tensors_in(model))
    found: dict[str, OwnStart] = {}
    for row in plan.rows:
        start = starts.get(id(tensors.get(row.name)))
        if start is not None and row.why is not None and row.is_left(Why.SET_THROUGH):
            found[row.why.details[0]] = start._replace(constant=math.nan)
        elif start is not None:
            found[row.name] = start
    return found


def with_starts(execution: Execution, starts: Mapping[str, OwnStart], *, watched: bool) -> InitPlan:
    """Return a plan that says where torch's own law stands in the place of a model's own start.

    Args:
        execution: what was done.
        starts: what is known of the tensors' own starts, by name.
        watched: the model was built under a `ConstructorWatch`: there is no more to know.
    """
    plan, model, audit = execution.plan, execution.model, execution.audit
    called, tensors = audit.written_by_code, execution.writer.tensors
    standing: dict[str, PlanRow] = {
        row.name: row
        for row in plan.rows
        if row.phase is Phase.TORCH_DEFAULTS and row.name not in called
        if id(tensors.get(row.name)) not in audit.loaded_from
    }
    reasons = {
        name: start.reason
        for name, start in starts.items()
        if name in standing and standing[name].law != Constant(start.constant)
    }
    for name in starts.keys() & called.keys():
        start = starts[name]
        if start.reason.kind is Why.GIVEN or not is_repeated(start.writer, model, called[name]):
            reasons[name] = start.reason
        elif reason := called_with_defaults(model, called[name]):
            reasons[name] = reason
    if not watched:
        reasons = uncalled_starts(plan, model, standing, called) | reasons
    return replace(
        plan,
        rows=tuple(
            row._replace(why=reasons[row.name]) if row.name in reasons else row for row in plan.rows
        ),
    )


def is_repeated(writer: Writer | None, model: nn.Module, path: str) -> bool:
    """Whether custom init code that was called does what a constructor did, as far as is known.

    It was called by the constructor as well, or the constructor is that of the module or of a part.
    """
    owner, _, method = path.rpartition(".")
    if writer is None or method not in RESET_METHODS:
        return True
    module = model.get_submodule(owner)
    kinds = {type(part) for part in module.modules()}
    return (type(module), method) in writer.resets or writer.owner in kinds


def called_with_defaults(model: nn.Module, path: str) -> Reason | None:
    """Return the reason of what a method that takes arguments has written, else None."""
    owner, _, method = path.rpartition(".")
    if method not in RESET_METHODS:
        return None
    module = model.get_submodule(owner)
    given = list(signature(getattr(type(module), method)).parameters.values())[1:]
    shown = ", ".join(str(each.replace(annotation=each.empty)) for each in given)
    kind = type(module).__name__
    return Reason(Why.BY_DEFAULTS, f"{kind}.{method}", shown) if given else None


def uncalled_starts(
    plan: InitPlan, model: nn.Module, standing: Mapping[str, PlanRow], called: Mapping[str, str]
) -> dict[str, Reason]:
    """Return the reasons of tensors in modules that seem to have a start of their own, uncalled.

    A start that was called for a module around it counts if it has written anything of it.
    """
    found: dict[str, Reason] = {}
    methods: dict[type[nn.Module], str] = {}
    paths = {call.path for call in plan.runs}
    by_start = {
        name: path.removesuffix("init_weights")
        for name, path in called.items()
        if path.endswith("init_weights")
    }
    by_part = [name for name, path in called.items() if path.endswith("reset_parameters")]
    rows = [row.name for row in standing.values() if row.kind != "buffer"]
    for prefix, module in walk(model):
        kind, dot = type(module), f"{prefix}." if prefix else ""
        if kind not in methods:
            methods[kind] = own_start_method(kind)
        method = methods[kind]
        if not method or f"{dot}init_weights" in paths:
            continue
        if any(name.startswith(dot) and dot.startswith(at) for name, at in by_start.items()):
            continue
        reason = Reason(Why.MAY_START, f"{kind.__name__}.{method}")
        parts = (name for name in by_part if called[name] != f"{dot}reset_parameters")
        for name in (*rows, *parts):
            if name.startswith(dot):
                found.setdefault(name, reason)
    return found


def own_start_method(kind: type[nn.Module]) -> str:
    """Return the method with which a class seems to start itself, by what is usual; or ""."""
    for method in START_METHODS:
        function = getattr(kind, method, None)
        if callable(function) and not is_plan_driven(function):
            return method
    for each in kind.__mro__:
        code = getattr(vars(each).get("__init__"), "__code__", None)
        if each.__module__.startswith("torch."):
            break
        if code is not None and any(map(START_WORDS.search, names_in(code))):
            return "__init__"
    return ""


def names_in(code: CodeType) -> Iterator[str]:
    """Yield the functions and attributes that code names, inner functions included."""
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from names_in(each)


def skipped_starts(execution: Execution, *, watched: bool) -> Iterator[tuple[Why, str, str]]:
    """Yield the kind, the problem and the hint of each own start that was not repeated."""
    kinds = (Why.STARTED_BY, Why.GIVEN, Why.REWRITTEN, Why.MAY_START, Why.BY_DEFAULTS)
    groups: dict[tuple[Reason, bool], list[str]] = {}
    for row in execution.plan.rows:
        if row.why is not None and row.is_left(*kinds):
            key = row.why, row.name in execution.audit.written_by_code
            groups.setdefault(key, []).append(row.name)
    hint = "Name them in a rule, or start them yourself afterwards."
    if not watched:
        hint += " Given what makes the model, in place of the model, it knows all that was started."
    for (reason, by_code), names in groups.items():
        filler = "custom init code" if by_code else "torch's own law"
        yield reason.kind, f"{filler} fills {join_limited(names)}: {reason}.", hint
