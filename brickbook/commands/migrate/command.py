"""``migrate``: configs and code of MMClassification 0.x and MMSelfSup 0.x become those of 1.x."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickbook.commands.command import Command, CommandUsageError, Frontend, Message, Parser
from brickbook.commands.files import complete_files
from brickbook.commands.migrate.files import (
    STDIN,
    Sources,
    Target,
    base_lookup,
    check_report,
    in_place_targets,
    is_unnamed,
    out_targets,
    read_sources,
    read_unnamed,
    write_targets,
)
from brickbook.commands.migrate.report import (
    NOTE_CHOICES,
    exit_code,
    is_already_new,
    notes_text,
    report_dict,
    summary,
)
from brickbook.errors import BadValueError, ConfigError
from brickbook.files import write_whole
from brickbook.i18n import LANGUAGES, Texts

if TYPE_CHECKING:
    from brickbook.migrate import SourceMigration

__all__ = ["MIGRATE"]

SCHEDULES = ("guide", "faithful")
ORIGINS = ("mmcls", "mmcv")
MOST_ERRORS = 20  # that are said at once
PASTED, JSON_PASTED = "config.py", "config.json"  # what a config is called that has no file

Migrations = Mapping[str, "SourceMigration"]


def add_migrate_arguments(parser: Parser, frontend: Frontend) -> None:
    """Add the arguments of ``migrate``."""
    parser.add(
        "path", metavar="PATH", nargs=None if frontend.is_shell else "?", complete=complete_files,
        help="a config, a folder of them, or - for standard input",
    )  # fmt: skip
    parser.add(
        "--out", metavar="PATH", complete=complete_files,
        help="write the new files here; a folder keeps its structure",
    )  # fmt: skip
    parser.add(
        "--in-place", action="store_true", help="write over the old files, and keep each as *.bak"
    )
    parser.add("--diff", action="store_true", help="show what changes, line by line")
    parser.add(
        "--json", metavar="FILE", nargs="?", const=STDIN, complete=complete_files,
        help="write the notes as JSON, to standard output without a FILE",
    )  # fmt: skip
    parser.add(
        "--schedule", choices=SCHEDULES,
        help="the guide's learning-rate schedules (default), or ones that repeat the old curve",
    )  # fmt: skip
    parser.add("--code", action="store_true", help="migrate Python code: imports, names, methods")
    parser.add(
        "--from", dest="source", choices=ORIGINS,
        help="what the code imports: mmcls and mmselfsup (default), or mmcv, to brickbook",
    )  # fmt: skip
    parser.add("--comments", action="store_true", help="comment in the code what has to be edited")
    parser.add(
        "--exclude", action="append", default=[], metavar="GLOB",
        help="leave out files or folders below the folder; may be repeated",
    )  # fmt: skip
    parser.add("--name", metavar="FILE", help="the name of a config from standard input or a cell")
    parser.add("--notes", choices=NOTE_CHOICES, default="all", help="which notes to show")
    parser.add("--language", choices=LANGUAGES, help="of the notes (default: the reader's)")
    parser.add("--force", action="store_true", help="replace files that are there")


def run_migrate(frontend: Frontend, arguments: argparse.Namespace) -> Any:
    """Migrate a file, a folder, or what stands in a cell; show it or write it."""
    check_options(arguments)
    sources = find_sources(arguments)
    if not frontend.is_shell and is_for_panel(sources, arguments):
        if frontend.has_widgets:
            return open_panel(sources, arguments)
        arguments.diff = True
    if arguments.json not in (None, STDIN):
        check_report(arguments.json, sources, "--json", force=arguments.force)
    migrations = migrate_all(sources, arguments)
    files = write(sources, migrations, arguments)
    texts, report = Texts(arguments.language), ""
    if arguments.json:
        targets = {name: str(target.file) for name, target in files.items()}
        found = report_dict(migrations, targets, sources.left_out, texts)
        report = f"{json.dumps(found, ensure_ascii=False, indent=2, default=str)}\n"
        if arguments.json != STDIN:
            write_whole(Path(arguments.json).expanduser(), report, "--json")
    fate = outcome(migrations, files, arguments, texts)
    last = summary(migrations, sources, fate, texts)
    return answer(sources, migrations, files, report, last, arguments)


def is_for_panel(sources: Sources, arguments: argparse.Namespace) -> bool:
    """Whether a line asks for one config to be looked at, and nothing else."""
    options = (arguments.out, arguments.in_place, arguments.diff, arguments.json, arguments.code)
    return not sources.is_folder and not any(options)


def open_panel(sources: Sources, arguments: argparse.Namespace) -> Any:
    """Return the panel of a config; of one that is of 1.x a message."""
    from brickbook.lab import Migrator  # the panels need ipywidgets

    ((name, text),) = sources.texts.items()
    panel = Migrator(
        text,
        path=name,
        base_lookup=base_lookup(sources.root),
        schedule=arguments.schedule or SCHEDULES[0],
        language=arguments.language,
    )
    if panel.migration.already:
        panel.close()
        return Message(panel.static().text, exit_code({name: panel.migration}))
    return panel


def answer(
    sources: Sources,
    migrations: Migrations,
    files: Mapping[str, Target],
    report: str,
    last: str,
    arguments: argparse.Namespace,
) -> Message:
    """Return what is shown.

    Args:
        sources: what was read.
        migrations: of all files.
        files: that were written.
        report: everything as JSON.
        last: the summary.
        arguments: of the line.
    """
    code, texts = exit_code(migrations), Texts(arguments.language)
    if arguments.json == STDIN:
        return Message(report, code, notes=last, exact=True)
    blocks = []
    for name, migration in migrations.items():
        path = sources.shown(name)
        target = str(files[name].file) if name in files else ""
        blocks.append(notes_text(migration, path, target, texts, arguments.notes))
        blocks.append(migration.diff().rstrip("\n") if arguments.diff else "")
    told = [block for block in blocks if block]
    spoken = "\n\n".join([*told, last])
    if sources.is_folder or files or arguments.diff:
        return Message(spoken, code)
    # The new text, as a file's: what is said of it goes beside it.
    new = "" if is_already_new(migrations) else next(iter(migrations.values())).text
    return Message(new, code, notes=spoken, exact=True)


def check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that cannot stand together."""
    if arguments.out and arguments.in_place:
        raise CommandUsageError("--out and --in-place: one of them says where to.")
    if arguments.in_place and (arguments.path is None or is_unnamed(arguments.path)):
        raise CommandUsageError("--in-place is for files.")
    arguments.code = arguments.code or arguments.source is not None
    if arguments.comments and not arguments.code:
        raise CommandUsageError("--comments is for --code.")
    if arguments.schedule and arguments.code:
        raise CommandUsageError("--schedule is for configs, not for --code.")
    if arguments.name and arguments.path is not None and not is_unnamed(arguments.path):
        raise CommandUsageError("--name is for standard input or a cell; a file has its own.")


def find_sources(arguments: argparse.Namespace) -> Sources:
    """Read what there is to migrate."""
    text: str | None = getattr(arguments, "cell", None)
    path: str = arguments.path or ""
    if text is not None and path:
        raise CommandUsageError(f"the config is in the cell; {path} is another.")
    if text is None and not path:
        raise CommandUsageError("there is nothing to migrate: name a file.")
    text = read_unnamed(path) if text is None else text
    if text is not None:
        name = arguments.name or (JSON_PASTED if text.lstrip().startswith("{") else PASTED)
        return Sources(Path(), {name: text})
    sources = read_sources(path, code=arguments.code, exclude=arguments.exclude)
    if sources.is_folder and arguments.out == STDIN:
        raise CommandUsageError("--out -: a folder has several texts; name a folder.")
    return sources


def migrate_all(sources: Sources, arguments: argparse.Namespace) -> Migrations:
    """Migrate every file; nothing is written."""
    from brickbook import migrate  # help does without

    if arguments.code:
        how = {"source": arguments.source or ORIGINS[0], "comments": arguments.comments}
        return each_file(sources, lambda name, text: migrate.migrate_code(text, path=name, **how))
    schedule = arguments.schedule or SCHEDULES[0]
    if sources.is_folder:
        refused: dict[str, ConfigError] = {}
        texts = {**sources.bases, **sources.texts}
        made = migrate.migrate_tree(texts, schedule=schedule, refused=refused)
        refuse(sources, refused)
        return {name: made[name] for name in sources.texts}
    lookup = base_lookup(sources.root)
    ((name, text),) = sources.texts.items()
    return {name: migrate.migrate_source(text, path=name, base_lookup=lookup, schedule=schedule)}


def each_file(
    sources: Sources, migrate: Callable[[str, str], SourceMigration]
) -> dict[str, SourceMigration]:
    """Migrate one file after the other."""
    made, refused = {}, {}
    for name, text in sources.texts.items():
        try:
            made[name] = migrate(name, text)
        except ConfigError as error:
            refused[name] = error
    refuse(sources, refused)
    return made


def refuse(sources: Sources, refused: Mapping[str, ConfigError]) -> None:
    """Raise the errors of all files as one; that of a ``_base_`` is one of many files, said once.

    Raises:
        ConfigError: if there are any.
    """
    if not refused:
        return
    once = {id(error): error for error in refused.values()}
    said: dict[str, ConfigError] = {}
    for name, error in refused.items():
        if once.pop(id(error), None) is not None:
            said[shown_error(sources, name, error)] = error
    first, *rest = said
    if not sources.is_folder:
        raise said[first]
    lines = rest[: MOST_ERRORS - 1]
    if len(rest) > len(lines):
        lines.append(f"and {len(rest) - len(lines)} more.")
    problem = "\n".join([first, *lines, "Nothing was written; --exclude leaves files out."])
    path, _, problem = problem.partition(": ")
    raise BadValueError(path, problem)


def shown_error(sources: Sources, name: str, error: ConfigError) -> str:
    """Return what an error of a file says, with the file's path as its user would type it."""
    file = error.path.partition(":")[0]
    text = str(error)
    if not sources.is_folder:
        return text
    return sources.shown(text) if file in sources.texts else f"{sources.shown(name)}: {text}"


def write(
    sources: Sources, migrations: Migrations, arguments: argparse.Namespace
) -> dict[str, Target]:
    """Write the new texts where the line says; return the files by name."""
    if is_already_new(migrations):
        return {}
    if arguments.in_place:
        files = in_place_targets(sources, migrations, force=arguments.force)
    elif arguments.out not in (None, STDIN):
        files = out_targets(sources, migrations, arguments.out, force=arguments.force)
    else:
        return {}
    write_targets(list(files.values()), "--in-place" if arguments.in_place else "--out")
    return files


def outcome(
    migrations: Migrations,
    files: Mapping[str, Target],
    arguments: argparse.Namespace,
    texts: Texts,
) -> str:
    """Return what became of the new texts, as a sentence; "" where it is plain to see."""
    if is_already_new(migrations):
        return texts["migrator.nothing_written"]
    if arguments.in_place:
        kept = [str(target.backup) for target in files.values()]
        place = kept[0] if len(kept) == 1 else "*.bak"
        return texts("migrator.written_in_place", n=len(kept), place=place) if kept else ""
    if files:
        return texts("migrator.written", place=arguments.out)
    shown = arguments.out == STDIN or len(migrations) == 1
    return "" if shown else texts["migrator.not_written"]


MIGRATE = Command(add_migrate_arguments, run_migrate)
