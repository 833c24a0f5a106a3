"""From configs to a plan: which rule fills which parameter with which law."""

from brickbook.init.planning.completion import (
    RESET_METHODS,
    CompletedPlan,
    PoisonMark,
    complete_plan,
    extra_rows,
    is_poisoned,
    poison,
    unfilled_error,
)
from brickbook.init.planning.config import Rule
from brickbook.init.planning.options import FrozenPolicy, InitOptions, PrecedenceOrder
from brickbook.init.planning.plan import (
    plan,
    plan_base_module,
    plan_with_tensors,
    reject_flat_shards,
)
from brickbook.init.planning.result import (
    CheckpointLoad,
    CustomCall,
    InitPlan,
    Phase,
    PlanRow,
    plan_columns,
    user_stacklevel,
    writing_order,
)
from brickbook.init.planning.sources import is_plan_driven, plan_driven
from brickbook.init.planning.torch_defaults import torch_laws_by_id, torch_write_counts
from brickbook.init.planning.why import Reason, Why

__all__ = [
    "RESET_METHODS",
    "CheckpointLoad",
    "CompletedPlan",
    "CustomCall",
    "FrozenPolicy",
    "InitOptions",
    "InitPlan",
    "Phase",
    "PlanRow",
    "PoisonMark",
    "PrecedenceOrder",
    "Reason",
    "Rule",
    "Why",
    "complete_plan",
    "extra_rows",
    "is_plan_driven",
    "is_poisoned",
    "plan",
    "plan_base_module",
    "plan_columns",
    "plan_driven",
    "plan_with_tensors",
    "poison",
    "reject_flat_shards",
    "torch_laws_by_id",
    "torch_write_counts",
    "unfilled_error",
    "user_stacklevel",
    "writing_order",
]
