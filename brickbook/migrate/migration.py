"""A whole config: which project it is of, the rules one after the other, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal

from brickbook.errors import BadArgumentError, BadValueError, format_value, nearest
from brickbook.migrate.notes import Note, Notes, Severity
from brickbook.migrate.rules.context import Config, Context
from brickbook.migrate.rules.evaluation import migrate_evaluation
from brickbook.migrate.rules.loaders import migrate_loaders
from brickbook.migrate.rules.loops import migrate_loops
from brickbook.migrate.rules.model import migrate_model
from brickbook.migrate.rules.optimizer import migrate_optimizer
from brickbook.migrate.rules.preprocessor import migrate_preprocessor
from brickbook.migrate.rules.runtime import migrate_runtime
from brickbook.migrate.rules.schedule import migrate_schedule
from brickbook.migrate.shape import check_shape

__all__ = ["Migration", "SourceMigration", "migrate_config"]

Schedule = Literal["guide", "faithful"]
SCHEDULES = ("guide", "faithful")

# One after the other; the preprocessor needs what the pipelines did.
RULES: tuple[Callable[[Context], Config], ...] = (
    migrate_model,
    migrate_loaders,
    migrate_preprocessor,
    migrate_evaluation,
    migrate_optimizer,
    migrate_schedule,
    migrate_loops,
    migrate_runtime,
)
ORDER = ("model", "data_preprocessor")
NO_NEWLINE = "\\ No newline at end of file\n"  # in a diff

# Fields that only one generation reads.
OLD_FIELDS = ("checkpoint_config", "data", "dist_params", "evaluation", "log_config", "lr_config",
              "optimizer", "optimizer_config", "resume_from", "runner", "total_epochs",
              "workflow")  # fmt: skip
NEW_FIELDS = ("default_hooks", "default_scope", "env_cfg", "optim_wrapper", "param_scheduler",
              "test_dataloader", "test_evaluator", "train_dataloader", "val_dataloader",
              "val_evaluator")  # fmt: skip
# Parts of models of other projects.
OTHER_PROJECTS: Mapping[str, str] = {
    "auxiliary_head": "MMSegmentation",
    "bbox_head": "MMDetection",
    "decode_head": "MMSegmentation",
    "mask_head": "MMDetection",
    "roi_head": "MMDetection",
    "rpn_head": "MMDetection",
}
OTHER_SCOPES = {"mmdet": "MMDetection", "mmseg": "MMSegmentation"}
SELFSUP_MODELS = (
    "BYOL", "BarlowTwins", "CAE", "Classification", "DeepCluster", "DenseCL", "InterCLRMoCo", "MAE",
    "MMClsImageClassifierWrapper", "MaskFeat", "MoCo", "MoCoV3", "NPID", "ODC", "RelativeLoc",
    "RotationPred", "SimCLR", "SimMIM", "SimSiam", "SwAV",
)  # fmt: skip


class Result:
    """What migrations of dicts and of files have in common."""

    notes: tuple[Note, ...]

    @property
    def already(self) -> bool:
        """Whether the input was of the new form before, and nothing was changed."""
        return any(note.rule in ("already", "code.already") for note in self.notes)

    @property
    def complete(self) -> bool:
        """Whether nothing is left to be done by hand."""
        return all(note.severity is not Severity.BY_HAND for note in self.notes)


@dataclass(frozen=True)
class Migration(Result):
    """A config of 1.x, and what there is to say about the way to it."""

    cfg: Config
    notes: tuple[Note, ...]

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Return config and notes as plain values, for JSON."""
        notes = [note.to_dict(language) for note in self.notes]
        return {"cfg": self.cfg, "complete": self.complete, "notes": notes}


def lines_with_ends(text: str) -> list[str]:
    r"""Return the lines of a text with their ends; no other sign than ``\n`` ends one.

    >>> lines_with_ends("a\x0c\r\nb")
    ['a\x0c\r\n', 'b']
    """
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines if lines[-1] else lines[:-1]


@dataclass(frozen=True)
class SourceMigration(Result):
    """The text of a file after its migration, and what there is to say about the way to it.

    Attributes:
        text: the new text.
        notes: with their lines in both texts.
        old: the text before.
        path: the file's path, as it was given.
        new_path: where the new text belongs, which a few renamed configs change.
    """

    text: str
    notes: tuple[Note, ...]
    old: str
    path: str
    new_path: str

    def diff(self) -> str:
        """Return what changes, line by line, as ``diff -u`` writes it; "" if nothing does."""
        old, new = (lines_with_ends(part) for part in (self.old, self.text))
        lines = unified_diff(old, new, self.path, self.new_path)
        return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines)

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Return texts and notes as plain values, for JSON."""
        return {
            "path": self.path,
            "new_path": self.new_path,
            "old": self.old,
            "text": self.text,
            "complete": self.complete,
            "notes": [note.to_dict(language) for note in self.notes],
        }


def migrate_config(
    cfg: Mapping[str, Any], *, schedule: Schedule = "guide", name: str = ""
) -> Migration:
    """Turn a config of MMClassification 0.x or MMSelfSup 0.x into one of MMPretrain 1.x.

    ``cfg`` is a whole config as plain dicts and lists: what its ``_base_`` files give is in it. It
    is not changed. A config that is of 1.x already comes back as it is.

    Args:
        cfg: the old config.
        schedule: "guide" writes the learning-rate schedule as the migration guide and the official
            configs have it, "faithful" in the form that repeats the curve of 0.x. A note says how
            far the new curve is from the old one.
        name: the name of the config's file, such as ``resnet50_8xb32_in1k``; ``8xb32`` in it gives
            ``auto_scale_lr.base_batch_size``.

    Raises:
        BadArgumentError: ``cfg`` is no dict.
        BadValueError: a config of another project, one with fields of both generations, or an
            unknown ``schedule``.
        ConfigError: a part of the config that 0.x could not use either, by its path.

    >>> old = {"optimizer": {"type": "SGD", "lr": 0.1}, "optimizer_config": {"grad_clip": None}}
    >>> migrate_config(old).cfg["optim_wrapper"]
    {'optimizer': {'type': 'SGD', 'lr': 0.1}}
    """
    if not isinstance(cfg, Mapping):
        raise BadArgumentError("cfg", f"expected a dict, got {format_value(cfg)}.")
    if schedule not in SCHEDULES:
        problem = f"unknown style {format_value(schedule)}."
        raise BadValueError("schedule", problem, nearest(schedule, SCHEDULES))
    try:
        old = plain(cfg)
    except RecursionError:
        raise BadValueError("cfg", "it is nested too deeply, or contains itself.") from None
    for key in old:
        if not isinstance(key, str):
            raise BadArgumentError("cfg", f"expected names as keys, got {format_value(key)}.")
    refuse_other_projects(old)
    before = [field for field in OLD_FIELDS if field in old]
    after = [field for field in NEW_FIELDS if field in old]
    if after and before:
        problem = f"{after[0]!r} is a field of 1.x, {before[0]!r} one of 0.x."
        raise BadValueError(after[0], problem, "Migrate a config that is of 0.x as a whole.")
    if after:
        return Migration(old, (Note("already", after[0], {"field": after[0]}),))
    check_shape(old)
    stem = name.replace("\\", "/").rpartition("/")[2].removesuffix(".py")
    context = Context(old, project_of(old), schedule, stem, Notes())
    new: Config = {}
    for rule in RULES:
        new.update(rule(context))
    ordered = {key: new.pop(key) for key in ORDER if key in new}
    return Migration({**ordered, **new}, tuple(context.notes))


def plain(value: Any) -> Any:
    """Return a copy of a config with dicts for every kind of mapping."""
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = (plain(part) for part in value)
        return tuple(parts) if isinstance(value, tuple) else list(parts)
    return deepcopy(value)


def refuse_other_projects(old: Config) -> None:
    """Raise an error for a config of detection or segmentation."""
    model = old.get("model")
    if not isinstance(model, Mapping):
        return
    for key, project in OTHER_PROJECTS.items():
        if key in model and "head" not in model:
            refuse(f"model.{key}", project)
    scope = str(model.get("type")).partition(".")[0]
    if scope in OTHER_SCOPES:
        refuse("model.type", OTHER_SCOPES[scope])


def refuse(path: str, project: str) -> None:
    """Raise the error for a config of another project."""
    problem = f"this is a config of {project}, which has a migration of its own."
    raise BadValueError(path, problem, "Known: MMClassification 0.x, MMSelfSup 0.x.")


def project_of(old: Config) -> Literal["mmcls", "mmselfsup"]:
    """Return the project that a config of 0.x is of."""
    model, data = old.get("model") or {}, old.get("data") or {}
    train = data.get("train") or {}
    sources = isinstance(train, Mapping) and "data_source" in train
    options = "paramwise_options" in (old.get("optimizer") or {})
    if sources or options or model.get("type") in SELFSUP_MODELS:
        return "mmselfsup"
    return "mmcls"
