"""Whole feature extractors: AlexNet, VGG and ResNet, with the state-dict keys of torchvision."""

import brickbook.bricks  # noqa: F401 - its rows stand first in MODELS
from brickbook.backbones.alexnet import AlexNet
from brickbook.backbones.blocks import BasicBlock, Bottleneck
from brickbook.backbones.resnet import ResNet, make_res_layer
from brickbook.backbones.vgg import VGG, make_vgg_layer
from brickbook.blueprint import MODELS

__all__ = [
    "VGG",
    "AlexNet",
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "make_res_layer",
    "make_vgg_layer",
]

MODELS.register_replaceable({"AlexNet": AlexNet, "VGG": VGG, "ResNet": ResNet})
