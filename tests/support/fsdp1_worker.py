"""One rank of the tests of FSDP1: what is refused, and what is exact with whole parameters.

``answers`` is what one rank found; see ranks.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP  # noqa: N817 - torch's word

from brickbook import BaseModule, Sequential, diagnose, initialize, plan, snapshot

NORMAL = dict(type="Normal", layer="Linear", std=0.5)
ORTHOGONAL = dict(type="Orthogonal", layer="Linear")
CONSTANT = dict(type="Constant", layer="Linear", val=2.0)
CPU = torch.device("cpu")


class Drawn(BaseModule):
    """A layer by custom init code."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 3)

    def init_weights(self) -> None:
        nn.init.normal_(self.fc.weight)


def net() -> Sequential:
    """Return two linear layers, a norm, and a module that starts itself."""
    return Sequential(
        nn.Linear(4, 6), Sequential(nn.Linear(6, 5), nn.LayerNorm(5)), Drawn(), init_cfg=NORMAL
    )


def sharded(original: bool) -> FSDP:
    """Wrap a model, and a part of it again."""
    model = net()
    model[1] = FSDP(model[1], use_orig_params=original, device_id=CPU)
    return FSDP(model, use_orig_params=original, device_id=CPU)


def answer(call: Callable[[], object]) -> str:
    """Return what a call raises, or ""."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


def values(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of every tensor by its plain name."""
    with FSDP.summon_full_params(model):
        return {
            name.replace("_fsdp_wrapped_module.", ""): tensor.detach().clone()
            for name, tensor in model.named_parameters()
        }


@contextmanager
def summoned(original: bool, **options: bool) -> Iterator[FSDP]:
    """Yield a sharded model with whole parameters."""
    model = sharded(original)
    with FSDP.summon_full_params(model, **options):
        yield model


def refused(original: bool) -> dict[str, str]:
    """Call brickbook on parts of flat parameters."""
    model = sharded(original)
    before = values(model)
    found = {
        "initialize": answer(lambda: initialize(model, NORMAL, seed=1)),
        "plan": answer(lambda: plan(model, NORMAL)),
        "init_weights": answer(lambda: model.module.init_weights(seed=1)),
        "a constant": answer(lambda: initialize(model, CONSTANT)),
        "a part": answer(lambda: initialize(model.module[1], NORMAL, seed=1)),
        "a layer": answer(lambda: initialize(model.module[0], NORMAL, seed=1)),
        "snapshot": answer(lambda: snapshot(model)),
        "diagnose": answer(lambda: diagnose(model)),
    }
    with FSDP.summon_full_params(model, recurse=False):
        found["the outer ones alone"] = answer(lambda: initialize(model, NORMAL, seed=1))
    with FSDP.summon_full_params(model, rank0_only=True, writeback=False):
        found["on the first rank alone"] = answer(lambda: initialize(model, NORMAL, seed=1))
    with FSDP.summon_full_params(model):
        found["without a seed"] = answer(lambda: initialize(model, NORMAL))
    after = values(model)
    same = all(torch.equal(before[name], after[name]) for name in before)
    return found | {"afterwards": "as before" if same else "changed"}


WAYS: dict[str, tuple[Callable[[nn.Module], object], Callable[[nn.Module], object]]] = {
    # what is called on the wrapper, and on the bare model
    "Normal": (lambda model: initialize(model, NORMAL, seed=7),) * 2,
    "Orthogonal": (lambda model: initialize(model, ORTHOGONAL, seed=7),) * 2,
    "a constant without a seed": (lambda model: initialize(model, CONSTANT),) * 2,
    "init_weights": (
        lambda model: model.module.init_weights(seed=7),
        lambda model: model.init_weights(seed=7),
    ),
    "a layer": (
        lambda model: initialize(model.module[0], NORMAL, seed=7),
        lambda model: initialize(model[0], NORMAL, seed=7),
    ),
}


def exact(original: bool) -> dict[str, str]:
    """Initialise whole parameters, and compare what is kept with a bare model."""
    found = {}
    for name, (on_wrapper, on_bare) in WAYS.items():
        bare, model = net(), sharded(original)
        with FSDP.summon_full_params(model):
            # Ranks begin with numbers of their own: what is not written is not compared.
            bare.load_state_dict(
                {key.replace("_fsdp_wrapped_module.", ""): tensor
                 for key, tensor in model.module.state_dict().items()}
            )  # fmt: skip
            on_wrapper(model)
        on_bare(bare)
        ours = values(model)
        written = {key: whole for key, whole in bare.named_parameters() if "weight" in key}
        wrong = [key for key, whole in written.items() if not torch.equal(ours[key], whole)]
        found[name] = " ".join(wrong) or "equal"
    return found


def answers(_: str) -> dict[str, object]:
    """Run all cases."""
    torch.manual_seed(0)
    return {
        str(original): {"refused": refused(original), "exact": exact(original)}
        for original in (False, True)
    }
