"""Load weights into a model."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from torch import Tensor, nn

from brickbook.checkpoint.adapt import adapt_state, check_adapt
from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.match import (
    BATCH_COUNT,
    Adapted,
    Match,
    Reshaped,
    can_fill,
    match,
    named_child_modules,
    named_tensors,
    non_persistent,
    still_missing,
    stored_tensors,
)
from brickbook.checkpoint.nested import check_key
from brickbook.checkpoint.schemes import read_checkpoint
from brickbook.checkpoint.state_dict import (
    REVISE_KEYS,
    ReviseKeys,
    State,
    check_prefix,
    check_revise_keys,
    extract_state,
    is_state_entry,
    read_part,
    select_part,
    strip_wrapper_names,
    with_metadata,
)
from brickbook.errors import BadArgumentError, BadValueError, Sentence, format_value, nearest
from brickbook.introspect import (
    SignalDeferral,
    is_plain,
    keeps_grad_mode,
    local_tensor,
    modes_are_active,
    plain_module_name,
    record_origin,
    rollback_on_error,
    unwrap_model,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "_load_checkpoint",
    "_load_checkpoint_with_prefix",
    "check_load_options",
    "fill_model",
    "load_checkpoint",
    "load_state_dict",
    "load_weights",
    "log_match",
]


Logger = logging.Logger | str | None
log = logging.getLogger(__name__)
silent = logging.getLogger(f"{__name__}.silent")
silent.disabled = True
IDENTIFY_HINT = "brickbook.identify(model) says which tensors are still as they were drawn."


@keeps_grad_mode
def fill_model(
    model: nn.Module,
    state: State,
    strict: bool = False,
    path: str = "state_dict",
    format_prefix: Callable[[str], str] = "prefix={!r}".format,
    *,
    adapt: str | Collection[str] = (),
    assign: bool = False,
    origin: str = "a state dict",
    logger: Logger = None,
) -> Match:
    """Load a state dict into a model, and return what of the model it filled.

    Every module loads its own part, so that hooks and versions of modules count: one that renames
    old parameters is asked before anything is called missing.

    Args:
        model: The model.
        state: Tensors by name.
        strict: Refuse a match that is not exact.
        path: Where an error stands.
        format_prefix: Writes the argument that would cut a prefix off.
        adapt: What may be changed to fit, as in `adapt_state`.
        assign: Give the model tensors of the file's dtype and device in place of its own, which may
            be on the meta device.
        origin: Noted of what is filled.
        logger: Whose warning a match is that is not exact.

    Raises:
        RuntimeError: As in ``Match.check``; the model is then unchanged, and so it is after an
            interrupt and whatever else goes wrong.
    """
    targets = named_tensors(model)
    check_metadata(model, getattr(state, "_metadata", {}), path)
    state, adapted = adapt_state(strip_wrapper_names(state, targets), model, adapt)
    foreseen = match(state, model)
    for name in () if assign else foreseen.loaded:
        if targets[name].is_meta:
            raise BadValueError(
                "model",
                Sentence("{name} is on the meta device and has no memory to load into.", name=name),
                "Say assign=True, or call model.to_empty(device='cpu') first.",
            )
    refused = not foreseen.loaded or (strict and not foreseen.exact)
    plain = not refused and is_plain_load(model, state, targets)
    with rollback_guard(model, targets, plain, assign) as signals, torch.no_grad():
        filling = StateLoader(frozenset(state), getattr(state, "_metadata", {}), adapted, assign)
        filling.load_module(model, state)
        if filling.failures:
            raise CheckpointError(path, "; ".join(filling.failures))
        if assign:
            retie(model, targets, filling.loaded)
        found = filling.to_match(model)
        # What the names alone would refuse, a hook may have mended.
        found.check(path, strict=strict, format_prefix=format_prefix)
        filled = named_tensors(model)
        record_origin((filled[name] for name in found.loaded), origin)
        log_match(found, logger)
        signals.deferring = True  # an interrupt comes too late now
    return found


def check_metadata(model: nn.Module, metadata: Mapping[str, Any], path: str) -> None:
    """Refuse what is no metadata of a module, before anything is loaded by it."""
    for name, module in model.named_modules():
        entry = metadata.get(plain_module_name(name), {})
        if not isinstance(entry, Mapping):
            problem = Sentence("expected a dict, got {value}.", value=format_value(entry))
            raise BadArgumentError(f"{path}._metadata[{name!r}]", problem)
        version = entry.get("version")
        own = is_torch_code(type(module)._load_from_state_dict)
        if own and not isinstance(version, (int, float, type(None))):
            problem = Sentence(
                "expected a number or None, got {value}.", value=format_value(version)
            )
            raise BadArgumentError(f"{path}._metadata[{name!r}]['version']", problem)


def is_torch_code(function: Any) -> bool:
    """Whether a function is of torch's own modules."""
    return str(getattr(function, "__module__", "")).startswith("torch.nn.modules.")


def rollback_guard(
    model: nn.Module, targets: Mapping[str, Tensor], plain: bool, assign: bool
) -> AbstractContextManager[SignalDeferral]:
    """Return what sees to it that a model is loaded or as before."""
    if plain and assign:  # what is replaced is kept as it is
        return rollback_on_error(model, ())
    if plain:
        return rollback_on_error(model, targets.values(), plain=True)
    return rollback_on_error(model)


def is_plain_load(model: nn.Module, state: State, targets: Mapping[str, Tensor]) -> bool:
    """Whether torch's own kernels copy plain numbers, and nothing else happens."""
    if modes_are_active() or not all(map(is_plain_module, model.modules())):
        return False
    pairs = ((value, targets.get(name)) for name, value in state.items())
    return all(own is None or is_plain_copy(value, own) for value, own in pairs)


def is_plain_module(module: nn.Module) -> bool:
    """Whether a module is loaded by torch's code alone; that of its norms looks at versions."""
    kind = type(module)
    own = (kind._load_from_state_dict, kind.set_extra_state, kind.__setattr__)
    hooks = module._load_state_dict_pre_hooks or module._load_state_dict_post_hooks
    return not hooks and all(map(is_torch_code, own))


def is_plain_copy(value: Any, own: Tensor) -> bool:
    """Whether torch's kernels copy a value of a file to a tensor of the model."""
    if not isinstance(value, Tensor) or not (is_plain(own) or own.is_meta):
        return False
    value = local_tensor(value)
    plain = type(value) in (Tensor, nn.Parameter) and value.layout is torch.strided
    return plain and not value.is_meta and can_convert(value.dtype, own.dtype)


@lru_cache(1024)
def can_convert(file: torch.dtype, model: torch.dtype) -> bool:
    """Whether numbers of one dtype can be copied to another; tried on one number."""
    if file.is_complex and not model.is_complex:
        return False  # torch warns of that
    try:
        torch.empty(1, dtype=model, device="cpu").copy_(torch.empty(1, dtype=file, device="cpu"))
    except Exception:  # whatever is wrong, the copy itself will say it
        return False
    return True


def retie(model: nn.Module, before: Mapping[str, Tensor], loaded: Iterable[str]) -> None:
    """Give a parameter that stood under several names to all of them again."""
    names: dict[int, list[str]] = {}
    for name, tensor in before.items():
        names.setdefault(id(tensor), []).append(name)
    places, filled = dict(tensor_places(model)), frozenset(loaded)
    for group in names.values():
        source = next((name for name in group if name in filled), None)
        for name in group if source else ():
            held, key = places[name]
            held[key] = places[source][0][places[source][1]]  # pyright: ignore[reportArgumentType]


def tensor_places(
    model: nn.Module, prefix: str = ""
) -> Iterator[tuple[str, tuple[dict[str, Any], str]]]:
    """Yield for each name the dict of the module that has the tensor, and the key there."""
    model = unwrap_model(model)
    for held in (model._parameters, model._buffers):
        yield from ((f"{prefix}{key}", (held, key)) for key in held)
    for name, child in named_child_modules(model):
        yield from tensor_places(child, f"{prefix}{name}.")


@dataclass
class StateLoader:
    """What the walk has come upon so far; names are those of the modules, after their hooks."""

    names_in_file: frozenset[str]
    metadata: Mapping[str, Any]
    adapted: tuple[Adapted, ...] = ()
    assign: bool = False
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: list[Reshaped] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def load_module(self, module: nn.Module, state: dict[str, Any], prefix: str = "") -> None:
        """Load what stands under ``prefix`` into a module, then into its children."""
        module = unwrap_model(module)
        messages: list[str] = []
        local_metadata = self.metadata.get(prefix[:-1], {})
        if self.assign:
            # torch's own word for it
            local_metadata = {**local_metadata, "assign_to_params_buffers": True}
            for name, tensor in stored_tensors(module):
                value = state.get(f"{prefix}{name}")
                if isinstance(value, Tensor) and can_fill(value, tensor):
                    state[f"{prefix}{name}"] = value.detach().clone()  # it may be the file's
        # True: list what is missing and unexpected.
        module._load_from_state_dict(
            state,
            prefix,
            local_metadata,
            True,
            self.missing,
            self.unexpected,
            messages,
        )
        self.failures += [text for text in messages if not text.startswith("size mismatch")]
        for name, tensor in stored_tensors(module):
            name = f"{prefix}{name}"
            value = state.get(name)
            if name.endswith(BATCH_COUNT) and name not in self.names_in_file:
                continue  # batch norm put its own there, for a file older than the count
            if isinstance(value, Tensor) and can_fill(value, tensor):
                self.loaded.append(name)
            elif isinstance(value, Tensor):
                self.reshaped.append(Reshaped(name, tuple(value.shape), tuple(tensor.shape)))
        for name, child in named_child_modules(module):
            inner = f"{prefix}{name}."
            # Its own names only, as torch does it, so that a child's hooks change no others.
            self.load_module(child, {k: v for k, v in state.items() if k.startswith(inner)}, inner)
        keys = SimpleNamespace(missing_keys=self.missing, unexpected_keys=self.unexpected)
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, keys)

    def to_match(self, model: nn.Module) -> Match:
        """Return what was filled, once the walk is over."""
        left_out = {each.name for each in self.adapted if each.left_out}
        scratch = non_persistent(model)
        missing = still_missing(self.missing, self.loaded, named_tensors(model))
        return Match(
            loaded=tuple(self.loaded),
            missing=tuple(name for name in missing if name not in left_out),
            unexpected=tuple(name for name in self.unexpected if name not in scratch),
            reshaped=tuple(self.reshaped),
            adapted=self.adapted,
        )


def load_checkpoint(
    model: nn.Module,
    filename: str | os.PathLike[str],
    map_location: Any = None,
    strict: bool = False,
    logger: Logger = None,
    revise_keys: ReviseKeys = REVISE_KEYS,
    **more: Unpack[LoadOptions],
) -> Any:
    """Load a checkpoint file, URL or published name into a model; return all that the file holds.

    What is loaded is the file's ``state_dict`` if it has one, else the one dict of tensors in it.
    What is returned here is mapped from the file: put a new file in its place rather than write
    into it, or say ``mmap=False``.

    Args:
        model: The model.
        filename: The file, URL or name.
        map_location: Where tensors are read to; by default the CPU.
        strict: Refuse a match that is not exact.
        logger: Whose warning a match is that is not exact: a Logger or the name of one,
            ``"silent"`` for none at all, None for brickbook's own.
        revise_keys: Pairs, or a dict, of a pattern and its replacement in the names; by default
            ``module.`` is cut off.
        **more: The other arguments of `load_weights`, which returns the match.

    Raises:
        FileNotFoundError: The file is not there.
        OSError: A download fails.
        RuntimeError: The file has no state dict, nothing in it fits the model or, with ``strict``,
            the match is not exact. The model is then unchanged.
    """
    return load_with_match(model, filename, map_location, strict, logger, revise_keys, more)[0]


def load_weights(
    model: nn.Module,
    checkpoint: str | os.PathLike[str],
    *,
    strict: bool = False,
    revise_keys: ReviseKeys = REVISE_KEYS,
    map_location: Any = None,
    logger: Logger = None,
    **more: Unpack[LoadOptions],
) -> Match:
    """Load a checkpoint file, URL or published name into a model; return what of it was filled.

    Args:
        model: The model.
        checkpoint: The file, URL or name.
        strict: Refuse a match that is not exact.
        revise_keys: As in `load_checkpoint`.
        map_location: As in `load_checkpoint`.
        logger: As in `load_checkpoint`.
        **more: ``key`` says which of a file's state dicts is meant (``'teacher'``; ``'ema.params'``
            is one within another). With ``prefix`` only names that begin so count, without it.
            ``adapt`` names what may be changed to fit: ``"positions"``, ``"channels"``,
            ``"classes"``. ``assign`` gives the model the file's tensors in place of its own: a
            model on the meta device needs that. ``trust`` unpickles whatever the file holds, which
            can run anything: for this call, and logged. ``mmap=False`` reads a file at once rather
            than piece by piece as tensors are filled.

    Raises:
        FileNotFoundError: The file is not there.
        OSError: A download fails.
        RuntimeError: The file has no state dict, nothing in it fits the model or, with ``strict``,
            the match is not exact. The model is then unchanged.
    """
    return load_with_match(model, checkpoint, map_location, strict, logger, revise_keys, more)[1]


class LoadOptions(TypedDict, total=False):
    """What mmcv's ``load_checkpoint`` does not take."""

    prefix: str | None
    adapt: str | Collection[str]
    assign: bool
    trust: bool
    mmap: bool
    key: str | None


def check_load_options(
    *,
    prefix: Any,
    key: Any,
    revise_keys: Any,
    adapt: Any,
    **switches: Any,
) -> tuple[tuple[tuple[Any, Any], ...], tuple[str, ...]]:
    """Refuse options that cannot be used; return the pairs of ``revise_keys``, words of ``adapt``.

    Nothing is read for it, so that whatever is wrong is said before anything is fetched or written.
    """
    check_prefix(prefix, "filename")
    check_key(key, "filename")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise BadArgumentError(
                name, Sentence("expected a bool, got {value}.", value=format_value(value))
            )
    return tuple(check_revise_keys(revise_keys, "revise_keys")), tuple(check_adapt(adapt))


@keeps_grad_mode
def load_with_match(
    model: nn.Module,
    filename: str | os.PathLike[str],
    map_location: Any,
    strict: bool,
    logger: Logger,
    revise_keys: ReviseKeys,
    options: LoadOptions,
) -> tuple[Any, Match]:
    """Load a checkpoint into a model; return what the file holds, and what of the model is full."""
    if unknown := sorted(options.keys() - LoadOptions.__annotations__.keys()):
        hint = nearest(unknown[0], LoadOptions.__annotations__)
        raise BadArgumentError(unknown[0], "is no argument of load_checkpoint.", hint)
    prefix, key = options.get("prefix"), options.get("key")
    switches = {name: options.get(name, False) for name in ("assign", "trust", "mmap")}
    adapt = options.get("adapt", ())
    check_load_options(prefix=prefix, key=key, revise_keys=revise_keys, adapt=adapt, **switches)
    resolve_logger(logger).info("reading checkpoint %s", filename)
    held = read_checkpoint(
        filename,
        map_location,
        mapped=options.get("mmap", True),
        trust=options.get("trust", False),
        path="filename",
    )
    state = extract_state(held, filename, "filename", key)
    state = select_part(state, prefix, revise_keys, "filename")
    assign, origin = options.get("assign", False), str(filename)
    how: Any = {"adapt": adapt, "assign": assign, "origin": origin, "logger": logger}
    return held, fill_model(model, state, strict, "filename", **how)


@keeps_grad_mode
def load_state_dict(
    module: nn.Module,
    state_dict: Mapping[str, Any],
    strict: bool = False,
    logger: Logger = None,
    *,
    adapt: str | Collection[str] = (),
    assign: bool = False,
) -> Match:
    """Load a state dict into a module, and return what of the module it filled.

    Unlike ``nn.Module.load_state_dict`` it reaches into wrapped modules, passes over tensors of
    another shape unless ``strict``, and leaves the module unchanged when it raises.

    Args:
        module: The module.
        state_dict: Tensors by name.
        strict: Refuse a match that is not exact.
        logger: As in `load_checkpoint`.
        adapt: As in `load_weights`.
        assign: As in `load_weights`.

    Raises:
        RuntimeError: Nothing is loaded or, with ``strict``, the match is not exact.
        TypeError: ``state_dict`` is no dict of tensors.
    """
    if not isinstance(state_dict, Mapping):
        raise BadArgumentError(
            "state_dict", Sentence("expected a dict, got {value}.", value=type(state_dict))
        )
    for name, value in state_dict.items():
        if not is_state_entry(name, value):
            raise BadArgumentError(
                f"state_dict[{name!r}]",
                Sentence("expected a Tensor, got {value}.", value=repr(value)),
            )
    metadata = getattr(state_dict, "_metadata", {})
    if not isinstance(metadata, Mapping):
        problem = Sentence("expected a dict, got {value}.", value=format_value(metadata))
        raise BadArgumentError("state_dict._metadata", problem)
    state = with_metadata(OrderedDict(state_dict), metadata)
    spell = "the names without {!r}".format
    how: Any = {"adapt": adapt, "assign": assign, "logger": logger}
    return fill_model(module, state, strict, "state_dict", spell, **how)


def _load_checkpoint(
    filename: str | os.PathLike[str], map_location: Any = None, logger: Logger = None
) -> Any:
    """Return what a checkpoint file, URL or published name holds, as it is."""
    resolve_logger(logger).info("reading checkpoint %s", filename)
    return read_checkpoint(filename, map_location, path="filename")


def _load_checkpoint_with_prefix(
    prefix: str, filename: str | os.PathLike[str], map_location: Any = None
) -> State:
    """Return the part of a checkpoint's state dict whose names begin with a prefix, without it.

    A dot is added to the prefix where it has none.

    Raises:
        AssertionError: No name begins so.
    """
    return read_part(filename, prefix, map_location, path="filename")


def log_match(found: Match, logger: Logger) -> None:
    """Warn of a match that is not exact."""
    if found.missing or found.reshaped:
        resolve_logger(logger).warning("%s\n%s", found, IDENTIFY_HINT)
    elif not found.exact:
        resolve_logger(logger).warning("%s", found)
    elif found.adapted:
        resolve_logger(logger).info("%s", found)


def resolve_logger(logger: Logger) -> logging.Logger:
    """Return the logger that mmcv's ``logger`` argument means."""
    if isinstance(logger, logging.Logger):
        return logger
    if logger is None:
        return log
    return silent if logger == "silent" else logging.getLogger(logger)
