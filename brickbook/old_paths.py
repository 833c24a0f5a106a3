"""mmcv's import paths: modules under a second name, and names that brickbook does not have.

A port changes ``mmcv`` to ``brickbook`` in the import line, whatever its depth: ``brickbook.cnn``,
``brickbook.runner`` and ``brickbook.utils`` call these functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NoReturn

__all__ = ["alias_modules", "refuse"]


def alias_modules(package: str, modules: Mapping[str, Any]) -> None:
    """Let modules be imported as sub-modules of ``package`` too: as the very same objects.

    Args:
        package: Name of a package that is being imported.
        modules: The modules by the name that they get in the package. What is loaded of their own
            sub-modules goes with them, else an import by the second name would run them again.
    """
    for alias, module in modules.items():
        for name, loaded in list(sys.modules.items()):
            if f"{name}.".startswith(f"{module.__name__}."):
                rest = name.removeprefix(module.__name__)
                sys.modules[f"{package}.{alias}{rest}"] = loaded
        parent = sys.modules[package]
        if not hasattr(parent, alias):  # mmcv.cnn.utils.fuse_conv_bn is the function
            setattr(parent, alias, module)


def refuse(module: ModuleType, name: str, absent: str) -> NoReturn:
    """Raise for a name that a module lacks, as ``__getattr__`` of a module does.

    Args:
        module: The module.
        name: What was asked of it.
        absent: Names that mmcv's module of that path has and brickbook has not, between spaces.

    Raises:
        ImportError: For one of those names.
        AttributeError: For any other.
    """
    if name in absent.split():
        raise ImportError(f"mmcv's {name} is not in brickbook.", name=name)
    raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
