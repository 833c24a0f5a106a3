"""Whatever the model and the config: a ConfigError and nothing changed, or what the plan said."""

import copy
import json
import math

import pytest
import torch
from generated_models import asked, build, change, changes, options, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.parameter import is_lazy

from brickbook import InitPlan, initialize, plan
from brickbook.errors import ConfigError
from brickbook.init.laws import Constant

SETTINGS = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
quiet = pytest.mark.filterwarnings(
    "ignore::brickbook.errors.UnmatchedRuleWarning",
    "ignore:Initializing zero-element tensors",
    "ignore:.*torch.nn.utils.spectral_norm:FutureWarning",
)
seeds = st.one_of(st.none(), st.integers(-3, 3))


def made(spec, todo=()):
    torch.manual_seed(1)
    model = build(spec)
    change(model, todo)
    return model


def tensors(model):
    every = (*model.named_parameters(remove_duplicate=False),
             *model.named_buffers(remove_duplicate=False))  # fmt: skip
    return dict(every)


def same(one, two):
    return is_lazy(one) or torch.equal(one, two) or torch.equal(one.isnan(), two.isnan())


def state(model):
    """The values, the objects, what is started, and torch's generator."""
    found = tensors(model)
    return (
        {name: tensor.detach().clone() for name, tensor in found.items() if not is_lazy(tensor)},
        {name: id(tensor) for name, tensor in found.items()},
        [getattr(part, "is_init", None) for part in model.modules()],
        torch.get_rng_state(),
        torch.get_num_threads(),
    )


def assert_unchanged(model, before, *, generator=True):
    values, objects, started, random, threads = state(model)
    assert objects == before[1] and started == before[2] and threads == before[4]
    assert all(torch.equal(value, before[0][name]) for name, value in values.items())
    assert not generator or torch.equal(random, before[3])


def assert_follows(law, tensor, padding):
    """The support, and mean and std within six sigma of theory."""
    tensor = tensor.detach()
    eps = torch.finfo(tensor.dtype).eps
    if padding is not None:
        assert (tensor[padding] == 0).all()
        tensor = torch.cat([tensor[:padding], tensor[padding % len(tensor) + 1 :]])
    values = tensor.double().flatten()
    if isinstance(law, Constant):
        assert torch.equal(tensor, torch.full_like(tensor, law.value))
        return
    low, high = law.support
    slack = eps * max(abs(x) for x in (low, high, 1.0) if math.isfinite(x))
    assert not len(values) or (low - slack <= values.min() and values.max() <= high + slack)
    if len(values) >= 100:
        error = 6 * law.std / math.sqrt(len(values)) + eps * (abs(law.mean) + law.std)
        assert abs(values.mean() - law.mean) <= error
        assert abs(values.std() - law.std) <= 1.5 * error


def assert_kept(report, model, before):
    """Every row of the plan holds."""
    now, todo = tensors(model), report.plan
    assert set(report) == set(todo) == {row.name for row in todo.rows}
    assert {name for name, _ in model.named_parameters(remove_duplicate=False)} <= set(todo)
    for row in todo.rows:
        record = report[row.name]
        assert row.law is None or row.later_writers or record.action == "written"
        if row.tied_to:
            assert row.kind == "parametrised" or now[row.name] is now[row.tied_to]
        elif row.later_writers or row.reason.startswith("it is set through"):
            continue
        elif row.kind == "parametrised":
            part, _, key = row.name.rpartition(".")
            value = getattr(model.get_submodule(part), key)
            if isinstance(row.law, Constant):
                assert torch.allclose(value, torch.full_like(value, row.law.value))
        elif row.law is not None:
            assert_follows(row.law, now[row.name], row.padding)
        elif not is_lazy(now[row.name]):
            assert id(now[row.name]) == before[1][row.name], row.reason
            assert torch.equal(now[row.name], before[0][row.name]), row.explain()


def assert_held(model, before, *, protect=(), frozen="init", **_):
    """What nothing may write, said once more without the plan; and the padding rows."""
    words = [protect] if isinstance(protect, str) else protect
    for name, tensor in model.named_parameters():
        kept = frozen == "skip" and not tensor.requires_grad
        kept = kept or any(word in ("*", "re:.*", name.partition(".")[0]) for word in words)
        assert not kept or is_lazy(tensor) or torch.equal(tensor, before[0][name]), name
    for name, part in model.named_modules():
        if getattr(part, "padding_idx", None) is not None:
            row, old = part.weight[part.padding_idx], before[0][f"{name}.weight"][part.padding_idx]
            assert not row.any() or torch.equal(row, old), name


@quiet
@SETTINGS
@given(
    spec=trees(),
    todo=changes,
    cfg=asked,
    more=options,
    seed=seeds,
    atomic=st.booleans(),
)
def test_a_config_error_and_nothing_changed_or_the_plan_is_kept(
    spec, todo, cfg, more, seed, atomic
):
    model = made(spec, todo)
    before, given_cfg = state(model), copy.deepcopy(cfg)
    try:
        planned = plan(model, cfg, **more)
    except ConfigError as error:
        assert str(error)
        planned = None
    assert_unchanged(model, before)
    try:
        report = initialize(model, cfg, seed=seed, atomic=atomic, **more)
    except ConfigError as error:
        assert_unchanged(model, before, generator=seed is not None)
        late = "batch" in error.hint or "parametrisation" in str(error) or "/no/such" in str(error)
        assert planned is None or late, error
        return
    assert planned is not None and report.plan == planned
    assert cfg == given_cfg
    assert seed is None or torch.equal(torch.get_rng_state(), before[3])
    assert_kept(report, model, before)
    assert_held(model, before, **more)


@quiet
@SETTINGS
@given(spec=trees(), todo=changes, cfg=asked, more=options)
def test_a_plan_is_a_value(spec, todo, cfg, more):
    model = made(spec, todo)
    try:
        planned = plan(model, cfg, **more)
    except ConfigError:
        return
    assert plan(model, cfg, **more) == planned
    assert planned.diff(plan(model, cfg, **more)) == ()
    assert InitPlan.from_json(planned.to_json()) == planned
    assert repr(planned) in planned._repr_html_()
    assert len(planned.frame()) == len(planned) == len(list(planned))
    for name in planned:
        assert planned.explain(name).startswith(f"{name} (")
        assert str(planned[name].law) in planned.explain(name) or planned[name].law is None
    assert "NaN" not in planned.to_json() and "Infinity" not in planned.to_json()


@quiet
@SETTINGS
@given(spec=trees(), todo=changes, cfg=asked, more=options, seed=st.integers(-3, 3))
def test_a_seed_says_every_number(spec, todo, cfg, more, seed):
    found = []
    for number, threads in ((seed, 1), (seed, 2), (seed + 1, 1)):
        model = made(spec, todo)
        torch.manual_seed(threads)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            report = initialize(model, cfg, seed=number, **more)
        except ConfigError:
            return
        finally:
            torch.set_num_threads(before)
        json.dumps(report.to_dict())
        assert repr(report).replace("&", "") and report._repr_html_()
        found.append(tensors(model))
    one, two, other = found
    for row in report.plan.rows:
        if row.kind != "parametrised" and not is_lazy(one[row.name]):
            assert torch.equal(one[row.name], two[row.name]), row.explain()
            size = one[row.name].numel() * (row.law.std > 0 if row.law else 0)
            drawn = size > 3 and row.law.elementwise and not row.later_writers
            assert not drawn or not torch.equal(one[row.name], other[row.name]), row.explain()
