"""The rows of a plan that torch's own laws fill, where no rule speaks and no values are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.init.allocating import tensors_in
from brickbook.init.defaults import defaults_of, laws_by_tensor, own_tensors
from brickbook.init.initplan import InitPlan
from brickbook.init.laws import Law
from brickbook.init.rows import Row
from brickbook.init.targets import parametrised, unfit
from brickbook.init.walking import walk

__all__ = ["RULE", "SOURCE", "blank_row", "default_rows"]

SOURCE, RULE = "torch", "default"
FIRST = -(1 << 40)  # the place of defaults in the order of writing: before all rules, from 1 on
STARTED = "is already initialised"


def default_rows(todo: InitPlan, model: nn.Module) -> InitPlan:
    """Return a plan in which torch's own law starts what no rule speaks of.

    Only tensors on the meta device, which have no values to keep: parameters, what torch's
    parametrisations compute, and the running statistics of norms. They come before all other
    steps, in the order of the model, so that rules, own code and checkpoints have the last word.
    What is protected, frozen by wish, or of a part that is started already keeps its row.
    """
    laws = laws_by_tensor(model)
    places: dict[str, tuple[nn.Module, str, Tensor]] = {
        f"{prefix}.{key}" if prefix else key: (part, key, tensor)
        for prefix, part in walk(model)
        for key, tensor in own_tensors(part)
    }
    rows = {row.name: row for row in todo.rows}
    for row in todo.rows:
        part, key, tensor = places.get(row.name, (model, "", None))
        law = laws.get(id(tensor))
        if tensor is not None and law is not None and is_open(row, tensor):
            padding = getattr(part, "padding_idx", None) if key == "weight" else None
            rows[row.name] = started(row, law)._replace(padding=padding)
    for prefix, part in walk(model):
        if "parametrizations" in part._modules:
            set_through(rows, prefix, part, places)
    seen = set[int]()
    for name, (part, key, tensor) in places.items():
        law = laws.get(id(tensor)) if key in part._buffers and tensor.is_meta else None
        if law is not None and id(tensor) not in seen and not is_lazy(tensor):
            seen.add(id(tensor))
            rows.setdefault(name, started(blank_row(name, "buffer", part, tensor), law))
    return replace(todo, rows=numbered(rows.values()))


def is_open(row: Row, tensor: Tensor) -> bool:
    """Whether a row may be given a default: it has no law, no values and no reason to stay."""
    free = row.law is None and not row.tied_to and not row.held and tensor.is_meta
    return free and not row.reason.endswith(STARTED) and not unfit(tensor)


def started(row: Row, law: Law) -> Row:
    """Return a row with torch's law."""
    return row._replace(law=law, source=SOURCE, rule=RULE, reason="")


def blank_row(name: str, kind: str, part: nn.Module, tensor: Tensor) -> Row:
    """Return a row for a tensor that the plan does not speak of."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    shape = () if is_lazy(tensor) else tuple(tensor.shape)
    return Row(name, kind, type(part).__name__, shape, dtype)


def set_through(
    rows: dict[str, Row],
    prefix: str,
    part: nn.Module,
    places: Mapping[str, tuple[nn.Module, str, Tensor]],
) -> None:
    """Give torch's law to what parametrisations of a layer compute, if all of it is open."""
    dot, laws = f"{prefix}." if prefix else "", defaults_of(part)
    for slot in parametrised(part):
        name, inner = f"{dot}{slot.key}", f"{dot}parametrizations.{slot.key}."
        chain = part.get_submodule(f"parametrizations.{slot.key}")
        within = (f"{inner}{key}" for key, _ in tensors_in(chain))
        sources = [rows[each] for each in within if each in rows]
        free = all(is_open(row, places[row.name][2]) for row in sources if row.name in places)
        if slot.key in laws and name not in rows and free:
            row = blank_row(name, "parametrised", part, slot.tensor)
            rows[name] = started(row, laws[slot.key])
            for source in sources:
                rows[source.name] = source._replace(reason=f"it is set through {name}")


def numbered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Put torch's laws before everything else, in the order of the rows."""
    rows = list(rows)
    return tuple(
        row._replace(order=at + FIRST) if (row.source, row.rule) == (SOURCE, RULE) else row
        for at, row in enumerate(rows)
    )
