"""Build PyTorch models from config dicts, see how they start, and look at their numbers.

The public names of ``mmcv.cnn`` and of ``mmcv.runner``'s modules and checkpoint functions are
here under their own names. `plan` says what an ``init_cfg`` will do, `initialize` does it,
`snapshot` and `compare` look at a model's numbers. Pictures are in ``brickbook.views``, the
notebook panels in ``brickbook.lab``.

The names are listed in ``brickbook.api``. The first use of one loads torch and them all; the
import of this package loads nothing.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brickbook.api import *  # noqa: F403 - for editors and type checkers
    from brickbook.api import __all__ as __all__

__version__ = "0.1.0"

# Modules that do without torch: to ask for one loads it alone.
WITHOUT_TORCH = frozenset((
    "cli", "commands", "errors", "files", "html", "i18n", "live_panels", "migrate", "old_paths",
    "printable",
))  # fmt: skip


def load_ipython_extension(ipython: Any) -> None:
    """Add the ``%brickbook`` magic to a notebook: ``%load_ext brickbook`` calls this."""
    from brickbook.magic import load  # IPython and what the panels need arrive here

    load(ipython)


def __getattr__(name: str) -> Any:
    if name in WITHOUT_TORCH:
        return import_module(f"brickbook.{name}")
    if name.startswith("__") and name != "__all__":  # tools look for such names in any module
        raise AttributeError(f"module 'brickbook' has no attribute {name!r}")
    api = load_public_names()
    return globals()[name] if name in globals() else getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *load_public_names().__all__})


def load_public_names() -> ModuleType:
    """Import ``brickbook.api`` and make its public names variables of this package.

    Those that are loaded at their own first use stay out; in the middle of the import of
    ``brickbook.api``, so do those that are still to come.
    """
    api = import_module("brickbook.api")
    public = vars(api).get("__all__", ())
    globals().update({name: vars(api)[name] for name in ("__all__", *public) if name in vars(api)})
    return api
