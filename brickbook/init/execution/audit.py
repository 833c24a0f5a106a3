"""Tracks which step wrote each parameter last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.execution.report import Outcome, planned_outcome
from brickbook.init.planning import InitPlan, PlanRow, writing_order
from brickbook.introspect import is_sharded, local_tensor

__all__ = ["WriteAudit", "tied_owners"]

SAMPLE_SIZE = 16


class WriteAudit:
    """Tracks which step wrote each parameter last, for the report.

    Args:
        model: The model that the plan is for.
        owners: For every other name of a tied parameter the one that the plan has.
    """

    def __init__(self, model: nn.Module, owners: Mapping[str, str] | None = None) -> None:
        self.model, self.owners = model, owners or {}
        self.written_by_code: dict[str, str] = {}
        self.loaded_from: dict[int, str] = {}
        self.fitted: set[str] = set()

    @contextmanager
    def watch(self, path: str, name: str = "", ignored: Collection[str] = ()) -> Iterator[None]:
        """Note which parameters change while custom init code runs on the module ``name``.

        Only that module and what is below is looked at, so that many calls take no longer than
        their parts are large; a parameter that is tied to one elsewhere is noted by the name that
        the plan has for it. ``ignored`` names are not noted.
        """
        part, dot = self.model.get_submodule(name), f"{name}." if name else ""
        before = fingerprints(part)
        yield
        for key, mark in fingerprints(part).items():
            was, full = before.get(key), f"{dot}{key}"
            if was != mark and full not in ignored:
                same = was is not None and was[0] == mark[0]
                self.written_by_code[self.owners.get(full, full) if same else full] = path

    def record_loaded(self, path: str, tensors: Iterable[Tensor]) -> None:
        """Note the tensors that a checkpoint has filled."""
        self.loaded_from.update((id(tensor), path) for tensor in tensors)

    def record_written(self, rows: Iterable[PlanRow]) -> None:
        """Note that laws were the last to write these, so far."""
        if self.written_by_code:
            for row in rows:
                self.written_by_code.pop(row.name, None)

    def discard(self, tensors: Iterable[Tensor]) -> None:
        """Note that laws have written these after a checkpoint."""
        for tensor in tensors:
            self.loaded_from.pop(id(tensor), None)

    def is_overwritten(self, row: PlanRow, tensors: Mapping[str, Tensor]) -> bool:
        """Whether a checkpoint or custom init code wrote it after the row's law."""
        called = row.name in self.written_by_code and not row.after_load
        return called or id(tensors.get(row.name)) in self.loaded_from

    def outcomes(self, plan: InitPlan, tensors: Mapping[str, Tensor]) -> dict[str, Outcome]:
        """Return the outcomes of the tensors that a law was not the last to write."""
        made = {}
        for row in plan.rows if self.written_by_code or self.loaded_from or self.fitted else ():
            if row.tied_to or row.pinned:
                continue
            if id(tensors.get(row.name)) in self.loaded_from:
                path = self.loaded_from[id(tensors[row.name])]
                made[row.name] = Outcome(row.name, "loaded", path)
            elif row.name in self.written_by_code and not row.after_load:
                made[row.name] = Outcome(row.name, "called", self.written_by_code[row.name])
            elif row.name in self.fitted:
                made[row.name] = planned_outcome(row)._replace(reason="then scaled to data")
        for row, other in overlapping_rows(plan):
            if made.get(row.name, planned_outcome(row)).action == "written":
                reason = f"then changed by writing {other.name}"
                made[row.name] = planned_outcome(row)._replace(reason=reason)
        for row in plan.rows_with_overflow:
            if row.name not in tensors:
                continue
            done = made.get(row.name) or planned_outcome(row)
            infinite = describe_infinite(tensors[row.name])
            if done.action == "written" and infinite:
                reason = f"{done.reason}; {infinite}" if done.reason else infinite
                made[row.name] = done._replace(reason=reason)
        for row in plan.rows:
            if row.law is None and row.later_writers and not row.tied_to and row.name not in made:
                reason = f"{', '.join(row.later_writers)} left it as it was"
                made[row.name] = Outcome(row.name, "left", "", reason=reason)
        return made


def describe_infinite(tensor: Tensor) -> str:
    """Say how many elements of a tensor are infinite, of a shard those that are here; "" if none.

    Infinite are numbers that a law has drawn beyond the range of the dtype.
    """
    values = local_tensor(tensor).detach()
    count = int(torch.isinf(values).sum())
    if not count:
        return ""
    kind, most = str(tensor.dtype)[6:], torch.finfo(tensor.dtype).max
    here = " of this shard" if is_sharded(tensor) else ""
    return f"{count:,} of {values.numel():,} elements{here} are infinite: {kind} ends at {most:.4g}"


def overlapping_rows(plan: InitPlan) -> Iterator[tuple[PlanRow, PlanRow]]:
    """Yield pairs of rows of which the second is written later, into the same parametrisation."""
    for row in plan.rows:
        owner, inside, rest = row.name.rpartition("parametrizations.")
        computed = plan.get(owner + rest.partition(".")[0]) if inside and row.law else None
        if computed is not None and computed.law is not None:
            earlier = writing_order(row) < writing_order(computed)
            yield (row, computed) if earlier else (computed, row)


def tied_owners(model: nn.Module) -> dict[str, str]:
    """Return the first name of every tied parameter by each of its others."""
    first: dict[int, str] = {}
    every = model.named_parameters(remove_duplicate=False)
    names = {name: first.setdefault(id(tensor), name) for name, tensor in every}
    return {name: owner for name, owner in names.items() if owner != name}


def fingerprints(model: nn.Module) -> dict[str, tuple[object, ...]]:
    """Return for every parameter something that differs once it was written.

    The object, torch's count of writes, and a few elements: ``.data`` has a count of its own.
    """
    return {
        name: (id(tensor), None)
        if is_lazy(tensor)
        else (id(tensor), *sample_elements(local_tensor(tensor)))
        for name, tensor in model.named_parameters(remove_duplicate=False)
    }


def sample_elements(tensor: Tensor) -> tuple[object, ...]:
    """Return torch's count of writes and up to 16 elements; as text, in which NaN equals NaN."""
    if tensor.is_meta or not tensor.numel():
        return (tensor._version,)
    values = tensor.detach()
    flat = values.view(-1) if values.is_contiguous() else values.select(0, 0).reshape(-1)
    step = max(1, flat.numel() // SAMPLE_SIZE)
    return tensor._version, *map(str, flat[::step][:SAMPLE_SIZE].tolist())
