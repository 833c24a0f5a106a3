"""Models that are spread over two processes: whole weights, each rank's own signals."""

import pytest
import torch

if not torch.distributed.is_available():
    pytest.skip("this torch was built without torch.distributed", allow_module_level=True)

from ranks import answers_of

RANKS = 2

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Start the ranks and return what each of them found."""
    return answers_of("sharded_model_worker", tmp_path_factory.mktemp("sharded"), RANKS)[RANKS]


@pytest.mark.parametrize("rank", range(RANKS))
def test_a_dtensor_has_the_numbers_of_the_whole(rank, found):
    assert found[rank]["placed"] == {
        "S(0)": "equal",
        "S(1)": "equal",
        "R": "equal",
        "Partial": "equal",
        "rank 0 alone": "on other ranks" if rank else "",
    }


@pytest.mark.parametrize("rank", range(RANKS))
def test_what_is_measured_under_fsdp2_is_what_one_process_measures(rank, found):
    texts = found[rank]["measured"].pop("findings")
    assert set(found[rank]["measured"].values()) == {"equal"}
    assert texts[0] == "error: 5.weight holds NaN or Inf: 27 of 27 elements."
    assert texts[1].startswith("warning: The std of 2.weight is 0.003")


@pytest.mark.parametrize("rank", range(RANKS))
def test_a_probe_under_fsdp2_has_each_ranks_numbers_and_leaves_the_model_as_it_was(rank, found):
    about = f"rank {rank} of 2 alone)"
    assert found[rank]["probed"] == {
        "train": "equal",
        "train, the record": "Signals(6 outputs on given (16, 7), train, with gradients, " + about,
        "train, the parameters afterwards": "DTensor",
        "eval": "equal",
        "eval, the record": "Signals(6 outputs on given (16, 7), eval, without gradients, " + about,
        "eval, the parameters afterwards": "DTensor",
        "changed": "",
        "a step afterwards": "equal",
    }


@pytest.mark.parametrize("rank", range(RANKS))
def test_of_an_output_that_is_spread_a_rank_has_its_part(rank, found):
    assert found[rank]["tensor parallel"] == [
        f"Signals(3 outputs on given (4, 7), train, with gradients, rank {rank} of 2 alone)",
        *(["(4, 5)", "(4, 5)", "(4, 9)"] if rank == 0 else ["(4, 4)", "(4, 4)", "(4, 9)"]),
    ]
