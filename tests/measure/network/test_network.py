"""What flows where: by a run, by torch.fx, or the modules as they are registered."""

import threading

import network_support as nets
import pytest
import torch
from torch import nn

from brickbook.errors import BadArgumentError, ConfigError
from brickbook.measure import Network, network


def flow(found: Network) -> dict[str, list[str]]:
    """Who takes from whom, by label."""
    return {
        node.label: [found[at].label for at in node.sources]
        for node in found
        if node.part in ("module", "function")
    }


LENET = {
    "conv1": ["input"], "relu": ["conv1"], "max_pool2d": ["relu"],
    "conv2": ["max_pool2d"], "relu (call 2)": ["conv2"], "max_pool2d (call 2)": ["relu (call 2)"],
    "fc1": ["max_pool2d (call 2)"], "relu (call 3)": ["fc1"], "fc2": ["relu (call 3)"],
}  # fmt: skip


def test_functions_stand_between_layers():
    found = network(nets.LeNet(), input_shape=(1, 1, 28, 28))
    assert flow(found) == LENET and found.flow == "hooks" and found.batch == ((1, 1, 28, 28),)
    assert found[2].output == ((1, 6, 24, 24),) and found.params == 34_622
    assert repr(found) == "Network(4 layer calls, 34,622 parameters, by a run on 1×1×28×28)"


def test_an_error_of_shapes_stands_where_it_happens_and_nothing_is_lost():
    found = network(nets.LeNet(500), input_shape=(1, 1, 28, 28))
    assert list(flow(found)) == list(LENET) and found.flow == "fx"
    states = {node.label: (node.state, node.error) for node in found if node.state != "ok"}
    assert states == {
        "fc1": ("error", "takes 500, gets 256."),
        "relu (call 3)": ("not reached", ""), "fc2": ("not reached", ""),
    }  # fmt: skip
    assert found.error == "takes 500, gets 256."


def test_an_error_where_torch_fx_cannot_follow():
    net = nn.Sequential(nn.Linear(4, 4), nets.AsksForValues(), nn.Linear(3, 2), nn.ReLU())
    found = network(net, torch.zeros(2, 4))
    assert found.flow == "hooks" and found.why.startswith("torch.fx: TraceError: ")
    assert [(node.label, node.state) for node in found if node.part == "module"] == [
        ("0", "ok"), ("1.first", "ok"), ("1.drop", "ok"), ("1.second", "ok"), ("2", "error"),
        ("3", "not reached"),
    ]  # fmt: skip


def test_an_error_of_a_function():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 3), nn.Linear(4, 5), nn.Linear(3, 1)

        def forward(self, x):
            return self.c(self.a(x) + self.b(x))

    found = network(Net(), input_shape=(2, 4))
    wrong = next(node for node in found if node.state == "error")
    assert (wrong.kind, [found[at].label for at in wrong.sources]) == ("add", ["a", "b"])
    assert "must match the size of tensor b" in wrong.error


def test_without_an_input_there_is_a_guess_then_fx_then_the_tree():
    found = network(nn.Sequential(nn.Linear(8, 4), nn.ReLU()))
    assert (found.flow, found.guessed, found.batch) == ("hooks", True, ((1, 8),))
    assert network(nets.LeNet()).batch == ((1, 1, 28, 28),)
    found = network(nets.LeNet(123))  # no guess fits
    names = {label: ["x" if one == "input" else one for one in of] for label, of in LENET.items()}
    assert (found.flow, found.guessed, found.batch) == ("fx", False, ())
    assert flow(found) == names and {node.state for node in found} == {"not run"}
    assert found.why.startswith("BadValueError: fc1: Linear got (1, 2704): ")

    class Asks(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Linear(5, 2)

        def forward(self, x):
            return self.b(self.a(x)) if x.abs().sum() > 0 else x

    found = network(nn.Sequential(nn.Flatten(), Asks()))
    assert found.flow == "tree" and "TraceError" in found.why and found.edges == ()
    assert [node.name for node in found] == ["", "0", "1", "1.a", "1.b"]


def test_concatenations_and_shared_modules():
    found = flow(network(nets.UNet(), input_shape=(1, 3, 16, 16)))
    assert found["cat"] == ["downs.1", "ups.0"] and found["cat (call 2)"] == ["downs.0", "ups.1"]
    assert found["pool (call 2)"] == ["downs.1"] and found["mid"] == ["pool (call 2)"]
    layer = nn.Linear(4, 4)
    found = network(nn.Sequential(layer, nn.ReLU(), layer), input_shape=(1, 4))
    assert flow(found) == {"0": ["input"], "1": ["0"], "0 (call 2)": ["1"]}


def test_residuals_keep_their_source_through_inplace_and_identities():
    found = network(nn.Sequential(nn.Identity(), nets.Residual(3)), input_shape=(1, 3, 4, 4))
    assert flow(found)["1: add"] == ["0", "1.act"]

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.same, self.drop, self.a = nn.Identity(), nn.Dropout(), nn.Linear(4, 4)

        def forward(self, x):
            kept = self.drop(self.same(x))
            return self.a(x) + kept

    assert flow(network(Both(), input_shape=(1, 4)))["a"] == ["input"]


def test_a_norm_with_modules_inside():
    """As timm's BatchNormAct2d: the norm is a function, its activation a child."""

    class NormAct(nn.BatchNorm2d):
        def __init__(self, channels):
            super().__init__(channels)
            self.act = nn.ReLU()

        def forward(self, x):
            stats = self.running_mean, self.running_var
            return self.act(nn.functional.batch_norm(x, *stats, self.weight, self.bias))

    found = flow(network(nn.Sequential(nn.Conv2d(3, 4, 1), NormAct(4)), input_shape=(1, 3, 4, 4)))
    assert found == {"0": ["input"], "1: batch_norm": ["0"], "1.act": ["1: batch_norm"]}
    wrong = network(nn.Sequential(nn.Conv2d(3, 4, 1), NormAct(5)), input_shape=(1, 3, 4, 4))
    assert "running_mean should contain 4 elements" in wrong.error


def test_a_transformer_takes_its_slow_path():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    found = network(nn.TransformerEncoder(layer, 3), input_shape=(1, 5, 8))
    assert flow(found)["layers.1: add (call 2)"] == ["layers.1.norm1", "layers.1.dropout2"]
    assert len(found.repeats) == 1 and len(found.repeats[0]) == 3
    both = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    found = network(both, [torch.zeros(1, 5, 8), torch.zeros(1, 3, 8)])
    assert flow(found)["decoder.layers.0.multihead_attn"] == [
        "encoder.norm", "decoder.layers.0.norm1",
    ]  # fmt: skip


def test_a_lazy_layer_has_its_shape_after_the_run():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU())
    found = network(net, input_shape=(2, 7))
    assert (found[2].kind, found[2].params, found[2].output) == ("Linear", 32, ((2, 4),))
    assert isinstance(net[0], nn.LazyLinear)


def test_an_error_that_the_model_catches_is_none():
    found = network(nets.Caught(), input_shape=(1, 4))
    assert found.error == "" and flow(found)["right"] == ["input"]


def test_the_model_is_given_back_as_it_was():
    net = nets.AsksForValues().train()
    net.second.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.manual_seed(3)
    state = torch.get_rng_state()
    found = network(net, torch.zeros(2, 4))
    assert found.flow == "hooks" and flow(found)["second"] == ["drop"]
    assert torch.equal(torch.get_rng_state(), state)
    assert (net.training, net.second.training) == (True, False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert not net.first._forward_hooks and "forward" not in vars(net.first)


def test_torch_fx_leaves_other_threads_alone():
    """Torch's own tracer replaces nn.Module.__call__ for the whole process."""
    plain, seen = nn.Module.__call__, []

    class Looks(nn.Module):
        def forward(self, x):
            thread = threading.Thread(target=lambda: seen.append(nn.Linear(2, 2)(torch.ones(1, 2))))
            thread.start()
            thread.join()
            seen.append(nn.Module.__call__ is plain)
            return x

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.group = nn.Sequential(nn.ReLU())
            vars(self.group)["forward"] = Looks().forward

        def forward(self, x, y):
            return self.group(x) + y

    assert network(Net()).flow == "fx"
    assert seen[1] is True and seen[0].shape == (1, 2)


def test_a_record_goes_through_json_and_is_a_frame():
    found = network(nets.UNet(), input_shape=(1, 3, 16, 16))
    assert Network.from_json(found.to_json()) == found
    with pytest.raises(ConfigError, match=r"^network\.nodes\[0\]\.size: NetworkNode has no such"):
        data = found.to_dict()
        data["nodes"][0]["size"] = 1
        Network.from_dict(data)
    pytest.importorskip("pandas")
    assert found.frame().loc["cat", "sources"] == (4, 7)


@pytest.mark.parametrize("options, message", [
    (dict(model=3), "model: expected a module, got 3."),
    (dict(model=nn.ReLU(), batch=torch.ones(1), input_shape=(1,)),
     "input_shape: a batch is given already: pass one of the two."),
])  # fmt: skip
def test_messages(options, message):
    with pytest.raises(BadArgumentError) as caught:
        network(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize("net, shape, kinds", [
    (nn.Sequential(nn.Linear(6, 4), *(x for _ in range(5) for x in (nn.Linear(4, 4), nn.ReLU()))),
     (1, 6), [(5, ["Linear", "ReLU"])]),
    (nets.deep_net(6), (1, 3, 4, 4), [(6, ["Residual"])]),
    (nets.UNet(), (1, 3, 16, 16), []),
    (nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)), (1, 4), []),
])  # fmt: skip
def test_equal_blocks_are_found(net, shape, kinds):
    found = network(net, input_shape=shape)
    assert [(len(r), [found[at].kind for at in r[0]]) for r in found.repeats] == kinds


def test_a_block_whose_output_is_used_later_stands_for_itself():
    class Dense(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = nn.ModuleList(nets.Residual(4) for _ in range(4))

        def forward(self, x):
            for part in self.parts:
                x = part(x) + x if part is self.parts[2] else part(x)
            return x

    found = network(nn.Sequential(nn.Conv2d(3, 4, 1), Dense()), input_shape=(1, 3, 4, 4))
    blocks = [[found[at].name for block in run for at in block] for run in found.repeats]
    assert blocks == [["1.parts.0", "1.parts.1"]]
