"""What ``layer=``, ``name=`` and ``protect=`` mean: read a selector, match it, explain a miss."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from typing import Literal, NamedTuple, TypeVar

from torch import Tensor, nn

from brickbook.errors import BadValueError, Sentence, format_value, nearest, shorten
from brickbook.introspect.layers import cached_per_class, role_of_weight
from brickbook.introspect.names import plain_module_name, unwrap
from brickbook.introspect.traverse import CONTAINERS, post_order, walk
from brickbook.printable import escape_controls

__all__ = [
    "ModuleIndex",
    "ModuleMatch",
    "Selector",
    "Unmatched",
    "are_placeholders",
    "check_pattern",
    "class_names",
    "explain_no_match",
    "find_module",
    "known_class_names",
    "merge_matches",
    "module_matches",
    "parse_selector",
    "resolve_selector",
]

T = TypeVar("T", bound=Hashable)
MAX_GLOB = 1000  # characters; one of many more takes seconds to read

COMPOSITES = (
    nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder,
    nn.TransformerEncoderLayer, nn.TransformerDecoderLayer,
)  # fmt: skip

PLACEHOLDERS = (*CONTAINERS, nn.Identity)


@cached_per_class
def class_names(cls: type) -> tuple[str, ...]:
    """Return the names a module class answers to: its own and its ancestors' below ``nn.Module``.

    mmcv knows the direct bases only; here ``layer='_BatchNorm'`` matches ``nn.SyncBatchNorm`` and
    classes derived from ``nn.BatchNorm2d`` as well.

    >>> class_names(nn.Conv2d)
    ('Conv2d', '_ConvNd')
    """
    if not issubclass(cls, nn.Module):  # a duck-typed part
        return (cls.__name__,)
    own = cls.__mro__[: cls.__mro__.index(nn.Module)]
    return tuple(base.__name__ for base in own)


def class_matches(cls: type, layers: Sequence[str | type]) -> bool:
    """Whether a class is one of ``layers``, or derived from one."""
    names = class_names(cls)
    return any(
        layer in names if isinstance(layer, str) else issubclass(cls, layer) for layer in layers
    )


def module_matches(module: nn.Module, layers: Sequence[str | type]) -> bool:
    """Whether the class of a module is one of ``layers``: class names or classes."""
    return class_matches(type(module), layers)


def known_class_names(modules: Iterable[nn.Module]) -> set[str]:
    """Return every class name that a ``layer`` of these modules could be."""
    return {name for kind in {type(part) for part in modules} for name in class_names(kind)}


@dataclass(frozen=True)
class Selector:
    """One entry of a ``layer``, or the name of an override, parsed.

    Attributes:
        source: what the config says.
        kind: "class", "name" (of a class, a module or a parameter) or "pattern" (of dotted names).
        text: the name, or the regular expression of the pattern.
        param_pattern: which parameters of the layers are meant; "" for those that a rule for a
            layer fills, see `layer_slots`.
        literal: a glob as it was written: a name may contain its signs.
    """

    source: str | type
    kind: Literal["class", "name", "pattern"]
    text: str
    param_pattern: str = ""
    literal: str = ""


def parse_selector(source: str | type, path: str = "layer") -> Selector:
    """Parse ``Conv2d``, a class, ``backbone.conv1``, ``layer*.conv1``, ``re:...`` or ``...:bias``.

    In a glob ``*`` stands for any characters, dots among them (as in `fnmatch`); a module whose
    name is the glob to the letter (``heads[0]``) is meant alone. ``re:`` begins a regular
    expression for the whole dotted name. After a colon stands a parameter: its name, a glob of
    names, or a role: ``weight``, ``bias``, ``scale``, ``embedding``.

    Args:
        source: what the config says.
        path: the key of the config that errors name.

    Raises:
        BadValueError: a regular expression cannot be compiled.
    """
    if isinstance(source, type):
        return Selector(source, "class", source.__name__)
    head, colon, tail = source.rpartition(":")
    if colon and head != "re" and re.fullmatch(r"[\w*?]+", tail):
        body, param_pattern = head or "*", tail
    else:
        body, param_pattern = source, ""
    if body.startswith("re:"):
        check_pattern(body[3:], path, format_value(source))
        return Selector(source, "pattern", body[3:], param_pattern)
    if any(sign in body for sign in "*?["):
        if len(body) > MAX_GLOB:
            problem = "{pattern} is longer than any pattern: {n} characters."
            shown = Sentence(problem, pattern=format_value(source), n=f"{MAX_GLOB:,}")
            raise BadValueError(path, shown)
        return Selector(source, "pattern", translate(body), param_pattern, body)
    return Selector(source, "name", body, param_pattern)


def check_pattern(
    pattern: str, path: str, written: str = "", called: str = "regular expression"
) -> None:
    """Raise BadValueError for what is no regular expression, or one that ``re`` cannot compile.

    Args:
        pattern: The regular expression.
        path: Its key, for errors.
        written: How the config says it; by default the pattern.
        called: What an error calls it.
    """
    try:
        re.compile(pattern)
    except RecursionError:
        why = Sentence("it is nested too deep")
    except (re.error, OverflowError, ValueError) as error:
        why = str(error)
    else:
        return
    problem = "{pattern} is no {called}: {why}."
    shown = written or format_value(pattern)
    raise BadValueError(path, Sentence(problem, pattern=shown, called=Sentence(called), why=why))


class ModuleIndex:
    """The modules below one (and itself), children first, to be found by class and by name.

    Names that selectors are compared with are relative to that module and without the prefixes of
    wrappers. A position is the place of a module in ``named_modules``.
    """

    def __init__(self, module: nn.Module, prefix: str = "") -> None:
        self.module, self.prefix = module, prefix
        self.named_modules = list(post_order(module, prefix))
        self.by_class: dict[type, list[int]] = {}
        for position, (_, part) in enumerate(self.named_modules):
            self.by_class.setdefault(type(part), []).append(position)

    @cached_property
    def names(self) -> list[str]:
        """The plain relative name of every module; "" for the module itself."""
        start = len(self.prefix) + 1 if self.prefix else 0
        return [plain_module_name(name[start:]) for name, _ in self.named_modules]

    @cached_property
    def named_positions(self) -> list[tuple[str, int]]:
        """Every (plain relative name, position); a shared module has several names."""
        found = [(name, position) for position, name in enumerate(self.names)]
        parts = [part for _, part in self.named_modules]
        children = sum(child is not None for part in parts for child in part._modules.values())
        if children >= len(parts):  # more than one a module: some are shared
            known = set(self.names)
            more = ((plain_module_name(name), part) for name, part in walk(self.module))
            found += [(name, self.positions[id(part)]) for name, part in more if name not in known]
        return found

    @cached_property
    def positions(self) -> dict[int, int]:
        """The position of each module, by id."""
        return {id(part): position for position, (_, part) in enumerate(self.named_modules)}

    @cached_property
    def by_name(self) -> dict[str, nn.Module]:
        """Every module by its full name."""
        return dict(self.named_modules)

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """Every parameter and buffer by its plain relative name."""
        return {
            f"{name}.{key}" if name else key: tensor
            for name, (_, module) in zip(self.names, self.named_modules, strict=True)
            for key, tensor in (*module._parameters.items(), *module._buffers.items())
            if tensor is not None
        }

    def find_classes(self, layers: tuple[str | type, ...]) -> list[int]:
        """Return the positions of the modules of some classes, given as such or by name."""
        found = [
            positions for cls, positions in self.by_class.items() if class_matches(cls, layers)
        ]
        return found[0] if len(found) == 1 else sorted(at for each in found for at in each)

    def descendants(self, positions: Iterable[int]) -> list[int]:
        """Return the positions of these modules and of all modules inside of them, in order."""
        found: set[int] = set()
        for position in positions:
            if position not in found:
                inside = self.named_modules[position][1].modules()
                found.update(self.positions[id(part)] for part in inside)
        return sorted(found)

    def find_named(self, selector: Selector) -> list[int]:
        """Return the positions of the modules that a name or a pattern matches."""
        return match_names(selector, self.named_positions)

    def find_attribute(self, selector: Selector) -> int | None:
        """Return the position of the module that a dotted name gives by attribute access.

        So a property that returns a layer names it; None if the name gives no module of these.
        """
        part: object = self.module
        for key in selector.text.split("."):
            part = getattr(unwrap(part) if isinstance(part, nn.Module) else part, key, None)
        return self.positions.get(id(part)) if isinstance(part, nn.Module) else None

    def find_parameters(self, selector: Selector) -> list[tuple[int, str]]:
        """Return (position, key) of the parameters whose full dotted name a selector matches."""
        return match_names(
            selector,
            (
                (f"{name}.{key}" if name else key, (position, key))
                for name, position in self.named_positions
                for key in parameter_keys(self.named_modules[position][1])
            ),
        )


def match_names(selector: Selector, names: Iterable[tuple[str, T]]) -> list[T]:
    """Return the values whose names a selector matches; a name equal to its text is meant alone."""
    names = list(names)
    literal = selector.text if selector.kind == "name" else selector.literal
    exact = [value for name, value in names if name and name == literal]
    if exact or selector.kind == "name":
        return exact
    match = re.compile(selector.text).fullmatch
    return list(dict.fromkeys(value for name, value in names if match(name)))


class ModuleMatch(NamedTuple):
    """A layer that a selector matches.

    Attributes:
        position: its position in a `ModuleIndex`.
        param_pattern: which of its parameters are meant; "" for those that a rule for a layer
            fills.
        direct: False where the layer is matched along with others, by the name of a module around
            them: then a norm keeps its values.
    """

    position: int
    param_pattern: str = ""
    direct: bool = True


@dataclass(frozen=True)
class SelectorMatch:
    """A selector and the layers that it matches in a model."""

    selector: Selector
    matches: tuple[ModuleMatch, ...]


def resolve_selector(selector: Selector, index: ModuleIndex) -> SelectorMatch:
    """Find what a selector matches: a class, else a module by name, else a parameter by name.

    A name is one of the module's (a shared one has several), else an attribute that gives it.
    The name of a module matches all layers inside of it. Classes made of layers (attention,
    transformers) match those as well.
    """
    param_pattern = selector.param_pattern
    if selector.kind != "pattern":
        cls = selector.source if selector.kind == "class" else selector.text
        positions = index.find_classes((cls,))
        if positions or selector.kind == "class":
            return SelectorMatch(selector, tuple(match_classes(positions, param_pattern, index)))
    positions = find_module(selector, index)
    if positions:
        if not param_pattern or selector.kind == "name":
            positions = index.descendants(positions)
        direct = has_only_scales(positions, index)
        found = (ModuleMatch(position, param_pattern, direct) for position in positions)
        return SelectorMatch(selector, tuple(found))
    if param_pattern:
        return SelectorMatch(selector, ())
    named = (ModuleMatch(position, key) for position, key in index.find_parameters(selector))
    return SelectorMatch(selector, tuple(named))


def find_module(selector: Selector, index: ModuleIndex) -> list[int]:
    """Return the positions of the modules that a name, an attribute or a pattern gives."""
    positions = index.find_named(selector)
    if positions or selector.kind != "name" or not selector.text:
        return positions
    found = index.find_attribute(selector)
    return [] if found is None else [found]


def are_placeholders(positions: Iterable[int], index: ModuleIndex) -> bool:
    """Whether modules only keep a place: containers without a layer, or ``nn.Identity``."""
    parts = (part for at in positions for part in index.named_modules[at][1].modules())
    return all(isinstance(part, PLACEHOLDERS) and not part._parameters for part in parts)


def match_classes(
    positions: Sequence[int], param_pattern: str, index: ModuleIndex
) -> Iterable[ModuleMatch]:
    """Return the layers of a class, and the layers inside of those that are made of layers."""
    composites = [at for at in positions if isinstance(index.named_modules[at][1], COMPOSITES)]
    if not composites or param_pattern:
        return [ModuleMatch(position, param_pattern) for position in positions]
    own = set(positions)
    inside = own.union(index.descendants(composites))
    return [ModuleMatch(position, "", position in own) for position in sorted(inside)]


def has_only_scales(positions: Iterable[int], index: ModuleIndex) -> bool:
    """Whether all layers that have parameters are norms."""
    modules = (index.named_modules[position][1] for position in positions)
    return all(
        role_of_weight(type(module)) == "scale"
        for module in modules
        if next(module.parameters(False), None) is not None
    )


def merge_matches(selector_matches: Iterable[SelectorMatch]) -> list[ModuleMatch]:
    """Return every layer matched, once and in order; a direct match counts more than another."""
    found = [each.matches for each in selector_matches]
    if len(found) == 1:
        return list(found[0])
    best: dict[tuple[int, str], ModuleMatch] = {}
    for match in (match for matches in found for match in matches):
        key = match.position, match.param_pattern
        if key not in best or match.direct:
            best[key] = match
    return [best[key] for key in sorted(best)]


@dataclass(frozen=True)
class Unmatched:
    """A rule, or a part of one, that does nothing in this model."""

    path: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        return escape_controls(f"{self.path}: {self.problem} {self.hint}".rstrip(), kept="\n\t")


def explain_no_match(
    path: str,
    selector_matches: Sequence[SelectorMatch],
    index: ModuleIndex,
    filled: Collection[int],
) -> Iterator[Unmatched]:
    """Explain which selectors of a rule match nothing, or only what has nothing to fill.

    A class that is loaded but not in this model is passed over if the rule fills another: such
    lists are written for many models.

    Args:
        path: the key of the config with the selectors.
        selector_matches: the selectors and what they match.
        index: the modules of the model.
        filled: the positions of the layers of which the rule fills anything.
    """
    for each in selector_matches:
        selector, positions = each.selector, [match.position for match in each.matches]
        shown = selector.text if isinstance(selector.source, type) else selector.source or "''"
        shown = shorten(shown)
        if not positions:
            if not (filled and is_loaded_class(selector.text)):
                problem = Sentence("{name} matches nothing.", name=shown)
                yield Unmatched(path, problem, suggest_name(selector, index))
        elif not any(position in filled for position in positions):
            by_class = selector.kind != "pattern" and index.find_classes((selector.source,))
            if not by_class and are_placeholders(positions, index):
                continue  # it exists, and there is nothing to fill
            keys = {key for at in positions for key in parameter_keys(index.named_modules[at][1])}
            if selector.param_pattern:
                problem = Sentence("{name} matches no parameter.", name=shown)
                yield Unmatched(path, problem, nearest("", keys))
            elif not keys.isdisjoint(("weight", "bias")):
                problem = Sentence("the rule writes no parameter of {name}.", name=shown)
                yield Unmatched(path, problem, "")
            else:
                own = ", ".join(repr(f"{selector.text}:{key}") for key in sorted(keys)[:4])
                yield Unmatched(
                    path,
                    Sentence("{name} has no 'weight' or 'bias' parameter of its own.", name=shown),
                    Sentence("Name its parameters: {names}.", names=own) if own else "",
                )


def suggest_name(selector: Selector, index: ModuleIndex) -> str:
    """Return the nearest name: of a class or a module for a plain name, else of a module."""
    names = {name for name, _ in index.named_positions if name}
    if selector.kind == "pattern":
        written = str(selector.source).removeprefix("re:")
        return nearest(re.sub(r"[*?\[\]\\]|:\w+$", "", written), names)
    if "." in selector.text:
        return nearest(selector.text, names)
    classes = known_class_names(
        module
        for _, module in index.named_modules
        if {"weight", "bias"}.intersection(parameter_keys(module))
    )
    return nearest(selector.text, classes | names, listed=classes)


def parameter_keys(module: nn.Module) -> list[str]:
    """Return the names of a layer's parameters that are not None."""
    return [key for key, tensor in module._parameters.items() if tensor is not None]


def is_loaded_class(class_name: str) -> bool:
    """Whether any loaded module class has this name: then it may well be meant for other models."""
    stack: list[type] = [nn.Module]
    seen: set[type] = set()
    while stack:
        kind = stack.pop()
        if kind.__name__ == class_name:
            return True
        seen.add(kind)
        stack.extend(sub for sub in kind.__subclasses__() if sub not in seen)
    return False
