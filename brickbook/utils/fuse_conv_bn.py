"""Old import path: ``mmcv.cnn.utils.fuse_conv_bn``; nothing lives here."""

from brickbook.bricks.fusing import fuse_conv_bn

__all__ = ["fuse_conv_bn"]
