"""What each file of a tree must say after the migration: whole configs and parts of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brickbook.errors import BadValueError, ConfigError
from brickbook.migrate.migration import (
    NEW_FIELDS,
    OLD_FIELDS,
    SELFSUP_MODELS,
    Migration,
    Schedule,
    migrate_config,
)
from brickbook.migrate.reader import Config, merge
from brickbook.migrate.rules.runtime import TAKEN
from brickbook.migrate.rules.selfsup import CLASSIFIERS
from brickbook.migrate.source.files import OldFile
from brickbook.migrate.source.values import Marked, Unread, leaves, mark, same, split_path

__all__ = ["ANCHORS", "Targets", "difference"]

DELETE = "_delete_"
RUNTIME = ("checkpoint_config", "log_config", "dist_params")
# Fields of 1.x → the fields of 0.x that they come from, the first of them being where they stand.
ANCHORS: Mapping[str, tuple[str, ...]] = {
    "data_preprocessor": ("data",),
    "train_dataloader": ("data",),
    "val_dataloader": ("data",),
    "test_dataloader": ("data",),
    "val_evaluator": ("evaluation", "data"),
    "test_evaluator": ("evaluation", "data"),
    "optim_wrapper": ("optimizer", "optimizer_config", "fp16"),
    "param_scheduler": ("lr_config",),
    "train_cfg": ("runner", "total_epochs"),
    "val_cfg": ("runner", "data"),
    "test_cfg": ("runner", "data"),
    "default_scope": RUNTIME,
    "default_hooks": ("checkpoint_config", "log_config"),
    "custom_hooks": ("custom_hooks",),
    "visualizer": ("log_config",),
    "log_processor": ("log_config", "runner"),
    "env_cfg": ("dist_params", "cudnn_benchmark", "mp_start_method", "opencv_num_threads"),
    "load_from": ("load_from", "resume_from", "auto_resume"),
    "resume": ("resume_from", "load_from", "auto_resume"),
    "randomness": ("seed", "deterministic"),
    "auto_scale_lr": (),
}
# What only 1.x has: types, and models whose heads are told their loss.
LOOP = ("by_epoch", "max_epochs", "max_iters", "val_interval")
NEW_TYPES = ("CutMix", "Mixup", "PackInputs", "ResizeMix", "SelfSupDataPreprocessor")
PRETRAINED = tuple(name for name in SELFSUP_MODELS if name not in CLASSIFIERS)
# What a field needs in a part of a config that is read with others.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "val_evaluator": ("data",),
    "test_evaluator": ("data",),
    "val_cfg": ("data",),
    "test_cfg": ("data",),
    "log_processor": ("log_config",),
}


class Targets:
    """The new config of every file, as a whole or as the part that the file can know alone.

    Args:
        files: the old files by key, each after its ``_base_`` files.
        schedule: as of `migrate_config`.
    """

    def __init__(self, files: Mapping[str, OldFile], schedule: Schedule) -> None:
        self.files = dict(files)
        self.schedule: Schedule = schedule
        self.users: dict[str, list[str]] = {key: [] for key in files}
        for key, file in files.items():
            for base in file.bases:
                self.users[base.key].append(key)
        self.banned: dict[str, set[str]] = {key: set() for key in files}
        self.migrations: dict[str, Migration] = {}
        self.generations: dict[str, str] = {}
        self.given: dict[str, set[str]] = {}  # by file, of `provided`

    # ------------------------------------------------------------------------------- generations

    def generation(self, key: str) -> str:
        """Return whether a file is of the "old" or of the "new" generation."""
        if key not in self.generations:
            whole = self.files[key].whole
            found = "new" if self.files[key].lazy else side(whole)
            if not found:  # such as a model alone
                users = {self.generation(user) for user in self.users[key]}
                beside = {side(file.whole) for file in self.files.values()}
                alone = not users and (("old" not in beside and "new" in beside) or is_new(whole))
                found = "new" if users == {"new"} or alone else "old"
            self.generations[key] = found
        return self.generations[key]

    def check_generation(self, key: str) -> None:
        """Refuse an old file over a ``_base_`` file of 1.x.

        Raises:
            BadValueError: with the place of the ``_base_``.
        """
        file = self.files[key]
        if not any(field in file.own for field in (*OLD_FIELDS, "fp16", "momentum_config")):
            return
        for base in file.bases:
            if any(field in self.files[base.key].whole for field in NEW_FIELDS):
                problem = f"the _base_ file {base.written!r} is of 1.x already, this one of 0.x."
                hint = "Migrate a tree of configs together."
                raise BadValueError(file.place(base.node), problem, hint)

    def has_fields(self, key: str) -> bool:
        """Whether a file says anything that a rule speaks of."""
        return any(field in self.files[key].whole for field in TAKEN)

    # ------------------------------------------------------------------------------------- wholes

    def is_whole(self, key: str) -> bool:
        """Whether a file is run by itself, and no part that others put together."""
        file = self.files[key]
        if "_base_" in file.path.replace("\\", "/").split("/")[:-1]:
            return False
        if not self.users[key]:
            return True
        return bool(file.whole.get("model")) and bool(file.whole.get("data"))

    def context(self, key: str) -> Config:
        """Return what stands beside a part in the config that uses it: its other bases."""
        best: tuple[int, str] = (-1, "")
        for user in self.users[key]:
            others = [base.key for base in self.files[user].bases if base.key != key]
            popular = sum(len(self.users[other]) for other in others)
            if popular > best[0]:
                best = popular, user
        if not best[1]:
            return {}
        found: Config = {}
        for base in self.files[best[1]].bases:
            if base.key != key:
                found.update(self.files[base.key].whole)
        if not found:  # one base alone: look further up
            return self.context(best[1])
        if model := self.files[best[1]].whole.get("model"):
            found["model"] = model  # its head tells the number of classes
        return found

    def migration(self, key: str) -> Migration:
        """Return the migration of what a file and its bases say, with marks on its values.

        Raises:
            ConfigError: of a rule, with the place in the file.
        """
        while key not in self.migrations:
            file = self.files[key]
            marked = merge(mark(file.own, True), mark(file.base, False), file.path)
            name = file.key
            if not self.is_whole(key):
                rest = {
                    name: value
                    for name, value in self.context(key).items()
                    if name not in file.whole and name not in NEW_FIELDS
                }
                marked, name = {**mark(rest, False), **marked}, ""
            try:
                self.migrations[key] = migrate_config(marked, schedule=self.schedule, name=name)
            except ConfigError as error:
                field = split_path(error.path)[0]
                if not holds_unread(file.whole.get(field)):
                    raise file.refused(error) from None
                file.leave_out(field)
        return self.migrations[key]

    def target(self, key: str) -> Config:
        """Return what a file with its bases must say."""
        file, cfg = self.files[key], self.migration(key).cfg
        if self.is_whole(key):
            return {name: value for name, value in cfg.items() if name not in self.banned[key]}
        return {
            name: value
            for name, value in cfg.items()
            if name not in self.banned[key] and self.belongs(name, file.whole)
        }

    def belongs(self, name: str, old: Config) -> bool:
        """Whether a field of 1.x comes from what a part says, and not from what is beside it."""
        anchors = NEEDS.get(name) or ANCHORS.get(name) or (name,)
        return any(anchor in old for anchor in anchors) and name != "auto_scale_lr"

    def provided(self, key: str) -> set[str]:
        """Return the fields that a file with its bases gives."""
        if key not in self.given:
            found = set(self.target(key))
            for base in self.files[key].bases:
                found |= self.provided(base.key)
            self.given[key] = found
        return self.given[key]

    def remove(self, key: str) -> None:
        """Leave a file out that cannot be migrated."""
        del self.files[key]
        for users in self.users.values():
            if key in users:
                users.remove(key)

    def ban_doubles(self) -> None:
        """See to it that no two ``_base_`` files of a file give the same field."""
        for _ in range(20):
            changed = False
            for file in self.files.values():
                giving: dict[str, list[str]] = {}
                for base in file.bases if len(file.bases) > 1 else ():
                    if self.generation(base.key) == "old":
                        for name in self.provided(base.key):
                            giving.setdefault(name, []).append(base.key)
                for name, keys in giving.items():
                    if len(keys) > 1:
                        keep = min(keys, key=lambda key, name=name: self.rank(name, key))
                        for key in keys:
                            if key != keep:
                                self.ban(name, key)
                                changed = True
            if not changed:
                return

    def rank(self, name: str, key: str) -> int:
        """Return how far from its usual place a field would stand in a file."""
        anchors, old = ANCHORS.get(name, (name,)), self.files[key].whole
        return next((i for i, anchor in enumerate(anchors) if anchor in old), len(anchors))

    def ban(self, name: str, key: str) -> None:
        """Leave a field out of a file and of its bases."""
        self.banned[key].add(name)
        self.given.clear()
        for base in self.files[key].bases:
            self.ban(name, base.key)


def side(whole: Config) -> str:
    """Return the generation that a config's fields are of, "" if they do not tell."""
    if any(field in whole for field in OLD_FIELDS):
        return "old"
    return "new" if any(field in whole for field in NEW_FIELDS) else ""


def is_new(whole: Config) -> bool:
    """Whether a model, a pipeline or a loop has what only 1.x has."""
    loop = whole.get("train_cfg")
    if isinstance(loop, dict) and any(key in LOOP for key in loop):
        return True
    model = whole.get("model")
    head = model.get("head") if isinstance(model, dict) else None
    kind = model.get("type") if isinstance(model, dict) else None
    if isinstance(head, dict) and "loss" in head and kind in PRETRAINED:
        return True
    return any(isinstance(leaf, str) and leaf in NEW_TYPES for leaf in leaves(whole))


def difference(base: Any, target: Config) -> Config:
    """Return what, merged over a base, gives the target; what a file wrote itself stays in it.

    >>> difference({"lr": {"by": 1, "at": 2}}, {"lr": {"by": 3, "at": 2}, "new": 4})
    {'lr': {'by': 3}, 'new': 4}
    >>> difference({"lr": {"by": 1, "at": 2}}, {"lr": {"at": 2}})
    {'lr': {'at': 2, '_delete_': True}}
    """
    own: Config = {}
    for key, value in target.items():
        if key not in base:
            own[key] = value
        elif isinstance(value, dict) and isinstance(base[key], dict):
            if any(name not in value for name in base[key]):
                own[key] = {**value, DELETE: True}
            elif part := difference(base[key], value):
                own[key] = part
        elif not same(base[key], value) or is_own(value):
            own[key] = {**value, DELETE: True} if isinstance(value, dict) else value
    return own


def is_own(value: Any) -> bool:
    """Whether the file at hand wrote any part of a value."""
    return any(isinstance(leaf, Marked) and leaf.own for leaf in leaves(value))


def holds_unread(value: Any) -> bool:
    """Whether a part of a value is not known."""
    return any(isinstance(leaf, Unread) for leaf in leaves(value))
