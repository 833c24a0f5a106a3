"""MMPretrain 1.x itself: what it makes of a config, part by part."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from inspect import Parameter, signature
from typing import Any
from unittest import mock

import pytest
from peers import import_peer
from torch import nn
from torchvision_support import import_torchvision

__all__ = ["built", "import_mmpretrain", "pipelines_of", "quiet", "refusals", "undrawn"]

SPLITS = ("train", "val", "test")
# What only a running Runner can make.
NEEDS_A_RUNNER = ("VisualizationHook",)


def import_mmpretrain() -> Any:
    """Import MMPretrain with all that it registers; skip where it is missing."""
    try:
        import_torchvision()
    except ModuleNotFoundError:
        pytest.skip("torchvision is not here")
    package = import_peer("mmpretrain")
    for part in ("models", "datasets", "evaluation", "engine"):
        import_peer(f"mmpretrain.{part}")
    return package


@contextmanager
def quiet() -> Iterator[None]:
    """Look names up in MMPretrain first, without its warnings and its log."""
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    logger = MMLogger.get_instance("mmpretrain_support")
    logger.setLevel("ERROR")
    with (
        warnings.catch_warnings(),
        mock.patch.object(MMLogger, "get_current_instance", return_value=logger),
        DefaultScope.overwrite_default_scope("mmpretrain"),
    ):
        warnings.simplefilter("ignore")  # not ours to mend
        yield


@contextmanager
def undrawn() -> Iterator[None]:
    """Build models without drawing a weight: memory that nobody writes is never taken."""
    laws = [name for name in vars(nn.init) if name.endswith("_") and not name.startswith("_")]
    with mock.patch.multiple(nn.init, **dict.fromkeys(laws, lambda tensor, *_, **__: tensor)):
        yield


def built(cfg: Mapping[str, Any]) -> nn.Module:
    """Return the model of a whole config, with its preprocessor."""
    from mmengine.config import ConfigDict
    from mmpretrain.registry import MODELS

    model = deepcopy(cfg["model"])
    if cfg.get("data_preprocessor"):
        model.setdefault("data_preprocessor", deepcopy(cfg["data_preprocessor"]))
    return MODELS.build(ConfigDict(model))


def pipelines_of(dataset: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the pipelines of a dataset and of those that it wraps."""
    if isinstance(dataset, (list, tuple)):
        for one in dataset:
            yield from pipelines_of(one)
    elif isinstance(dataset, Mapping):
        if "pipeline" in dataset:
            yield dataset["pipeline"]
        yield from pipelines_of(dataset.get("dataset"))
        yield from pipelines_of(dataset.get("datasets"))


def refusals(cfg: Mapping[str, Any]) -> dict[str, str]:
    """Return what MMPretrain does not take of a whole config, and its errors."""
    found: dict[str, str] = {}

    def attempt(part: str, make: Callable[..., Any], *given: Any) -> Any:
        try:
            return make(*given)
        except Exception as error:
            found[part] = f"{type(error).__name__}: {error}"
            return None

    with quiet(), undrawn():
        model = attempt("model", built, cfg)
        optimizer = model and attempt("optim_wrapper", wrapped_optimizer, model, cfg)
        if optimizer is not None:
            attempt("param_scheduler", schedulers, optimizer, cfg)
        for split in SPLITS:
            loader = cfg.get(f"{split}_dataloader")
            if loader:
                attempt(f"{split}_dataloader.sampler", sampler, loader)
                attempt(f"{split}_dataloader.dataset", dataset_class, loader["dataset"])
                for pipeline in pipelines_of(loader["dataset"]):
                    attempt(f"{split}_dataloader.pipeline", transforms, pipeline)
            if cfg.get(f"{split}_evaluator") is not None:
                attempt(f"{split}_evaluator", evaluator, cfg[f"{split}_evaluator"])
        attempt("hooks", hooks, cfg)
    return found


def wrapped_optimizer(model: nn.Module, cfg: Mapping[str, Any]) -> Any:
    """Return the optimizer with its groups; half precision would need a GPU."""
    from mmengine.optim import build_optim_wrapper

    wrapper = deepcopy(cfg["optim_wrapper"])
    if wrapper.get("type") == "AmpOptimWrapper":
        wrapper = {key: value for key, value in wrapper.items() if key != "loss_scale"}
        wrapper["type"] = "OptimWrapper"
    return build_optim_wrapper(model, wrapper)


def schedulers(optimizer: Any, cfg: Mapping[str, Any]) -> list[Any]:
    """Return the schedulers, of epochs of 100 iterations."""
    from mmpretrain.registry import PARAM_SCHEDULERS

    made = []
    for scheduler in deepcopy(cfg.get("param_scheduler") or []):
        kind = PARAM_SCHEDULERS.get(scheduler.pop("type"))
        convert = scheduler.pop("convert_to_iter_based", False)
        unit = "max_epochs" if scheduler.setdefault("by_epoch", True) else "max_iters"
        scheduler.setdefault("end", cfg["train_cfg"].get(unit, 10**9))
        if convert:
            make = kind.build_iter_from_epoch
            made.append(make(optimizer=optimizer, epoch_length=100, **scheduler))
        else:
            made.append(kind(optimizer, **scheduler))
    return made


def sampler(loader: Mapping[str, Any]) -> Any:
    """Return the sampler of a loader, over a hundred things."""
    from mmpretrain.registry import DATA_SAMPLERS

    return DATA_SAMPLERS.build(loader["sampler"], default_args={"dataset": range(100), "seed": 0})


def dataset_class(dataset: Mapping[str, Any]) -> None:
    """Look whether a dataset, and those that it wraps, take their arguments."""
    from mmpretrain.registry import DATASETS

    arguments = {key: value for key, value in dataset.items() if key != "type"}
    kind = DATASETS.get(dataset["type"])
    accepted: set[str] = set()
    for base in kind.__mro__:
        names = signature(base.__init__).parameters.values()
        accepted |= {one.name for one in names}
        if not any(one.kind is Parameter.VAR_KEYWORD for one in names):
            break
    unknown = set(arguments) - accepted
    if unknown:
        raise TypeError(f"{dataset['type']} does not take {sorted(unknown)}")
    for inner in [dataset.get("dataset"), *dataset.get("datasets", ())]:
        if isinstance(inner, Mapping):
            dataset_class(inner)


def transforms(pipeline: list[dict[str, Any]]) -> Any:
    """Return a pipeline, ready to run."""
    from mmengine.dataset import Compose
    from mmpretrain.registry import TRANSFORMS

    return Compose([TRANSFORMS.build(deepcopy(transform)) for transform in pipeline])


def evaluator(metrics: Any) -> Any:
    """Return the metrics."""
    from mmengine.evaluator import Evaluator

    return Evaluator(deepcopy(metrics))


def hooks(cfg: Mapping[str, Any]) -> None:
    """Build the hooks; the Runner takes their priority."""
    from mmpretrain.registry import HOOKS

    found = [*(cfg.get("default_hooks") or {}).values(), *(cfg.get("custom_hooks") or ())]
    for hook in found:
        if hook["type"] not in NEEDS_A_RUNNER:
            HOOKS.build({key: value for key, value in hook.items() if key != "priority"})
