"""Weights that were written over, kept within a budget: the way back and forth again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from brickbook.errors import BadValueError
from brickbook.init.report import InitReport
from brickbook.lab.init_words import size_text
from brickbook.lab.weight_marks import Mark, differing, marks_of, quick
from brickbook.texts import Texts

__all__ = ["StaleWeightsError", "Step", "WeightHistory", "tensors_of"]


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
class Step:
    """One initialisation: what it did, and the other values of the tensors it wrote.

    They are the old ones while the step is done, and the new ones while it is undone. ``marks``
    tell whether the model still holds the others.
    """

    report: InitReport
    copies: dict[str, Tensor]
    marks: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many bytes the copies take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.copies.values())


class WeightHistory:
    """The steps of one model that can be undone and redone; all copies fit into ``budget`` bytes.

    ``why_no_undo`` and ``why_no_redo`` say why not, "" if it can be done. Of a ``large`` model not
    all values are read to notice what others have written; see `changed`.
    """

    def __init__(
        self, model: nn.Module, budget: int, texts: Texts | None = None, large: bool = False
    ) -> None:
        self.model, self.budget, self.texts = model, budget, texts or Texts()
        self.large, self.seen = large, dict[str, Mark]()
        self.done: list[Step] = []
        self.undone: list[Step] = []
        self.reason = ""  # why not, if there is more to say than that nothing was done

    @property
    def why_no_undo(self) -> str:
        """Why there is nothing to undo."""
        return "" if self.done else self.reason or self.texts["init.no_undo"]

    @property
    def why_no_redo(self) -> str:
        """Why there is nothing to redo."""
        return "" if self.undone else self.texts["init.no_redo"]

    @property
    def report(self) -> InitReport | None:
        """What the last step did that is not undone."""
        return self.done[-1].report if self.done else None

    def why_not(self, tensors: Iterable[tuple[str, Tensor]]) -> str:
        """Say why tensors cannot be kept; "" if they can."""
        need = sum(tensor.numel() * tensor.element_size() for _, tensor in tensors)
        if need <= self.budget:
            return ""
        sizes = {"need": size_text(need), "budget": size_text(self.budget)}
        return self.texts("init.no_room", **sizes)

    def copy(self, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
        """Return copies on the CPU."""
        return {
            name: tensor.detach().to("cpu", copy=True, memory_format=torch.preserve_format)
            for name, tensor in tensors
        }

    def push(self, report: InitReport, copies: dict[str, Tensor], reason: str) -> None:
        """Note a step that was done; the oldest ones are dropped where the budget ends.

        Where ``reason`` says why there are no copies, there is no way back from here. A step that
        wrote nothing needs none.
        """
        self.undone.clear()
        self.reason = reason
        if reason:
            self.done.clear()
        if copies:
            self.done.append(Step(report, copies))
            self.mark(self.done[-1])
        while sum(step.size for step in self.done) > self.budget:
            self.done.pop(0)

    def undo(self, anyway: bool = False) -> None:
        """Put back what the last step has written, bit for bit.

        Raises ValueError, with nothing written, if there is no step or it fits no longer; a
        StaleWeightsError if others have written since. `redo` brings back what was there
        ``anyway``.
        """
        if self.why_no_undo:
            raise BadValueError("undo", self.why_no_undo)
        self.swap(self.done[-1], "undo", anyway)
        self.undone.append(self.done.pop())
        self.reason = ""

    def redo(self, anyway: bool = False) -> None:
        """Write again what the last undone step had written, bit for bit; raises as `undo`."""
        if self.why_no_redo:
            raise BadValueError("redo", self.why_no_redo)
        self.swap(self.undone[-1], "redo", anyway)
        self.done.append(self.undone.pop())

    def changed(self) -> tuple[str, ...]:
        """Return the names of what somebody else has written, replaced or added since `look`."""
        return differing(self.seen, tensors_of(self.model))

    def untouched(self) -> bool:
        """Whether all is what `look` has seen, by a read of all values; of a large model unknown.

        Unlike `changed` it also sees one value that was written by way of ``.data``.
        """
        return not self.large and self.seen == marks_of(tensors_of(self.model))

    def look(self) -> None:
        """Take what the model holds for known."""
        self.seen = marks_of(tensors_of(self.model), not self.large)

    def mark(self, step: Step) -> None:
        """Note what the model holds after a step, forth or back."""
        step.marks = marks_of((n, t) for n, t in tensors_of(self.model) if n in step.copies)

    def forget(self) -> None:
        """Let go of all copies."""
        self.done.clear()
        self.undone.clear()
        self.reason = ""

    def swap(self, step: Step, word: str, anyway: bool) -> None:
        """Exchange the copies with what the model holds, after a look whether each still fits."""
        tensors, copies = dict(tensors_of(self.model)), step.copies
        for name, copy in copies.items():
            if name not in tensors or tensors[name].shape != copy.shape:
                raise BadValueError(name, self.texts["init.misfit"])
        stale = differing(step.marks, ((name, tensors[name]) for name in copies))
        if stale and not anyway:
            raise StaleWeightsError(word, stale, tuple(quick(tensors[name]) for name in stale))
        with torch.no_grad():
            for name, copy in copies.items():
                now = tensors[name].detach().to("cpu", copy=True)
                tensors[name].copy_(copy)
                copy.copy_(now)
        self.mark(step)


def tensors_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer once."""
    yield from model.named_parameters()
    yield from model.named_buffers()
