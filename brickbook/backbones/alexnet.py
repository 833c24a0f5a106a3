"""AlexNet in its variant with one column. Source: Krizhevsky 2014, arXiv 1404.5997."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from brickbook.backbones.backbone import Backbone

__all__ = ["AlexNet"]


class AlexNet(Backbone):
    """AlexNet: (N, 3, 224, 224) becomes features (N, 256, 6, 6), or one score a class.

    The classifier is there if ``num_classes`` is above 0. The parts are called as torchvision's,
    whose weights load. Without a checkpoint ``init_weights`` leaves torch's numbers.

    >>> import torch
    >>> AlexNet(num_classes=10).eval()(torch.ones(2, 3, 224, 224)).shape
    torch.Size([2, 10])
    """

    def __init__(self, num_classes: int = -1) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            *relu_and_pool(),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            *relu_and_pool(),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            *relu_and_pool(),
        )
        if num_classes > 0:
            self.classifier = nn.Sequential(
                nn.Dropout(),
                nn.Linear(256 * 6 * 6, 4096),
                nn.ReLU(inplace=True),
                nn.Dropout(),
                nn.Linear(4096, 4096),
                nn.ReLU(inplace=True),
                nn.Linear(4096, num_classes),
            )

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return no rule: torch's own numbers stay."""
        return []

    def forward(self, x: Tensor) -> Tensor:
        """Return the features, or the classifier's output if there is one."""
        x = self.features(x)
        return self.classifier(x.flatten(1)) if self.num_classes > 0 else x


def relu_and_pool() -> tuple[nn.Module, nn.Module]:
    """Build a ReLU and the overlapping pooling after it."""
    return nn.ReLU(inplace=True), nn.MaxPool2d(kernel_size=3, stride=2)
