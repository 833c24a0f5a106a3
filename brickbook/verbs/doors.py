"""The front doors: what a name in a line means in a notebook or IPython, and in a shell."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from brickbook.checkpoint.state import read_state
from brickbook.errors import BadValueError, nearest
from brickbook.init.apply import carry_out
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.measure.batches import is_batch
from brickbook.targets import load_model
from brickbook.verbs.reading import inline, read_config
from brickbook.verbs.verb import WrongLineError
from brickbook.views.exports import from_json

__all__ = ["Command", "Session"]

CHECKPOINTS = (".bin", ".ckpt", ".pkl", ".pt", ".pth", ".safetensors", ".tar")
CONFIGS = (".json", ".py")


@dataclass(frozen=True)
class Command:
    """A shell: models by what makes them, everything else in files."""

    prefix: str = "brickbook"
    shell: bool = True
    widgets: bool = False

    @property
    def namespace(self) -> MutableMapping[str, Any]:
        """No variables."""
        return {}

    def model(self, name: str) -> nn.Module:
        """``module:callable``, ``file.py:callable``, ``torchvision:NAME`` or ``timm:NAME``."""
        return load_model(name)

    def config(self, name: str) -> Any:
        """A file with JSON or a Python literal, or the literal itself."""
        found = inline(name)
        return filled(read_config(name) if found is None else found, name)

    def thing(self, name: str) -> Any:
        """A record as JSON, a checkpoint, or a model."""
        found = in_file(name)
        return self.model(name) if found is None else found

    def names(self, kind: str, typed: str) -> Iterable[str]:
        """No variables."""
        return ()

    def writing(self) -> AbstractContextManager[object]:
        """Nobody else writes."""
        return nullcontext()

    def carry_out(
        self, todo: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model."""
        return carry_out(todo, model, seed=seed, atomic=atomic, batch=batch)


@dataclass(frozen=True)
class Session:
    """A notebook or plain IPython: variables, and what a shell knows too."""

    namespace: MutableMapping[str, Any]
    widgets: bool = False
    prefix: str = "%brickbook"
    shell: bool = False

    def model(self, name: str) -> nn.Module:
        """A variable or an attribute of one, or ``torchvision:NAME`` and its like."""
        if ":" in name:
            return load_model(name)
        value = self.value(name, "model")
        if not isinstance(value, nn.Module):
            problem = f"{name} is no torch.nn.Module but {type(value).__name__}."
            raise WrongLineError(problem, self.hint(name, "model"))
        return value

    def config(self, name: str) -> Any:
        """A variable, a file with JSON or a Python literal, or the literal itself."""
        found = inline(name)
        if found is None:
            is_file = name.endswith(CONFIGS) and name.partition(".")[0] not in self.namespace
            found = read_config(name) if is_file else self.value(name, "config")
        return filled(found, name)

    def thing(self, name: str) -> Any:
        """A variable, a record as JSON, a checkpoint, or a model by what makes it."""
        if name.partition(".")[0] in self.namespace:
            return self.value(name, "thing")
        found = in_file(name)
        if found is not None:
            return found
        return load_model(name) if ":" in name else self.value(name, "thing")

    def value(self, name: str, kind: str) -> Any:
        """Return what a variable of the user, or an attribute of one, holds."""
        first, *rest = name.split(".")
        if first not in self.namespace:
            raise WrongLineError(f"there is no variable {first!r}.", self.hint(first, kind))
        value = self.namespace[first]
        for part in rest:
            value = getattr(value, part, None)
            if value is None:
                raise BadValueError(name, f"there is no {part!r}.")
        return value

    def hint(self, name: str, kind: str) -> str:
        """Point at the nearest variable of that kind."""
        known = list(self.names(kind, ""))
        return nearest(name, known) if known else f"No variable holds a {WORDS[kind]} yet."

    def names(self, kind: str, typed: str) -> Iterator[str]:
        """Yield variables of a kind; after a dot, the modules inside of a model."""
        before, dot, _ = typed.rpartition(".")
        if dot:
            value = self.namespace.get(before.partition(".")[0])
            for part in before.split(".")[1:]:
                value = getattr(value, part, None)
            if isinstance(value, nn.Module):
                yield from (f"{before}.{name}" for name, _ in value.named_children())
            return
        yield from sorted(
            name
            for name, value in self.namespace.items()
            if not name.startswith("_") and name not in HIDDEN and is_a(kind, value)
        )

    def writing(self) -> AbstractContextManager[object]:
        """Hold the lock of the panels: they read and write in threads of their own."""
        panels = self.panels()
        return nullcontext() if panels is None else panels.MODEL_LOCK

    def carry_out(
        self, todo: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model, through the panel that shows it: that can undo it.

        Panels of a model around it, or of a part of it, see that there are other weights.
        """
        panels = self.panels()
        if panels is None:
            return carry_out(todo, model, seed=seed, atomic=atomic, batch=batch)
        panel = panels.live_panel(("model", id(model)))
        if panel is not None:
            report = panel.carry_out(todo, seed=seed, atomic=atomic, batch=batch)
        else:
            with panels.MODEL_LOCK:
                report = carry_out(todo, model, seed=seed, atomic=atomic, batch=batch)
        panels.look_around()
        return report

    @staticmethod
    def panels() -> Any:
        """Return the module of the panels; None as long as there is none."""
        return sys.modules.get("brickbook.lab.panels")


WORDS = {"model": "model", "config": "config", "batch": "batch", "thing": "plan, record or model"}
HIDDEN = frozenset({"In", "Out"})


def is_a(kind: str, value: Any) -> bool:
    """Whether a variable may be meant where a thing of this kind is asked for."""
    if kind == "model":
        return isinstance(value, nn.Module)
    if kind == "config":
        return is_config(value)
    if kind == "batch":
        return is_batch(value)
    return isinstance(value, nn.Module) or (
        type(value).__module__.startswith("brickbook.") and not isinstance(value, type)
    )


def is_config(value: Any) -> bool:
    """Whether a value looks like a config or a list of them."""
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(one, Mapping) and "type" in one for one in items)


def in_file(name: str) -> Any:
    """Return what a file of records or weights holds; None if the name is not that of one."""
    if name.endswith(".json"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise BadValueError(name, "can not be found.")
        return from_json(path.read_text(encoding="utf-8"), name)
    if name.endswith(CHECKPOINTS):
        return read_state(name, path="checkpoint")
    return None


def filled(value: Any, name: str) -> Any:
    """Refuse a config that is none."""
    if value is None:
        raise BadValueError(name, "holds no init_cfg.")
    return value
