"""Old import path: ``mmcv.cnn.resnet``; nothing lives here."""

from brickbook.backbones import BasicBlock, Bottleneck, ResNet, make_res_layer

__all__ = ["BasicBlock", "Bottleneck", "ResNet", "make_res_layer"]
