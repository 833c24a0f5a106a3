"""Races: the hand-written loop bit by bit, here and in workers; what goes wrong is said."""

from __future__ import annotations

import json
import math
import random
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from race_support import Noisy, mlp, samples
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from brickbook import initialize
from brickbook.errors import ConfigError
from brickbook.measure.race import Race, Run, race, sparkline
from brickbook.measure.race.data import batches

KAIMING = {"type": "Kaiming", "layer": "Linear"}
HUGE = {"type": "Normal", "std": 1e25, "layer": "Linear"}
SGD = partial(torch.optim.SGD, lr=0.1)


def go(model_fn=mlp, init_cfgs=None, data=None, **options) -> Race:
    options = {"steps": 12, "seeds": 2, "optimizer": SGD, "batch_size": 16} | options
    return race(model_fn, init_cfgs or {"a": KAIMING, "b": None}, data or samples(), **options)


def by_hand(seed: int, steps: int = 12, scheduler=None):
    """The loop that the docstring of `race` promises."""
    torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)
    model = Noisy().train()
    initialize(model, KAIMING, seed=seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    plan = scheduler(optimizer) if scheduler else None
    torch.manual_seed(seed), random.seed(seed), np.random.seed(seed)
    losses, shares, sizes = [], [], []
    order = torch.Generator().manual_seed(seed)
    inputs, targets = samples()
    for step in range(steps):
        if step % 6 == 0:
            places = torch.randperm(96, generator=order)
        chosen = places[step % 6 * 16 : step % 6 * 16 + 16]
        optimizer.zero_grad()
        output = model(inputs[chosen])
        loss = F.cross_entropy(output, targets[chosen])
        losses.append(loss.item())
        shares.append((output.argmax(1) == targets[chosen]).float().mean().item())
        before = model.first.weight.detach().clone()
        loss.backward()
        optimizer.step()
        if plan:
            plan.step()
        sizes.append(((model.first.weight - before).norm() / before.norm()).item())
    return tuple(losses), tuple(shares), tuple(sizes)


HALVES = partial(torch.optim.lr_scheduler.StepLR, step_size=4, gamma=0.5)


@pytest.mark.parametrize("scheduler", [None, HALVES])
def test_a_run_is_the_loop_that_one_writes_by_hand_bit_by_bit(scheduler):
    expected = [by_hand(seed, scheduler=scheduler) for seed in (0, 7)]
    found = race(
        Noisy, {"kaiming": KAIMING}, samples(), steps=12, seeds=(0, 7), batch_size=16,
        optimizer=partial(torch.optim.Adam, lr=0.01), scheduler=scheduler, update_every=1,
        signals_at=(0, 5, 12),
    )  # fmt: skip
    for run, (losses, shares, sizes) in zip(found.runs, expected, strict=True):
        assert (run.losses, run.metrics["accuracy"]) == (losses, shares)
        assert run.updates["first.weight"] == pytest.approx(sizes, rel=1e-5)
        assert run.update_steps == tuple(range(12)) and run.status == "finished"
        assert list(run.signals) == [0, 5, 12]
        assert run.signals[5].loss is not None and run.signals[5].seed == run.seed
    assert found.expected_loss == math.log(3)


def test_the_process_the_model_and_the_data_are_as_before():
    model, data = Noisy().eval(), samples()
    kept = [value.clone() for value in (*model.state_dict().values(), *data)]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    with torch.no_grad():
        found = go(model, data=data)
        assert not torch.is_grad_enabled()
    assert found.run("b", 0).losses != found.run("b", 1).losses
    now = (*model.state_dict().values(), *data)
    assert all(map(torch.equal, now, kept)) and not model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()


def test_every_variant_sees_the_same_batches_whatever_was_drawn_before():
    seen: dict[tuple[str, int], list[float]] = {}

    def start(name, draws):
        def init(model):
            torch.rand(draws), random.random()
            seen.setdefault(name, []).append(0.0)
            model.register_forward_pre_hook(lambda _, args: seen[name].append(float(args[0].sum())))

        return init

    loader = DataLoader(TensorDataset(*samples()), 16, shuffle=True)
    for data in (samples(), loader, list(loader), lambda: iter(loader)):
        seen.clear()
        go(init_cfgs={"a": start("a", 1), "b": start("b", 999)}, data=data, steps=9)
        assert seen["a"] == seen["b"] and len(set(seen["a"])) > 2


def test_a_loader_with_a_generator_of_its_own_gives_every_run_the_same():
    own = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(*samples()), 16, shuffle=True, generator=own)
    state = own.get_state()
    found = go(init_cfgs={"a": KAIMING, "b": KAIMING}, data=loader)
    assert found.run("a", 1).losses == found.run("b", 1).losses
    assert torch.equal(own.get_state(), state)


def test_batches_pass_through_all_samples_and_leave_the_rest_for_later():
    inputs = torch.arange(10)
    given = batches((inputs, inputs), 4, 0)
    passes = [torch.cat([next(given)[0] for _ in range(2)]) for _ in range(3)]
    assert all(len(set(one.tolist())) == 8 for one in passes)
    assert not torch.equal(passes[0], passes[1])
    assert next(batches((inputs, inputs), 64, 0))[0].sort().values.equal(inputs)


def test_a_model_that_writes_into_its_input_does_not_change_the_batches():
    data = [(torch.full((8, 4), -1.0), torch.zeros(8, 3))]
    found = go(lambda: nn.Sequential(nn.ReLU(inplace=True), mlp()), data=data)
    assert data[0][0].eq(-1).all() and found.expected_loss is None and found.metrics == ()


def test_a_loss_that_is_not_finite_ends_its_run_and_is_shown_as_what_it_is():
    found = go(init_cfgs={"huge": HUGE, "a": KAIMING}, steps=8)
    assert [run.status for run in found.runs] == ["diverged"] * 2 + ["finished"] * 2
    run = found.runs[0]
    assert len(run.losses) < 8 and not math.isfinite(run.losses[-1])
    step = len(run.losses) - 1
    assert run.outcome == f"huge, seed 0: the loss is {run.losses[-1]} at step {step}."
    assert run.outcome in found._repr_html_()
    curve = found.curve("huge")
    assert len(curve.mean) == step and curve.stopped == found.runs[:2]
    text = found.to_json()
    assert "NaN" not in text and "Infinity" not in text
    assert Race.from_json(text) == found


def nan_at(step):
    class Bad(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.calls = mlp(), 0

        def forward(self, x):
            self.calls += 1
            return self.body(x) * (math.nan if self.calls > step else 1)

    return Bad


def test_the_mean_ends_where_a_seed_has_stopped():
    runs = (Run("a", 0, losses=(4.0, 2.0, 1.0)), Run("a", 1, "diverged", (2.0, 4.0, math.inf)))
    curve = Race(runs, 3).curve("a")
    assert (curve.mean, curve.low, curve.high) == ((3.0, 3.0), (2.0, 2.0), (4.0, 4.0))
    assert repr(Race(runs, 3)) == "Race(3 steps, 2 seeds: a 3 ▁▁ 3, 1 diverged)"
    assert Race.from_json(Race(runs, 3).to_json()).runs == runs
    found = go(nan_at(3), init_cfgs={"a": None})
    assert {(run.status, len(run.losses)) for run in found.runs} == {("diverged", 4)}


def test_an_error_costs_its_run_only():
    def broken(model):
        model[0] = nn.Linear(5, 16)

    found = go(init_cfgs={"a": KAIMING, "broken": broken})
    bad = found.run("broken", 1)
    assert (bad.status, bad.losses) == ("failed", ())
    assert bad.outcome.startswith(
        "broken, seed 1: failed at step 0: RuntimeError: mat1 and mat2 shapes cannot be multiplied"
    )
    assert found.run("a", 1).status == "finished"
    assert found.curve("broken").mean == () and len(found.frame()) == 24
    with pytest.raises(ConfigError) as caught:
        go(init_cfgs={"broken": broken})
    assert str(caught.value).startswith("race: no run has come to its end. broken, seed 0: failed")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_cancel_and_progress():
    told: list[tuple[int, int, str, float]] = []

    def tell(found, share):
        last = found.runs[-1]
        told.append((len(found.runs), len(last.losses), last.status, share))

    found = go(steps=40, progress=tell, cancelled=lambda: len(told) > 25)
    assert told[:3] == [(1, 2, "running", 2 / 160), (1, 4, "running", 4 / 160),
                        (1, 6, "running", 6 / 160)]  # fmt: skip
    assert told[20] == (1, 40, "finished", 0.25)
    statuses = [(run.status, len(run.losses)) for run in found.runs]
    assert statuses == [("finished", 40), ("cancelled", 10), ("cancelled", 0), ("cancelled", 0)]
    assert found.runs[1].outcome == "a, seed 1: cancelled after 10 steps."


def test_an_interrupt_passes_and_puts_the_state_back():
    before = torch.get_rng_state()

    def stop(found, share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(progress=stop)
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_are_set_for_the_runs_and_put_back():
    before = torch.get_num_threads()
    seen = []
    found = go(init_cfgs={"a": lambda _: seen.append(torch.get_num_threads())}, threads=before + 1)
    assert seen == [before + 1] * 2 and {run.threads for run in found.runs} == {before + 1}
    assert torch.get_num_threads() == before


SHARED = mlp()
REFUSED = {
    "model_fn: expected a function or a model, got 3.": dict(model_fn=3),
    "model_fn: it returned the same layers twice, and each run would train what the last left. "
    "Build them in the function, or pass the model.": dict(model_fn=lambda: SHARED),
    "model_fn: it returned None, no module.": dict(model_fn=lambda: None),
    "init_cfgs: expected a mapping of names to configs, got [].": dict(init_cfgs=[]),
    "init_cfgs: expected a name for each variant, got 3.": dict(init_cfgs={3: None}),
    "init_cfgs.a.type: Kaimin is not in the initializer registry. Did you mean 'Kaiming'?": dict(
        init_cfgs={"a": {"type": "Kaimin", "layer": "Linear"}}
    ),
    "steps: expected 1 or more, got 0.": dict(steps=0),
    "steps: expected an int, got 1.5 (float).": dict(steps=1.5),
    "seeds: expected one or more, all different, got (1, 1).": dict(seeds=(1, 1)),
    "seeds: expected one or more, all different, got ().": dict(seeds=0),
    "seeds: expected 0 or more, got -1.": dict(seeds=[-1]),
    "batch_size: expected 1 or more, got 0.": dict(batch_size=0),
    "threads: expected 1 or more, got 0.": dict(threads=0),
    "signals_at: there are 12 steps, got 13.": dict(signals_at=[13]),
    "data: there are 96 inputs and 3 targets.": dict(data=(samples()[0], torch.zeros(3))),
    "data: expected a pair of tensors (inputs, targets), an iterable of such pairs or a task, "
    "got 7.": dict(data=7),
    "data: it gives its batches once only, and every run needs them. "
    "Pass a list, a DataLoader, or a function that makes the iterator.": dict(data=iter([1])),
    "race: no run has come to its end. a, seed 0: failed at step 0: optimizer: it returned None, "
    "no torch.optim.Optimizer.": dict(optimizer=lambda parameters: None),
    "race: no run has come to its end. a, seed 0: failed at step 0: data: there are no batches "
    "in it.": dict(data=lambda: []),
    "race: no run has come to its end. a, seed 0: failed at step 0: data: expected pairs "
    "(input, target), got 1.": dict(data=lambda: [1]),
    "race: no run has come to its end. a, seed 0: failed at step 0: loss: expected a tensor of "
    "classes or of numbers as target, got 'x'. Pass loss=..., which takes output and target.": dict(
        data=[(torch.zeros(4, 4), "x")]
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_gives_no_race_is_refused_by_name(message):
    options = dict(REFUSED[message])
    given = {"model_fn": mlp, "init_cfgs": {"a": KAIMING}, "data": samples()} | options
    with pytest.raises(ConfigError) as caught:
        race(
            given.pop("model_fn"), given.pop("init_cfgs"), given.pop("data"),
            **{"steps": 12, "seeds": 1, "optimizer": SGD, **given},
        )  # fmt: skip
    assert str(caught.value) == message


def test_the_record():
    found = go(signals_at=(0,), steps=10)
    assert Race.from_json(json.dumps(found.to_dict())) == found
    frame = found.frame()
    assert list(frame.columns) == ["variant", "seed", "step", "loss", "accuracy", "update"]
    assert len(frame) == 40 and frame["update"].notna().all()
    assert (found.variants, found.seeds, found.metrics) == (("a", "b"), (0, 1), ("accuracy",))
    curve = found.curve("a", "accuracy")
    both = [found.run("a", seed).metrics["accuracy"] for seed in (0, 1)]
    assert curve.mean == tuple((x + y) / 2 for x, y in zip(*both, strict=True))
    assert curve.low == tuple(map(min, *both)) and curve.high == tuple(map(max, *both))
    assert repr(found.runs[0]) == "Run(a, seed 0: finished after 10 steps)"


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda r: r.run("c", 0), "variant: no variant 'c'."),
        (lambda r: r.run("a", 5), "seed: expected one of (0, 1), got 5."),
        (lambda r: r.curve("a", "acuracy"), "metric: no metric 'acuracy'."),
        (lambda r: Race.from_dict({"runs": 3, "steps": 1, "notes": []}),
         "race.runs: expected tuple[brickbook.measure.race.records.Run, ...], got 3."),
        (lambda r: Race.from_dict({**r.to_dict(), "runs": [{"seed": 1}]}),
         "race.runs[0].variant: Run needs it."),
    ],
)  # fmt: skip
def test_what_a_race_does_not_have_is_said(ask, message):
    with pytest.raises(ConfigError) as caught:
        ask(go(steps=1))
    assert str(caught.value).startswith(message)


def test_a_sparkline_is_of_what_is_known():
    assert sparkline([None, math.nan, 1.0, 3.0]) == "▁█" and sparkline([]) == ""
    assert len(sparkline([float(x) for x in range(1000)])) == 8
