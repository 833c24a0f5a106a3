"""Files of what the init lab shows: a button a format, written beside the notebook."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from pathlib import Path

import ipywidgets as w

from brickbook.errors import ConfigError
from brickbook.init.initplan import InitPlan
from brickbook.init.report import InitReport
from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_progress import Progress
from brickbook.lab.init_words import size_text
from brickbook.lab.panels import Notice, close_tree, guarded
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
    """A button that unfolds one for each format, and a line that says what was written.

    ``take`` gives what is shown and its title. Files come into the kernel's folder, which is that
    of the notebook, under names that are free. Controls: ``toggle``, which stands elsewhere, and
    once it was pressed ``buttons`` by format, ``progress`` and ``told``.
    """

    def __init__(
        self,
        name: str,
        take: Callable[[], tuple[Shown, str]],
        texts: Texts | None = None,
    ) -> None:
        self.name, self.take, self.texts = name, take, texts or Texts()
        self.written: Path | None = None
        self.toggle = w.Button(
            description=self.texts("export.title"),
            icon="download",
            tooltip=self.texts("export.tip"),
            layout=wide(),
        )
        self.toggle.on_click(self.press_toggle)
        super().__init__()

    @cached_property
    def line(self) -> w.HBox:
        """The buttons, made when they are asked for."""
        self.told = Notice()
        self.progress = Progress(self.texts("export.stop_tip"), self.texts)
        why_not = no_png()
        self.buttons: dict[str, w.Button] = {}
        for kind in FORMATS:
            missing = why_not if kind == "png" else ""
            button = w.Button(
                description=kind.upper(),
                tooltip=missing or self.texts(f"export.{kind}"),
                disabled=bool(missing),
                layout=wide(),
            )
            button.on_click(partial(self.press, kind))
            self.buttons[kind] = button
        if why_not:
            self.told.say(f"PNG: {why_not}", "info")
        return w.HBox(list(self.buttons.values()), layout=wide(flex_flow="row wrap"))

    @guarded
    def press_toggle(self, _button: w.Button) -> None:
        """Unfold the formats, or fold them."""
        line = self.line
        self.hold(*([] if self.children else [line, self.progress, self.told]))

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
        """Close everything, also what is folded."""
        if "line" in vars(self):
            for part in (self.line, self.progress, self.told):
                close_tree(part)
        close_tree(self.toggle)
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
