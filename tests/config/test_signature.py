"""Arguments against signatures: what is refused, in which words, and what is let through."""

import pickle
from functools import partial

import numpy as np
import pytest
from torch import nn

from brickbook import errors
from brickbook.config.signature import check_call
from brickbook.errors import BadArgumentError, ConfigError


def takes(a: int, b: "float | None" = None, c: "tuple[int, int] | int" = 1, *, d: str = "x"):
    return a, b, c, d


def any_keyword(a, **kwargs):
    return a, kwargs


class Unresolved:
    def __init__(self, a: "NoSuchName"):  # noqa: F821
        pass


@pytest.mark.parametrize(
    ("make", "args", "kwargs", "message"),
    [
        (takes, (), {}, "cfg: takes also needs a."),
        (takes, (1,), {"a": 2}, "cfg.a: takes gets multiple values for it."),
        (takes, (1, 2, 3, 4), {}, "cfg: takes takes 3 positional arguments, got 4."),
        (takes, (), {"a": "1"}, "cfg.a: expected int, got '1' (str)."),
        (takes, (), {"a": 1.5}, "cfg.a: expected int, got 1.5 (float)."),
        (takes, (), {"a": None}, "cfg.a: expected int, got None (NoneType)."),
        (takes, (1,), {"b": "x"}, "cfg.b: expected float or None, got 'x' (str)."),
        (takes, (1,), {"c": (1, "2")},
         "cfg.c: expected tuple[int, int] or int, got (1, '2') (tuple)."),
        (takes, (1,), {"d": 3}, "cfg.d: expected str, got 3 (int)."),
        (takes, (1,), {"e": 3}, "cfg.e: takes has no such argument. Known: a, b, c, d."),
        (nn.Tanh, (), {"inplace": True}, "cfg.inplace: Tanh has no such argument. It takes none."),
        (partial(nn.Linear, 3), (), {"out": 1},
         "cfg.out: Linear has no such argument. Known: bias, device, dtype, out_features."),
        (nn.Conv2d, (3, 8), {"kernel_size": "3"},
         "cfg.kernel_size: expected int or tuple[int, int], got '3' (str)."),
        (nn.Conv2d, (3, 8, 3), {"paddin": 1},
         "cfg.paddin: Conv2d has no such argument. Did you mean 'padding'?"),
    ],
)  # fmt: skip
def test_what_is_refused(make, args, kwargs, message):
    with pytest.raises(BadArgumentError) as caught:
        check_call(make, args, kwargs, "cfg")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "args", "kwargs"),
    [
        (takes, (1, 2), {"c": [1, 2], "d": "y"}),
        (takes, (np.int64(1), np.float32(2)), {}),
        (takes, (True,), {"b": None}),
        (any_keyword, (1,), {"anything": 2}),
        (Unresolved, (1,), {}),
        (nn.Conv2d, (3, 8, (3, 3)), {"padding": "same", "bias": False, "device": "meta"}),
        (nn.LayerNorm, ([3, 4],), {"eps": 1e-6}),
        (nn.Sequential, (nn.ReLU(),), {}),
    ],
)
def test_what_is_let_through(make, args, kwargs):
    check_call(make, args, kwargs, "cfg")


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        ("UnknownNameError", KeyError),
        ("MissingKeyError", KeyError),
        ("NameTakenError", KeyError),
        ("BadArgumentError", TypeError),
        ("BadValueError", ValueError),
        ("CheckError", AssertionError),
        ("NoSuchModuleError", RuntimeError),
        ("UnmatchedRuleError", ValueError),
        ("MissingFileError", FileNotFoundError),
    ],
)
def test_an_error_is_also_the_builtin_and_can_be_pickled(kind, builtin):
    error = getattr(errors, kind)("a.b", "is wrong.", "Did you mean 'c'?")
    assert isinstance(error, ConfigError) and isinstance(error, builtin)
    assert str(error) == "a.b: is wrong. Did you mean 'c'?"
    error.rebase("cfg")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == "cfg.a.b: is wrong. Did you mean 'c'?" and again.path == "cfg.a.b"
