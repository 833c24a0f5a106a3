"""What parametrisations compute: the promise of the plan against the weight that is computed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from brickbook import initialize, materialize, plan
from brickbook.errors import BadValueError

SMALL = dict(type="Normal", std=0.02, layer=["Linear", "_ConvNd"])


def spectral(make=lambda: nn.Linear(40, 30), **more):
    return nn.Sequential(parametrizations.spectral_norm(make(), **more))


def same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


SPECTRAL = {
    "linear": spectral,
    "conv": lambda: spectral(lambda: nn.Conv2d(3, 8, 3)),
    "transposed": lambda: spectral(lambda: nn.ConvTranspose2d(3, 8, 3), dim=1),
    "a wide one": lambda: spectral(lambda: nn.Linear(300, 2)),
    "float64": lambda: spectral(lambda: nn.Linear(40, 30).double()),
}


@pytest.mark.parametrize("make", SPECTRAL.values(), ids=SPECTRAL)
@pytest.mark.parametrize("seed", [None, 5])
def test_a_spectral_norm_is_filled_at_its_original_and_its_vectors_are_renewed(make, seed):
    torch.manual_seed(0)
    model, name = make(), "0.parametrizations.weight.original"
    todo = plan(model, SMALL)
    assert str(todo[name].law) == "Normal(0, 0.02)" and todo["0.weight"].law is None
    assert todo["0.weight"].reason == f"it is {name} over its largest singular value"
    report = initialize(model, SMALL, seed=seed)
    original = model[0].parametrizations.weight.original
    assert original.std().item() == pytest.approx(0.02, rel=0.3)
    assert report[name].action == "written" and report["0.weight"].action == "left"
    model.eval()
    step = model[0].parametrizations.weight[0]
    sigma = torch.linalg.matrix_norm(step._reshape_weight_to_matrix(model[0].weight), 2)
    assert sigma.item() == pytest.approx(1, abs=2e-3)


def test_the_numbers_of_a_seed_are_those_of_the_weights_name():
    model, plain = spectral(), nn.Sequential(nn.Linear(40, 30))
    for each in (model, plain):
        initialize(each, SMALL, seed=3)
    assert torch.equal(model[0].parametrizations.weight.original, plain[0].weight)


def test_a_spectral_norm_of_zeros_is_refused_and_nothing_changes():
    model = spectral()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadValueError) as caught:
        initialize(model, dict(type="Zeros", bias=3, layer="Linear"))
    assert str(caught.value) == (
        "0.weight: its parametrisation does not take the numbers: it makes NaN or infinity of them."
    )
    assert same(model, before)


def test_the_original_by_its_own_name_and_the_weight_protected():
    model, name = spectral(), "0.parametrizations.weight.original"
    initialize(model, dict(type="Normal", std=0.02, layer=name))
    assert model[0].parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.1)
    assert torch.linalg.matrix_norm(model.eval()[0].weight, 2).item() == pytest.approx(1, abs=2e-3)
    before = copy.deepcopy(model.state_dict())
    for protected in ("0:weight", name, "0"):
        initialize(model, dict(type="Normal", std=3.0, layer="0:weight"), protect=protected)
        assert same(model, before)


def orthogonal(**more):
    return nn.Sequential(parametrizations.orthogonal(nn.Linear(6, 6), **more))


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight


class Halved(Doubled):
    def right_inverse(self, weight):
        return weight / 2


def custom(step):
    model = nn.Sequential(nn.Linear(6, 6))
    parametrize.register_parametrization(model[0], "weight", step)
    return model


@pytest.mark.parametrize("make", [
    lambda: orthogonal(orthogonal_map="householder", use_trivialization=False),
    orthogonal,
    lambda: custom(Doubled()),
])  # fmt: skip
def test_a_right_inverse_that_does_not_give_back_what_was_set_is_refused(make):
    torch.manual_seed(1)
    model = make()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(BadValueError) as caught:
        initialize(model, dict(type="Normal", std=0.02, bias=3, layer="Linear"), seed=1)
    text = str(caught.value)
    assert text.startswith(
        "0.weight: its parametrisation does not take the numbers: it makes others of them, with std"
    )
    assert same(model, before)


def test_what_is_given_back_is_written():
    model = orthogonal()
    initialize(model, dict(type="Orthogonal", layer="Linear"), seed=1)
    torch.testing.assert_close(model[0].weight @ model[0].weight.T, torch.eye(6))
    model = custom(Halved())
    initialize(model, dict(type="Normal", std=0.02, layer="Linear"), seed=1)
    plain = nn.Sequential(nn.Linear(6, 6))
    initialize(plain, dict(type="Normal", std=0.02, layer="Linear"), seed=1)
    assert torch.equal(model[0].weight, plain[0].weight)


ZERO = dict(type="Zeros", layer="0.parametrizations.weight.original0")


@pytest.mark.parametrize("seed", [None, 2])
def test_rows_of_parametrised_tensors_are_written_in_the_plans_order(seed):
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 6)))
    report = initialize(model, [SMALL, ZERO], seed=seed)
    assert model[0].parametrizations.weight.original0.eq(0).all() and model[0].weight.eq(0).all()
    original = "0.parametrizations.weight.original0"
    assert report["0.weight"].reason == f"then changed by writing {original}"
    assert report[original].reason == ""
    report = initialize(model, [ZERO, SMALL], seed=seed)
    assert report[original].reason == "then changed by writing 0.weight"
    assert report["0.weight"].reason == ""
    assert model[0].weight.std().item() == pytest.approx(0.02, rel=0.5)


@pytest.mark.filterwarnings("ignore:.*spectral_norm:FutureWarning")
def test_the_vectors_of_the_old_spectral_norm_are_renewed():
    model = nn.Sequential(nn.utils.spectral_norm(nn.Conv2d(3, 8, 3)))
    initialize(model, dict(type="Normal", std=5.0, layer="Conv2d"), seed=1)
    model.eval()(torch.zeros(1, 3, 5, 5))
    assert torch.linalg.matrix_norm(model[0].weight.flatten(1), 2).item() == pytest.approx(1, 2e-3)
    vectors = model[0].weight_u.clone()
    initialize(model, dict(type="Zeros", layer="Conv2d"))
    assert torch.equal(model[0].weight_u, vectors)


def test_a_spectral_norm_without_memory():
    with torch.device("meta"):
        model = spectral()
    vectors = dict(type="Normal", layer=["_SpectralNorm:_u", "_SpectralNorm:_v"])
    materialize(model, [SMALL, vectors], device="cpu", seed=3)
    plain = nn.Sequential(nn.Linear(40, 30))
    initialize(plain, SMALL, seed=3)
    assert torch.equal(model[0].parametrizations.weight.original, plain[0].weight)
    assert torch.linalg.matrix_norm(model.eval()[0].weight, 2).item() == pytest.approx(1, abs=2e-3)
