"""Who had the last word on a parameter: a law, a checkpoint or somebody's own code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.initplan import InitPlan
from brickbook.init.report import Record, planned
from brickbook.init.rows import Row
from brickbook.init.shards import local

__all__ = ["Told", "owners_of"]

LOOKED_AT = 16


class Told:
    """What is heard while a plan is carried out, for the report.

    ``owners`` are the names that the plan has for tied parameters, by their others.
    """

    def __init__(self, model: nn.Module, owners: Mapping[str, str] | None = None) -> None:
        self.model, self.owners = model, owners or {}
        self.called: dict[str, str] = {}
        self.from_file: dict[int, str] = {}
        self.fitted: set[str] = set()

    @contextmanager
    def listening(self, path: str, name: str = "") -> Iterator[None]:
        """Note which parameters own code changes that is called on the module ``name``.

        Those of that module and below, so that many calls take no longer than their parts are
        large; one that is tied to a parameter elsewhere by the name that the plan has for it.
        """
        part, dot = self.model.get_submodule(name), f"{name}." if name else ""
        before = marks(part)
        yield
        for key, mark in marks(part).items():
            was, full = before.get(key), f"{dot}{key}"
            if was != mark:
                same = was is not None and was[0] == mark[0]
                self.called[self.owners.get(full, full) if same else full] = path

    def loaded(self, path: str, tensors: Iterable[Tensor]) -> None:
        """Note the tensors that a checkpoint has filled."""
        self.from_file.update((id(tensor), path) for tensor in tensors)

    def written(self, rows: Iterable[Row]) -> None:
        """A law was the last to write these so far."""
        if self.called:
            for row in rows:
                self.called.pop(row.name, None)

    def forget(self, tensors: Iterable[Tensor]) -> None:
        """A law has the last word on these after all."""
        for tensor in tensors:
            self.from_file.pop(id(tensor), None)

    def overwritten(self, row: Row, tensors: Mapping[str, Tensor]) -> bool:
        """Whether a checkpoint or own code, not the row's law, had the last word on it."""
        called = row.name in self.called and not row.after_load
        return called or id(tensors.get(row.name)) in self.from_file

    def records(self, todo: InitPlan, tensors: Mapping[str, Tensor]) -> dict[str, Record]:
        """Return the records of the tensors on which a law had not the last word."""
        made = {}
        for row in todo.rows if self.called or self.from_file or self.fitted else ():
            if row.tied_to or row.held:
                continue
            if id(tensors.get(row.name)) in self.from_file:
                path = self.from_file[id(tensors[row.name])]
                made[row.name] = Record(row.name, "loaded", path)
            elif row.name in self.called and not row.after_load:
                made[row.name] = Record(row.name, "called", self.called[row.name])
            elif row.name in self.fitted:
                made[row.name] = planned(row)._replace(reason="then scaled to data")
        for row in todo.rows:
            if row.law is None and row.then and not row.tied_to and row.name not in made:
                reason = f"{', '.join(row.then)} left it as it was"
                made[row.name] = Record(row.name, "left", "", reason=reason)
        return made


def owners_of(model: nn.Module) -> dict[str, str]:
    """Return the first name of every tied parameter by each of its others."""
    first: dict[int, str] = {}
    every = model.named_parameters(remove_duplicate=False)
    names = {name: first.setdefault(id(tensor), name) for name, tensor in every}
    return {name: owner for name, owner in names.items() if owner != name}


def marks(model: nn.Module) -> dict[str, tuple[object, ...]]:
    """Return for every parameter something that differs once it was written.

    The object, torch's count of writes, and a few elements: ``.data`` has a count of its own.
    """
    return {
        name: (id(tensor), None) if is_lazy(tensor) else (id(tensor), *sample(local(tensor)))
        for name, tensor in model.named_parameters(remove_duplicate=False)
    }


def sample(tensor: Tensor) -> tuple[object, ...]:
    """Return torch's count of writes and up to 16 elements; as text, in which NaN equals NaN."""
    if tensor.is_meta or not tensor.numel():
        return (tensor._version,)
    values = tensor.detach()
    flat = values.view(-1) if values.is_contiguous() else values.select(0, 0).reshape(-1)
    step = max(1, flat.numel() // LOOKED_AT)
    return tensor._version, *map(str, flat[::step][:LOOKED_AT].tolist())
