"""The front end of a notebook or IPython: what a name in a line means there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from brickbook.checkpoint import CheckpointError, read_state
from brickbook.commands.arguments import read_config, read_inline
from brickbook.commands.command import CommandUsageError
from brickbook.commands.files import read_text
from brickbook.commands.user_code.load_model import load_model
from brickbook.errors import BadValueError, nearest
from brickbook.init.execution import InitReport, execute
from brickbook.init.planning import InitPlan
from brickbook.live_panels import MODEL_LOCK, live_model_panel, refresh_live_panels
from brickbook.measure.probe import is_batch
from brickbook.views.export import from_json

__all__ = ["NotebookFrontend", "read_record_file", "require_config"]

CHECKPOINT_SUFFIXES = (".bin", ".ckpt", ".pkl", ".pt", ".pth", ".safetensors", ".tar")
CONFIG_SUFFIXES = (".json", ".py")


@dataclass(frozen=True)
class NotebookFrontend:
    """A notebook or plain IPython: variables, and what a shell knows too."""

    namespace: MutableMapping[str, Any]
    has_widgets: bool = False
    prefix: str = "%brickbook"
    is_shell: bool = False

    def model(self, name: str) -> nn.Module:
        """A variable or an attribute of one, or ``torchvision:NAME`` and its like."""
        if ":" in name:
            return load_model(name)
        value = self.variable(name, "model")
        if not isinstance(value, nn.Module):
            problem = f"{name} is no torch.nn.Module but {type(value).__name__}."
            raise CommandUsageError(problem, self.variable_hint(name, "model"))
        return value

    def config(self, name: str) -> Any:
        """A variable, a file with JSON or a Python literal, or the literal itself."""
        found = read_inline(name)
        if found is None:
            is_file = (
                name.endswith(CONFIG_SUFFIXES) and name.partition(".")[0] not in self.namespace
            )
            found = read_config(name) if is_file else self.variable(name, "config")
        return require_config(found, name)

    def record_or_model(self, name: str) -> Any:
        """A variable, a record as JSON, a checkpoint, or a model by what makes it."""
        if name.partition(".")[0] in self.namespace:
            return self.variable(name, "record")
        found = read_record_file(name)
        if found is not None:
            return found
        return load_model(name) if ":" in name else self.variable(name, "record")

    def variable(self, name: str, kind: str) -> Any:
        """Return what a variable of the user, or an attribute of one, holds."""
        first, *rest = name.split(".")
        if first not in self.namespace:
            raise CommandUsageError(
                f"there is no variable {first!r}.", self.variable_hint(first, kind)
            )
        value = self.namespace[first]
        for part in rest:
            value = getattr(value, part, None)
            if value is None:
                raise BadValueError(name, f"there is no {part!r}.")
        return value

    def variable_hint(self, name: str, kind: str) -> str:
        """Point at the nearest variable of that kind."""
        known = list(self.variable_names(kind, ""))
        return nearest(name, known) if known else f"No variable holds a {KIND_WORDS[kind]} yet."

    def variable_names(self, kind: str, typed: str) -> Iterator[str]:
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
            if not name.startswith("_") and name not in HIDDEN_VARIABLES and is_of_kind(kind, value)
        )

    def model_lock(self) -> AbstractContextManager[object]:
        """Hold the lock of the panels: they read and write in threads of their own."""
        return MODEL_LOCK

    def execute(
        self, plan: InitPlan, model: nn.Module, seed: int | None, atomic: bool, batch: Any
    ) -> InitReport:
        """Initialise a model, through the panel that shows it: that can undo it.

        Panels of a model around it, or of a part of it, see that there are other weights.
        """
        panel = live_model_panel(model)
        if panel is not None:
            report = panel.carry_out(plan, seed=seed, atomic=atomic, batch=batch)
        else:
            with MODEL_LOCK:
                report = execute(plan, model, seed=seed, atomic=atomic, batch=batch)
        refresh_live_panels()
        return report


KIND_WORDS = {
    "model": "model",
    "config": "config",
    "batch": "batch",
    "record": "plan, record or model",
}

HIDDEN_VARIABLES = frozenset({"In", "Out"})


def is_of_kind(kind: str, value: Any) -> bool:
    """Whether a variable may be meant where this kind is asked for."""
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


def read_record_file(name: str) -> Any:
    """Return what a file of records or weights holds; None if the name is not that of one."""
    if name.endswith(".json"):
        if not Path(name).expanduser().exists():
            raise BadValueError(name, "can not be found.")
        return from_json(read_text(name), name)
    if name.endswith(CHECKPOINT_SUFFIXES):
        try:
            return read_state(name, path="checkpoint")
        except CheckpointError as error:
            another = "Write it to another file: brickbook zoo convert IN OUT --key "
            hint = error.hint.replace("Say which: key=", another)
            raise CheckpointError(error.path, error.problem, hint) from error
    return None


def require_config(value: Any, name: str) -> Any:
    """Refuse a config that is none."""
    if value is None:
        raise BadValueError(name, "holds no init_cfg.")
    return value
