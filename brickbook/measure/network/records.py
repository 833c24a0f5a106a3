"""The record of a network: layers and functions in the order they run, and whence their input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from brickbook.html import format_shape
from brickbook.records import Column, Record, read_fields, refusing_damage

__all__ = [
    "Family", "Flow", "Network", "NetworkNode", "Part", "Repeat", "Shape", "State", "format_shapes",
]  # fmt: skip

Shape = tuple[int, ...]
Part = Literal["module", "group", "function", "input"]
State = Literal["ok", "error", "not reached", "not run"]
Flow = Literal["hooks", "fx", "tree"]
Repeat = tuple[tuple[int, ...], ...]
Family = Literal[
    "conv", "linear", "norm", "activation", "pool", "attention", "embedding", "recurrent",
    "dropout", "resize", "join", "input", "other",
]  # fmt: skip


@dataclass(frozen=True)
class NetworkNode:
    """One call of a module or of a function, or what goes in.

    ``part`` is "module" for a layer, "group" for a module that other modules run in, "function"
    for a function of torch that a ``forward`` calls, "input" for a tensor of the batch. ``name`` is
    the module's; of a function that of the module that calls it. ``kind`` is the class, or the
    function's name. ``call`` counts the calls of a module, or of a function in it.

    ``parent`` is the place of the group that it runs in, -1 for none; ``sources`` are the places of
    the layers, functions and inputs whose output it takes. ``input`` and ``output`` are the shapes
    of its tensors, batch included. ``params`` counts the elements of the module's parameters, those
    of modules inside included.

    ``state`` is "error" where the model stopped, with the reason in ``error``, "not reached"
    behind that, "not run" where no batch has run.
    """

    name: str
    kind: str
    part: Part
    family: Family = "other"
    parent: int = -1
    sources: tuple[int, ...] = ()
    input: tuple[Shape, ...] = ()
    output: tuple[Shape, ...] = ()
    params: int = 0
    call: int = 1
    state: State = "ok"
    error: str = ""

    @property
    def short_name(self) -> str:
        """The last part of a module's name; the class where that is a number or none."""
        last = self.name.rpartition(".")[2]
        return self.kind if self.part == "function" or not last or last.isdigit() else last

    @property
    def label(self) -> str:
        """The name, with the call if it is not the first; of a function also what it is."""
        own = self.name
        if self.part == "function":
            own = f"{self.name}: {self.kind}" if self.name else self.kind
        return (own or self.kind) + (f" (call {self.call})" if self.call > 1 else "")


def format_shapes(shapes: Sequence[Shape]) -> str:
    """Write shapes, a dash for none."""
    return ", ".join(map(format_shape, shapes)) or "–"


NODE_COLUMNS = (
    Column("label", "module", dtype="str"),
    Column("name", dtype="str"),
    Column("kind", "class", dtype="str"),
    Column("part", dtype="str"),
    Column("family", dtype="str"),
    Column("parent", dtype="int64"),
    Column("sources"),
    Column("input", "input", text=format_shapes),
    Column("output", "output", text=format_shapes),
    Column("params", "parameters", dtype="int64", text="{:,}".format, right=True),
    Column("call", dtype="int64"),
    Column("state", dtype="str"),
    Column("error", dtype="str"),
    Column("", "", lambda node: node.error or ("" if node.state == "ok" else node.state)),
)


@dataclass(frozen=True, repr=False)
class Network(Record, Sequence[NetworkNode]):
    """The calls of a model in the order they begin, each group before what runs in it.

    ``flow`` says whence the ``sources`` are: "hooks" watched a run of the model, "fx" stands for a
    symbolic trace, in "tree" there are none: the modules stand as they are registered. ``why`` says
    why it is not the one before. ``batch`` are the shapes of what the model ran on; ``guessed``
    says that they are a guess by the first layer. ``repeats`` are runs of equal blocks, each block
    as the places of what it consists of; see `find_repeats`.
    """

    nodes: tuple[NetworkNode, ...]
    flow: Flow = "hooks"
    why: str = ""
    batch: tuple[Shape, ...] = ()
    guessed: bool = False
    repeats: tuple[Repeat, ...] = ()

    _index = "label"
    _drawn_by: ClassVar[str] = "brickbook.views.svg.network.network_picture"

    def __getitem__(self, key: Any) -> Any:
        return self.nodes[key]

    def name_within(self, at: int) -> str:
        """Return what a node is called within its group: the class where that is a number.

        A module of a list that is no group of its own keeps the list's name, as in "downs.0".
        """
        node = self.nodes[at]
        above = self.nodes[node.parent].name if node.parent >= 0 else ""
        own = node.name.removeprefix(f"{above}.") if above else node.name
        return node.kind if node.part == "function" or not own or own.isdigit() else own

    def __iter__(self) -> Iterator[NetworkNode]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """The places of who gives and who takes."""
        return tuple((source, at) for at, node in enumerate(self.nodes) for source in node.sources)

    @property
    def params(self) -> int:
        """Elements of all parameters."""
        return next((node.params for node in self.nodes if node.part in ("group", "module")), 0)

    @property
    def error(self) -> str:
        """What went wrong, or ""."""
        return next((node.error for node in self.nodes if node.state == "error"), "")

    def __repr__(self) -> str:
        layers = sum(node.part == "module" for node in self.nodes)
        source = {"hooks": "a run", "fx": "torch.fx", "tree": "the module tree"}[self.flow]
        shapes = f" on {format_shapes(self.batch)}" if self.batch else ""
        wrong = f": {self.error}" if self.error else ""
        calls = "1 layer call" if layers == 1 else f"{layers:,} layer calls"
        return f"Network({calls}, {self.params:,} parameters, by {source}{shapes}{wrong})"

    def _columns(self) -> Sequence[Column]:
        return NODE_COLUMNS

    def _rows(self) -> Sequence[NetworkNode]:
        return self.nodes

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-able values."""
        return {**vars(self), "nodes": [asdict(node) for node in self.nodes]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], path: str = "network") -> Network:
        """Undo ``to_dict``, JSON included; a ConfigError names a key that is missing or unknown."""
        with refusing_damage(path):
            top = read_fields(cls, data, path)
            nodes = (
                NetworkNode(**read_fields(NetworkNode, node, f"{path}.nodes[{at}]"))
                for at, node in enumerate(top["nodes"])
            )
            return cls(**{**top, "nodes": tuple(nodes)})
