"""``init_cfg`` read into rules and overrides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from brickbook.config import copy_config, name_of
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    ConfigError,
    Sentence,
    first_line,
    format_value,
    shorten,
    wrong_value,
)
from brickbook.init.initializers import INITIALIZERS, BaseInit, PretrainedInit
from brickbook.introspect import Selector, parse_selector
from brickbook.registry import build_from_cfg

__all__ = ["Override", "Rule", "RuleEntry", "read_rules"]

Initializer = BaseInit | PretrainedInit | Callable[[nn.Module], Any]


@dataclass(frozen=True)
class Rule:
    """An initialiser and the key of the config that it was read from."""

    path: str
    type_name: str
    init: Initializer

    @property
    def has_law(self) -> bool:
        """Whether a law says what it does: it is no custom callable."""
        return isinstance(self.init, BaseInit) and type(self.init).__call__ is BaseInit.__call__


@dataclass(frozen=True)
class Override:
    """A rule for every layer of one part of the model, or of all that a pattern names."""

    rule: Rule
    selector: Selector
    ignored_layer: bool = False


@dataclass(frozen=True)
class RuleEntry:
    """One entry of an ``init_cfg``: a rule by layer, and its overrides by name."""

    rule: Rule
    overrides: tuple[Override, ...] = ()


def read_rules(init_cfg: object, path: str = "init_cfg") -> tuple[RuleEntry, ...]:
    """Read an ``init_cfg``: a dict, or a list (or tuple) of them; it is not changed.

    Args:
        init_cfg: the config.
        path: its key, with which the paths of the rules and of errors begin.

    Raises:
        BadArgumentError: it is something else, or an argument of an initialiser is.
        UnknownNameError: a ``type`` is missing or unknown.
        BadValueError: an override has no ``name``, or arguments but no ``type``.
    """
    init_cfg = copy_config(init_cfg, path)
    if isinstance(init_cfg, Mapping):
        return (read_entry(init_cfg, path),)
    if not isinstance(init_cfg, (list, tuple)):
        problem = "init_cfg must be a dict or a list of dict, but got {type}."
        raise BadArgumentError(path, Sentence(problem, type=type(init_cfg)))
    return tuple(read_entry(cfg, f"{path}[{at}]") for at, cfg in enumerate(init_cfg))


def read_entry(cfg: object, path: str) -> RuleEntry:
    """Read one dict of an ``init_cfg``."""
    if not isinstance(cfg, Mapping):
        raise BadArgumentError(path, Sentence("expected a dict, but got {type}.", type=type(cfg)))
    own = {key: value for key, value in cfg.items() if key != "override"}
    rule = read_rule(copy_config(own, path), path)
    override = cfg.get("override")
    if override is None:
        return RuleEntry(rule)
    if isinstance(override, Mapping):
        return RuleEntry(rule, (read_override(override, own, f"{path}.override"),))
    if not isinstance(override, (list, tuple)):
        raise BadArgumentError(
            f"{path}.override",
            Sentence(
                "override must be a dict or a list of dict, but got {type}.", type=type(override)
            ),
        )
    each = (read_override(part, own, f"{path}.override[{at}]") for at, part in enumerate(override))
    return RuleEntry(rule, tuple(each))


def read_rule(cfg: Mapping[str, Any], path: str) -> Rule:
    """Build the initialiser of one config."""
    try:
        init = build_from_cfg(cfg, INITIALIZERS, path=path)
    except ConfigError:
        raise
    except Exception as error:  # whatever a class of the user's raises
        kind = BadArgumentError if isinstance(error, TypeError) else BadValueError
        name, why = type_name_of(cfg["type"]), first_line(error).rstrip(".")
        problem = Sentence("{name} cannot be made: {why}.", name=name, why=why)
        raise kind(path, problem) from error
    if not callable(init):
        problem = "{name} is no initialiser: it cannot be called."
        raise BadArgumentError(f"{path}.type", Sentence(problem, name=type(init).__name__))
    for layer in init.layers if isinstance(init, BaseInit) else ():
        parse_selector(layer, f"{path}.layer")
    return Rule(path, type_name_of(cfg["type"]), init)


def type_name_of(given_type: object) -> str:
    """Return what a config may call an initialiser, whether it was given by name or as a class."""
    if isinstance(given_type, str):
        return shorten(given_type)
    known = (name for name, made in list(INITIALIZERS.module_dict.items()) if made is given_type)
    return next(known, None) or name_of(given_type)


def read_override(cfg: object, outer: Mapping[str, Any], path: str) -> Override:
    """Read one override; with a name alone it means the outer entry's initialiser."""
    if not isinstance(cfg, Mapping):
        raise BadArgumentError(path, Sentence("expected a dict, but got {type}.", type=type(cfg)))
    own = {key: value for key, value in cfg.items() if key != "name"}
    if "name" not in cfg:
        raise BadValueError(
            path, "an override needs the key 'name', an attribute of the model.", "Add name='...'."
        )
    name = cfg["name"]
    if not isinstance(name, str):
        raise BadArgumentError(f"{path}.name", wrong_value("a str", name))
    if own and "type" not in own:
        arguments = shorten(", ".join(map(str, own)))
        raise BadValueError(
            path,
            Sentence(
                "an override with arguments of its own ({arguments}) needs a 'type'.",
                arguments=arguments,
            ),
            Sentence("Add type={type}.", type=format_value(outer["type"]))
            if isinstance(outer["type"], str)
            else "",
        )
    selector = parse_selector(name, f"{path}.name")
    return Override(
        read_rule(copy_config(own or outer, path), path), selector, ignored_layer="layer" in own
    )
