"""The law playground: controls on the left, formula, moments and pictures on the right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as w

from brickbook.config import to_literal
from brickbook.errors import ConfigError
from brickbook.html import escape, html_table
from brickbook.i18n import Texts
from brickbook.init.initializers import INITIALIZERS
from brickbook.lab.form import Field, Form, fields_of
from brickbook.lab.form.fields import parse_field
from brickbook.lab.law.slider import Slider, reach
from brickbook.lab.widgets import (
    HTMLText,
    LeanLayout,
    Panel,
    close_tree,
    full_width,
    reports_errors,
    tighten_lines,
)
from brickbook.measure.law_study import LAYER_KINDS, LawStudy, LayerSize, study_law
from brickbook.views.page import StaticReport
from brickbook.views.svg.histograms import Picture
from brickbook.views.svg.law_study import (
    chain_svg,
    describe_chain,
    describe_law,
    law_study_picture,
    law_svg,
    moment_rows,
)

__all__ = ["LawPlayground"]

LARGEST_POWER = 12  # of 2, on the sliders of a size
PLAIN_WIDTH = 360  # of a picture
NARROW = 64  # inputs or outputs: with fewer a net is far from what theory says of wide ones
HIDDEN = frozenset({"layer", "bias_prob", "in_axis", "out_axis", "batch_axis"})
# Those that take each element by itself, the common ones first.
ACTIVATIONS = (
    "linear", "ReLU", "Tanh", "GELU", "SiLU", "SELU", "LeakyReLU", "Sigmoid", "CELU", "ELU",
    "HSigmoid", "HSwish", "Hardtanh", "LogSigmoid", "Mish", "PReLU", "ReLU6", "Softplus",
    "Softsign", "Tanhshrink",
)  # fmt: skip

# What required arguments are at first, and the layer of a type that fills nothing of a linear one.
FIRST_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "Constant": {"val": 0.01},
    "Sparse": {"sparsity": 0.9},
    "DepthScaled": {"init": {"type": "Normal", "std": 0.02}, "depth": 12},
    "MuP": {"init": {"type": "Kaiming", "mode": "fan_in"}, "base": {"layer.weight": [64, 64]}},
}
FIRST_LAYERS: Mapping[str, LayerSize] = {
    "GateBias": LayerSize("LSTM", 128, 128),
    "ZeroGamma": LayerSize("BatchNorm2d", 64, 64),
    "Dirac": LayerSize("Conv2d", 64, 64, (3, 3)),
    "DeltaOrthogonal": LayerSize("Conv2d", 64, 64, (3, 3)),
}


class LawPlayground(Panel):
    """An initialiser on one layer: change an argument or a size, and see what the law becomes.

    ``study`` is what is shown; ``init_cfg`` and ``size`` what was chosen. Controls: ``kind``,
    ``layer``, ``activation``, ``sliders`` by name ("fan_in", "gain") and ``form`` for the others.

    Args:
        init: An initialiser's type, or its config.
        layer: The layer's class and size; by default one that suits the type.
        activation: What follows each layer.
        seed: Of all that is drawn.
        language: "en" or "zh", None for the reader's.

    Raises:
        ConfigError: As of `brickbook.measure.law_study.study_law`.
    """

    def __init__(
        self,
        init: str | Mapping[str, Any] = "Kaiming",
        *,
        layer: LayerSize | None = None,
        activation: str = "ReLU",
        seed: int = 0,
        language: str | None = None,
    ) -> None:
        self.texts, self.seed = Texts(language), seed
        config = {"type": init} if isinstance(init, str) else dict(init)
        kind = config.pop("type", "")
        arguments = {k: v for k, v in config.items() if k not in ("layer", "override", "name")}
        arguments = arguments or dict(FIRST_ARGUMENTS.get(kind, {}))
        self.size = layer or FIRST_LAYERS.get(kind, LayerSize())
        self.study = study_law({"type": kind, **arguments}, self.size, activation=activation)
        super().__init__(layout=full_width(min_width="0"))
        self.kind: Any = self.menu("place.type", sorted(INITIALIZERS.module_dict), kind)
        self.layer_menu: Any = self.menu("law.layer_kind", list(LAYER_KINDS), self.size.kind)
        self.activation: Any = self.menu("law.activation", list(ACTIVATIONS), activation)
        self.sizes, self.argument_box = w.VBox(layout=full_width()), w.VBox(layout=full_width())
        self.shown = HTMLText(
            layout=LeanLayout(flex="1 1 26em", min_width="0", margin="0 0 0 16px")
        )
        self.sliders: dict[str, Slider] = {}
        self.form: Form | None = None
        self.fields: dict[str, Field] = {}
        self.arrange_sizes()
        self.arrange_arguments(arguments)
        controls = [self.kind, self.argument_box, self.layer_menu, self.sizes, self.activation]
        left = w.VBox(controls, layout=LeanLayout(flex="0 1 25em", min_width="18em"))
        body = w.HBox([left, self.shown], layout=full_width(flex_flow="row wrap"))
        self.children = (self.notice, body)
        self.kind.observe(self.on_kind, "value")
        self.layer_menu.observe(self.on_layer, "value")
        self.activation.observe(self.on_change, "value")
        self.paint()

    def menu(self, key: str, options: list[str], value: str) -> w.Dropdown:
        """Return a menu; a value that is none of its options becomes one."""
        known = options if value in options else [*options, value]
        return w.Dropdown(
            options=known, value=value, description=self.texts[key],
            style={"description_width": "8em"}, layout=full_width(),
        )  # fmt: skip

    def add_slider(self, name: str, value: Any, **traits: Any) -> Slider:
        """Make the slider of a number."""
        word = self.texts["law.slider"]
        made = Slider(self.on_change, label=name, text=to_literal(value), word=word, **traits)
        self.sliders[name] = made
        return made

    def arrange_sizes(self) -> None:
        """Show a slider for each size of the layer."""
        old, size = self.sizes.children, self.size
        plain = size.kind == "Linear"
        names = ("fan_in", "fan_out") if plain else ("inputs", "outputs")
        for name in ("fan_in", "fan_out", "inputs", "outputs", "kernel"):
            self.sliders.pop(name, None)
        log = {"low": 0.0, "high": float(LARGEST_POWER), "step": 0.125, "log": True}
        made = [
            self.add_slider(name, value, **log)
            for name, value in zip(names, (size.inputs, size.outputs), strict=True)
        ]
        if size.kernel:
            made.append(self.add_slider("kernel", size.kernel[0], low=1, high=11, step=1))
        self.sizes.children = tuple(made)
        for widget in old:
            close_tree(widget)

    def arrange_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Show a slider for each argument that is a number, and a form for the others."""
        old = self.argument_box.children
        for name in self.fields:
            self.sliders.pop(name, None)
        make = INITIALIZERS.get(self.kind.value)
        found = [field for field in fields_of(make) if field.name not in HIDDEN] if make else []
        numbers = [field for field in found if is_number(field, arguments)]
        self.fields = {field.name: field for field in numbers}
        sliders = [self.argument_slider(field, arguments) for field in numbers]
        others = [field for field in found if field.name not in self.fields]
        given = {key: value for key, value in arguments.items() if key not in self.fields}
        self.form = Form(make, given, fields=others, texts=self.texts) if others else None  # pyright: ignore[reportArgumentType]
        if self.form is not None:
            self.form.observe(self.on_change, "value")
        self.argument_box.children = (*sliders, *([self.form] if self.form else []))
        for widget in old:
            close_tree(widget)

    def argument_slider(self, field: Field, arguments: Mapping[str, Any]) -> Slider:
        """Make the slider of an argument."""
        value = arguments.get(field.name, 0 if field.required else field.default)
        low, high, step = reach(field.name, value, field.kind == "int")
        tip = field.doc if self.texts.language == "en" else ""
        return self.add_slider(field.name, value, tip=tip, low=low, high=high, step=step)

    @property
    def init_cfg(self) -> dict[str, Any]:
        """The initialiser as it is chosen.

        Raises:
            ConfigError: An argument cannot be read.
        """
        found: dict[str, Any] = {"type": self.kind.value}
        for name, field in self.fields.items():
            value = parse_field(field, self.sliders[name].text)
            if field.required or value != field.default:
                found[name] = value
        return {**found, **(self.form.value if self.form is not None else {})}

    def read_size(self) -> LayerSize:
        """Return the layer as it is chosen.

        Raises:
            ConfigError: A size cannot be read.
        """
        names = [name for name in self.sliders if name not in self.fields]
        found = {}
        for name in names:
            field = Field(name, "int", required=True, annotation=int)
            found[name] = parse_field(field, self.sliders[name].text)
        ins, outs = (found.get(a, found.get(b)) for a, b in SIZE_NAMES)
        kernel = (found["kernel"],) * len(self.size.kernel) if self.size.kernel else ()
        if self.size.kernel and found["kernel"] == self.size.kernel[0]:
            kernel = self.size.kernel  # it need not be the same along each axis
        try:
            return LayerSize(self.layer_menu.value, ins, outs, kernel)  # pyright: ignore[reportArgumentType]
        except ConfigError as error:
            plain = {"inputs": "fan_in", "outputs": "fan_out"} if "fan_in" in found else {}
            error.path = plain.get(error.path, error.path.partition("[")[0])
            raise

    @reports_errors
    def on_kind(self, _change: object) -> None:
        """Show another initialiser, on a layer that it fills."""
        kind = self.kind.value
        size = FIRST_LAYERS.get(kind, self.size)
        if kind not in FIRST_LAYERS and self.size.kind in ("LSTM", "BatchNorm2d"):
            size = LayerSize()
        self.arrange_arguments(FIRST_ARGUMENTS.get(kind, {}))
        if size.kind == self.size.kind:
            self.on_change()
            return
        self.size = size
        self.layer_menu.unobserve(self.on_layer, "value")
        self.layer_menu.value = size.kind
        self.layer_menu.observe(self.on_layer, "value")
        self.arrange_sizes()
        self.on_change()

    @reports_errors
    def on_layer(self, _change: object) -> None:
        """Show another class of layers, of the same size."""
        kind = self.layer_menu.value
        axes = LAYER_KINDS[kind][0]
        side = self.size.kernel[0] if self.size.kernel else 3
        self.size = LayerSize(kind, self.size.inputs, self.size.outputs, (side,) * axes)
        self.arrange_sizes()
        self.on_change()

    @reports_errors
    def on_change(self, _change: object = None) -> None:
        """Look at the law again; what cannot be is said at its field."""
        for slider in self.sliders.values():
            slider.problem = ""
        if self.form is not None:
            self.form.clear_errors()
        self.notice.clear()
        try:
            size = self.read_size()
            self.study = study_law(
                self.init_cfg, size, activation=self.activation.value, seed=self.seed
            )
        except ConfigError as error:
            self.show_error(error)
            self.shown.layout.opacity = "0.5"
            return
        self.size = size
        self.shown.layout.opacity = None
        self.paint()

    def show_error(self, error: ConfigError) -> None:
        """Show what is wrong at its field, or above."""
        key = error.path.removeprefix("init_cfg.")
        first = key.partition(".")[0]
        words = self.texts.explain(type(error)("", error.problem, error.hint))
        if first in self.sliders:
            self.sliders[first].problem = words
        elif self.form is not None and first in self.form.rows:
            self.form.show_error(key, words)
        else:
            self.notice.show(words)

    def paint(self) -> None:
        """Show the study."""
        self.shown.value = study_html(self.study, self.texts)

    def static(self) -> StaticReport:
        """Return what the panel shows as fixed HTML, for viewers without a kernel or widgets."""
        picture = law_study_picture(self.study, self.texts.language)
        return StaticReport(f"<div>{picture._repr_html_()}</div>", repr(self))

    def __repr__(self) -> str:
        return f"LawPlayground({self.study.title}: {self.study.law})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, the same as fixed HTML."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": self.static().html}


SIZE_NAMES = (("fan_in", "inputs"), ("fan_out", "outputs"))


def is_number(field: Field, arguments: Mapping[str, Any]) -> bool:
    """Whether an argument gets a slider: it is a number, or as good as one."""
    value = arguments.get(field.name, field.default)
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return field.kind in ("int", "float") or (plain and field.kind == "text")


def study_html(study: LawStudy, texts: Texts) -> str:
    """Write a study: the formula, both pictures beside each other, the moments."""
    head = f"<b>{escape(str(study.law))}</b>"
    if study.fans is not None:
        fans = texts("law.fans", fan_in=study.fans[0], fan_out=study.fans[1])
        head = f"{head} &nbsp; {escape(fans)}"
    line = f'<div style="font-size: 1.1em; overflow-wrap: anywhere">{escape(study.formula)}</div>'
    drawn = "".join(
        f'<div style="flex: 1 1 260px; max-width: {PLAIN_WIDTH}px">{picture._repr_html_()}</div>'
        for picture in (
            Picture(law_svg(study, language=texts.language), describe_law(study, texts)),
            Picture(chain_svg(study, language=texts.language), describe_chain(study, texts)),
        )
    )
    sample = texts("law.sample", n=study.size) if study.size else texts["law.no_sample"]
    heads = ("", texts["law.theory"], sample)
    table = html_table(heads, moment_rows(study, texts), right_aligned=(1, 2))
    notes = "".join(f"<div>{escape(note)}</div>" for note in study_notes(study, texts))
    row = '<div style="display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 6px 0">'
    return tighten_lines(f"<div>{head}</div>{line}{row}{drawn}</div>{table}{notes}")


def study_notes(study: LawStudy, texts: Texts) -> list[str]:
    """Return what is to be said beside the pictures."""
    notes: list[str] = []
    signals = study.signals
    if study.tensor.startswith("bias") and study.name == "PriorBias":
        notes.append(texts("law.prior", bias=study.law.mean))
    elif study.bias is not None:
        notes.append(texts("law.bias", bias=study.bias))
    if signals.not_expected and signals.not_expected != signals.not_drawn:
        notes.append(texts[f"law.no_theory.{signals.not_expected}"])
    if signals.chi is not None:
        notes.append(texts("law.chi", chi=signals.chi))
    if signals.expected and min(study.shape[:2]) < NARROW:
        notes.append(texts("law.narrow", width=min(study.shape[:2])))
    if signals.width is not None:
        notes.append(texts("law.width", inputs=signals.width[0], outputs=signals.width[1]))
    return notes
