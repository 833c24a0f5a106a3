"""A model as the source of an ``nn.Module`` class that needs torch alone."""

from brickbook.bricks.plain_torch.module_source import to_module_source

__all__ = ["to_module_source"]
