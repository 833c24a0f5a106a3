"""Who is writing: the function of a call, its arguments, and the line that it stands in."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

from torch import Tensor, UntypedStorage, nn

from brickbook.init.initializers import (
    DiracInit,
    IdentityInit,
    OrthogonalInit,
    SparseInit,
    Target,
)
from brickbook.init.laws import Law, TruncNormal

__all__ = ["Call", "Place", "find_call"]

# Frames that are on the way from a line to an operation, and no place of their own.
PASSED = ("torch.", "contextlib", "functools", "copy", "brickbook.init.tracing.")
TORCH_PLACES = ("torch.nn.modules.", "torch.nn.utils.", "torch.nn.init")
LAW_METHODS = ("fill", "draw", "draw_chunk", "draw_then_round")


class Place(NamedTuple):
    """Where a write comes from.

    Attributes:
        file: the file, from the folder that it was imported from.
        line: the line, from 1.
        code: the function or method around it.
        by_torch: whether it is a layer of torch that starts itself.
    """

    file: str
    line: int
    code: str
    by_torch: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.code}"


class Call(NamedTuple):
    """One call that writes a tensor: perhaps a function of many operations.

    Attributes:
        place: where it stands.
        text: the function with its arguments, without the tensor; "" where it is one operation.
        frame: the frame of that function, which is another for the next call.
        law: the law of that function, where the operations in it do not tell.
        tensor: the tensor that it got, which the law is of.
        loads: whether a state dict is loaded.
    """

    place: Place
    text: str
    frame: FrameType | None
    law: Law | None
    tensor: Tensor | None = None
    loads: bool = False


def find_call(storage: UntypedStorage) -> Call:
    """Return the call that writes a storage now: the outermost function that got a tensor of it."""
    function: FrameType | None = None
    law: Law | None = None
    tensor: Tensor | None = None
    last: FrameType | None = None
    loads = False
    for frame in frames():
        last = frame
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        if module.startswith("brickbook.init."):
            own = frame.f_locals.get("self")
            if isinstance(own, Law) and code.co_name in LAW_METHODS:
                law, tensor = own, frame.f_locals.get("tensor")
            function = frame
        elif is_function_of(frame, storage):
            function = frame
            if code in OPAQUE:
                given: Tensor = frame.f_locals[code.co_varnames[0]]
                law, tensor = opaque_law(frame, tuple(given.shape)), given
        elif module == nn.Module.__module__:
            loads = loads or code.co_name == "_load_from_state_dict"
        elif not module.startswith("brickbook."):
            break
    place = Place("", 0, "", False) if last is None else place_of(last)
    return Call(place, "" if function is None else text_of(function), function, law, tensor, loads)


def frames() -> Iterator[FrameType]:
    """Yield the frames of the calling code from the innermost, without those that are passed."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if not module.startswith(PASSED) or module.startswith(TORCH_PLACES):
            yield frame
        frame = frame.f_back


def is_function_of(frame: FrameType, storage: UntypedStorage) -> bool:
    """Whether a frame is of a function whose first argument is a tensor of a storage."""
    code = frame.f_code
    if not code.co_argcount:
        return False
    first = frame.f_locals.get(code.co_varnames[0])
    if not isinstance(first, Tensor):
        return False
    try:
        return first.untyped_storage() is storage
    except (NotImplementedError, RuntimeError):
        return False


def place_of(frame: FrameType) -> Place:
    """Return the place of a frame."""
    code = frame.f_code
    module = frame.f_globals.get("__name__", "")
    return Place(
        cell_name(code.co_filename) or short_path(code.co_filename),
        frame.f_lineno,
        qualified_name(frame),
        module.startswith("torch.nn.modules."),
    )


def qualified_name(frame: FrameType) -> str:
    """Return the name of a function, with its class if it is a method."""
    code = frame.f_code
    named = getattr(code, "co_qualname", "")  # Python 3.11
    if named:
        return named.replace(".<locals>", "")
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    owner = next((kind for kind in type(first).__mro__ if code.co_name in vars(kind)), None)
    return (
        f"{owner.__name__}.{code.co_name}"
        if isinstance(first, nn.Module) and owner
        else code.co_name
    )


def cell_name(file: str) -> str:
    """Return the name of a notebook's cell, "In[3]", if a file stands for one; else ""."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    found = shell.compile.format_code_name(file) if shell else None
    return found[1] if found else ""


@lru_cache(maxsize=4096)
def short_path(file: str) -> str:
    """Return a file's path from the folder that Python found it in."""
    path = Path(file)
    found = [folder for folder in map(Path, sys.path) if path.is_relative_to(folder.absolute())]
    longest = max((len(folder.absolute().parts) for folder in found), default=0)
    return "/".join(path.parts[longest:]) if longest else file


def text_of(frame: FrameType) -> str:
    """Return a call as code, without the tensor and without arguments that have their defaults."""
    code, values = frame.f_code, frame.f_locals
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults, rebound = defaults_of(frame), rebound_names(code)
    shown = []
    for name in names[1:]:
        value = values.get(name)
        if name in rebound:
            shown.append(f"{name}=…")
        elif not (name in defaults and is_same(value, defaults[name])):
            shown.append(f"{name}={short_value(value)}")
    return f"{code.co_name}({', '.join(shown)})"


def defaults_of(frame: FrameType) -> Mapping[str, Any]:
    """Return the defaults of the arguments of a frame's function, as far as it can be found."""
    function = frame.f_globals.get(frame.f_code.co_name)
    function = inspect.unwrap(function) if callable(function) else None
    if getattr(function, "__code__", None) is not frame.f_code:
        return {}
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }


@lru_cache(maxsize=1024)
def rebound_names(code: CodeType) -> frozenset[str]:
    """Return the names that a function assigns to; arguments among them are not what was given."""
    stores = (
        "STORE_FAST",
        "DELETE_FAST",
        "STORE_DEREF",
        "STORE_FAST_STORE_FAST",
        "STORE_FAST_LOAD_FAST",
    )
    found: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in stores:
            found.update(step.argval if isinstance(step.argval, tuple) else (step.argval,))
    return frozenset(found)


def is_same(value: object, default: object) -> bool:
    """Whether an argument is its default."""
    try:
        return value is default or bool(type(value) is type(default) and value == default)
    except Exception:  # of own kinds of values
        return False


def short_value(value: object) -> str:
    """Return an argument as code, numbers with four digits."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (int, str, bool, type(None))):
        return repr(value)
    return "…"


def opaque_law(frame: FrameType, shape: tuple[int, ...]) -> Law | None:
    """Return the law of a function of torch.nn.init of which the operations tell nothing."""
    code = frame.f_code
    if rebound_names(code) & set(code.co_varnames[1 : code.co_argcount]):
        return None
    return OPAQUE[code](frame.f_locals, Target("weight", shape))


def code_of(function: Callable[..., Any]) -> CodeType:
    """Return the code of a function, also of one that is wrapped."""
    return inspect.unwrap(function).__code__


OPAQUE: Mapping[CodeType, Callable[[Mapping[str, Any], Target], Law]] = {
    code_of(nn.init.trunc_normal_): lambda given, _: TruncNormal(
        given["mean"], given["std"], given["a"], given["b"]
    ),
    code_of(nn.init.orthogonal_): lambda given, target: OrthogonalInit(given["gain"]).law(target),
    code_of(nn.init.sparse_): lambda given, target: SparseInit(given["sparsity"], given["std"]).law(
        target
    ),
    code_of(nn.init.eye_): lambda _, target: IdentityInit().law(target),
    code_of(nn.init.dirac_): lambda given, target: DiracInit(given["groups"]).law(target),
}
