"""The lock file: of every parameter its shape, dtype and law, perhaps a hash of its numbers."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    MissingFileError,
    format_value,
)
from brickbook.files import write_whole
from brickbook.init.execution import initialize
from brickbook.init.execution.materialize import materialize
from brickbook.init.execution.replay import TracedStart
from brickbook.init.laws import Law, law_from_dict, law_to_dict
from brickbook.init.planning import InitOptions, PlanRow, Why, plan, plan_with_tensors
from brickbook.introspect import local_tensor
from brickbook.records import check_types, refusing_damage

__all__ = ["StartLock", "TensorLock", "lock_start"]

VERSION = 1
MARK = "brickbook_lock"  # the key of the version, by which a lock file is known
HASH_LETTERS = 16


class TensorLock(NamedTuple):
    """How one parameter starts.

    Attributes:
        name: its dotted name in the model.
        dtype: its dtype without "torch.".
        shape: its shape.
        law: the law of its numbers; None if they have none.
        why: why there is none, or the name of the same tensor that came first.
        padding: the row of an embedding that is 0.
        digest: a hash of its numbers, drawn with the seed of the file; "" without one.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    law: Law | None = None
    why: str = ""
    padding: int | None = None
    digest: str = ""

    @property
    def start(self) -> str:
        """The law, or why there is none, for reading."""
        text = self.why if self.law is None else str(self.law)
        return text if self.padding is None else f"{text}, row {self.padding} is 0"


@dataclass(frozen=True)
class StartLock:
    """How a model starts: what a lock file holds.

    Attributes:
        tensors: its parameters.
        seed: the seed of the numbers that are hashed; None if there are no hashes.
    """

    tensors: tuple[TensorLock, ...]
    seed: int | None = None

    def __repr__(self) -> str:
        laws = len({str(tensor.law) for tensor in self.tensors if tensor.law})
        numbers = "" if self.seed is None else f", and their numbers with seed {self.seed}"
        return f"StartLock: {len(self.tensors)} parameters by {laws} laws{numbers}"

    def to_json(self) -> str:
        """Return the text of the file: the laws, then a line for each parameter.

        The order is that of the model, so that a change of it shows line by line.
        """
        starts: dict[str, int] = {}
        lines = []
        for tensor in self.tensors:
            found: dict[str, Any] = {} if tensor.law is None else {"law": law_to_dict(tensor.law)}
            found |= {"why": tensor.why} if tensor.why else {}
            found |= {} if tensor.padding is None else {"padding": tensor.padding}
            at = starts.setdefault(json.dumps(found), len(starts))
            row = [tensor.dtype, list(tensor.shape), at, *filter(None, [tensor.digest])]
            lines.append(f"  {json.dumps(tensor.name)}: {json.dumps(row)}")
        head = f'{{"{MARK}": {VERSION}, "seed": {json.dumps(self.seed)},'
        laws = ",\n".join(f"  {text}" for text in starts)
        body = ",\n".join(lines)
        return f'{head}\n"starts": [\n{laws}\n],\n"parameters": {{\n{body}\n}}}}\n'

    @classmethod
    def from_json(cls, text: str, path: str = "lock") -> StartLock:
        """Read the text of a lock file.

        Raises:
            BadValueError: it is none, or one of a newer version.
            ConfigError: something is missing in it.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        version = data.get(MARK) if isinstance(data, dict) else None
        if data is None or type(version) is not int:
            problem = "it is no lock file: there is no version of one in it."
            raise BadValueError(path, problem, "brickbook lock writes one.")
        if version > VERSION:
            problem = f"it is of version {version}, and this brickbook reads up to {VERSION}."
            raise BadValueError(path, problem, "Take a newer brickbook.")
        with refusing_damage(path):
            starts = [
                read_start(start, f"{path}.starts[{at}]") for at, start in enumerate(data["starts"])
            ]
            tensors = [read_tensor(name, row, starts) for name, row in data["parameters"].items()]
            seed = data["seed"]
            if seed is not None and type(seed) is not int:
                raise TypeError(f"seed is {format_value(seed)}")
            return cls(tuple(tensors), seed)

    @classmethod
    def read(cls, file: str | Path) -> StartLock:
        """Read a lock file; a missing one is a MissingFileError."""
        try:
            return cls.from_json(Path(file).expanduser().read_text("utf-8"), str(file))
        except UnicodeDecodeError:
            raise BadValueError(str(file), "it is no lock file: it is no text.") from None
        except OSError as error:
            problem = f"there is no lock file to read: {error.strerror}."
            raise MissingFileError(str(file), problem, "brickbook lock writes one.") from None

    def write(self, file: str | Path) -> None:
        """Write the lock file, whole or not at all."""
        write_whole(Path(file).expanduser(), self.to_json(), str(file))


def read_start(data: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Read how some parameters start."""
    law = data.get("law")
    start = {"law": law_from_dict(law, f"{path}.law") if law else None}
    return start | {key: data[key] for key in ("why", "padding") if key in data}


def read_tensor(name: str, row: Any, starts: list[dict[str, Any]]) -> TensorLock:
    """Read the line of a parameter."""
    dtype, shape, at, *digest = row
    values = {"name": name, "dtype": dtype, "shape": tuple(shape), **starts[at]}
    values |= {"digest": digest[0]} if digest else {}
    check_types(TensorLock, {**TensorLock("", "", ())._asdict(), **values}, "parameters")
    return TensorLock(**values)


def lock_start(
    model: nn.Module | Callable[[], nn.Module], init_cfg: object = None, *, seed: int | None = None
) -> StartLock:
    """Return how a model starts.

    A function that builds a model is called on the meta device, under a trace: the laws are those
    that its constructor ends with, and those of rules where they match. Of a model that exists
    only rules are known. Without a seed nothing takes memory.

    Args:
        model: what builds the model, or a model that exists.
        init_cfg: rules; with None those that the modules carry.
        seed: draw the numbers as well, by `materialize` (of a model that exists by `initialize`,
            in a copy), and keep a hash of each parameter's.

    Raises:
        BadArgumentError: a model that exists, of which no rule speaks.
        ConfigError: what `materialize` or `initialize` refuses.
    """
    if isinstance(model, nn.Module):
        rows = plan(model, init_cfg).rows
        if not any(row.law for row in rows):
            problem = "how a model that exists has started is not known, and no rule speaks of it."
            raise BadArgumentError("model", problem, "Give the function that builds it.")
    else:
        start = TracedStart.build(model)
        draft, _ = plan_with_tensors(start.model, init_cfg, InitOptions(), custom_init=False)
        rows = start.complete(draft, ()).plan.rows
    digests: dict[str, str] = {}
    if seed is not None:
        made = started(model, init_cfg, seed)
        digests = {name: digest_of(tensor) for name, tensor in made.named_parameters()}
    return StartLock(tuple(locked(rows, digests)), seed)


def started(model: nn.Module | Callable[[], nn.Module], init_cfg: object, seed: int) -> nn.Module:
    """Return the model with the numbers of a seed."""
    if not isinstance(model, nn.Module):
        return materialize(model, init_cfg, trace=True, seed=seed)[0]
    if any(parameter.is_meta for parameter in model.parameters()):
        problem = "a model on the meta device has no numbers to hash."
        raise BadArgumentError("seed", problem, "Give the function that builds it, or no seed.")
    made = copy.deepcopy(model)
    initialize(made, init_cfg, seed=seed)
    return made


def locked(rows: Iterable[PlanRow], digests: Mapping[str, str]) -> Iterator[TensorLock]:
    """Yield what a lock file keeps of a plan's rows."""
    for row in rows:
        if row.kind == "parameter":
            yield TensorLock(
                row.name, row.dtype, row.shape, row.law, reason_of(row), row.padding,
                digests.get(row.name, ""),
            )  # fmt: skip


def reason_of(row: PlanRow) -> str:
    """Return why a row has no law, without the line of code, which moves."""
    if row.law is not None or row.why is None:
        return ""
    if row.why.kind is Why.TIED:
        return f"tied to {row.tied_to}"
    call = row.why.details[0].partition(" at ")[0] if row.why.details else ""
    kind = row.why.kind.value.replace("_", " ")
    return f"{kind}: {call}" if call else kind


def digest_of(tensor: Tensor) -> str:
    """Return a hash of a tensor's numbers, bit by bit."""
    values = local_tensor(tensor.detach()).cpu().contiguous().reshape(-1)
    found = hashlib.sha256()
    for part in values.split(1 << 24):
        found.update(part.view(torch.uint8).numpy().data)
    return found.hexdigest()[:HASH_LETTERS]
