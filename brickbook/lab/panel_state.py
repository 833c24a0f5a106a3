"""What the init lab holds, as a frozen value: the rules with the way back, and kept variants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from brickbook.errors import BadValueError
from brickbook.lab.init_state import InitState

__all__ = ["MOST_VARIANTS", "PanelState"]

HISTORY = 200
MOST_VARIANTS = 3  # beside the rules at hand: more lines in one picture cannot be told apart
LABELS = "ABC"


@dataclass(frozen=True)
class PanelState:
    """The rules at hand, those before and after in the history, and variants to compare them with.

    Every edit returns a new value. ``variants`` are rules under a letter, kept beside those at
    hand; taking one out of the history does not change them.

    >>> panel = PanelState().apply(InitState().add({"type": "Ones", "layer": ["Linear"]}))
    >>> panel.undo().state.rules, panel.undo().redo() == panel
    ((), True)
    """

    state: InitState = field(default_factory=InitState)
    past: tuple[InitState, ...] = ()
    future: tuple[InitState, ...] = ()
    variants: Mapping[str, InitState] = field(default_factory=dict)

    def apply(self, state: InitState) -> PanelState:
        """Go to other rules; the old ones can be had back."""
        if state == self.state:
            return self
        past = (*self.past, self.state)[-HISTORY:]
        return replace(self, state=state, past=past, future=())

    def undo(self) -> PanelState:
        """Take the last edit back, if there is one."""
        if not self.past:
            return self
        *past, back = self.past
        return replace(self, state=back, past=tuple(past), future=(self.state, *self.future))

    def redo(self) -> PanelState:
        """Make the edit again that `undo` took back, if there is one."""
        if not self.future:
            return self
        again, *future = self.future
        return replace(self, state=again, past=(*self.past, self.state), future=tuple(future))

    def keep(self) -> PanelState:
        """Keep the rules at hand as a variant, under the first free letter.

        Raises ValueError if all letters are taken.
        """
        free = next((label for label in LABELS if label not in self.variants), "")
        if not free:
            raise BadValueError(
                "variants", f"{MOST_VARIANTS} are kept already.", "Drop one of them first."
            )
        return replace(self, variants=dict(sorted({**self.variants, free: self.state}.items())))

    def drop(self, label: str) -> PanelState:
        """Keep a variant no longer."""
        rest = {name: state for name, state in self.variants.items() if name != label}
        return replace(self, variants=rest)

    def take(self, label: str) -> PanelState:
        """Make a variant's rules those at hand. Raises KeyError for an unknown letter."""
        return self.apply(self.variants[label])

    def to_python(self, name: str = "model") -> str:
        """Return Python that starts the model called ``name`` by the rules at hand."""
        return self.state.to_python(name)

    def to_json(self) -> str:
        """Return the rules at hand and the variants as JSON text; the history is not in it."""
        kept = {label: json.loads(state.to_json()) for label, state in self.variants.items()}
        return json.dumps({**json.loads(self.state.to_json()), "variants": kept}, indent=2)

    @classmethod
    def from_json(cls, text: str) -> PanelState:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        kept = data.get("variants", {})
        variants = {
            label: InitState.from_cfg(one["init_cfg"], one["seed"]) for label, one in kept.items()
        }
        return cls(InitState.from_cfg(data["init_cfg"], data["seed"]), variants=variants)
