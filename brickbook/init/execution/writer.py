"""Write rows of a plan into tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError, ConfigError, Sentence, reason_of
from brickbook.init.execution.rng import SeededRng, fill_tensors
from brickbook.init.execution.shards import local_row
from brickbook.init.planning import InitPlan, PlanRow
from brickbook.introspect import (
    ORIGINALS,
    clear_origins,
    compute_parametrized,
    is_sharded,
    pauses_collection,
    renew_spectral_vectors,
    spectral_origin,
    spectral_steps,
    tensors_in,
    walk,
)

__all__ = ["ParameterWriter", "tensors_of"]

NOT_TAKEN = "its parametrisation does not take the numbers: {why}."
NOT_FINITE = "it makes NaN or infinity of them"


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
        special = [
            row
            for row in plan.rows
            if row.kind == "parametrised" or row.padding is not None or row.name.endswith(ORIGINALS)
        ]
        parametrized = [row for row in special if row.law and row.kind == "parametrised"]
        computed = {row.name: self.allocate_computed(row) for row in parametrized}
        self.spectral = {
            row.name: found
            for row in special
            if row.law and (found := spectral_origin(model, row.name))
        }
        self.stream_names = {name: stream_of_original(name) for name in self.spectral}
        self.has_padding = any(row.padding is not None for row in special)
        self.computed_rows = [*parametrized, *(plan[name] for name in self.spectral)]
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

    @pauses_collection
    def write(self, rows: Iterable[PlanRow]) -> None:
        """Draw the numbers of rows, in their order.

        What a parametrisation computes is set before a later row fills what it is computed from.
        """
        if not self.computed_rows:
            self.write_group(rows)
            return
        group: list[PlanRow] = []
        chains: list[str] = []
        for row in rows:
            if chains and row.name.startswith(tuple(chains)):
                self.write_group(group)
                group, chains = [], []
            group.append(row)
            if row.kind == "parametrised":
                owner, _, key = row.name.rpartition(".")
                chains.append(f"{owner}.parametrizations.{key}.".lstrip("."))
        self.write_group(group)

    def write_group(self, rows: Iterable[PlanRow]) -> None:
        """Draw the numbers of rows, then set those that are computed."""
        rows, tensors, streams = list(rows), self.tensors, self.stream_names
        writes: list[Any] = [
            (tensors[row.name], row.law, streams.get(row.name, row.name)) for row in rows
        ]
        fill_tensors(writes, self.rng)
        clear_origins(tensor for tensor, _, _ in writes)
        for row in rows if self.computed_rows or self.has_padding else ():
            if row.padding is not None:
                zero_row(tensors[row.name], row.padding)
            if row.kind == "parametrised":
                self.set_parametrized(row)
            elif row.name in self.spectral:
                self.renew_spectral(row)

    def renew_spectral(self, row: PlanRow) -> None:
        """Make the vectors of a spectral norm those of the new numbers; of shards they stay."""
        part, key = self.spectral[row.name]
        if is_sharded(self.tensors[row.name]):
            return
        renew_spectral_vectors(part, key)
        if row.name.endswith("_orig"):
            return
        if not compute_parametrized(part, key).isfinite().all():
            problem = Sentence(NOT_TAKEN, why=Sentence(NOT_FINITE))
            raise BadValueError(self.stream_names[row.name], problem)

    @torch.no_grad()
    def set_parametrized(self, row: PlanRow) -> None:
        """Hand a drawn tensor to its parametrisation, which computes what to keep."""
        owner, _, key = row.name.rpartition(".")
        part = self.model.get_submodule(owner)
        try:
            setattr(part, key, self.tensors[row.name])
            clear_origins(part.get_submodule(f"parametrizations.{key}").parameters())
            if spectral_steps(part, key):  # torch's own start of the original
                renew_spectral_vectors(part, key)
                return
            value, drawn = compute_parametrized(part, key), self.tensors[row.name]
            if not value.isfinite().all():
                raise ValueError(NOT_FINITE)
            largest = drawn.abs().max().item() if drawn.numel() else 0.0
            slack = 100 * torch.finfo(drawn.dtype).eps
            if not torch.allclose(value, drawn, rtol=slack, atol=slack * largest):
                found, wanted = std(value), std(drawn)
                text = "it makes others of them, with std {found} instead of {wanted}"
                raise ValueError(Sentence(text, found=f"{found:.3g}", wanted=f"{wanted:.3g}"))
        except ConfigError:
            raise
        except Exception as error:
            raise BadValueError(row.name, Sentence(NOT_TAKEN, why=reason_of(error))) from error


def stream_of_original(name: str) -> str:
    """Return the name that an original's numbers are drawn by: that of what it computes."""
    if name.endswith("_orig"):
        return name
    owner, _, key = name.rpartition("parametrizations.")
    return owner + key.removesuffix(".original")


def std(tensor: Tensor) -> float:
    """Return the root of the mean squared distance from the mean, in float32 or more."""
    return float(
        torch.var(tensor.to(torch.promote_types(tensor.dtype, torch.float32)), correction=0).sqrt()
    )


@torch.no_grad()
def zero_row(tensor: Tensor, at: int) -> None:
    """Make the padding row of an embedding 0, where it is in this process."""
    row = local_row(tensor, at)
    if row is not None:
        row.zero_()
