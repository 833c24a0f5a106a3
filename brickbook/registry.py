"""Registries of classes by name, and the one reader of a config's ``type``."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar, overload

from brickbook.config import call, registry_key, source_location
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    MissingKeyError,
    NameTakenError,
    Sentence,
    UnknownNameError,
    format_value,
    nearest,
    shorten,
)

__all__ = ["Config", "Registry", "build_from_cfg", "find", "split_type"]

Config = Mapping[str, Any]
T = TypeVar("T")
LOG = logging.getLogger("brickbook")


class Registry:
    """Classes and functions by name; ``build`` makes an object from a config dict.

    A name without a scope is looked up in this registry alone. Nothing is inferred from the calling
    frame, so a registry can be made anywhere, a notebook cell included.

    Registering a class again under the same module and qualified name (a cell that is run twice)
    replaces it; another class under a taken name is a ``KeyError`` unless ``force=True``, or unless
    the name is one that may be replaced (`let_replace`).

    A registry of ``locations`` is filled by modules of a higher floor, which no import statement
    beside the registry could load without a circle. They are imported at the first question that
    only they can answer: a name that is not there, a list of all names, their number, the
    children. What an import raises reaches who asked, and the next question tries again. To
    register something imports nothing.

    Args:
        name: What errors call it.
        build_func: What ``build`` calls with a config and the registry; by default the parent's,
            else `build_from_cfg`.
        parent: The registry that this one is a child of.
        scope: The name of the child under its parent: ``"scope.Name"`` is found from any registry
            of the tree.
        locations: Names of the modules whose import fills this registry.

    Raises:
        AssertionError: ``parent`` is no registry, or ``scope`` no str.
        TypeError: ``locations`` is no sequence of str.

    >>> cats = Registry("cat")
    >>> @cats.register_module()
    ... class Siamese:
    ...     def __init__(self, age=1):
    ...         self.age = age
    >>> cats.build(dict(type="Siamese", age=3)).age
    3
    """

    def __init__(
        self,
        name: str,
        build_func: Callable[..., Any] | None = None,
        parent: Registry | None = None,
        scope: str | None = None,
        locations: Sequence[str] = (),
    ) -> None:
        if parent is not None and not isinstance(parent, Registry):
            raise CheckError("parent", *explain_no_registry(parent))
        if scope is not None and not isinstance(scope, str):
            raise CheckError("scope", f"expected a str, got {scope!r}.")
        if isinstance(locations, str) or not all(isinstance(each, str) for each in locations):
            raise BadArgumentError("locations", f"expected names of modules, got {locations!r}.")
        self._name = name
        self._scope = scope
        self._locations = tuple(locations)
        self._module_dict: dict[str, Any] = {}
        self._children: dict[str, Registry] = {}
        self._replaceable: set[str] = set()
        self.parent = parent
        if parent is not None:
            parent._add_children(self)
        inherited = parent.build_func if parent is not None else build_from_cfg
        self.build_func: Callable[..., Any] = build_func or inherited

    def __len__(self) -> int:
        return len(self.module_dict)

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self._name}, items={dict(self.module_dict)})"

    @property
    def name(self) -> str:
        """What the entries are, as error messages say it (``"norm layer"``)."""
        return self._name

    @property
    def scope(self) -> str | None:
        """The name of this registry under its parent."""
        return self._scope

    @property
    def module_dict(self) -> dict[str, Any]:
        """The registered objects by name, in the order of registration."""
        self.import_locations()
        return self._module_dict

    @property
    def children(self) -> dict[str, Registry]:
        """The child registries by scope."""
        self.import_locations()
        return self._children

    def import_locations(self) -> None:
        """Import the modules that fill this registry, as far as they are not imported yet.

        `importlib` keeps the account: a thread waits for an import that another one has begun, and
        a module whose import failed is imported anew.
        """
        for location in self._locations:
            import_module(location)

    @staticmethod
    def split_scope_key(key: str) -> tuple[str | None, str]:
        """Split a key at its first dot.

        >>> Registry.split_scope_key("mmdet.ResNet"), Registry.split_scope_key("ResNet")
        (('mmdet', 'ResNet'), (None, 'ResNet'))
        """
        scope, dot, rest = key.partition(".")
        return (scope, rest) if dot else (None, key)

    def get(self, key: str) -> Any | None:
        """Return what is registered as ``key`` (``"Name"`` or ``"scope.Name"``), else None."""
        if not isinstance(key, str):
            raise BadArgumentError("key", f"expected a str, got {key!r}.")
        scope, rest = self.split_scope_key(key)
        if scope is None:
            known = self._module_dict if rest in self._module_dict else self.module_dict
            return known.get(rest)
        if scope == self._scope:
            return self.get(rest)
        if scope in self._children or scope in self.children:
            return self._children[scope].get(rest)
        return self.parent.root().get(key) if self.parent is not None else None

    def let_replace(self, names: Iterable[str]) -> None:
        """Let the next registration under each of these names replace what stands there.

        That is logged. Afterwards the name is taken as any other.
        """
        self._replaceable.update(names)

    def may_replace(self, name: str) -> bool:
        """Whether the next registration under a name replaces what stands there."""
        self.import_locations()
        return name in self._replaceable

    def register_replaceable(self, rows: Mapping[str, Callable[..., Any]]) -> None:
        """Register names that one other registration each may replace, be it later or earlier.

        A name that somebody has taken already, before this registry's locations were imported,
        stays his.
        """
        for name, make in rows.items():
            taken = self._module_dict.get(name)
            if taken is None or registry_key(taken) == registry_key(make):
                self._module_dict[name] = make
                self._replaceable.add(name)
            else:
                self._log_replaced(name, taken)

    def root(self) -> Registry:
        """Return the registry at the top of this one's tree; ValueError if it goes in a circle."""
        top, seen = self, {id(self)}
        while top.parent is not None:
            top = top.parent
            if id(top) in seen:
                raise BadValueError("parent", f"the registry {top.name} stands above itself.")
            seen.add(id(top))
        return top

    def build(self, *args: Any, **kwargs: Any) -> Any:
        """Build an object from a config: ``build_func(..., registry=self)``."""
        return self.build_func(*args, **kwargs, registry=self)

    def _add_children(self, registry: Registry) -> None:
        if registry.scope is None:
            return  # reachable by its own name only
        if registry.scope in self._children:
            raise CheckError("scope", f"{registry.scope} is already a scope of the {self.name}.")
        self._children[registry.scope] = registry

    def _register_module(
        self, module: Any, module_name: str | Sequence[str] | None = None, force: bool = False
    ) -> None:
        if not callable(module) or inspect.ismethod(module):
            raise BadArgumentError("module", f"expected a class or a function, got {module!r}.")
        names = [module_name] if isinstance(module_name, str) else list(module_name or ())
        if not names and not hasattr(module, "__name__"):
            raise BadArgumentError("name", f"{module!r} has no name of its own: pass name=.")
        names = names or [module.__name__]
        replaced = []
        for name in names:
            taken = self._module_dict.get(name)
            if taken is None or registry_key(taken) == registry_key(module):
                continue
            if name in self._replaceable:
                replaced.append(name)
            elif not force:
                raise NameTakenError(
                    "name",
                    f"{name} is already registered in {self.name}, as {source_location(taken)}; "
                    f"the new one is {source_location(module)}. Pass force=True to replace it.",
                )
        for name in replaced:
            self._log_replaced(name, module)
            self._replaceable.discard(name)
        self._module_dict.update(dict.fromkeys(names, module))

    def _log_replaced(self, name: str, module: Any) -> None:
        text = "%s in %s is now %s, not brickbook's own."
        LOG.info(text, name, self.name, source_location(module))

    def deprecated_register_module(self, cls: Any = None, force: bool = False) -> Any:
        """Register in the form of mmcv before 1.0; warns."""
        warnings.warn(
            "register_module(cls) and @register_module without brackets are old forms; "
            "write @register_module() or register_module(module=cls).",
            DeprecationWarning,
            stacklevel=2,
        )
        if cls is None:
            return lambda module: self.deprecated_register_module(module, force)
        self._register_module(cls, force=force)
        return cls

    @overload
    def register_module(
        self, name: str | Sequence[str] | None = ..., force: bool = ..., module: None = ...
    ) -> Callable[[T], T]: ...
    @overload
    def register_module(
        self, name: str | Sequence[str] | None = ..., force: bool = ..., *, module: T
    ) -> T: ...
    def register_module(
        self,
        name: str | Sequence[str] | None = None,
        force: bool = False,
        module: Any = None,
    ) -> Any:
        """Register a class or function, as a decorator or (with ``module=``) as a call.

        Args:
            name: The key or a list of keys, by default the object's ``__name__``.
            force: Replace what has the key.
            module: The class or function; None makes this a decorator.

        Raises:
            KeyError: A key is taken by something else and ``force`` is False.
            TypeError: An argument has a wrong type.
        """
        if not isinstance(force, bool):
            raise BadArgumentError("force", f"force must be a boolean, but got {type(force)}.")
        if inspect.isclass(name) or inspect.isfunction(name):
            return self.deprecated_register_module(name, force=force)
        words = [name] if isinstance(name, str) else name
        if words is not None and not (
            isinstance(words, Sequence) and all(isinstance(word, str) for word in words)
        ):
            raise BadArgumentError(
                "name",
                "name must be None, an instance of str, or a sequence of str, "
                f"but got {type(name)}.",
            )
        if module is not None:
            self._register_module(module, words, force)
            return module

        def register(module: T) -> T:
            self._register_module(module, words, force)
            return module

        return register


def explain_no_registry(value: object) -> tuple[str, str]:
    """Return the problem with what is no `Registry`, and a hint."""
    kind = next((base for base in type(value).__mro__ if base.__name__ == "Registry"), None)
    if kind is None:
        return f"expected a Registry, got {value!r}.", ""
    package = kind.__module__.partition(".")[0]
    problem = f"expected a Registry of brickbook, got one of {package}: {kind.__module__}.Registry."
    return problem, "Take brickbook's own, such as brickbook.MODELS."


def split_type(cfg: object, path: str = "cfg") -> tuple[Any, dict[str, Any]]:
    """Return a config's ``type`` and a copy of its other keys.

    Raises:
        TypeError: ``cfg`` is no dict.
        KeyError: It has no ``type``.
    """
    if not isinstance(cfg, Mapping):
        problem = Sentence("cfg must be a dict, but got {type}.", type=type(cfg))
        raise BadArgumentError(path, problem)
    if "type" not in cfg:
        problem = 'the cfg dict must contain the key "type", but got {value}.'
        raise MissingKeyError(path, Sentence(problem, value=format_value(cfg)))
    return cfg["type"], {key: value for key, value in cfg.items() if key != "type"}


def find(kind: object, registry: Registry, path: str = "cfg") -> Callable[..., Any]:
    """Return the class or function that ``type`` means: a registered name or the object itself."""
    if isinstance(kind, str):
        make = registry.get(kind)
        if make is None:
            raise UnknownNameError(
                f"{path}.type",
                Sentence(
                    "{name} is not in the {registry} registry.",
                    name=shorten(kind),
                    registry=Sentence(registry.name),
                ),
                nearest(kind, registry.module_dict),
            )
        return make
    if callable(kind):
        return kind
    problem = Sentence("type must be a str or valid type, but got {type}.", type=type(kind))
    raise BadArgumentError(f"{path}.type", problem)


def build_from_cfg(
    cfg: Config,
    registry: Registry,
    default_args: Config | None = None,
    *,
    path: str = "cfg",
) -> Any:
    """Build an object from ``dict(type=..., **arguments)``; neither dict is changed.

    Args:
        cfg: The arguments and the ``type``: a name in ``registry``, a class, or any callable.
        registry: Where names are looked up.
        default_args: What stands where ``cfg`` has no such key.
        path: Where an error stands.

    Raises:
        KeyError: ``type`` is missing or unknown.
        TypeError: The class does not take an argument, or one is missing.
    """
    if not isinstance(registry, Registry):
        raise BadArgumentError(
            "registry", f"registry must be a Registry object, but got {type(registry)}."
        )
    if not isinstance(cfg, Mapping):
        problem = Sentence("cfg should be a dict, but got {type}.", type=type(cfg))
        raise BadArgumentError(path, problem)
    if not (default_args is None or isinstance(default_args, Mapping)):
        raise BadArgumentError(
            "default_args", f"default_args must be a dict or None, but got {type(default_args)}."
        )
    kind, kwargs = split_type({**(default_args or {}), **cfg}, path)
    return call(find(kind, registry, path), (), kwargs, path)
