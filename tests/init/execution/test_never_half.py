"""A model is started as the report says, or it is what it was before."""

import copy
import os
import signal
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from brickbook import (
    INITIALIZERS,
    BaseModule,
    ConvModule,
    Sequential,
    UnmatchedRuleWarning,
    initialize,
    plan,
)
from brickbook.errors import BadValueError, ConfigError
from brickbook.init.laws import matrix as laws

L = dict(layer="Linear")


def constant(val, **more):
    return dict(type="Constant", val=val, **more)


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, before):
    return all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Leaf(BaseModule):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.fc = nn.Linear(2, 2)


class Derived(Leaf):
    def init_weights(self):
        super().init_weights()


class Fails(Leaf):
    def init_weights(self):
        self.fc.weight = nn.Parameter(torch.full((2, 2), 5.0))
        nn.init.constant_(self.fc.bias, 6)
        raise RuntimeError("no luck")


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        (constant(1e6, **L), "init_cfg: for 1.weight: Constant(1e+06) has 1e+06, "
         "and float16 ends at 6.55e+04."),
        (dict(type="Normal", bias=1e39, **L), "init_cfg: for 0.bias: Constant(1e+39) has 1e+39, "
         "and float32 ends at 3.403e+38."),
        (dict(type="Normal", mean=1e39, **L), "init_cfg: for 0.weight: Normal(1e+39, 1) has 1e+39, "
         "and float32 ends at 3.403e+38."),
        (dict(type="Uniform", a=-3e38, b=3e38, **L), "init_cfg: for 0.weight: "
         "Uniform(-3e+38, 3e+38) has 6e+38, and float32 ends at 3.403e+38."),
        (dict(type="Xavier", gain=-1, **L),
         "init_cfg.gain: expected a finite number of 0 or more, got -1."),
        (dict(type="Kaiming", a=1e200, nonlinearity="leaky_relu", **L),
         "init_cfg.a: its square is no number: 1e+200."),
        (constant(10**400, **L),
         "init_cfg.val: expected a finite number, got a number of about 401 digits."),
    ],
)  # fmt: skip
def test_numbers_that_a_dtype_cannot_hold_are_found_before_the_first_write(cfg, message):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).half())
    before = state(model)
    with pytest.raises(ConfigError) as caught:
        initialize(model, cfg)
    assert str(caught.value) == message and isinstance(caught.value, BadValueError)
    assert same(model, before)


def test_a_dtype_without_a_law_is_said():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = nn.Parameter(model[1].weight.to(torch.float8_e4m3fn), requires_grad=False)
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(model, constant(3, **L))
    assert str(caught[0].message) == (
        "init_cfg: cannot fill 1.weight: its dtype float8_e4m3fn takes no law."
    )
    assert model[0].weight.unique().tolist() == [3]


def test_an_interrupt_waits_until_every_tensor_is_written(monkeypatch):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    fill = laws.Constant.fill

    def interrupted(law, tensor, generator=None):
        os.kill(os.getpid(), signal.SIGINT)
        fill(law, tensor, generator)

    monkeypatch.setattr(laws.Constant, "fill", interrupted)
    # A job in the background starts with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            initialize(model, constant(3, bias=3, **L))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert all(value.unique().tolist() == [3] for value in model.parameters())


def test_own_code_that_fails_leaves_objects_buffers_and_marks_as_they_were():
    class Norm(Leaf):
        def __init__(self):
            super().__init__()
            self.bn = nn.BatchNorm1d(2)

        def init_weights(self):
            super().init_weights()
            self.bn.running_mean.fill_(9)

    model = Sequential(Norm(), Fails(), nn.LazyLinear(3))
    before = {name: value for name, value in model.named_parameters()}
    numbers = state(model[:2])
    with pytest.raises(RuntimeError, match="no luck"):
        model.init_weights()
    assert all(value is before[name] for name, value in model.named_parameters())
    assert same(model[:2], numbers)
    assert not (model.is_init or model[0].is_init)
    model[1] = Leaf(constant(3, **L))
    report = model.init_weights()  # the second try starts all of them
    assert model[0].is_init and report["1.fc.weight"].action == "written"


def test_a_child_with_own_code_starts_by_that_code_alone():
    class Keeps(Leaf):
        def init_weights(self):
            pass

    class Converts(Leaf):
        def init_weights(self):
            nn.init.constant_(self.fc.weight, len(self.init_cfg["checkpoint"]))

    model = Sequential(
        Keeps(constant(3, **L)), Converts(dict(type="Pretrained", checkpoint="four"))
    )
    kept = model[0].fc.weight.clone()
    model.init_weights()
    assert torch.equal(model[0].fc.weight, kept)
    assert model[1].fc.weight.unique().tolist() == [4]


def test_what_is_below_code_that_starts_nothing_stays_to_be_started():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.leaf = Leaf(constant(3, **L))

        def init_weights(self):
            pass

    model = Sequential(Idle())
    model.init_weights()
    assert not model[0].leaf.is_init
    model[0].leaf.init_weights()
    assert model[0].leaf.fc.weight.unique().tolist() == [3]


def test_a_seed_reaches_modules_that_start_inside_own_code():
    normal = dict(type="Normal", **L)
    weights = []
    for kind in (Leaf, Derived):
        model = Sequential(kind(normal), kind(normal))
        model.init_weights(seed=1)
        weights.append(torch.stack([part.fc.weight.detach() for part in model]))
    assert torch.equal(*weights)
    assert not torch.equal(weights[0][0], weights[0][1])


def test_own_code_is_drawn_once_and_in_order():
    normal = dict(type="Normal", **L)
    models = [Sequential(kind(normal), Leaf(normal)) for kind in (Leaf, Derived)]
    for model in models:
        torch.manual_seed(3)
        model.init_weights()
    assert torch.equal(models[0][0].fc.weight, models[1][0].fc.weight)
    assert torch.equal(models[0][1].fc.weight, models[1][1].fc.weight)


def test_initialize_without_a_config_does_what_init_weights_does():
    class Root(Leaf):
        def init_weights(self):
            super().init_weights()
            nn.init.zeros_(self.fc.bias)

    for kind, bias in ((Leaf, 2), (Root, 0)):
        model = kind(constant(1, bias=2, **L))
        report = initialize(model)
        assert model.is_init and model.fc.bias.unique().tolist() == [bias]
        assert report["fc.bias"].action == ("written" if kind is Leaf else "called")


def test_the_report_names_who_had_the_last_word():
    class Zeroes(Leaf):
        def init_weights(self):
            self.fc.weight.data.zero_()

    model = Sequential(Zeroes(), init_cfg=constant(1, **L))
    report = model.init_weights()
    assert model[0].fc.weight.unique().tolist() == [0]
    assert (report["0.fc.weight"].action, report["0.fc.weight"].source) == (
        "called", "0.init_weights",
    )  # fmt: skip
    assert report["0.fc.bias"].action == "written"


def test_a_nan_that_own_code_leaves_alone_is_not_its_doing():
    class Idle(Leaf):
        def init_weights(self):
            pass

    model = Sequential(Idle())
    nn.init.constant_(model[0].fc.weight, float("nan"))
    assert model.init_weights()["0.fc.weight"].action == "left"


def test_an_empty_initialiser_of_ones_own_is_called():
    class Empty(list):
        def __call__(self, module):
            nn.init.constant_(module[0].weight, 4)

    model = nn.Sequential(nn.Linear(2, 2))
    initialize(model, dict(type=Empty))
    assert model[0].weight.unique().tolist() == [4]


def test_tied_parameters_share_their_owners_fate():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    report = initialize(model, constant(1, **L))
    assert report.untouched == ()
    assert report["1.weight"].action == "written"
    assert plan(model, constant(1, **L))["0.weight"].overridden == ()


@pytest.mark.parametrize("tied", [False, True])
def test_a_checkpoint_for_a_part_under_another_name(tmp_path, tied):
    torch.save({"weight": torch.full((2, 2), 8.0)}, tmp_path / "l.pth")
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    if tied:
        model[1].weight = model[0].weight
    load = dict(type="Pretrained", name="1", checkpoint=str(tmp_path / "l.pth"))
    report = initialize(model, constant(1, override=load))
    assert model[1].weight.unique().tolist() == [8]
    assert report["1.weight"].action == "loaded"
    assert report["1.weight"].source == "init_cfg.override"
    assert (report["0.weight"].action == "loaded") is tied


def test_an_inner_override_after_its_checkpoint_gives_way_to_the_outer_checkpoint(tmp_path):
    torch.save({"fc.weight": torch.full((2, 2), 1.0)}, tmp_path / "in.pth")
    torch.save({"0.fc.weight": torch.full((2, 2), 2.0)}, tmp_path / "out.pth")
    inner = dict(
        type="Pretrained",
        checkpoint=str(tmp_path / "in.pth"),
        override=dict(type="Constant", name="fc", val=7),
    )
    outer = dict(type="Pretrained", checkpoint=str(tmp_path / "out.pth"))
    model = Sequential(Leaf(inner), init_cfg=outer)
    report = model.init_weights()
    assert model[0].fc.weight.unique().tolist() == [2]
    assert report["0.fc.weight"].source == "init_cfg"
    assert model[0].fc.bias.unique().tolist() == [0]


def test_load_hooks_are_honoured(tmp_path):
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state, prefix, *rest):
            if f"{prefix}old" in state:
                state[f"{prefix}weight"] = state.pop(f"{prefix}old")
            super()._load_from_state_dict(state, prefix, *rest)

    torch.save({"0.old": torch.full((2, 2), 4.0)}, tmp_path / "old.pth")
    model = nn.Sequential(Renamed(2, 2))
    initialize(model, dict(type="Pretrained", checkpoint=str(tmp_path / "old.pth")))
    assert model[0].weight.unique().tolist() == [4]


def test_a_parametrised_weight_is_set_through_its_right_inverse():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(300, 200)))
    todo = plan(model, dict(type="Normal", std=3.0, bias=2, **L))
    assert [(row.name, row.kind, str(row.law)) for row in todo.rows] == [
        ("0.weight", "parametrised", "Normal(0, 3)"),
        ("0.bias", "parameter", "Constant(2)"),
        ("0.parametrizations.weight.original0", "parameter", "None"),
        ("0.parametrizations.weight.original1", "parameter", "None"),
    ]
    original = todo["0.parametrizations.weight.original0"]
    assert original.reason == "it is set through 0.weight"
    report = initialize(model, dict(type="Normal", std=3.0, bias=2, **L), seed=0)
    plain = nn.Sequential(nn.Linear(300, 200))
    initialize(plain, dict(type="Normal", std=3.0, bias=2, **L), seed=0)
    assert torch.allclose(model[0].weight, plain[0].weight, atol=1e-6)
    assert report["0.weight"].action == "written"
    assert model[0].bias.unique().tolist() == [2]


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


class Positive(Doubled):
    def right_inverse(self, x):
        if (x < 0).any():
            raise ValueError("negative numbers")
        return x / 2


def test_a_parametrisation_that_refuses_puts_everything_back():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight.data.abs_()
    nn.utils.parametrize.register_parametrization(model[1], "weight", Positive())
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError) as caught:
        initialize(model, constant(-5, bias=1, **L))
    assert str(caught.value) == (
        "1.weight: its parametrisation does not take the numbers: negative numbers."
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_parametrisation_without_inverse_is_named():
    model = nn.Sequential(nn.Linear(3, 3))
    nn.utils.parametrize.register_parametrization(model[0], "weight", Doubled())
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(model, constant(5, bias=1, **L))
    assert str(caught[0].message) == (
        "init_cfg: cannot fill 0.weight: it is computed by a parametrisation."
    )
    assert model[0].bias.unique().tolist() == [1]


def test_spectral_norm_is_filled_at_its_source():
    model = nn.Sequential(ConvModule(3, 4, 3, with_spectral_norm=True))
    report = initialize(model, constant(5, layer="Conv2d"))
    assert model[0].conv.weight_orig.unique().tolist() == [5]
    assert report["0.conv.weight_orig"].action == "written"


def test_functions_write_through_a_parametrisation():
    from brickbook import normal_init

    layer = parametrizations.weight_norm(nn.Linear(300, 200))
    normal_init(layer, std=3.0, bias=2)
    assert layer.weight.std().item() == pytest.approx(3, rel=0.05)
    assert layer.bias.unique().tolist() == [2]


def test_every_layer_of_a_list_is_looked_at():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    with pytest.warns(UnmatchedRuleWarning) as caught:
        initialize(model, constant(1, layer=["Linear", "Dropout", "BatchNrom1d"]))
    assert [str(item.message) for item in caught] == [
        "init_cfg.layer: Dropout has no 'weight' or 'bias' parameter of its own.",
        "init_cfg.layer: BatchNrom1d matches nothing. Did you mean 'BatchNorm1d'?",
    ]


def test_a_warning_comes_every_time_and_points_at_the_users_line():
    model = nn.Linear(2, 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        warnings.filterwarnings("always", category=UnmatchedRuleWarning, append=True)
        for _ in range(3):
            initialize(model, constant(1, layer="Conv2d"))
    assert [item.filename for item in caught] == [__file__] * 3


@pytest.mark.parametrize("name", ["", "0.norm"])
def test_a_name_that_is_no_module(name):
    model = Sequential(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(RuntimeError, match=r"^init_cfg\.override\.name: Sequential has no module"):
        initialize(model, constant(1, override=dict(name=name)))


@pytest.fixture
def popping():
    @INITIALIZERS.register_module(name="Popping")
    class Popping:
        def __init__(self, spec):
            self.value = spec.pop("v")

        def __call__(self, module):
            for part in module.modules():
                if hasattr(part, "weight"):
                    nn.init.constant_(part.weight, self.value)

    yield
    del INITIALIZERS.module_dict["Popping"]


def test_an_initialiser_that_changes_its_arguments_does_not_change_the_config(popping):
    cfg = dict(type="Popping", spec=dict(v=3), override=dict(name="0"))
    model = nn.Sequential(nn.Linear(2, 2))
    for _ in range(2):
        initialize(model, cfg)
    assert cfg == dict(type="Popping", spec=dict(v=3), override=dict(name="0"))
    assert model[0].weight.unique().tolist() == [3]


def test_other_mappings_partials_and_numpy_numbers():
    import json
    from functools import partial
    from types import MappingProxyType

    frozen = MappingProxyType(dict(type="Constant", layer="Linear", val=np.float32(3)))
    model = Leaf(frozen)
    model.init_weights(seed=np.int64(3))
    assert model.fc.weight.unique().tolist() == [3]
    json.dumps(plan(model, frozen).to_dict())
    kind = partial(INITIALIZERS.get("Constant"), val=4)
    assert plan(nn.Linear(2, 2), dict(type=kind, **L))["weight"].rule == "ConstantInit"


def test_an_unrelated_init_cfg_of_a_plain_module_is_none_of_our_business():
    plain = nn.Linear(2, 2)
    plain.init_cfg = "xavier"
    Sequential(plain, init_cfg=constant(1, **L)).init_weights()
    assert plain.weight.unique().tolist() == [1]


def test_foreign_code_inside_a_wrapper_is_called():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(2, 2)

        def init_weights(self):
            nn.init.constant_(self.fc.weight, 6)

    model = Sequential(nn.DataParallel(Plain()))
    model.init_weights()
    assert model[0].module.fc.weight.unique().tolist() == [6]


def test_equal_bounds_draw_as_torch_does():
    model = nn.Sequential(nn.Linear(2, 2), nn.Conv2d(2, 2, 1))
    cfg = [dict(type="Uniform", a=1, b=1, **L), dict(type="Normal", layer="Conv2d")]
    torch.manual_seed(1)
    initialize(model, cfg)
    torch.manual_seed(1)
    assert torch.equal(torch.empty(2, 2).uniform_(1, 1), model[0].weight)
    assert torch.equal(torch.empty(2, 2, 1, 1).normal_(), model[1].weight)


def test_a_plan_for_nothing_has_an_empty_frame():
    assert len(plan(nn.ReLU(), []).frame()) == 0
