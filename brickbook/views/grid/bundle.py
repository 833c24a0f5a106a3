"""Files of a page that are read as one: a widget is one module, and a page inlines it."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HERE", "ScriptBundle", "StyleBundle"]

HERE = Path(__file__).parent
IMPORT = re.compile(r"import .* from \"\.\.?/.*\";")
COMMENT = re.compile(r"//.*|/\*.*\*/")
DEFAULT_EXPORT = "export default "


@dataclass(frozen=True)
class StyleBundle:
    """Style sheets as one, in the order of ``names``, which are files in ``folder``.

    Without a folder they are beside this file. What a browser has no use for is left out:
    indentation, and comments on a line of their own.
    """

    names: tuple[str, ...]
    folder: Path | None = None

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return all of it."""
        lines = (
            self.strip_line(line.strip())
            for name in self.names
            for line in ((self.folder or HERE) / name).read_text(encoding).splitlines()
        )
        return "\n".join([*filter(None, lines), ""])

    def read_bytes(self) -> bytes:
        """Return all of it as UTF-8."""
        return self.read_text().encode()

    def strip_line(self, line: str) -> str:
        """Return what is needed of a line."""
        return "" if COMMENT.fullmatch(line) else line


@dataclass(frozen=True)
class ScriptBundle(StyleBundle):
    """ES modules that import each other, and nothing else, as one that imports nothing.

    Each stands after those that it imports; no two have a name in common, an import takes one
    line, and only the last module has a default export. The word CHECKSUM becomes that of the text.
    """

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the one module."""
        text = super().read_text(encoding)
        return text.replace("CHECKSUM", f"{zlib.crc32(text.encode()):08x}")

    def strip_line(self, line: str) -> str:
        """Return what is needed of a line."""
        line = "" if IMPORT.fullmatch(line) else super().strip_line(line)
        # A browser needs two bytes a letter where one of them is not of Latin 1.
        line = line.encode("ascii", "backslashreplace").decode()
        return line if line.startswith(DEFAULT_EXPORT) else line.removeprefix("export ")
