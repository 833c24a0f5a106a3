"""Files of what the init lab shows: a button a format, written beside the notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import ipywidgets as w

from brickbook.errors import ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_progress import Progress
from brickbook.lab.init_words import size_text
from brickbook.lab.light import Button
from brickbook.lab.panels import Notice, guarded
from brickbook.lab.worker import GoOn, Stopped
from brickbook.measure.comparisons import Comparison
from brickbook.texts import Texts
from brickbook.views.exports import export
from brickbook.views.screenshot import NoBrowserError, find_browser

__all__ = ["FORMATS", "Exports", "Shown", "free_name"]

FORMATS = ("html", "csv", "json", "svg", "png")


@dataclass(frozen=True)
class Shown:
    """What a panel shows at one moment, for `export`."""

    comparison: Comparison
    plan: InitPlan | None
    report: InitReport | None


class Exports(Part):
    """A button for each format, and a line that says what was written.

    ``take`` gives what is shown and its title. Files come into the kernel's folder, which is that
    of the notebook, under names that are free. Controls: ``buttons`` by format, ``progress`` and
    ``told``; ``written`` is the last file.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[], tuple[Shown, str]],
        texts: Texts | None = None,
    ) -> None:
        self.name, self.take, self.texts = name, take, texts or Texts()
        self.written: Path | None = None
        self.told = Notice()
        self.progress = Progress(self.texts("export.stop_tip"), self.texts)
        why_not = no_png()
        self.buttons: dict[str, w.Button] = {}
        for kind in FORMATS:
            missing = why_not if kind == "png" else ""
            button = Button(
                description=kind.upper(),
                tooltip=missing or self.texts(f"export.{kind}"),
                disabled=bool(missing),
                layout=wide(),
            )
            button.on_click(partial(self.press, kind))
            self.buttons[kind] = button
        if why_not:
            self.told.say(f"PNG: {why_not}", "info")
        line = w.HBox(list(self.buttons.values()), layout=wide(flex_flow="row wrap"))
        super().__init__(line, self.progress, self.told)

    def fold(self) -> None:
        """Hide the buttons, or show them."""
        self.layout.display = None if self.layout.display else "none"

    @guarded
    def press(self, kind: str, _button: w.Button) -> None:
        """Write one file, in a thread: a PNG takes seconds."""
        shown, title = self.take()
        self.told.clear()
        self.say("")

        def task(go_on: GoOn) -> Path:
            return write(shown, title, self.name, kind, go_on)

        self.progress.do(self.texts("export.writing", kind=kind.upper()), task, self.hear)

    @guarded
    def hear(self, found: Path | None, error: Exception | None) -> None:
        """Say what was written, or why not."""
        self.progress.end()
        self.written = found
        if isinstance(error, ConfigError):
            self.told.say(f"{error.problem} {error.hint}".rstrip())
        elif error is not None:
            raise error
        elif found is not None:
            size = f"{size_text(found.stat().st_size)}B"
            self.told.say(
                self.texts("export.written", name=found.name, size=size, path=found), "info"
            )

    def close(self) -> None:
        """Close everything; a file that is being written is not kept."""
        self.progress.close()
        super().close()


def write(shown: Shown, title: str, name: str, kind: str, go_on: GoOn) -> Path:
    """Write one file into the folder at hand, under a name that is free; none if it is stopped."""
    file = export(shown, free_name(name, kind), title=title)
    if not go_on(1, 1):
        file.unlink()
        raise Stopped
    return file


def free_name(name: str, kind: str, folder: Path | None = None) -> Path:
    """Return a file that is not there: the model's name, and a number where that is taken.

    What is no letter, digit, dot or dash becomes a low line: names come from users.
    """
    folder = folder or Path.cwd()
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "model"
    names = (f"{stem}_init{'' if number == 1 else f'_{number}'}.{kind}" for number in count(1))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def no_png() -> str:
    """Say why there can be no PNG; "" if there can."""
    try:
        find_browser()
    except NoBrowserError as error:
        return f"{error.problem} {error.hint}".rstrip()
    return ""
