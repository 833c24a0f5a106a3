"""Python code of projects on the old packages: imports, names, methods.

`migrate_code` is the way in. What it knows of the old packages stands in ``facts/``; LibCST parses
the code, and is imported only then.
"""

from __future__ import annotations

from brickbook.errors import BadArgumentError, BadValueError, MissingPackageError, nearest
from brickbook.migrate.code.moves import Source
from brickbook.migrate.migration import SourceMigration

__all__ = ["migrate_code"]

SOURCES = ("mmcls", "mmcv")


def migrate_code(
    text: str, *, path: str = "code.py", source: Source = "mmcls", comments: bool = False
) -> SourceMigration:
    r"""Migrate a file of Python code: its imports, and what is used of them.

    Nothing of the file is executed. What is not edited stays as it is, to the byte.

    Args:
        text: the code, of Python 3.
        path: the file's path, for messages and the diff.
        source: "mmcls" for projects on MMClassification 0.x or MMSelfSup 0.x, which go to
            MMPretrain 1.x; "mmcv" for code on MMCV's ``cnn``, ``runner`` and ``utils``, of which
            what brickbook has is imported from brickbook.
        comments: also write a comment above every place that is left to be edited by hand.

    Raises:
        BadArgumentError: ``text`` is no text, or ``comments`` no bool.
        BadValueError: text that is no Python, too long, or nested too deeply, by file, line and
            column; an unknown ``source``.
        MissingPackageError: LibCST is not installed.

    >>> print(migrate_code("from mmcls.models import BACKBONES\nBACKBONES.get('ResNet')").text)
    from mmpretrain.registry import MODELS
    MODELS.get('ResNet')
    """
    if source not in SOURCES:
        raise BadValueError("source", f"unknown source {source!r}.", nearest(source, SOURCES))
    if not isinstance(comments, bool):
        raise BadArgumentError("comments", f"expected True or False, got {comments!r}.")
    try:
        from brickbook.migrate.code.rewrite import rewrite
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "libcst":
            raise
        problem = f"Python code needs libcst, which cannot be imported: {error}."
        hint = "Install it: pip install 'brickbook[migrate]'."
        raise MissingPackageError(path, problem, hint) from error
    return rewrite(text, path, source, comments)
