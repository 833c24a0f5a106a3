"""Whole feature extractors: AlexNet, VGG and ResNet, with the state-dict keys of torchvision."""

from brickbook.backbones.alexnet import AlexNet
from brickbook.backbones.blocks import BasicBlock, Bottleneck
from brickbook.backbones.resnet import ResNet, make_res_layer
from brickbook.backbones.vgg import VGG, make_vgg_layer
from brickbook.blueprint import MODELS
from brickbook.bricks.registry import register_rows

__all__ = [
    "VGG",
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "make_res_layer",
    "make_vgg_layer",
]

register_rows(MODELS, {"AlexNet": AlexNet, "VGG": VGG, "ResNet": ResNet})
MODELS.let_replace(("AlexNet", "VGG", "ResNet"))
