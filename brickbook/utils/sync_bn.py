"""Old import path: ``mmcv.cnn.utils.sync_bn``; nothing lives here."""

from brickbook.bricks.sync_batchnorm import revert_sync_batchnorm

__all__ = ["revert_sync_batchnorm"]
