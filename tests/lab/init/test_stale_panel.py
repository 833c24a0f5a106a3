"""A panel says at once what is not as it shows it, and runs no batch on another model."""

from __future__ import annotations

import types

import pytest
import torch
from torch import nn

from brickbook.lab import InitLab
from brickbook.live_panels import live_model_panel, live_panels, refresh_live_panels

REBOUND = (
    "`net` is another model now; this panel still shows the one before. Take the new one, or run "
    "the cell again."
)


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.body, self.fc = nn.Linear(6, width), nn.Linear(width, 5)

    def forward(self, x):
        return self.fc(self.body(x).relu())


def opened(model: nn.Module | None = None, **given) -> tuple[InitLab, dict]:
    names = {"net": model or Net()}
    return InitLab(names["net"], name="net", namespace=names, **given), names


def run(lab: InitLab) -> None:
    lab.diagnosis.disclosure.unfolded = True
    lab.diagnosis.progress.worker.wait(20)
    lab.diagnosis.run.click()
    lab.diagnosis.progress.worker.wait(20)


def shown(lab: InitLab) -> tuple[str, bool]:
    return lab.stale.message, lab.stale.take_button.layout.display is None


def test_another_model_of_the_name_is_said_at_once_and_taken():
    lab, names = opened()
    old = lab.model
    before = old.body.weight.clone()
    assert shown(lab) == ("", False)
    names["net"] = Net(16)
    refresh_live_panels()  # as after every cell
    assert shown(lab) == (REBOUND, True)
    run(lab)
    assert lab.diagnosis.message == REBOUND and lab.diagnosis.signals is None
    lab.toolbar.initialize.click()
    assert lab.toolbar.status.text == REBOUND and old.body.weight.equal(before)
    lab.variants.keep.click()
    assert lab.variants.previews == {}
    lab.stale.take_button.click()
    assert lab.last_error is None and shown(lab) == ("", False)
    assert lab.model is names["net"] and lab.title.value.startswith("net: Net, 4 parameters, 197")
    assert live_model_panel(old) is None and live_model_panel(lab.model) is lab
    assert [panel for panel in live_panels() if panel is lab] == [lab]
    lab.toolbar.initialize.click()
    assert lab.report is not None and old.body.weight.equal(before)
    run(lab)
    assert lab.diagnosis.signals["body"].shape == (64, 16)
    lab.close()


def test_rules_of_ones_own_are_kept_and_the_default_is_that_of_the_new_model():
    rules = {"type": "Normal", "std": 0.3, "layer": ["Linear"]}
    for given in ({"init_cfg": rules}, {}):
        lab, names = opened(**given)
        names["net"] = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        lab.look_again()
        lab.stale.take_button.click()
        kinds = [rule["layer"] for rule in lab.state.to_init_cfg()]
        assert kinds == ([["Linear"]] if given else [["Conv2d"], ["BatchNorm2d"]])
        lab.close()


def test_a_name_that_comes_back_is_no_problem_any_more():
    lab, names = opened()
    names["net"] = Net()
    lab.look_again()
    names["net"] = lab.model
    lab.look_again()
    assert shown(lab) == ("", False)
    del names["net"]
    lab.look_again()
    assert shown(lab) == ("", False)
    lab.close()


def test_other_layers_are_said_and_the_panel_counts_them_anew():
    lab, _ = opened(init_cfg={"type": "Normal", "layer": ["Linear"]})
    lab.model.fc = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 5))
    lab.look_again()
    said = "The layers of net have changed since this panel was opened: rules and counts below are "
    assert shown(lab) == (said + "of those before.", True)
    assert "LayerNorm" not in lab.rules.cards[0].picker.boxes
    lab.stale.take_button.click()
    assert "LayerNorm" in lab.rules.cards[0].picker.boxes and shown(lab) == ("", False)
    lab.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda net: net.eval(), "net is in evaluation mode now"),
        (lambda net: net.fc.eval(), "The parts of net are in different modes now"),
        (lambda net: setattr(net, "forward", types.MethodType(Net.forward, net)),
         "The code of net has changed"),
    ],
)  # fmt: skip
def test_another_mode_or_code_takes_away_what_a_batch_has_shown(change, said):
    lab, _ = opened()
    run(lab)
    assert lab.diagnosis.signals is not None
    change(lab.model)
    lab.look_again()
    assert lab.stale.message.startswith(f"{said}: what a batch has shown was of ")
    assert lab.diagnosis.signals is None and shown(lab)[1] is False
    lab.close()


def test_a_mode_is_no_news_before_a_batch_has_run():
    lab, _ = opened()
    lab.model.eval()
    lab.look_again()
    assert shown(lab) == ("", False)
    lab.close()


def test_a_class_that_is_defined_anew_is_said():
    lab, names = opened()
    names["Net"] = Net
    lab.look_again()
    assert shown(lab) == ("", False)
    names["Net"] = type("Net", (nn.Module,), {"__module__": Net.__module__})
    lab.look_again()
    assert shown(lab) == (
        "Net has been defined anew: net still runs the old code. Make net again to have the new "
        "one.", False,
    )  # fmt: skip
    lab.close()


def test_weights_that_are_loaded_are_seen():
    lab, _ = opened()
    run(lab)
    with torch.no_grad():
        lab.model.body.weight.zero_()
    lab.look_again()
    assert lab.diagnosis.signals is None
    assert lab.comparison["body.weight"].changed
    lab.close()


def test_a_panel_in_another_cell_says_where_the_first_went(monkeypatch):
    cell = ["one"]
    monkeypatch.setattr("brickbook.lab.init.panel.current_cell", lambda: cell[0])
    first, names = opened()
    again = InitLab(names["net"], name="net", namespace=names)  # the same cell ran again
    assert first.comm is None and again.notice.text == ""
    cell[0] = "two"
    other = InitLab(names["net"], name="net", namespace=names)
    assert again.comm is None and other.notice.text == (
        "The panel of net in another cell is closed: its rules and its Undo are gone with it. This "
        "one shows the model now."
    )
    other.close()
