"""The network in the lab: groups that open, colours, and weights that are written and undone."""

from __future__ import annotations

import network_support as nets
import pytest
import torch
from torch import nn

from brickbook.lab import InitLab
from brickbook.lab.init.tabs import TABS
from brickbook.lab.init.tabs.lab_state import WeightEdit


@pytest.fixture
def opened():
    """Open labs and their tab of the network, and close them afterwards."""
    labs = []

    def open_tab(model, shape):
        labs.append(InitLab(model, input_shape=shape, language="en"))
        labs[-1].tabs.open_tab("network")
        tab = labs[-1].tabs.section("network")
        tab.progress.worker.wait(20)
        return labs[-1], tab

    yield open_tab
    for lab in labs:
        lab.close()


def choose(tab, name, kind="module", call=1):
    """Click on a node."""
    at = next(
        at for at, node in enumerate(tab.found) if (node.name, node.call) == (name, call)
    )  # fmt: skip
    tab.on_picture(None, {"node": at, "kind": kind}, [])
    return at


def small_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))


def test_the_tab_is_one_of_the_lab():
    assert list(TABS).count("network") == 1


def test_groups_close_and_open_and_repeats_unfold(opened):
    _, tab = opened(nn.Sequential(nets.deep_net(8), nn.Linear(256, 2)), (3, 8, 8))
    assert "Residual ×8" in tab.picture.svg and tab.found.flow == "hooks"
    choose(tab, "0.1", "repeat")
    assert "Residual ×8" not in tab.picture.svg and tab.picture.svg.count('data-kind="group"') == 9
    choose(tab, "0", "group")
    assert 'data-kind="closed"' in tab.picture.svg and "Residual" not in tab.picture.svg
    choose(tab, "0", "closed")
    assert tab.picture.svg.count('data-kind="group"') == 9
    tab.on_fold(None)
    assert "Residual ×8" in tab.picture.svg


def test_a_cell_is_written_and_undone(opened):
    net = small_net()
    lab, tab = opened(net, (8,))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    choose(tab, "0")
    assert (tab.opened, tab.map.rows, tab.map.columns) == ("0.weight", 4, 8)
    tab.on_map(None, {"row": 1, "column": 3, "value": "0.5"}, [])
    assert net[0].weight[1, 3] == 0.5 and lab.comparison["0.weight"].changed
    cells = torch.frombuffer(bytearray(tab.map.values), dtype=torch.float32)
    assert torch.equal(cells.view(4, 8), net[0].weight.detach())
    assert lab.toolbar.status.text == "Written by hand: 0.weight. Undo takes it back."
    lab.undo()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    lab.redo()
    assert net[0].weight[1, 3] == 0.5


def test_a_unit_is_zeroed_with_its_bias_in_one_step_and_every_curve_answers(opened):
    net = small_net()
    lab, tab = opened(net, (8,))
    before = net[0].weight.detach().clone()
    version = lab.session.weights_version
    choose(tab, "0")
    tab.on_map(None, {"row": 2, "column": -1, "value": "0"}, [])
    assert not net[0].weight[2].any() and net[0].bias[2] == 0 and net[0].weight[1].all()
    assert lab.session.weights_version > version  # what the signals are run anew for
    lab.undo()
    assert torch.equal(net[0].weight, before)


def test_an_initialisation_is_there_again_when_the_edit_is_undone(opened):
    lab, tab = opened(small_net(), (8,))
    report = lab.apply()
    choose(tab, "0")
    tab.on_map(None, {"row": 0, "column": 0, "value": "1"}, [])
    assert lab.report is None
    lab.undo()
    assert lab.report is report


def test_what_is_no_number_is_said_and_nothing_written(opened):
    net = small_net()
    _, tab = opened(net, (8,))
    before = net[0].weight.detach().clone()
    choose(tab, "0")
    tab.on_map(None, {"row": 0, "column": 0, "value": "half"}, [])
    assert tab.message == "BadValueError: value: 'half' is no number."
    assert torch.equal(net[0].weight, before)


def test_a_large_layer_is_shown_among_the_weights(opened):
    lab, tab = opened(nn.Sequential(nn.Linear(128, 128)), (128,))
    choose(tab, "0")
    assert tab.opened == "" and lab.tabs.selected == "weights"
    assert lab.tabs.section("weights").grid.selected == "0.weight"


def test_the_model_and_torchs_random_numbers_are_left_alone(opened):
    net = nets.AsksForValues().train()
    torch.manual_seed(1)
    state, calls = torch.get_rng_state(), net.calls.clone()
    _, tab = opened(net, (4,))
    assert tab.found.flow == "hooks" and torch.equal(net.calls, calls)
    assert net.training and torch.equal(torch.get_rng_state(), state)


def test_an_error_of_shapes_is_drawn(opened):
    _, tab = opened(nets.LeNet(500), (1, 28, 28))
    assert "takes 500, gets 256." in tab.picture.svg


@pytest.mark.parametrize("shape, row, column, place", [
    ((16, 3, 2, 2), 4, 11, (4, 2, 1, 1)), ((4, 8), 1, 3, (1, 3)), ((4, 8), 3, None, (3,)),
    ((4,), 2, 0, (2,)), ((), 0, 0, ()),
])  # fmt: skip
def test_a_cell_is_a_place_in_its_parameter(shape, row, column, place):
    assert WeightEdit("w", row, column, 0.0).place(shape) == place
