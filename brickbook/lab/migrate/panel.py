"""The panel of a migration, in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from brickbook import migrate
from brickbook.errors import BadValueError, format_value, nearest
from brickbook.i18n import Texts
from brickbook.lab.migrate.page import SCHEDULES, MigrationPage, page_content
from brickbook.lab.widgets import Panel, full_width, reports_errors
from brickbook.live_panels import PANEL_LOCK, replace_live_panel
from brickbook.migrate import LearningRates, SourceMigration
from brickbook.views.migration import headline, migration_report
from brickbook.views.page import StaticReport

__all__ = ["Migrator"]

BaseLookup = Callable[[str], str]
Schedule = Literal["guide", "faithful"]


class Migrator(Panel):
    """An old config beside its new form, with what is to be said of every change.

    What the reader chooses are traits of ``page``, a `MigrationPage`; ``migration`` is the result.

    Args:
        text: the config of MMClassification 0.x or MMSelfSup 0.x.
        path: its file's name; ``8xb32`` in it says the batch size.
        base_lookup: returns the text of a ``_base_`` by its path from the file.
        schedule: "guide" or "faithful"; the panel has a menu for it.
        language: "en" or "zh", None for the reader's; the panel has a menu for it.

    Raises:
        BadValueError: a config of another project, of no known ``schedule`` or ``language``.
        ConfigError: a config that cannot be read, by line and column.
    """

    def __init__(
        self,
        text: str,
        *,
        path: str = "config.py",
        base_lookup: BaseLookup | None = None,
        schedule: Schedule = "guide",
        language: str | None = None,
    ) -> None:
        if schedule not in SCHEDULES:
            problem = f"unknown style {format_value(schedule)}."
            raise BadValueError("schedule", problem, nearest(schedule, SCHEDULES))
        self.texts = Texts(language)
        self.text, self.path, self.base_lookup = text, path, base_lookup
        self.made: dict[str, SourceMigration] = {}
        self.migration = self.migrated(schedule)
        super().__init__(layout=full_width(min_width="0"))
        self.page = MigrationPage(schedule=schedule, language=self.texts.language)
        self.show()
        self.children = (self.notice, self.page)
        self.page.observe(self.on_choice, ["schedule", "language"])
        replace_live_panel(("migration", path, text), self)

    def migrated(self, schedule: Schedule) -> SourceMigration:
        """Return the migration with one form of the schedule."""
        if schedule not in self.made:
            self.made[schedule] = migrate.migrate_source(
                self.text, path=self.path, base_lookup=self.base_lookup, schedule=schedule
            )
        return self.made[schedule]

    @property
    def schedule(self) -> Schedule:
        """Which form of the schedule is shown."""
        return self.page.schedule  # pyright: ignore[reportReturnType]  # a trait of these words

    @property
    def rates(self) -> LearningRates | None:
        """The learning rate of every iteration before and after; None if it is not known."""
        return migrate.source_rates(
            self.text, path=self.path, base_lookup=self.base_lookup, schedule=self.schedule
        )

    def show(self) -> None:
        """Show the migration as it is chosen."""
        with PANEL_LOCK:
            self.migration = self.migrated(self.schedule)
            self.texts = Texts(self.page.language)
            with self.page.hold_sync():
                self.page.content = page_content(self.migration, self.rates, self.texts)
                self.page.text = self.migration.text

    @reports_errors
    def on_choice(self, _change: Mapping[str, Any]) -> None:
        """Show another schedule, or another language."""
        self.show()

    def static(self) -> StaticReport:
        """Return what the panel shows as fixed HTML, for viewers without a kernel or widgets."""
        return migration_report(self.migration, self.rates, language=self.texts.language)

    def __repr__(self) -> str:
        return f"Migrator({headline(self.migration, Texts('en'))})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, the same as fixed HTML."""
        bundle = super()._repr_mimebundle_(**kwargs)
        message = self.texts["migrator.fallback"]
        report = migration_report(
            self.migration, self.rates, message=message, language=self.texts.language
        )
        return {**(bundle or {}), "text/html": report.html}
