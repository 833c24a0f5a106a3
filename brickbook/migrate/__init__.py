"""From MMClassification 0.x and MMSelfSup 0.x to MMPretrain 1.x.

Nothing here loads torch, and no config is executed. `policy_curve` and `scheduler_curve` give the
learning rate of every iteration under an old and a new schedule.
"""

from brickbook.migrate.curves import Length, policy_curve, scheduler_curve

__all__ = ["Length", "policy_curve", "scheduler_curve"]
