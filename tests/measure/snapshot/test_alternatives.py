"""What several configs would make of one model, which stays as it is."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from brickbook.errors import ConfigError
from brickbook.init.execution import initialize
from brickbook.measure.snapshot import Alternatives, alternatives, snapshot
from brickbook.records import record_table

A = dict(type="Kaiming", layer="Linear")
B = [dict(type="Kaiming", layer="Linear"), dict(type="Constant", val=2.0, layer="BatchNorm1d")]


def net():
    return nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.Linear(32, 4))


def test_each_is_what_initialize_would_make_of_the_model():
    model = net()
    before, state = snapshot(model), torch.get_rng_state()
    found = alternatives(model, {"a": A, "b": B}, seed=7)
    assert snapshot(model) == before == found.start
    assert state.equal(torch.get_rng_state())
    for name, cfg in (("a", A), ("b", B)):
        other = copy.deepcopy(model)
        initialize(other, cfg, seed=7)
        assert found[name].snapshot == snapshot(other)
        assert found.comparison(name).before is found.start
    assert found.differing == ("1.weight", "1.bias")
    assert repr(found) == "Alternatives(a, b: 6 parameters, 2 differ)"
    assert repr(alternatives(model, {"b": B})) == "Alternatives(b: 6 parameters, 5 changed)"


def test_the_table_has_a_law_a_std_and_a_histogram_for_each():
    found = alternatives(net(), {"a": A, "b": B})
    heads, rows, _, _ = record_table(found)
    assert heads == (
        "parameter", "", "shape", "std now",
        "law a", "std a", "histogram a", "law b", "std b", "histogram b",
    )  # fmt: skip
    table = {row[0]: row for row in rows}
    assert table["0.weight"][1] == "" and table["0.weight"][4] == "Normal(0, 0.25)"
    norm = table["1.weight"]
    assert norm[1] == "≠\u00a0differ" and norm[7] == "Constant(2)"
    assert norm[4] == "left: no rule matches BatchNorm1d"
    # Over common bins: 1 is at one end, 2 at the other.
    assert norm[6].startswith("█") and norm[9].endswith("█") and len(norm[6]) == len(norm[9])


def test_bins_are_common_and_count_every_element():
    found = alternatives(net(), {"a": A, "b": B})
    for name in found.parameters:
        _, _, counts = found.histograms(name)
        assert {sum(side) for side in counts} == {found.start[name].count}
        assert len({len(side) for side in counts}) == 1


def test_what_has_no_effect_is_a_word_and_no_warning():
    found = alternatives(net(), {"wrong": dict(type="Ones", layer="Linaer")})
    assert found.unmatched_messages == (
        "wrong: init_cfg.layer: Linaer matches nothing. Did you mean 'Linear'?",
    )
    assert "Linaer matches nothing" in found._repr_html_()


def test_of_a_meta_model_there_are_laws():
    with torch.device("meta"):
        model = net()
    found = alternatives(model, {"a": A})
    assert found["a"].law("0.weight") == "Normal(0, 0.25)"
    assert record_table(found).rows[0][5] == "–"


class Stubborn(nn.Linear):
    def __deepcopy__(self, memo):
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("model", "configs", "message"),
    [
        (net(), {}, "configs: expected a dict from names to configs, got {}."),
        (net(), [A], "configs: expected a dict from names to configs, got [{"),
        (net(), {"a": dict(type="Normal", std=-1.0, layer="Linear")},
         "a.init_cfg.std: expected a finite number of 0 or more, got -1.0."),
        (nn.Sequential(Stubborn(2, 2)), {"a": A}, "a.model: cannot be copied: not me"),
    ],
)  # fmt: skip
def test_mistakes(model, configs, message):
    with pytest.raises(ConfigError) as caught:
        alternatives(model, configs)
    assert str(caught.value).startswith(message)


def test_there_and_back():
    found = alternatives(net(), {"a": A, "b": B}, seed=None)
    assert Alternatives.from_dict(found.to_dict()) == found


def test_options_of_the_plan():
    found = alternatives(net(), {"a": A}, protect="0", seed=1)
    assert found["a"].law("0.weight").startswith("left: protect[0]")
