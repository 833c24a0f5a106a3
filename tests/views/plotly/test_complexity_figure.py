"""The bars of what modules cost: their heights, their words, both languages."""

import pytest
from torch import nn

from brickbook import ResNet, complexity
from brickbook.i18n import Texts
from brickbook.measure.cost import Complexity, Cost
from brickbook.views.text import text

pytest.importorskip("plotly")

from brickbook.views.plotly.complexity import complexity_figure  # after the skip


@pytest.fixture
def found():
    return complexity(
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)), (1, 3, 8, 8)
    )


def test_a_bar_a_module_that_costs_something(found):
    figure = complexity_figure(found)
    assert [list(trace.y) for trace in figure.data] == [
        [row.own_macs for row in found.modules_with_cost],
        [row.own_params for row in found.modules_with_cost],
        [row.own_activations for row in found.modules_with_cost],
    ]
    assert sum(figure.data[0].y) == found.macs and sum(figure.data[1].y) == found.params
    assert list(figure.layout.xaxis.ticktext) == ["Conv2d 0", "ReLU 1", "Linear 3"]
    assert figure.data[0].customdata[0] == "Conv2d 0 (Conv2d): 7,776, 87.1% of all"
    assert figure.data[2].customdata[2] == "Linear 3 (Linear): 16 B, 0.7% of all"


def test_many_modules_are_numbered():
    figure = complexity_figure(complexity(ResNet(18), (1, 3, 64, 64)), title="<b>mine</b>")
    assert figure.layout.xaxis.ticktext is None
    assert figure.layout.xaxis.title.text == "module, in the model's order"
    assert figure.layout.title.text == "&lt;b&gt;mine&lt;/b&gt;"


def test_names_are_no_markup():
    found = Complexity((Cost("", "Net"), Cost("<b>a", "Linear", own_macs=1)))
    figure = complexity_figure(found)
    assert figure.data[0].customdata[0].startswith("&lt;b&gt;a")
    assert figure.layout.xaxis.ticktext[0] == "&lt;b&gt;a"


def test_in_chinese(found):
    figure, texts = complexity_figure(found, language="zh"), Texts("zh")
    titles = [figure.layout[f"yaxis{at}"].title.text for at in ("", "2", "3")]
    assert titles == [texts["cost.macs"], texts["cost.params"], texts["cost.activations"]]
    assert titles[0] == "乘加次数" and "占总量的 87.1%" in figure.data[0].customdata[0]


def test_nothing_to_draw():
    figure = complexity_figure(Complexity((Cost("", "Identity"),)))
    assert [len(trace.y) for trace in figure.data] == [0, 0, 0]


def test_as_text(found):
    lines = text(found).splitlines()
    assert lines[0].split() == [
        "module", "class", "calls", "output", "parameters", "MACs", "of", "all", "activations",
    ]  # fmt: skip
    assert lines[1].startswith("(model)  Sequential  1")
    assert lines[-1] == repr(found)
