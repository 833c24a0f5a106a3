"""Write rows of a plan into tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.init.execution.rng import SeededRng, fill_tensors
from brickbook.init.execution.shards import local_row
from brickbook.init.planning import InitPlan, PlanRow
from brickbook.introspect import clear_origins, compute_parametrized, tensors_in, walk

__all__ = ["ParameterWriter", "tensors_of"]


def tensors_of(model: nn.Module, plan: InitPlan) -> dict[str, Tensor]:
    """Return the parameters of a model by name, and the buffers that a plan writes."""
    found: dict[str, Tensor] = {
        f"{prefix}.{key}" if prefix else key: tensor
        for prefix, part in walk(model)
        for key, tensor in part._parameters.items()
        if tensor is not None
    }
    buffers = [row.name for row in plan.rows if row.kind == "buffer"]
    if buffers:
        own = dict(model.named_buffers(remove_duplicate=False))
        found.update((name, own[name]) for name in buffers if name in own)
    return found


class ParameterWriter:
    """Writes rows of a plan; memory for what is computed by parametrisations is taken first."""

    def __init__(
        self, plan: InitPlan, model: nn.Module, tensors: Mapping[str, Tensor], rng: SeededRng
    ) -> None:
        self.model, self.rng, self.plan = model, rng, plan
        self.computed_rows = [row for row in plan.rows if row.law and row.kind == "parametrised"]
        computed = {row.name: self.allocate_computed(row) for row in self.computed_rows}
        self.tensors = {**tensors, **computed}

    def allocate_computed(self, row: PlanRow) -> Tensor:
        """Return memory like a computed tensor's; an error if the plan is for another model."""
        owner, _, key = row.name.rpartition(".")
        try:
            value = compute_parametrized(self.model.get_submodule(owner), key)
        except AttributeError:
            value = None
        if value is None or value.shape != row.shape:
            raise BadValueError(row.name, "the plan was made for another model.")
        return torch.empty_like(value)

    def refresh(self, name: str) -> None:
        """Take the tensors that the module ``name`` has now: custom init code may replace them."""
        dot = f"{name}." if name else ""
        for key, tensor in tensors_in(self.model.get_submodule(name)):
            if f"{dot}{key}" in self.tensors:
                self.tensors[f"{dot}{key}"] = tensor

    def write(self, rows: Iterable[PlanRow]) -> None:
        """Draw the numbers of rows, in their order."""
        tensors = self.tensors
        writes, more = [], []
        for row in rows:
            writes.append((tensors[row.name], row.law, row.name))
            if row.padding is not None or row.kind == "parametrised":
                more.append(row)
        fill_tensors(writes, self.rng)
        clear_origins(tensor for tensor, _, _ in writes)
        for row in more:
            if row.padding is not None:
                zero_row(tensors[row.name], row.padding)
            if row.kind == "parametrised":
                self.set_parametrized(row)

    @torch.no_grad()
    def set_parametrized(self, row: PlanRow) -> None:
        """Hand a drawn tensor to its parametrisation, which computes what to keep."""
        owner, _, key = row.name.rpartition(".")
        part = self.model.get_submodule(owner)
        try:
            setattr(part, key, self.tensors[row.name])
            clear_origins(part.get_submodule(f"parametrizations.{key}").parameters())
            if not compute_parametrized(part, key).isfinite().all():
                raise ValueError("it makes NaN or infinity of them")
        except ConfigError:
            raise
        except Exception as error:
            problem = f"its parametrisation does not take the numbers: {str(error).rstrip('.')}."
            raise BadValueError(row.name, problem) from error


@torch.no_grad()
def zero_row(tensor: Tensor, at: int) -> None:
    """Make the padding row of an embedding 0, where it is in this process."""
    row = local_row(tensor, at)
    if row is not None:
        row.zero_()
