"""The race panel by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.race.choices import data_names, own_tasks
from brickbook.lab.race.section import RaceSection
from brickbook.lab.widgets import HTMLText, Panel, full_width, reports_errors
from brickbook.measure.probe import first_layer, guess_shape
from brickbook.measure.race import Race, fitting_tasks
from brickbook.measure.race.data import check_data
from brickbook.measure.race.race import check_starts
from brickbook.views.page import StaticReport
from brickbook.views.svg.race import race_picture

__all__ = ["RacePanel"]

GIVEN = "data"


class RacePanel(Panel):
    """Short trainings of one model from several starts, on the same batches, live.

    ``section`` has the controls, ``race`` is what was found last.

    Args:
        model_fn: A model, of which copies are trained, or a function that makes one; None for the
            small model that each built-in task has.
        init_cfgs: The starts by name, as `brickbook.race` takes them.
        data: What `brickbook.race` takes; None for built-in tasks that fit the model.
        input_shape: Without data, the shape of the model's input, batch size first; by default a
            guess by its first layer.
        loss: Of output and target; by default by the targets.
        namespace: The user's variables: pairs of tensors and DataLoaders among them are offered.
        language: "en" or "zh", None for the reader's.

    Raises:
        ConfigError: A start, or the data, cannot be used.
    """

    def __init__(
        self,
        model_fn: nn.Module | Callable[[], nn.Module] | None,
        init_cfgs: Mapping[str, Any],
        data: Any = None,
        *,
        input_shape: tuple[int, ...] | None = None,
        loss: Callable[[Any, Any], Tensor] | None = None,
        namespace: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> None:
        self.texts = Texts(language)
        self.model_fn, self.init_cfgs = model_fn, dict(init_cfgs)
        self.input_shape, self.namespace = input_shape, namespace or {}
        if model_fn is not None:
            check_starts(model_fn, self.init_cfgs)
        if data is not None:
            check_data(data)
        super().__init__(layout=full_width(min_width="0"))
        self.section = RaceSection(lambda: (self.model_fn, self.init_cfgs), self.texts, loss)
        title = HTMLText(f"<b>{escape(self.title)}</b>", layout=full_width())
        self.children = (title, self.notice, self.section)
        self.offer(data)

    @property
    def title(self) -> str:
        """The starts."""
        return self.texts("race.title", names=self.texts["list.comma"].join(self.init_cfgs))

    @property
    def race(self) -> Race | None:
        """What was found last; None before the first race."""
        return self.section.result

    @reports_errors
    def offer(self, data: Any) -> None:
        """Offer the data that were given, those of the user, and tasks that fit."""
        found: dict[str, Callable[[], Any]] = {} if data is None else {GIVEN: lambda: data}
        for name in data_names(self.namespace):
            found.setdefault(self.texts("race.variable", name=name), partial(self.variable, name))
        try:
            if data is None:
                found.update(self.tasks())
        finally:
            self.section.offer(found)

    def variable(self, name: str) -> Any:
        """Return a variable of the user."""
        return self.namespace[name]

    def tasks(self) -> Mapping[str, Callable[[], Any]]:
        """Return built-in tasks that fit the model."""
        if self.model_fn is None:
            return own_tasks()
        model = self.model_fn if isinstance(self.model_fn, nn.Module) else self.model_fn()
        shape = self.input_shape or guess_shape(first_layer(model)[1]) or (1, 3, 64, 64)
        return fitting_tasks(model, shape)

    def static(self) -> StaticReport:
        """Return what the panel shows as fixed HTML, for viewers without a kernel or widgets."""
        if self.race is None:
            return StaticReport(f"<div>{escape(self.title)}</div>", repr(self))
        drawn = race_picture(self.race, self.texts.language)._repr_html_()
        return StaticReport(f"<div>{drawn}</div>", repr(self.race))

    def close(self) -> None:
        """Stop, and close everything."""
        if hasattr(self, "section"):
            self.section.progress.worker.cancel()
        super().close()

    def __repr__(self) -> str:
        return f"RacePanel({', '.join(self.init_cfgs)})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, the same as fixed HTML."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": self.static().html}
