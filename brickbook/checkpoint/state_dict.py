"""State dicts: names, prefixes, metadata."""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from brickbook.checkpoint.errors import CheckpointError
from brickbook.checkpoint.formats import TRUST_HINT, StandIn, sibling_key
from brickbook.checkpoint.nested import CHOOSE, check_key, select_nested
from brickbook.checkpoint.schemes import read_checkpoint
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    Sentence,
    format_value,
    join_limited,
    nearest,
    reason_of,
    with_hint,
)
from brickbook.introspect import check_pattern, has_module_part, plain_name

__all__ = [
    "REVISE_KEYS",
    "ReviseKeys",
    "State",
    "check_prefix",
    "check_revise_keys",
    "extract_state",
    "is_state_entry",
    "read_part",
    "read_state",
    "rename_keys",
    "revise_names",
    "select_part",
    "strip_wrapper_names",
    "with_metadata",
]

ReviseKeys = Sequence[tuple[str, str]] | Mapping[str, str]
# What nn.DataParallel puts before every name.
REVISE_KEYS: Sequence[tuple[str, str]] = ((r"^module\.", ""),)
State = OrderedDict[str, Any]


def read_state(
    checkpoint: str | os.PathLike[str],
    *,
    prefix: str | None = None,
    map_location: Any = "cpu",
    trust: bool = False,
    path: str = "init_cfg.checkpoint",
    key: str | None = None,
    revise_keys: ReviseKeys = REVISE_KEYS,
) -> State:
    """Return the tensors of a checkpoint by name, from a path, a URL or a published name.

    ``{'state_dict': ...}`` is unwrapped, or the one dict of tensors there is. The tensors may be
    mapped from the file: they are for copying, before the file is written to. Every way in which a
    checkpoint can be unusable by itself is raised here, naming its ``path``.

    Args:
        checkpoint: The file, URL or name.
        prefix: Only the names that begin with it (a dot is added where it has none) are kept,
            without it.
        map_location: Where tensors are read to.
        trust: Read a file that holds more than tensors and plain values, whatever that does.
        path: Where an error stands.
        key: Which of several state dicts is meant.
        revise_keys: Pairs, or a dict, of a pattern and its replacement in the names; by default
            ``module.`` is cut off.

    Raises:
        FileNotFoundError: The file is not there.
        OSError: A download fails.
        AssertionError: No name has the prefix.
        RuntimeError: The file is damaged or unsafe, or holds no state dict.
    """
    state = read_part(
        checkpoint, prefix, map_location, mapped=True, trust=trust, path=path, key=key,
        revise_keys=revise_keys,
    )  # fmt: skip
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    return with_metadata(OrderedDict(tensors), getattr(state, "_metadata", {}))


def read_part(
    checkpoint: str | os.PathLike[str],
    prefix: str | None,
    map_location: Any,
    *,
    mapped: bool = False,
    trust: bool = False,
    path: str = "checkpoint",
    key: str | None = None,
    revise_keys: ReviseKeys = REVISE_KEYS,
) -> State:
    """Return the state dict in a checkpoint, or its part under a prefix, with the metadata."""
    check_prefix(prefix, path)
    check_key(key, path)
    check_revise_keys(revise_keys, sibling_key(path, "revise_keys"))
    found = read_checkpoint(checkpoint, map_location, mapped=mapped, trust=trust, path=path)
    return select_part(extract_state(found, checkpoint, path, key), prefix, revise_keys, path)


def check_prefix(prefix: Any, path: str) -> None:
    """Raise TypeError for what is no prefix, before a file is fetched for it."""
    if not (prefix is None or isinstance(prefix, str)):
        raise BadArgumentError(
            sibling_key(path, "prefix"),
            Sentence("expected a str, got {value}.", value=repr(prefix)),
        )


def select_part(state: State, prefix: str | None, revise_keys: ReviseKeys, path: str) -> State:
    """Return a state dict under revised names, or its part under a prefix, without that."""
    if prefix and any(name.startswith(with_dot(prefix)) for name in state):  # it may be "module."
        return select_prefix(state, prefix, sibling_key(path, "prefix"))
    state = revise_names(state, revise_keys, sibling_key(path, "revise_keys"))
    return select_prefix(state, prefix, sibling_key(path, "prefix")) if prefix else state


def extract_state(
    checkpoint: Any,
    shown: object,
    path: str = "checkpoint",
    key: str | None = None,
    choose: str = CHOOSE,
) -> State:
    """Return the state dict in a checkpoint, as `select_nested` finds it, with the metadata.

    Kept are the tensors and what modules store as ``_extra_state``.

    Raises:
        RuntimeError: There is no tensor, or there are several state dicts and ``key`` does not say
            which is meant.
    """
    found = select_nested(checkpoint, shown, path, key, choose)
    state: State = OrderedDict()
    if isinstance(found, Mapping):
        for name, value in found.items():
            if isinstance(value, StandIn) and is_weight_name(name):
                problem = Sentence(
                    "{file} has an object of {kind} as its {name}, and runs nothing.",
                    file=shown,
                    kind=value.kind,
                    name=name,
                )
                raise CheckpointError(path, problem, TRUST_HINT)
            if is_state_entry(name, value):
                state[name] = value
    if not any(isinstance(value, Tensor) for value in state.values()):
        problem = Sentence("No state_dict found in checkpoint file {file}.", file=shown)
        hint = Sentence("It holds {value}, not a dict.", value=f"{found!r:.60}")
        if isinstance(found, Mapping):
            names = join_limited(found) or Sentence("nothing")
            hint = Sentence("It holds {names}, and none of it is a tensor.", names=names)
        held = found.values() if isinstance(found, Mapping) else (found,)
        objects = [value.kind for value in held if isinstance(value, StandIn)]
        if objects:
            hint = with_hint(
                Sentence(
                    "It holds an object of {kind}, of which nothing was run: save its state_dict.",
                    kind=objects[0],
                ),
                TRUST_HINT,
            )
        raise CheckpointError(path, problem, hint)
    metadata = getattr(found, "_metadata", {})
    if not isinstance(metadata, Mapping):
        problem = Sentence("its _metadata is no dict but {value}.", value=format_value(metadata))
        raise CheckpointError(path, problem)
    return with_metadata(state, metadata)


def is_weight_name(name: object) -> bool:
    """Whether a name is that of a part of a module; not ``cfg`` or ``args``, beside weights."""
    return isinstance(name, str) and ("." in name or name in ("weight", "bias", "_extra_state"))


def is_state_entry(name: object, value: object) -> bool:
    """Whether an entry can be of a state dict: a tensor, or what a module stores beside those."""
    return isinstance(name, str) and (isinstance(value, Tensor) or name.endswith("_extra_state"))


def revise_names(state: State, revise_keys: ReviseKeys, path: str = "revise_keys") -> State:
    """Return a state dict with each (pattern, replacement) applied to all of its names.

    Raises:
        ValueError: A pattern is none, or two names would become the same.
    """
    pairs = check_revise_keys(revise_keys, path)

    def revise(name: str) -> str:
        for pattern, replacement in pairs:
            try:
                name = re.sub(pattern, replacement, name)
            except (re.error, IndexError) as error:
                shown = format_value(replacement)
                raise BadValueError(
                    path,
                    Sentence("{file} replaces nothing: {why}.", file=shown, why=reason_of(error)),
                ) from error
        return name

    return rename_keys(state, revise, path)


def check_revise_keys(revise_keys: object, path: str) -> list[tuple[Any, Any]]:
    """Return each (pattern, replacement) of a list or a dict of them, refused if it is none."""
    pairs = revise_keys.items() if isinstance(revise_keys, Mapping) else revise_keys
    return list(check_pairs(pairs, path))


def check_pairs(revise_keys: object, path: str) -> Iterator[tuple[Any, Any]]:
    """Yield each (pattern, replacement)."""
    if not isinstance(revise_keys, Iterable):
        problem = Sentence(
            "expected pairs of a pattern and a replacement, got {value}.",
            value=format_value(revise_keys),
        )
        raise BadArgumentError(path, problem)
    for pair in revise_keys:
        if (
            not isinstance(pair, (tuple, list))
            or len(pair) != 2
            or not isinstance(pair[0], (str, re.Pattern))
            or not (isinstance(pair[1], str) or callable(pair[1]))
        ):
            problem = Sentence(
                "expected pairs of a pattern and a replacement, got {value}.",
                value=format_value(pair),
            )
            raise BadArgumentError(path, problem)
        if isinstance(pair[0], str):
            check_pattern(pair[0], path, called="pattern")
        yield pair[0], pair[1]


def select_prefix(state: State, prefix: str, path: str = "prefix") -> State:
    """Return the part of a state dict that begins with a prefix, without it.

    Raises:
        AssertionError: There is none; with the prefixes that there are.
    """
    start = with_dot(prefix)
    found = rename_keys(
        state, lambda name: name[len(start) :] if name.startswith(start) else None, path
    )
    if not found:
        raise CheckError(
            path,
            Sentence("{prefix} is not in the pretrained model.", prefix=start),
            nearest(start[:-1], nearby_prefixes(state, start))
            or Sentence("Its names are {names}.", names=join_limited(state)),
        )
    return found


def with_dot(prefix: str) -> str:
    """Return a prefix with its dot.

    >>> with_dot("backbone"), with_dot("backbone.")
    ('backbone.', 'backbone.')
    """
    return prefix if prefix.endswith(".") else f"{prefix}."


def nearby_prefixes(names: Iterable[str], prefix: str) -> list[str]:
    """Return the prefixes below the part of ``asked`` that exists.

    >>> nearby_prefixes(["a.b.w", "a.c.w", "d.w"], "a.x."), nearby_prefixes(["a.b.w", "d.w"], "x.")
    (['a.b', 'a.c'], ['a', 'd'])
    """
    names = list(names)
    outer = prefix
    while outer and not any(name.startswith(outer) for name in names):
        outer = outer[:-1].rpartition(".")[0]
        outer = f"{outer}." if outer else ""
    inner = (name[len(outer) :].partition(".") for name in names if name.startswith(outer))
    return sorted({f"{outer}{first}" for first, dot, _ in inner if dot})


def rename_keys(state: State, rename: Callable[[str], str | None], path: str) -> State:
    """Return a state dict under new names, without those that become None, and its metadata too."""
    found: State = OrderedDict()
    origin: dict[str, str] = {}
    for name, value in state.items():
        new = rename(name)
        if new is None:
            continue
        if new in found:
            raise BadValueError(
                path,
                Sentence(
                    "{first} and {name} would both become {new}.",
                    first=origin[new],
                    name=name,
                    new=new,
                ),
            )
        found[new], origin[new] = value, name
    metadata = {}
    for part, value in getattr(state, "_metadata", {}).items():
        new = rename(f"{part}.") if part else ""  # metadata is by module, "" is the whole
        if new is not None:
            metadata[new.removesuffix(".")] = value
    return with_metadata(found, metadata)


def with_metadata(state: State, metadata: Mapping[str, Any]) -> State:
    """Attach the version of each module, which torch keeps in an attribute of the dict."""
    state._metadata = OrderedDict(metadata)  # pyright: ignore[reportAttributeAccessIssue]
    return state


def strip_wrapper_names(state: State, wanted: Collection[str]) -> State:
    """Return a state dict without the words that wrappers put into its names.

    ``wanted`` are the names of the model: one that has a part called ``module`` keeps that word.

    >>> from collections import OrderedDict
    >>> list(strip_wrapper_names(OrderedDict({"module.a._orig_mod.b": 1}), {"a.b"}))
    ['a.b']
    """
    keep_module = any(map(has_module_part, wanted))
    names: dict[str, str] = {}
    taken = set(state)
    for name in state:
        bare = plain_name(name, keep_module=keep_module)
        if bare != name and bare not in taken:
            taken.add(bare)
            names[name] = bare
    if not names:
        return state
    # Of modules, of which the metadata has the names, there is none in the state itself.
    kept = taken.difference(names)

    def rename(name: str) -> str:
        return name if name in kept else plain_name(name, keep_module=keep_module)

    return rename_keys(state, rename, "state_dict")
