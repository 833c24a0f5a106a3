"""``brickbook VERB`` in a shell: the verbs of the magic, without a notebook."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from brickbook import __version__
from brickbook.errors import BadValueError, ConfigError
from brickbook.literals import is_plain_word, literal
from brickbook.targets import load_model

__all__ = ["init_cfg_of", "main", "parser", "read_config"]

NOTHING_TO_START = "there is nothing to start with: --init or --cfg is missing."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; a ConfigError is one line on stderr and exit code 2."""
    arguments = parser().parse_args(argv)
    sys.path.insert(0, "")  # `package.module` of the folder one stands in, as with python -m
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn
            return arguments.verb(arguments) or 0
    except ConfigError as error:
        complain(error)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}." if error.filename else error)
    except ImportError as error:
        complain(error)
    finally:
        sys.path.remove("")
    return 2


def complain(what: object) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"brickbook: {what}\n")


def warn(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line, without the place in the launcher."""
    complain(f"warning: {message}")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    whole = argparse.ArgumentParser(
        prog="brickbook", description="Build a PyTorch model, start it, and look at its weights."
    )
    whole.add_argument("--version", action="version", version=f"brickbook {__version__}")
    verbs = whole.add_subparsers(title="verbs", metavar="VERB", required=True)
    one = verbs.add_parser(
        "show",
        help="a model's weights, before and after an initialisation",
        description="Show a model's weights, and with --init or --cfg what an initialisation "
        "makes of them: as text, and with --html as a page that needs no network.",
    )
    one.add_argument(
        "model",
        help="package.module:callable, file.py:callable, torchvision:NAME or timm:NAME; "
        "the callable is called without arguments",
    )
    one.add_argument("--init", metavar="TYPE", help="an initialiser: Kaiming, Normal, Constant, …")
    one.add_argument(
        "--layer", action="append", default=[], help="a class it speaks of; may be repeated"
    )
    one.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="an argument of the initialiser, such as std=0.01; may be repeated",
    )  # fmt: skip
    one.add_argument("--cfg", metavar="FILE", help="an init_cfg as JSON or a Python literal")
    one.add_argument("--seed", type=int, help="seed of the draws; the same weights each time")
    one.add_argument("--strict", action="store_true", help="a rule without effect is an error")
    one.add_argument("--bins", type=int, default=64, help="bins of a histogram (default 64)")
    one.add_argument("--html", metavar="FILE", help="write a self-contained page")
    one.set_defaults(verb=show)
    one = verbs.add_parser(
        "build",
        help="a model from a config",
        description="Build a model from a brick's config or a list of them, and say its layers.",
    )
    one.add_argument("config", help="a file with JSON or a Python literal; dict(...) is fine")
    one.add_argument(
        "--input", metavar="SHAPE", help="input shape without the batch, such as 3,32,32"
    )
    one.add_argument("--python", action="store_true", help="print only the Python that builds it")
    one.add_argument("--save", metavar="FILE", help="save the state dict with torch.save")
    one.set_defaults(verb=build)
    return whole


def show(arguments: argparse.Namespace) -> None:
    """Carry out ``brickbook show``."""
    from brickbook.init.apply import carry_out
    from brickbook.init.plan import plan
    from brickbook.measure import compare, snapshot
    from brickbook.views.text import comparison_text

    model = load_model(arguments.model)
    cfg = init_cfg_of(arguments)
    if cfg is None and (arguments.strict or arguments.seed is not None):
        raise BadValueError("--strict" if arguments.strict else "--seed", NOTHING_TO_START)
    before = snapshot(model, bins=arguments.bins)
    todo = plan(model, cfg if cfg is not None else [], strict=arguments.strict)
    report = carry_out(todo, model, seed=arguments.seed) if cfg is not None else None
    comparison = compare(before, snapshot(model, bins=arguments.bins) if report else before)
    if arguments.html:
        from brickbook.views.page import page

        file = Path(arguments.html)
        file.write_text(page(arguments.model, comparison, todo, report), encoding="utf-8")
        say(f"{file}: {len(comparison)} tensors")
    else:
        say(comparison_text(comparison))
    if report is not None:
        say(repr(report))


def build(arguments: argparse.Namespace) -> int:
    """Carry out ``brickbook build``; 1 if the input does not go through."""
    import torch

    from brickbook.blueprint import Blueprint
    from brickbook.measure import shapes
    from brickbook.views.text import shapes_text

    if arguments.save and not Path(arguments.save).resolve().parent.is_dir():
        raise BadValueError("--save", f"the folder of {arguments.save} does not exist.")
    blueprint = Blueprint.from_config(read_config(arguments.config))
    model = blueprint.build()
    trace = shapes(model, (1, *shape_of(arguments.input))) if arguments.input else None
    if arguments.save:
        torch.save(model.state_dict(), arguments.save)
    if arguments.python:  # alone, so that the output is a program
        say(blueprint.to_python().rstrip())
    else:
        say(repr(model) if trace is None else shapes_text(trace))
        total = sum(value.numel() for value in model.parameters())
        say(f"{len(model)} bricks, {total:,} parameters")
        if arguments.save:
            say(f"saved to {arguments.save}")
    return int(trace is not None and bool(trace.error))


def read_config(file: str) -> Any:
    """Read a file with JSON or a Python literal, in which ``dict(...)`` may stand."""
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadValueError(file, "is no text in UTF-8.") from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        try:
            return literal(text)
        except (ValueError, SyntaxError):
            problem = f"neither JSON ({wrong}) nor a Python literal."
            raise BadValueError(file, problem) from None


def init_cfg_of(arguments: Any) -> Any:
    """Return the init_cfg that --init, --layer, --set or --cfg say; None without any."""
    if arguments.cfg:
        if arguments.init:
            raise BadValueError("--init", "cannot stand beside --cfg: one of them says the rules.")
        cfg = read_config(arguments.cfg)
        if cfg is None:
            raise BadValueError(arguments.cfg, "holds no init_cfg.")
        return cfg
    if not arguments.init:
        if arguments.layer or arguments.set:
            raise BadValueError("--layer" if arguments.layer else "--set", NOTHING_TO_START)
        return None
    own = dict(argument(text) for text in arguments.set)
    layers = [word for text in arguments.layer for word in text.split(",") if word]
    return {"type": arguments.init, **own, **({"layer": layers} if layers else {})}


def argument(text: str) -> tuple[str, Any]:
    """Read ``key=value``."""
    key, equals, value = text.partition("=")
    if not equals:
        raise BadValueError("--set", f"expected KEY=VALUE, got {text!r}.")
    try:
        return key, value if is_plain_word(value) else literal(value)
    except (ValueError, SyntaxError):
        return key, value


def shape_of(text: str) -> tuple[int, ...]:
    """Read an input shape: ``3,32,32`` or ``3x32x32``."""
    try:
        return tuple(int(word) for word in text.replace("x", ",").split(",") if word.strip())
    except ValueError:
        raise BadValueError("--input", f"expected numbers like 3,32,32, got {text!r}.") from None


def say(text: str) -> None:
    """Write a line to stdout: the answer of a command."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
