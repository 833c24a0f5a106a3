"""The tab of the race: the rules at hand and the variants, trained for some steps on copies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from brickbook.errors import BadValueError, ConfigError
from brickbook.i18n import Texts
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.race.choices import data_names
from brickbook.lab.race.section import RaceSection
from brickbook.lab.widgets import JobProgress, ProgressCallback, Section, reports_errors
from brickbook.live_panels import MODEL_LOCK
from brickbook.measure.probe import collect_tensors, first_layer, guess_shape
from brickbook.measure.race import fitting_tasks

__all__ = ["RaceTab"]

MOST = 4  # starts in a race


class RaceTab(Section):
    """A ``race`` of the weights as they are, the rules at hand and the variants.

    The tasks are those that fit the model's input and output, which a copy of it shows in a thread,
    and the user's pairs of tensors and DataLoaders.
    """

    message_position = 0

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts = texts
        self.state: LabState | None = None
        self.known: Any = None
        self.tasks: Mapping[str, Callable[[], Any]] = {}
        self.race = RaceSection(self.find_starts, texts)
        self.looking = JobProgress(texts["race.stop_tip"], texts)
        super().__init__(self.looking, self.race)

    def show(self, state: LabState) -> None:
        """Offer what the model can be trained on, looked for again when its input is another."""
        self.state = state
        shape = self.input_shape(state)
        known = (id(state.model), shape)
        if known == self.known:
            self.offer()
            return
        self.known = known

        def task(_report: ProgressCallback) -> Mapping[str, Callable[[], Any]]:
            with MODEL_LOCK:
                model = copy.deepcopy(state.model)
            return fitting_tasks(model, shape)

        self.looking.start_job(self.texts["race.looking"], task, self.on_tasks, 0.3)

    def input_shape(self, state: LabState) -> tuple[int, ...]:
        """Return the shape of the model's input: of the batch, as typed, or a guess."""
        for tensor in collect_tensors(state.batch)[:1]:
            return tuple(tensor.shape)
        guess = guess_shape(first_layer(state.model)[1]) or (1, 3, 64, 64)
        return tuple(state.input_shape or guess)

    @reports_errors
    def on_tasks(self, found: Any, error: Exception | None) -> None:
        """Offer the tasks that fit, or say why none does."""
        self.looking.finish()
        self.tasks = found or {}
        self.offer()
        self.show_message("")
        if isinstance(error, ConfigError):
            self.show_message(self.texts.explain(type(error)("", error.problem, error.hint)))
        elif error is not None:
            raise error

    def offer(self) -> None:
        """Offer the tasks and the user's variables."""
        state = self.state
        if state is None:
            return
        found = dict(self.tasks)
        for name in data_names(state.namespace):
            label = self.texts("race.variable", name=name)
            found.setdefault(label, partial(state.namespace.__getitem__, name))
        self.race.offer(found)

    def find_starts(self) -> tuple[nn.Module, Mapping[str, Any]]:
        """Return a copy of the model as it is, and how each variant starts.

        Raises:
            BadValueError: The model must not be run.
        """
        state = self.state
        assert state is not None
        if state.problem:
            raise BadValueError("model", state.problem)
        starts: dict[str, Any] = {self.texts["race.now"]: None}
        if state.plan is not None:
            starts[self.texts["race.at_hand"]] = list(state.rules.rules)
        for label, rules in state.variant_rules.items():
            starts[label] = list(rules.rules)
        if len(starts) > MOST:  # the variants were kept to be compared
            del starts[self.texts["race.now"]]
        with MODEL_LOCK:
            return copy.deepcopy(state.model), dict(tuple(starts.items())[:MOST])

    def close(self) -> None:
        """Stop, and close everything."""
        self.looking.worker.cancel()
        self.race.close()
        super().close()
