"""FSDP1: parts of flat parameters are refused by name, whole ones are what one process draws."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

if not torch.distributed.is_available():
    pytest.skip("this torch was built without torch.distributed", allow_module_level=True)

import fsdp1_worker

RANKS = 2
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
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
    """Return what every rank found."""
    path = tmp_path_factory.mktemp("fsdp1") / "found.json"
    command = [*LAUNCHER, str(RANKS), fsdp1_worker.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    # Not the exit status: gloo's threads may end a process that is done with an abort.
    if not path.exists():
        pytest.fail(done.stderr[-5000:])
    return json.loads(Path(path).read_text())


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
