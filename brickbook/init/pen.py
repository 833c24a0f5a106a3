"""What writes the rows of a plan into their tensors: parameters, buffers, parametrised ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.rows import Row
from brickbook.init.shards import row_here
from brickbook.init.streams import Stream, fill
from brickbook.init.targets import computed
from brickbook.init.walking import walk
from brickbook.origins import forget_origins

__all__ = ["Pen", "tensors_of"]


def tensors_of(model: nn.Module, todo: InitPlan) -> dict[str, Tensor]:
    """Return the parameters of a model by name, and the buffers that a plan writes."""
    found: dict[str, Tensor] = {
        f"{prefix}.{key}" if prefix else key: tensor
        for prefix, part in walk(model)
        for key, tensor in part._parameters.items()
        if tensor is not None
    }
    buffers = [row.name for row in todo.rows if row.kind == "buffer"]
    if buffers:
        own = dict(model.named_buffers(remove_duplicate=False))
        found.update((name, own[name]) for name in buffers if name in own)
    return found


class Pen:
    """Writes rows of a plan; memory for what is computed by parametrisations is taken first."""

    def __init__(
        self, todo: InitPlan, model: nn.Module, tensors: Mapping[str, Tensor], stream: Stream
    ) -> None:
        self.model, self.stream, self.todo = model, stream, todo
        self.computed = [row for row in todo.rows if row.law and row.kind == "parametrised"]
        fresh = {row.name: self.fresh(row) for row in self.computed}
        self.tensors = {**tensors, **fresh} if fresh else tensors

    def fresh(self, row: Row) -> Tensor:
        """Return memory like a computed tensor's; an error if the plan is for another model."""
        owner, _, key = row.name.rpartition(".")
        try:
            value = computed(self.model.get_submodule(owner), key)
        except AttributeError:
            value = None
        if value is None or value.shape != row.shape:
            raise BadValueError(row.name, "the plan was made for another model.")
        return torch.empty_like(value)

    def touched(self) -> Iterator[Tensor]:
        """Yield the tensors that the laws of the plan change."""
        for row in self.todo.rows:
            if row.law is not None and row.kind != "parametrised":
                yield self.tensors[row.name]
        for row in self.computed:
            owner, _, key = row.name.rpartition(".")
            yield from self.model.get_submodule(
                f"{owner}.parametrizations.{key}".lstrip(".")
            ).parameters()

    def write(self, rows: Iterable[Row]) -> None:
        """Draw the numbers of rows, in their order."""
        tensors = self.tensors
        writes, more = [], []
        for row in rows:
            writes.append((tensors[row.name], row.law, row.name))
            if row.padding is not None or row.kind == "parametrised":
                more.append(row)
        fill(writes, self.stream)
        forget_origins(tensor for tensor, _, _ in writes)
        for row in more:
            if row.padding is not None:
                clear_row(tensors[row.name], row.padding)
            if row.kind == "parametrised":
                self.set(row)

    @torch.no_grad()
    def set(self, row: Row) -> None:
        """Hand a drawn tensor to its parametrisation, which computes what to keep."""
        owner, _, key = row.name.rpartition(".")
        part = self.model.get_submodule(owner)
        try:
            setattr(part, key, self.tensors[row.name])
            forget_origins(part.get_submodule(f"parametrizations.{key}").parameters())
            if not computed(part, key).isfinite().all():
                raise ValueError("it makes NaN or infinity of them")
        except ConfigError:
            raise
        except Exception as error:
            problem = f"its parametrisation does not take the numbers: {str(error).rstrip('.')}."
            raise BadValueError(row.name, problem) from error


@torch.no_grad()
def clear_row(tensor: Tensor, at: int) -> None:
    """Make the padding row of an embedding 0, where it is in this process."""
    row = row_here(tensor, at)
    if row is not None:
        row.zero_()
