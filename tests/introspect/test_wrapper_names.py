"""What wrappers are, and names without them: one table for models, names and files."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointWrapper

from brickbook.introspect import plain_module_name, plain_name, unwrap, unwrap_model
from brickbook.introspect.names import MODULE_PREFIX, WORD_OF_CLASS, has_module_part

WORDS = ["module", *WORD_OF_CLASS.values()]


@pytest.mark.parametrize("word", WORDS)
def test_the_word_of_every_wrapper_is_taken_off(word):
    assert plain_name(f"{word}.a.{word}.b.weight") == "a.b.weight"
    assert plain_module_name(f"a.{word}") == "a" and plain_module_name(word) == ""
    assert plain_name(f"{word}s.weight") == f"{word}s.weight"
    assert plain_name(f"my{word}.weight") == f"my{word}.weight"


def test_a_part_called_module_may_be_kept():
    name = "module._orig_mod.a._checkpoint_wrapped_module.b"
    assert plain_name(name, keep_module=True) == "module.a.b"
    assert [has_module_part(text) for text in ("module.a", "a.module.b", "a.module", "b")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert MODULE_PREFIX.sub("", "module.a") == "a"


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile, CheckpointWrapper])
def test_both_ways_of_unwrapping_find_the_model(wrap):
    model = nn.Linear(2, 2)
    assert unwrap(wrap(model)) is model and unwrap_model(wrap(model)) is model
    assert unwrap_model(nn.DataParallel(wrap(model))) is model and unwrap_model(model) is model


def test_a_models_own_part_called_module_is_left_out_of_names_alone():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2)

    model = Own()
    assert unwrap(model) is model.module and unwrap_model(model) is model
