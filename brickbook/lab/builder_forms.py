"""The forms of bricks: made once, kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from inspect import cleandoc
from typing import Any

from torch import nn

from brickbook.blueprint import MODELS, kinds, resolve, slots_of
from brickbook.blueprint.inferring import AXES
from brickbook.blueprint.slots import unwrapped
from brickbook.errors import ConfigError
from brickbook.lab.builder_places import Where
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.builder_texts import say
from brickbook.lab.docstrings import plain
from brickbook.lab.fields import Field, fields_of
from brickbook.lab.form import Form
from brickbook.lab.preview import Preview, name_of
from brickbook.lab.rows import wrong_texts

__all__ = [
    "FormShelf", "Key", "about", "fitting", "holders", "key_of", "kind_options", "retype_options",
    "retype_value",
]  # fmt: skip

KEPT = 6

# The type to begin with, by kind and by the number of axes of a sample.
FITTING: Mapping[str, Mapping[int, str]] = {
    "conv": {2: "Conv1d", 3: "Conv2d", 4: "Conv3d"},
    "norm": {1: "BN1d", 2: "BN1d", 3: "BN", 4: "BN3d"},
}

Key = tuple[str, Callable[..., Any] | None]


class FormShelf:
    """The forms of the bricks looked at last: choosing one again sends nothing to the page.

    A form is about a hundred models for the page. ``edited`` observes the ``value`` of each.
    ``drafts`` are the forms in which a wrong text was left, each with the brick it belongs to:
    two bricks with equal configs share a form, but not a draft.
    """

    def __init__(self, edited: Callable[[Any], None]) -> None:
        self.edited = edited
        self.forms: dict[Key, Form] = {}
        self.drafts: list[tuple[Mapping[str, Any], Form]] = []

    def take(self, cfg: Mapping[str, Any]) -> Form:
        """Return the form of a brick, without messages of its owner."""
        key = key_of(cfg)
        form = self.draft(cfg)
        if form is not None:
            self.drafts = [pair for pair in self.drafts if pair[1] is not form]
            self.drop(key)
        else:
            form = self.forms.pop(key, None)
        if form is not None:
            form.clear_errors()
        else:
            form = form_for(cfg, key[1])
            form.observe(self.edited, "value")
        self.forms[key] = form
        while len(self.forms) > KEPT:
            self.forms.pop(next(iter(self.forms))).close()
        return form

    def leave(self, cfg: Mapping[str, Any], form: Form) -> None:
        """Another brick is chosen: a wrong text waits until its brick is chosen again."""
        if wrong_texts(form.rows):
            self.forms = {key: kept for key, kept in self.forms.items() if kept is not form}
            self.drafts.append((cfg, form))

    def draft(self, cfg: Mapping[str, Any]) -> Form | None:
        """Return the form in which a wrong text was left for this very brick."""
        return next((form for brick, form in self.drafts if brick is cfg), None)

    def drop(self, key: Key) -> None:
        """Close the form of a config, if there is one."""
        form = self.forms.pop(key, None)
        if form is not None:
            form.close()

    def keep(self, form: Form, cfg: Mapping[str, Any]) -> None:
        """Keep a form under the config that it was edited to."""
        key = key_of(cfg)
        other = self.forms.get(key)
        self.forms = {k: kept for k, kept in self.forms.items() if kept not in (form, other)}
        self.forms[key] = form
        if other is not None and other is not form:
            other.close()

    def close(self) -> None:
        """Close all of them."""
        for form in (*self.forms.values(), *(form for _, form in self.drafts)):
            form.close()
        self.forms, self.drafts = {}, []


def key_of(cfg: Mapping[str, Any]) -> Key:
    """Return what a form is made from: a class that is registered again needs a new one.

    What a brick holds is no part of it.
    """
    try:
        make = resolve(cfg.get("type"))[1]
    except ConfigError:
        return repr(dict(cfg)), None
    held = slots_of(make)
    return repr({key: value for key, value in cfg.items() if key not in held}), make


def form_for(cfg: Mapping[str, Any], make: Callable[..., Any] | None) -> Form:
    """Return the form of a brick; one with an unknown type shows what its config says."""
    values = {key: value for key, value in cfg.items() if key != "type"}
    if make is None:
        return Form(name_of, values, fields=())
    held = slots_of(make)
    values = {key: value for key, value in values.items() if key not in held}
    fields = [found_alone(field) for field in fields_of(make) if field.name not in held]
    # The row's name is the mode of an upsampling already.
    fixed = ("mode",) if unwrapped(make) is nn.Upsample and isinstance(cfg["type"], str) else ()
    return Form(make, values, hidden=fixed, fields=fields)


def found_alone(field: Field) -> Field:
    """Return the field of a size that may be left out: its input says it."""
    if field.name not in AXES or not field.required:
        return field
    return replace(field, kind="text", required=False, default=None, auto=True)


def about(make: Callable[..., Any] | None) -> str:
    """Return the first sentence of what a brick's class says of itself."""
    if make is None:
        return ""
    # getdoc would give a class without a docstring that of nn.Module.
    text = cleandoc(unwrapped(make).__doc__ or "").partition("\n\n")[0]
    first = plain(" ".join(text.split())).partition(". ")[0].rstrip(".")
    return f"{first}." if first else ""


def kind_options() -> list[tuple[str, str]]:
    """Return the menu of kinds: a word to show and the kind, without empty ones."""
    found = [word for word, registry in kinds().items() if len(registry)]
    return [(say("layers") if word == "model" else word, word) for word in found]


def holders() -> list[str]:
    """Return the types that hold bricks."""
    return [name for name, make in MODELS.module_dict.items() if slots_of(make)]


def retype_options(cfg: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the menu of types that a brick can be changed to, those of its own kind first.

    A value is a kind and a name, with a blank between them.
    """
    try:
        own = resolve(cfg.get("type"))[0]
    except ConfigError:
        own = ""
    offered = [kind for _, kind in kind_options()]
    order = [own, *(kind for kind in offered if kind != own)] if own in offered else offered
    options = [] if own in offered else [(name_of(cfg.get("type")), "")]
    for kind in order:
        label = "" if kind == own else f"{say('layers') if kind == 'model' else kind}: "
        options += [(f"{label}{name}", f"{kind} {name}") for name in kinds()[kind].module_dict]
    return options


def retype_value(cfg: Mapping[str, Any]) -> str:
    """Return the value of a brick's own type in that menu."""
    try:
        kind, _ = resolve(cfg.get("type"))
    except ConfigError:
        return ""
    word = cfg["type"]
    return f"{kind} {word.removeprefix(f'{kind}.')}" if kind in kinds() else ""


def fitting(kind: str, preview: Preview, state: BuilderState, where: Where) -> str | None:
    """Return the type of a kind to begin with at the chosen place, None if any will do."""
    name = FITTING.get(kind, {}).get(len(preview.before(state.spot(where)) or ()))
    return name if name in kinds()[kind].module_dict else None
