"""One seed gives one set of numbers, however many threads start a model at the same time."""

import threading

import pytest
import torch
from torch import nn

from brickbook import BaseModule, Sequential, initialize, materialize

THREADS, ROUNDS = 8, 15


class Drawn(BaseModule):
    """Draws from torch's generator, in several steps."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(64, 64)

    def init_weights(self):
        for _ in range(5):
            nn.init.normal_(self.fc.weight)
            nn.init.uniform_(self.fc.bias)


class Nested(BaseModule):
    """Starts its parts itself, one of them by custom init code."""

    def __init__(self):
        super().__init__()
        self.drawn, self.ruled = Drawn(), nn.Linear(64, 64)

    def init_weights(self):
        self.drawn.init_weights()
        initialize(self.ruled, dict(type="Normal", layer="Linear"))
        nn.init.normal_(self.ruled.bias)


class Resets(nn.Module):
    """Has a reset of its own."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(64, 64))

    def reset_parameters(self):
        for _ in range(5):
            nn.init.normal_(self.weight)


def draw(module):
    for tensor in module.parameters():
        nn.init.normal_(tensor)


def on_meta():
    with torch.device("meta"):
        return nn.Sequential(Resets(), Resets())


WAYS = {
    "init_weights": (
        lambda: Sequential(Drawn(), Drawn()), lambda model: model.init_weights(seed=3)
    ),
    "init_weights inside of another": (
        lambda: Sequential(Nested()), lambda model: model.init_weights(seed=3)
    ),
    "an initialiser of one's own": (
        lambda: nn.Linear(64, 64),
        lambda model: initialize(model, dict(type=lambda: draw), seed=3),
    ),
    "reset_parameters": (on_meta, lambda model: materialize(model, seed=3)),
    "laws": (
        lambda: nn.Linear(64, 64),
        lambda model: initialize(model, dict(type="Orthogonal", layer="Linear"), seed=3),
    ),
}  # fmt: skip


def flat(model):
    return torch.cat([tensor.detach().flatten() for tensor in model.parameters()])


@pytest.mark.parametrize("way", WAYS)
def test_one_seed_from_many_threads(way):
    make, start = WAYS[way]
    alone = make()
    start(alone)
    for _ in range(ROUNDS):
        models = [make() for _ in range(THREADS)]
        if way == "laws":  # what they do not fill differs
            for model in models:
                model.load_state_dict(alone.state_dict())
                nn.init.zeros_(model.weight)
        begin = threading.Barrier(THREADS)

        def work(model, begin=begin):
            begin.wait()
            start(model)

        threads = [threading.Thread(target=work, args=(model,)) for model in models]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert all(torch.equal(flat(model), flat(alone)) for model in models)


def test_torchs_generator_is_as_it_was():
    state = torch.get_rng_state()
    Sequential(Drawn()).init_weights(seed=3)
    after = torch.get_rng_state()
    model = Sequential(Drawn())  # its constructor draws
    torch.set_rng_state(state)
    threads = [
        threading.Thread(target=lambda: model.init_weights(seed=3, reinitialize=True))
        for _ in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert torch.equal(torch.get_rng_state(), state) and not torch.equal(after, state)
