"""Plugins by name: blocks that a backbone may be given at chosen places."""

from __future__ import annotations

import inspect
import re
from typing import Any

from brickbook.bricks.registry import PLUGIN_LAYERS, build_layer, find_layer
from brickbook.config import unwrap_partial
from brickbook.errors import BadArgumentError, CheckError
from brickbook.registry import Config, split_type

__all__ = ["build_plugin_layer", "infer_abbr"]

# Before the last capital of a row of them, where a word begins, and after a small letter or digit.
WORD_STARTS = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z\d])(?=[A-Z])")


def infer_abbr(class_type: type) -> str:
    """Return the attribute name that plugins of a class go by: ``_abbr_``, else the snake case.

    Raises:
        TypeError: ``class_type`` is no class.

    >>> infer_abbr(type("FancyBlock", (), {})), infer_abbr(type("HTTPServer2D", (), {}))
    ('fancy_block', 'http_server2_d')
    """
    if not inspect.isclass(class_type):
        raise BadArgumentError("class_type", f"expected a class, got {class_type!r}.")
    own = getattr(class_type, "_abbr_", None)
    return own or WORD_STARTS.sub("_", class_type.__name__).replace("-", "_").lower()


def build_plugin_layer(cfg: Config, postfix: int | str = "", **kwargs: Any) -> tuple[str, Any]:
    """Build a plugin; return (attribute name, layer). The config's keys join the arguments.

    Args:
        cfg: The plugin's ``type`` and arguments.
        postfix: What follows the abbreviation in the attribute name.
        **kwargs: Other arguments of the plugin.

    Raises:
        TypeError: ``cfg`` is no dict, or the layer does not take an argument.
        KeyError: ``type`` is missing or unknown.
        AssertionError: ``postfix`` is no int or str.

    >>> build_plugin_layer(dict(type="ContextBlock", ratio=1 / 4), postfix=1, in_channels=16)[0]
    'context_block1'
    """
    kind, own = split_type(cfg, "plugin_cfg")
    make = find_layer(kind, PLUGIN_LAYERS, "plugin_cfg")
    if not isinstance(postfix, (int, str)):
        raise CheckError("postfix", f"expected an int or a str, got {postfix!r}.")
    layer = build_layer(make, (), kwargs, own, "plugin_cfg")
    made = unwrap_partial(make)
    return f"{infer_abbr(made if isinstance(made, type) else type(layer))}{postfix}", layer
