"""Undo and redo of weights within a budget, and noticing what something else has written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.lab.init.words import short_count
from brickbook.measure.snapshot import compute_digest, missing_reason

INTEGER_TYPES = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes a value


class StaleWeightsError(BadValueError):
    """A step back or forth that would write over what somebody else has written since.

    ``names`` are the tensors, ``now`` tells what they hold from what they may hold later.
    """

    def __init__(self, path: str, names: tuple[str, ...], now: tuple[object, ...]) -> None:
        shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        were = "1 tensor was" if len(names) == 1 else f"{len(names):,} tensors were"
        super().__init__(path, f"{were} changed since by something else: {shown}.",
                         "Pass anyway=True to write over that.")  # fmt: skip
        self.names, self.now = names, now


@dataclass
class UndoStep:
    """One step: the other values of the tensors it wrote, and what an initialisation did.

    ``copies`` are the old values while the step is done, and the new ones while it is undone.
    ``fingerprints`` tell whether the model still holds what the step left in it.
    """

    report: InitReport | None
    copies: dict[str, Tensor]
    fingerprints: Mapping[str, TensorFingerprint] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many bytes the copies take."""
        return total_bytes(self.copies.items())


class WeightHistory:
    """Initialisations of a model that can be undone and redone; copies fit into ``budget`` bytes.

    ``why_no_undo`` and ``why_no_redo`` say why not, "" if it can be done. Of a ``large`` model not
    all values are read to notice what others have written; see `changed_names`.
    """

    def __init__(
        self, model: nn.Module, budget: int, texts: Texts | None = None, large: bool = False
    ) -> None:
        self.model, self.budget, self.texts = model, budget, texts or Texts()
        self.large, self.known_fingerprints = large, dict[str, TensorFingerprint]()
        self.done: list[UndoStep] = []
        self.undone: list[UndoStep] = []
        self.no_undo_reason = ""  # why not, if there is more to say than that nothing was done

    @property
    def why_no_undo(self) -> str:
        """Why there is nothing to undo."""
        return "" if self.done else self.no_undo_reason or self.texts["init.no_undo"]

    @property
    def why_no_redo(self) -> str:
        """Why there is nothing to redo."""
        return "" if self.undone else self.texts["init.no_redo"]

    @property
    def report(self) -> InitReport | None:
        """What the last step did that is not undone."""
        return self.done[-1].report if self.done else None

    def why_not_kept(self, tensors: Iterable[tuple[str, Tensor]]) -> str:
        """Return why copies of tensors cannot be kept; "" if they can."""
        need = total_bytes(tensors)
        if need <= self.budget:
            return ""
        sizes = {"need": short_count(need), "budget": short_count(self.budget)}
        return self.texts("init.no_room", **sizes)

    def copy_to_cpu(self, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        """Return copies on the CPU."""
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
            for name, tensor in tensors
        }

    def push(self, report: InitReport | None, copies: dict[str, Tensor], why_no_undo: str) -> None:
        """Add a step that was done; the oldest ones are dropped where the budget ends.

        Where ``why_no_undo`` says why there are no copies, there is no way back from here. A step
        that wrote nothing needs none.
        """
        self.undone.clear()
        self.no_undo_reason = why_no_undo
        if why_no_undo:
            self.done.clear()
        if copies:
            self.done.append(UndoStep(report, copies))
            self.fingerprint_step(self.done[-1])
        while sum(step.size for step in self.done) > self.budget:
            self.done.pop(0)

    def undo(self, anyway: bool = False) -> None:
        """Put back what the last step has written, bit for bit.

        Args:
            anyway: write over what others have written since; `redo` brings that back.

        Raises:
            StaleWeightsError: others have written since, and not ``anyway``; nothing is written.
            ValueError: there is no step, or it fits no longer; nothing is written.
        """
        if self.why_no_undo:
            raise BadValueError("undo", self.why_no_undo)
        self.exchange(self.done[-1], "undo", anyway)
        self.undone.append(self.done.pop())
        self.no_undo_reason = ""

    def redo(self, anyway: bool = False) -> None:
        """Write again what the last undone step had written, bit for bit.

        Raises:
            StaleWeightsError: As in `undo`.
            ValueError: There is nothing to do again, or as in `undo`.
        """
        if self.why_no_redo:
            raise BadValueError("redo", self.why_no_redo)
        self.exchange(self.undone[-1], "redo", anyway)
        self.done.append(self.undone.pop())

    def changed_names(self) -> tuple[str, ...]:
        """Return the names of what others have written, replaced or added since `record_state`."""
        return changed_tensors(self.known_fingerprints, named_tensors(self.model))

    def is_untouched(self) -> bool:
        """Whether all is as at `record_state`, by a read of all values; False for a large model.

        Unlike `changed_names` it also sees one value that was written by way of ``.data``.
        """
        return not self.large and self.known_fingerprints == fingerprint_tensors(
            named_tensors(self.model)
        )

    def record_state(self) -> None:
        """Take what the model holds for known."""
        self.known_fingerprints = fingerprint_tensors(named_tensors(self.model), not self.large)

    def fingerprint_step(self, step: UndoStep) -> None:
        """Take fingerprints of what a step wrote, done or undone."""
        step.fingerprints = fingerprint_tensors(
            (n, t) for n, t in named_tensors(self.model) if n in step.copies
        )

    def discard_copies(self) -> None:
        """Let go of all copies."""
        self.done.clear()
        self.undone.clear()
        self.no_undo_reason = ""

    def exchange(self, step: UndoStep, operation: str, anyway: bool) -> None:
        """Swap the copies with what the model holds, after a check that each still fits."""
        tensors, copies = dict(named_tensors(self.model)), step.copies
        for name, copy in copies.items():
            if name not in tensors or tensors[name].shape != copy.shape:
                raise BadValueError(name, self.texts["init.misfit"])
        stale = changed_tensors(step.fingerprints, ((name, tensors[name]) for name in copies))
        if stale and not anyway:
            raise StaleWeightsError(
                operation, stale, tuple(quick_fingerprint(tensors[name]) for name in stale)
            )
        with torch.no_grad():
            for name, copy in copies.items():
                now = tensors[name].detach().to("cpu", copy=True)
                tensors[name].copy_(copy)
                copy.copy_(now)
        self.fingerprint_step(step)


def named_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer once."""
    yield from model.named_parameters()
    yield from model.named_buffers()


def total_bytes(tensors: Iterable[tuple[str, Tensor]]) -> int:
    """Return how many bytes tensors take."""
    return sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)


class TensorFingerprint(NamedTuple):
    """What tells a tensor from another, and its values from others.

    ``version`` is torch's count of writes, which leaves out those by way of ``.data``; ``digest``
    is a checksum of some values in their order, ``checksum`` the sum of all bits, None if it was
    not taken.
    """

    tensor_id: int
    version: int
    layout: str
    digest: int
    checksum: int | None = None


def fingerprint_tensors(
    tensors: Iterable[tuple[str, Tensor]], with_checksum: bool = True
) -> dict[str, TensorFingerprint]:
    """Fingerprint tensors as they are; of 25 million values that takes 20 ms.

    Without a checksum only a few values of each are read; then a write that leaves those as they
    were counts as a change too.
    """
    return {
        name: quick_fingerprint(tensor)._replace(
            checksum=full_checksum(tensor) if with_checksum else None
        )
        for name, tensor in tensors
    }


def quick_fingerprint(tensor: Tensor) -> TensorFingerprint:
    """Fingerprint a tensor without reading all its values."""
    if is_lazy(tensor):
        return TensorFingerprint(id(tensor), 0, "uninitialized", 0)
    version = 0 if tensor.is_inference() else tensor._version
    layout = f"{tensor.dtype} {tuple(tensor.shape)} {tensor.device}"
    digest = 0 if missing_reason(tensor) else compute_digest(real_values(tensor))
    return TensorFingerprint(id(tensor), version, layout, digest)


def full_checksum(tensor: Tensor) -> int:
    """Return the sum of all bits, read as whole numbers."""
    if missing_reason(tensor) or not tensor.numel():
        return 0
    values = real_values(tensor)
    if values.device.type != "cpu":
        kind = INTEGER_TYPES.get(values.element_size())
        return int((values if kind is None else values.view(kind)).sum(dtype=torch.int64))
    octets = values.contiguous().reshape(-1).view(torch.uint8).numpy()
    even = octets.size // 8 * 8  # eight at a time: thirty times as fast as torch's sum
    return int(octets[:even].view("uint64").sum()) + int(octets[even:].sum())


def real_values(tensor: Tensor) -> Tensor:
    """Return the values without gradients, complex ones as pairs."""
    values = tensor.detach()
    return torch.view_as_real(values.resolve_conj()) if values.is_complex() else values


def changed_tensors(
    fingerprints: Mapping[str, TensorFingerprint], tensors: Iterable[tuple[str, Tensor]]
) -> tuple[str, ...]:
    """Return the names whose tensors hold other values now, or are there no more, or are new."""
    now = dict(tensors)
    changed = [name for name, it in now.items() if has_changed(fingerprints.get(name), it)]
    return (*changed, *(name for name in fingerprints if name not in now))


def has_changed(old: TensorFingerprint | None, tensor: Tensor) -> bool:
    """Whether a tensor holds other values; all are read only if it was written or replaced."""
    now = quick_fingerprint(tensor)
    if old is None or (old.layout, old.digest) != (now.layout, now.digest):
        return True
    if (old.tensor_id, old.version) == (now.tensor_id, now.version):
        return False
    return old.checksum is None or old.checksum != full_checksum(tensor)
