"""FSDP1: parts of flat parameters are refused by name, whole ones are what one process draws."""

import pytest
import torch

if not torch.distributed.is_available():
    pytest.skip("this torch was built without torch.distributed", allow_module_level=True)

import fsdp1_worker
from ranks import answers_of

RANKS = 2
PIECE = (
    "FSDP1 (FullyShardedDataParallel) keeps a piece of a flat parameter on each rank: its shape, "
    "and its place in the whole, are not known. Call it inside "
    "FullyShardedDataParallel.summon_full_params(model), on every rank."
)
SEEDLESS = (
    "0.weight: FSDP1 shards it again: without a seed every rank would draw numbers of its own. "
    "Pass seed=n."
)

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Start the ranks and return what each of them found."""
    return answers_of("fsdp1_worker", tmp_path_factory.mktemp("fsdp1"), RANKS)[RANKS]


@pytest.mark.parametrize("rank", range(RANKS))
@pytest.mark.parametrize("original", [False, True], ids=["flat", "use_orig_params"])
def test_pieces_are_refused_before_the_first_write(rank, original, found):
    whole = f"{'0.weight' if original else '_flat_param'}: {PIECE}"
    inner = f"{'1.0.weight' if original else '1._flat_param'}: {PIECE}"
    assert found[rank][str(original)]["refused"] == {
        "initialize": whole,
        "plan": whole,
        "init_weights": whole,
        "a constant": whole,
        "a part": whole,
        # Its weight is no parameter while it is flat: no rule matches anything.
        "a layer": f"weight: {PIECE}" if original else "",
        "snapshot": whole,
        "diagnose": whole,
        "the outer ones alone": inner,
        "on the first rank alone": whole if rank else "",
        "without a seed": SEEDLESS,
        "afterwards": "as before",
    }


@pytest.mark.parametrize("original", [False, True], ids=["flat", "use_orig_params"])
@pytest.mark.parametrize("way", fsdp1_worker.WAYS)
def test_whole_parameters_get_what_one_process_draws(way, original, found):
    assert [each[str(original)]["exact"][way] for each in found] == ["equal"] * RANKS
