"""Short trainings of one model from several starts, on the same batches."""

from brickbook.measure.race.fit import fitting_tasks
from brickbook.measure.race.race import race
from brickbook.measure.race.records import Curve, Race, Run, sparkline
from brickbook.measure.race.tasks import TASKS, Task

__all__ = ["TASKS", "Curve", "Race", "Run", "Task", "fitting_tasks", "race", "sparkline"]
