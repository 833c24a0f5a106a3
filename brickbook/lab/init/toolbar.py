"""The buttons of the init lab, the files it writes, and the counting of a large model."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import ipywidgets as w

from brickbook.errors import ConfigError
from brickbook.i18n import Texts
from brickbook.init.execution import InitReport
from brickbook.init.planning import InitPlan
from brickbook.lab.init.session import InitSession
from brickbook.lab.init.words import problem_text, short_count
from brickbook.lab.widgets import (
    Button,
    Cancelled,
    JobProgress,
    Notice,
    ProgressCallback,
    Section,
    close_tree,
    full_width,
    reports_errors,
)
from brickbook.measure.snapshot import SAMPLE_SIZE, Comparison, Snapshot
from brickbook.views.export import export
from brickbook.views.png import NoBrowserError, find_browser

MAX_LINES = 24
FORMATS = ("html", "csv", "json", "svg", "png")


class Toolbar(Section):
    """Initialize, Undo, Redo, Copy config, Export, and below them what was done last.

    Copy config unfolds the rules as Python, as ``get_python`` gives them, in ``code`` (None while
    it is folded); Export unfolds ``exports`` (None before its first use), made by
    ``make_exports``.
    """

    def __init__(
        self,
        on_initialize: Callable[[w.Button], None],
        on_undo: Callable[[w.Button], None],
        on_redo: Callable[[w.Button], None],
        get_python: Callable[[], str],
        make_exports: Callable[[], Exports],
        texts: Texts | None = None,
    ) -> None:
        self.get_python, self.make_exports, self.texts = get_python, make_exports, texts or Texts()
        self.status = Notice()
        self.code: w.Textarea | None = None
        self.exports: Exports | None = None
        texts, shared = self.texts, full_width()

        def button(name: str, icon: str, **options: Any) -> Button:
            return Button(description=texts[name], icon=icon, layout=shared, **options)

        self.initialize = button("init.initialize", "play", button_style="primary")
        self.undo = button("init.undo", "undo", tooltip=texts["init.no_undo"], disabled=True)
        self.redo = button("init.redo", "repeat", tooltip=texts["init.no_redo"], disabled=True)
        self.copy = button("init.copy", "copy", tooltip=texts["init.copy_tip"])
        self.export = button("export.title", "download", tooltip=texts["export.tip"])
        self.initialize.on_click(on_initialize)
        self.undo.on_click(on_undo)
        self.redo.on_click(on_redo)
        self.copy.on_click(self.on_copy)
        self.export.on_click(self.on_export)
        line = [self.initialize, self.undo, self.redo, self.copy, self.export]
        self.buttons = w.HBox(line, layout=full_width(flex_flow="row wrap"))
        super().__init__(self.buttons, self.status)

    def set_enabled(
        self,
        can_initialize: bool,
        why_no_undo: str,
        why_no_redo: str,
        undoes: str = "",
        redoes: str = "",
    ) -> None:
        """Enable what can be done; tooltips name what Undo and Redo do, or why there is nothing."""
        self.initialize.disabled = not can_initialize
        self.undo.disabled = bool(why_no_undo)
        self.undo.tooltip = why_no_undo or self.texts("edit.undo", what=undoes)
        self.redo.disabled = bool(why_no_redo)
        self.redo.tooltip = why_no_redo or self.texts("edit.redo", what=redoes)

    def refresh_code(self) -> None:
        """Write the rules as Python, if the text is unfolded."""
        if self.code is not None:
            self.code.value = self.get_python()
            self.code.rows = min(MAX_LINES, self.code.value.count("\n") + 1)

    def arrange(self) -> None:
        """Show the buttons, the status, and what is unfolded."""
        unfolded = (part for part in (self.code, self.exports) if part is not None)
        self.set_children(self.buttons, self.status, *unfolded)

    @reports_errors
    def on_copy(self, _button: w.Button) -> None:
        """Unfold the Python text, or fold it."""
        old = self.code
        self.code = w.Textarea(layout=full_width()) if old is None else None
        self.refresh_code()
        self.arrange()
        if old is not None:
            close_tree(old)

    @reports_errors
    def on_export(self, _button: w.Button) -> None:
        """Unfold the formats of files, or fold them."""
        if self.exports is not None:
            self.exports.toggle()
            return
        self.exports = self.make_exports()
        self.arrange()

    def close(self) -> None:
        """Close everything; a file that is being written is not kept."""
        if self.exports is not None:
            self.exports.close()
        super().close()


@dataclass(frozen=True)
class LabContents:
    """What a panel shows at one moment, for `export`."""

    comparison: Comparison
    plan: InitPlan | None
    report: InitReport | None


class Exports(Section):
    """A button for each format, and a line that says what was written.

    ``get_contents`` returns what the panel shows and its title. Files come into the kernel's
    folder, which is that of the notebook, under names that are free. Controls: ``buttons`` by
    format, ``progress`` and ``status``; ``last_file`` is the last one written.
    """

    def __init__(
        self,
        name: str,
        get_contents: Callable[[], tuple[LabContents, str]],
        texts: Texts | None = None,
    ) -> None:
        self.name, self.get_contents, self.texts = name, get_contents, texts or Texts()
        self.last_file: Path | None = None
        self.status = Notice()
        self.progress = JobProgress(self.texts("export.stop_tip"), self.texts)
        why_not = png_unavailable_reason(self.texts)
        self.buttons: dict[str, w.Button] = {}
        for kind in FORMATS:
            missing = why_not if kind == "png" else ""
            button = Button(
                description=kind.upper(),
                tooltip=missing or self.texts(f"export.{kind}"),
                disabled=bool(missing),
                layout=full_width(),
            )
            button.on_click(partial(self.on_format, kind))
            self.buttons[kind] = button
        if why_not:
            self.status.show(f"PNG: {why_not}", "info")
        line = w.HBox(list(self.buttons.values()), layout=full_width(flex_flow="row wrap"))
        super().__init__(line, self.progress, self.status)

    def toggle(self) -> None:
        """Hide the buttons, or show them."""
        self.layout.display = None if self.layout.display else "none"

    @reports_errors
    def on_format(self, file_format: str, _button: w.Button) -> None:
        """Write one file, in a thread: a PNG takes seconds."""
        shown, title = self.get_contents()
        self.status.clear()
        self.show_message("")

        def task(report_progress: ProgressCallback) -> Path:
            return write_file(shown, title, self.name, file_format, report_progress)

        self.progress.start_job(
            self.texts("export.writing", kind=file_format.upper()), task, self.on_result
        )

    @reports_errors
    def on_result(self, found: Path | None, error: Exception | None) -> None:
        """Show what was written, or why not."""
        self.progress.finish()
        self.last_file = found
        if isinstance(error, ConfigError):
            self.status.show(problem_text(error, self.texts))
        elif error is not None:
            raise error
        elif found is not None:
            size = f"{short_count(found.stat().st_size)}B"
            self.status.show(
                self.texts("export.written", name=found.name, size=size, path=found), "info"
            )

    def close(self) -> None:
        """Close everything; a file that is being written is not kept."""
        self.progress.close()
        super().close()


def write_file(
    contents: LabContents,
    title: str,
    name: str,
    file_format: str,
    report_progress: ProgressCallback,
) -> Path:
    """Write one file into the folder at hand, under a name that is free; none if it is stopped."""
    file = export(contents, free_path(name, file_format), title=title)
    if not report_progress(1, 1):
        file.unlink()
        raise Cancelled
    return file


def free_path(name: str, file_format: str, folder: Path | None = None) -> Path:
    """Return a file that is not there: the model's name, and a number where that is taken.

    What is no letter, digit, dot or dash becomes a low line: names come from users.
    """
    folder = folder or Path.cwd()
    stem = re.sub(r"[^\w.-]+", "_", name).strip("._-") or "model"
    names = (
        f"{stem}_init{'' if number == 1 else f'_{number}'}.{file_format}" for number in count(1)
    )
    return next(path for path in map(folder.joinpath, names) if not path.exists())


def png_unavailable_reason(texts: Texts) -> str:
    """Return why there can be no PNG; "" if there can."""
    try:
        find_browser()
    except NoBrowserError as error:
        return problem_text(error, texts)
    return ""


class Counting(JobProgress):
    """Counts all values of a large model in the background; a sample is shown until then.

    ``on_counted`` is called when the session has the exact numbers.
    """

    def __init__(
        self, session: InitSession, on_counted: Callable[[], None], texts: Texts | None = None
    ) -> None:
        self.session, self.on_counted = session, on_counted
        texts = texts or Texts()
        self.sampled_text = texts("counting.sampled", n=SAMPLE_SIZE)
        super().__init__(texts("counting.cancel_tip"), texts)

    def start_if_sampled(self) -> None:
        """Count, if what is shown is a sample."""
        if self.session.sampled:
            words = self.texts("counting.busy", sampled=self.sampled_text)
            self.start_job(words, self.session.count_exact, self.on_result)
        else:
            self.finish()

    def stop(self) -> None:
        """Stop counting; the sample stays."""
        self.worker.cancel()
        self.finish(self.sampled_text)

    @reports_errors
    def on_result(self, found: Snapshot | None, error: Exception | None) -> None:
        """Show what the worker has counted."""
        if error is not None:
            self.stop()
            raise error
        if found is not None:
            self.session.adopt_exact(found)
            self.finish()
            self.on_counted()
