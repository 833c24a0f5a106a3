"""What the diagnosis says of a history: forgotten, started twice, left empty, wide embeddings."""

from __future__ import annotations

import torch
from torch import nn

from brickbook import diagnose, trace
from brickbook.i18n import Texts


class Net(nn.Module):
    def __init__(self, forget=(), again=False, empty=False, biases=True, tied=False):
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.conv = nn.Conv1d(4, 4, 3)
        for name, layer in self.named_children():
            if name not in forget:
                nn.init.normal_(layer.get_parameter("weight"), std=0.02)
            if biases and name != "table":
                nn.init.zeros_(layer.get_parameter("bias"))
        if tied:
            self.head = nn.Linear(8, 10, bias=False)
            self.head.weight = self.table.weight
            nn.init.normal_(self.head.weight, std=0.1)
        if again:
            nn.init.zeros_(self.second.weight)
        if empty:
            self.register_buffer("scale", torch.empty(3))


def findings(**arguments):
    history = trace(lambda: Net(**arguments))
    return history, [(f.rule, f.severity, f.names) for f in diagnose(history=history)]


def test_nothing_to_say():
    assert findings()[1] == []


def test_a_forgotten_layer_and_a_class_that_is_left_to_torch():
    history, found = findings(forget=("first", "conv"))
    assert found == [
        ("torch-start", "warning", ("first.weight",)),
        ("torch-start", "note", ("conv.weight",)),
    ]
    place = history["second.weight"].events[-1].place
    assert diagnose(history=history)[0].text == (
        "first.weight (Linear) has torch's own start alone, while other layers of its class are "
        f"started at {place}."
    )


def test_without_a_start_of_its_own_there_is_nothing_forgotten():
    history = trace(lambda: nn.Sequential(nn.Linear(2, 2), nn.Conv1d(2, 2, 1)))
    assert diagnose(history=history) == ()


def test_embeddings_as_torch_draws_them():
    history, found = findings(forget=("table",))
    assert found == [
        ("torch-start", "note", ("table.weight",)),
        ("embedding", "note", ("table.weight",)),
    ]
    text = next(f.text for f in diagnose(history=history) if f.rule == "embedding")
    assert text == (
        "The embeddings table.weight start with std 1; a residual stream of width 8 usually gets "
        "0.02 or 1/√width."
    )


def test_started_twice():
    history, found = findings(again=True)
    assert found == [("drawn-again", "note", ("second.weight",))]
    lost, last = history["second.weight"].events[-2:]
    assert diagnose(history=history)[0].text == (
        f"second.weight was started twice: normal_(std=0.02) at {lost.place} was overwritten by "
        f"zeros_() at {last.place}."
    )


def test_left_empty():
    history, found = findings(empty=True)
    assert found == [("left-empty", "error", ("scale",))]
    assert diagnose(history=history)[0].translate(Texts("zh")).startswith("scale 的内容")


def test_biases_that_nobody_has_set():
    history, found = findings(biases=False)
    assert found == [("torch-bias", "note", ("first.bias", "second.bias", "conv.bias"))]
    place = history["first.weight"].events[-1].place
    assert diagnose(history=history)[0].text == (
        "3 biases keep torch's draw, Uniform(-0.3536, 0.3536) say, while the weights beside them "
        f"are started at {place}: first.bias, second.bias, conv.bias."
    )

    def build():
        layer = nn.Linear(4, 2)
        nn.init.normal_(layer.weight)
        return layer

    one = trace(build)
    assert diagnose(history=one)[0].text == (
        "bias keeps torch's draw, Uniform(-0.5, 0.5), while the weight beside it is started at "
        f"{one['weight'].events[-1].place}."
    )


def test_a_shared_tensor_that_is_started_for_each_layer():
    history, found = findings(tied=True)
    assert found == [("tied-twice", "warning", ("table.weight", "head.weight"))]
    lost, last = history["table.weight"].events[-2:]
    assert diagnose(history=history)[0].text == (
        "table.weight, head.weight are one tensor, and it was started for either: "
        f"normal_(std=0.02) at {lost.place} was overwritten by normal_(std=0.1) at {last.place}."
    )
    assert "同一个张量" in diagnose(history=history)[0].translate(Texts("zh"))
