"""What a migration has to say: one note a change, with its severity, its rule and its sentence.

`RULES` is the table of all rules. A rule's sentence stands in ``i18n/`` under ``migrate.<rule>``;
code looks at the rule's name and at the values, never at the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from brickbook.errors import UnknownNameError, format_value, nearest
from brickbook.i18n import Texts

__all__ = ["RULES", "Note", "Notes", "Rule", "Severity", "sorted_notes"]


class Severity(str, Enum):
    """What a note means for who runs the new config."""

    TRAINING = "changes training"
    BY_HAND = "must be edited by hand"
    COSMETIC = "cosmetic"


@dataclass(frozen=True)
class Rule:
    """A row: how much it matters, and the section of the migration guide that it belongs to.

    ``section`` is "" where the guide says nothing.
    """

    severity: Severity
    section: str = ""


T, H, C = Severity.TRAINING, Severity.BY_HAND, Severity.COSMETIC
STRATEGY, RUNTIME, MODEL = "Training strategy", "Runtime settings", "Model settings"
DATA, MODULES, SELFSUP = "Data settings", "Module changes", "From MMSelfSup 0.x"

RULES: Mapping[str, Rule] = {
    "already": Rule(C),
    # source/
    "source.unread": Rule(H),
    "source.field_left": Rule(H),
    "source.comments_lost": Rule(C),
    # rules/optimizer.py
    "optimizer.moved": Rule(C, STRATEGY),
    "optimizer.paramwise_moved": Rule(C, STRATEGY),
    "optimizer.clip_grad": Rule(C, STRATEGY),
    "optimizer.accumulative_counts": Rule(C, STRATEGY),
    "optimizer.config_dropped": Rule(C, STRATEGY),
    "optimizer.config_lost": Rule(T, STRATEGY),
    "optimizer.amp": Rule(C),
    "optimizer.amp_default_scale": Rule(C),
    "optimizer.several": Rule(H),
    "optimizer.constructor": Rule(H),
    "optimizer.layer_decay": Rule(C),
    "optimizer.paramwise_options": Rule(C, SELFSUP),
    "optimizer.pattern": Rule(T, SELFSUP),
    "optimizer.pattern_anchored": Rule(T, SELFSUP),
    "optimizer.pattern_lost": Rule(H, SELFSUP),
    "optimizer.option_dead": Rule(C, SELFSUP),
    "optimizer.twice": Rule(C, SELFSUP),
    "optimizer.option_lost": Rule(H, SELFSUP),
    "optimizer.stray_delete": Rule(C),
    # rules/schedule.py
    "schedule.moved": Rule(C, STRATEGY),
    "schedule.warmup": Rule(C, STRATEGY),
    "schedule.exp_warmup": Rule(T, STRATEGY),
    "schedule.per_epoch": Rule(T, STRATEGY),
    "schedule.deviation": Rule(T, STRATEGY),
    "schedule.same_curve": Rule(C, STRATEGY),
    "schedule.not_compared": Rule(C, STRATEGY),
    "schedule.step_min_lr": Rule(T, STRATEGY),
    "schedule.no_scheduler": Rule(H, STRATEGY),
    "schedule.momentum": Rule(H, STRATEGY),
    "schedule.cooldown": Rule(C, MODULES),
    # rules/loops.py
    "loops.moved": Rule(C, STRATEGY),
    "loops.runner": Rule(H, STRATEGY),
    "loops.runner_argument": Rule(H, STRATEGY),
    "loops.workflow": Rule(C, RUNTIME),
    "loops.workflow_val": Rule(T, RUNTIME),
    "loops.dead": Rule(C),
    # rules/evaluation.py
    "evaluation.moved": Rule(C, DATA),
    "evaluation.default_metric": Rule(C, DATA),
    "evaluation.interval": Rule(C, DATA),
    "evaluation.start": Rule(C, DATA),
    "evaluation.save_best": Rule(C, DATA),
    "evaluation.save_best_unknown": Rule(H, DATA),
    "evaluation.metric_unknown": Rule(H, DATA),
    "evaluation.argument_dropped": Rule(C, DATA),
    "evaluation.option_lost": Rule(H, DATA),
    "evaluation.both": Rule(C, DATA),
    "evaluation.by_iteration": Rule(H, DATA),
    # rules/runtime.py
    "runtime.checkpoint": Rule(C, RUNTIME),
    "runtime.checkpoint_argument": Rule(C, RUNTIME),
    "runtime.logger": Rule(C, RUNTIME),
    "runtime.visualizer": Rule(C, RUNTIME),
    "runtime.no_visualizer": Rule(H, RUNTIME),
    "runtime.resume": Rule(C, RUNTIME),
    "runtime.env": Rule(C, RUNTIME),
    "runtime.threads": Rule(C, RUNTIME),
    "runtime.seed": Rule(C, RUNTIME),
    "runtime.scope": Rule(C, RUNTIME),
    "runtime.imports": Rule(H),
    "runtime.imports_dropped": Rule(C),
    "runtime.hook_gone": Rule(H, MODULES),
    "runtime.hook_absorbed": Rule(C, MODULES),
    "runtime.hook_unknown": Rule(H),
    "runtime.hook_argument": Rule(T, MODULES),
    "runtime.frozen_layers": Rule(C, SELFSUP),
    "runtime.unread": Rule(C),
    "runtime.variable": Rule(C),
    "runtime.own_key": Rule(C),
    "runtime.argument_lost": Rule(H),
    # rules/loaders.py
    "data.moved": Rule(C, DATA),
    "data.injected": Rule(C, DATA),
    "data.test_is_val": Rule(C, DATA),
    "data.sampler": Rule(C, DATA),
    "data.sampler_argument": Rule(H, DATA),
    "data.loader_argument": Rule(H, DATA),
    "data.auto_scale_lr": Rule(C),
    # rules/datasets.py
    "dataset.root": Rule(C, MODULES),
    "dataset.paths_kept": Rule(H, MODULES),
    "dataset.test_mode": Rule(C, MODULES),
    "dataset.classes": Rule(C, MODULES),
    "dataset.wrapper": Rule(C, MODULES),
    "dataset.concat": Rule(C, MODULES),
    "dataset.separate_eval": Rule(H, MODULES),
    "dataset.difficult": Rule(C, MODULES),
    "dataset.argument_dropped": Rule(C, MODULES),
    "dataset.custom": Rule(H, MODULES),
    "dataset.gone": Rule(H, SELFSUP),
    "dataset.data_source": Rule(C, SELFSUP),
    "dataset.prefetch": Rule(C, SELFSUP),
    # rules/pipelines.py
    "pipeline.packed": Rule(C, DATA),
    "pipeline.normalize": Rule(C, DATA),
    "pipeline.renamed": Rule(C, DATA),
    "pipeline.resize_edge": Rule(C, DATA),
    "pipeline.height_width": Rule(C, DATA),
    "pipeline.efficientnet": Rule(C, DATA),
    "pipeline.named_policies": Rule(C, DATA),
    "pipeline.default_written": Rule(C, DATA),
    "pipeline.argument_dropped": Rule(C, DATA),
    "pipeline.gone": Rule(T, DATA),
    "pipeline.unknown": Rule(H, DATA),
    "pipeline.lighting": Rule(C, DATA),
    "pipeline.pillow": Rule(C, SELFSUP),
    "pipeline.random_aug": Rule(T, SELFSUP),
    "pipeline.meta_keys": Rule(C, DATA),
    # rules/preprocessor.py
    "preprocessor.num_classes": Rule(C, MODEL),
    "preprocessor.no_classes": Rule(H, MODEL),
    "preprocessor.differs": Rule(H, DATA),
    "preprocessor.onehot": Rule(C, MODEL),
    "preprocessor.none": Rule(T, DATA),
    # rules/model.py, rules/selfsup.py
    "model.augments": Rule(C, MODEL),
    "model.arch": Rule(C),
    "model.gone": Rule(H, MODULES),
    "model.renamed": Rule(C, MODULES),
    "model.argument_renamed": Rule(C, MODULES),
    "model.argument_gone": Rule(H, MODULES),
    "model.default_written": Rule(C, MODULES),
    "model.default_changed": Rule(T, MODULES),
    "model.momentum": Rule(C, SELFSUP),
    "model.loss": Rule(C, SELFSUP),
    "model.scope": Rule(C, MODULES),
    "model.dead": Rule(C, MODEL),
    # code/
    "code.already": Rule(C),
    "code.moved": Rule(C, MODULES),
    "code.use_instead": Rule(H, MODULES),
    "code.removed": Rule(H, MODULES),
    "code.unknown": Rule(H, MODULES),
    "code.hidden": Rule(H),
    "code.star": Rule(H, MODULES),
    "code.not_in_brickbook": Rule(C),
    "code.text": Rule(H),
    "code.decorator": Rule(T),
    "code.method": Rule(H, MODULES),
    "code.method_alike": Rule(C, MODULES),
    "code.method_clash": Rule(H, MODULES),
    "code.method_gone": Rule(H, MODULES),
    "code.signature": Rule(H, MODULES),
    "code.more_arguments": Rule(C),
    "code.call": Rule(H, MODULES),
    "code.runner": Rule(H),
    "code.classes": Rule(C),
    "code.maybe": Rule(H, MODULES),
    "code.arguments": Rule(H, MODULES),
}


@dataclass(frozen=True)
class Note:
    """One thing that a migration did, left to you, or found.

    ``rule`` is a name of `RULES`, ``path`` the key in the old config, or the dotted name in old
    code, that it speaks of, and ``values`` what goes into its sentence. In a migration of a file,
    ``line`` and ``column`` are its place in the old file, ``new_line`` that in the new one, all
    from 1 and None where there is none.
    """

    rule: str
    path: str
    values: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None
    column: int | None = None
    new_line: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            problem = f"there is no rule {self.rule!r}."
            raise UnknownNameError("rule", problem, nearest(self.rule, RULES))

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return RULES[self.rule].severity

    @property
    def section(self) -> str:
        """The section of the migration guide, "" where the guide says nothing of it."""
        return RULES[self.rule].section

    def text(self, language: str | None = None) -> str:
        """Return the sentence, in English ("en"), Chinese ("zh") or the reader's language."""
        shown = {
            name: value if isinstance(value, (str, float)) else format_value(value)
            for name, value in self.values.items()
        }
        return Texts(language)(f"migrate.{self.rule}", **shown)

    def to_dict(self, language: str | None = None) -> dict[str, Any]:
        """Return the note as plain values, for JSON."""
        return {
            "rule": self.rule,
            "severity": self.severity.name.lower(),
            "section": self.section,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "new_line": self.new_line,
            "values": dict(self.values),
            "text": self.text(language),
        }


def sorted_notes(notes: Iterable[Note]) -> list[Note]:
    """Return notes by their place in the old file, those without one at last.

    What is said of several keys at one place, as of a pipeline that two loaders share, is there
    once.
    """
    said = {
        (note.line, note.column, note.new_line, note.rule, repr(note.values)): note
        for note in notes
    }
    return sorted(said.values(), key=lambda note: (note.line is None, note.line, note.column or 0))


class Notes(list[Note]):
    """The notes of a migration on its way."""

    def add(self, rule: str, path: str, /, **values: Any) -> None:
        """Add a note, unless it is there."""
        note = Note(rule, path, values)
        if note not in self:
            self.append(note)
