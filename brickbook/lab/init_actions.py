"""What the buttons of the init lab do: initialize, undo, redo; each also as a method."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.init_bar import Bar
from brickbook.lab.init_diagnosis import Diagnosis
from brickbook.lab.init_forecast import Forecast
from brickbook.lab.init_progress import Counting
from brickbook.lab.init_rules import RuleList
from brickbook.lab.init_session import AnotherModelError, InitSession, stranger
from brickbook.lab.init_state import InitState
from brickbook.lab.init_variants import Variants
from brickbook.lab.init_words import place, result
from brickbook.lab.panels import MODEL_LOCK, PANEL_LOCK, Panel, guarded
from brickbook.lab.weight_history import StaleWeightsError
from brickbook.texts import Texts
from brickbook.views.grid import Variant

__all__ = ["InitActions"]

MOST_NAMES = 3


class InitActions(Panel):
    """The part of the init lab that changes the model; `InitLab` lays it out."""

    model: nn.Module
    name: str
    plan: InitPlan | None
    namespace: Mapping[str, Any]
    texts: Texts
    session: InitSession
    rules: RuleList
    title: w.Label
    bar: Bar
    forecast: Forecast
    counting: Counting
    diagnosis: Diagnosis
    variants: Variants
    asked: object = None  # which step was refused, and what it would have written over

    def warnings(self, todo: InitPlan) -> list[str]:
        """Say what may go wrong with a plan."""
        raise NotImplementedError

    def predict(self) -> None:
        """Make the plan anew."""
        raise NotImplementedError

    def show_weights(self) -> None:
        """Show the numbers of the model."""
        raise NotImplementedError

    def headline(self) -> str:
        """Say what model it is, and how large."""
        raise NotImplementedError

    def apply(self) -> InitReport:
        """Do what the Initialize button does, and return the report.

        Raises the ConfigError that is shown at its field, with no parameter changed, if the rules
        cannot be used; ValueError if the name means another model now.
        """
        self.diagnosis.stop()  # it may hold the models' lock for a minute
        with PANEL_LOCK, MODEL_LOCK:
            self.rules.forgive()
            for path, text in self.rules.errors.items():
                raise BadValueError(path, text)
            with self.changing():
                self.bar.status.say(self.texts["init.busy"], "info")
                try:
                    report = self.session.apply(self.rules.state)
                except ConfigError as error:
                    self.bar.status.say(self.texts("init.unchanged", text=self.told(error)))
                    self.rules.complain(error)
                    raise
                except Exception as error:
                    text = f"{type(error).__name__}: {error}"
                    self.bar.status.say(self.texts("init.unchanged", text=text))
                    raise
                self.plan = report.plan
                self.forecast.show(self.plan, self.warnings(self.plan))
                self.bar.status.say(result(report, self.texts), "info")
            return report

    def carry_out(
        self,
        todo: InitPlan,
        *,
        seed: int | None = None,
        atomic: bool = False,
        batch: object = None,
    ) -> InitReport:
        """Initialize by a plan of elsewhere; it is shown here, and Undo takes it back.

        Raises as `brickbook.initialize` does.
        """
        with self.changing(named=False):
            report = self.session.carry_out(todo, seed, batch, atomic)
            self.bar.status.say(result(report, self.texts), "info")
        return report

    def undo(self, *, anyway: bool = False) -> None:
        """Do what the Undo button does: put back what the last Initialize has written.

        Raises ValueError if there is nothing to undo, or no copy, or another model of that name; a
        StaleWeightsError if the weights were changed since by something else, unless they are to
        be written over ``anyway``: `redo` brings them back.
        """
        with self.changing():
            self.session.undo(anyway)
            self.bar.status.say(self.texts["init.undone"], "info")

    def redo(self, *, anyway: bool = False) -> None:
        """Do what the Redo button does: write again what Undo has put back; raises as `undo`."""
        with self.changing():
            self.session.redo(anyway)
            self.bar.status.say(self.texts["init.redone"], "info")

    def told(self, error: ConfigError) -> str:
        """Say an error and where it is, with the panel's numbers of the rules."""
        text = f"{error.problem} {error.hint}".rstrip()
        return self.texts("init.line", place=place(error.path, self.texts), text=text)

    def imagine(self, state: InitState) -> Variant:
        """Say what rules would make of the model, on a copy; a batch that runs is stopped."""
        self.diagnosis.stop()
        try:
            return self.session.imagine(state)
        finally:
            self.diagnosis.resume()

    @contextmanager
    def changing(self, named: bool = True) -> Iterator[None]:
        """Change the model inside, then show it anew; counting begins again, also after failure.

        Raises ValueError, with nothing begun, if the name means another model now and it is by its
        name that it is changed.
        """
        self.diagnosis.stop()
        with PANEL_LOCK, MODEL_LOCK:
            busy = self.counting.worker.busy
            try:
                if named:
                    self.check_name()
                self.counting.worker.cancel()
                yield
            except BaseException:
                if busy:
                    self.counting.begin()
                self.diagnosis.resume()
                raise
            self.variants.again()
            self.show_weights()
            self.counting.begin()

    def check_name(self) -> None:
        """Say and raise it if the name means another model now: nobody would see the weights."""
        if stranger(self.namespace, self.name, self.model):
            text = self.texts("init.stranger", name=self.name)
            self.bar.status.say(text)
            raise AnotherModelError(self.name, text)

    @guarded
    def press_initialize(self, _button: w.Button) -> None:
        """Initialize; a config that cannot be used is shown already."""
        with suppress(ConfigError):
            self.apply()

    @guarded
    def press_undo(self, _button: w.Button) -> None:
        """Undo; another model is spoken of already."""
        self.go(self.undo, "init.undo")

    @guarded
    def press_redo(self, _button: w.Button) -> None:
        """Redo; another model is spoken of already."""
        self.go(self.redo, "init.redo")

    def go(self, step: Callable[..., None], button: str) -> None:
        """Go a step back or forth; over what others have written only at the second press."""
        asked, self.asked = self.asked, None
        try:
            try:
                step()
            except StaleWeightsError as error:
                if asked != (button, error.now):
                    self.look_again()
                    self.asked = (button, error.now)
                    self.bar.status.say(self.changes("live.stale", error.names, button))
                    return
                step(anyway=True)
        except AnotherModelError:
            return

    def changes(self, key: str, names: Sequence[str], button: str = "init.undo") -> str:
        """Say that something else has changed tensors."""
        shown = self.texts["init.comma"].join(names[:MOST_NAMES])
        if len(names) > MOST_NAMES:
            shown += self.texts["init.comma"] + "…"
        return self.texts(key, n=len(names), names=shown, button=self.texts[button])

    def meet_changes(self, names: Sequence[str]) -> bool:
        """Take it in that something else has written tensors; True if it is more than buffers."""
        if not names:
            return False
        self.diagnosis.forget()
        self.variants.again()
        self.title.value = self.headline()
        self.counting.begin()
        own = {name for name, _ in self.model.named_buffers()}
        told = [name for name in names if name not in own]
        if told:
            self.bar.status.say(self.changes("live.changed", told), "info")
        return bool(told)

    @guarded
    def look_again(self) -> None:
        """Show the weights as they are, and say so, if something else has changed them."""
        changed = self.session.look_again()
        if self.meet_changes(changed):
            self.predict()
        if changed:
            self.show_weights()
