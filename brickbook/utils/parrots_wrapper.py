"""mmcv's path ``mmcv.utils.parrots_wrapper``: base classes of torch's norms."""

from torch.nn import SyncBatchNorm
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

__all__ = ["SyncBatchNorm", "_BatchNorm", "_InstanceNorm"]
