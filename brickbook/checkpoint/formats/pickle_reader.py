"""Pickles, read without running what they say, at a cost that their size bounds."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from pickle import UnpicklingError, decode_long
from struct import Struct
from typing import Any

from brickbook.checkpoint.formats.limits import Limits
from brickbook.checkpoint.formats.stand_ins import StandIn, StandInKind
from brickbook.errors import Sentence

__all__ = ["NewerProtocolError", "PickleReader"]

NEWEST_PROTOCOL = 3
LONGEST_NAME = 1000  # of a module and a class
STAND_IN = 400  # bytes of an object as data
STOP = ord(".")
DICTS = (dict, OrderedDict, Counter)
SIZED = (*DICTS, list, tuple, str, bytes, set)
MEMBER = 16  # bytes of memory at least
UTF_8 = ("utf-8", "surrogatepass")
INT, UINT, SHORT, DOUBLE = map(Struct, ("<i", "<I", "<H", ">d"))


class NewerProtocolError(UnpicklingError):
    """A pickle of protocol 4 or 5."""


class PickleReader:
    """Reads what the restricted reader of torch reads: plain values, and what ``find`` allows.

    Nothing is imported. The memo is a dict, containers are filled in turn rather than recursively,
    what is hashed is plain, and what is copied is counted.

    Args:
        data: Bytes in which pickles stand one after the other.
        limits: What the file may ask for.
        find: The object for a name ``module.name``; raises `RefusedNameError` for all others.
        load_storage: The storage that a persistent id names.
        at: Where in ``data`` the next pickle begins; after `load`, where it ended.
    """

    def __init__(
        self,
        data: Any,
        limits: Limits,
        find: Callable[[str, str], Any],
        load_storage: Callable[[Any], Any],
        at: int = 0,
    ) -> None:
        self.data, self.limits, self.at = data, limits, at
        self.find, self.load_storage = find, load_storage
        self.callables: dict[int, Any] = {}  # by identity: what may be called
        self.stack: list[Any] = []
        self.outer_stacks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        """Return what the next pickle holds."""
        self.stack, self.outer_stacks, self.memo = [], [], {}
        data, operations = self.data, OPERATIONS
        while True:
            code = data[self.at]  # IndexError: it ends too early
            self.at += 1
            if code == STOP:
                return self.stack.pop()
            operation = operations.get(code)
            if operation is None:
                raise UnpicklingError(Sentence("Unsupported operand {code}", code=code))
            operation(self)

    def read(self, count: int) -> bytes:
        """Return the next bytes."""
        start, self.at = self.at, self.at + count
        found = self.data[start : self.at]
        if len(found) != count:
            raise EOFError("it ends too early")
        return found

    def unpack(self, layout: Struct) -> Any:
        """Return the number that comes next."""
        start, self.at = self.at, self.at + layout.size
        return layout.unpack_from(self.data, start)[0]

    def line(self) -> str:
        """Return the text up to the end of the line."""
        start = self.at
        end = self.data.find(b"\n", start, start + LONGEST_NAME)
        if end < 0:
            raise UnpicklingError("a name has no end")
        self.at = end + 1
        return self.data[start:end].decode()

    def byte(self) -> int:
        """Return the next byte as a number."""
        found = self.data[self.at]
        self.at += 1
        return found

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def check_protocol(self) -> None:
        """Refuse what is written in another way."""
        if self.byte() > NEWEST_PROTOCOL:
            raise NewerProtocolError

    def set_mark(self) -> None:
        """Begin a stack of its own, for the members of a container."""
        self.outer_stacks.append(self.stack)
        self.limits.check_depth(len(self.outer_stacks) // 2)  # an object may have two
        self.stack = []

    def close_mark(self) -> list[Any]:
        """Return what was put on the stack since the last mark, and go back to what was before."""
        found, self.stack = self.stack, self.outer_stacks.pop()
        return found

    def push_tuple(self, count: int) -> None:
        """Make a tuple of the last values."""
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        if len(found) != count:
            raise UnpicklingError("a tuple has too few members")
        self.stack.append(found)

    def extend(self, values: list[Any]) -> None:
        """Give a list more members."""
        target = self.stack[-1]
        if type(target) is StandIn:
            target = target.members
        if type(target) is not list:
            raise UnpicklingError("something other than a list has members")
        target.extend(values)

    def set_item(self) -> None:
        """Give a dict an entry."""
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def set_items(self, pairs: list[Any]) -> None:
        """Give a dict entries."""
        target = self.stack[-1]
        if type(target) is StandIn:
            target = target.pairs
        if type(target) not in DICTS or len(pairs) % 2:
            raise UnpicklingError("something other than a dict has keys")
        for at in range(0, len(pairs), 2):
            key = pairs[at]
            if type(key) is not str:
                self.limits.check_key(key)
            target[key] = pairs[at + 1]

    def push_global(self) -> None:
        """Look a name up."""
        module = self.line()
        found = self.find(module, self.line())
        if callable(found):
            self.callables[id(found)] = found
        self.stack.append(found)

    def call(self) -> None:
        """Call a function that `find` has given."""
        arguments, function = self.stack.pop(), self.stack[-1]
        inert = type(function) is StandInKind
        if not (inert or id(function) in self.callables) or type(arguments) is not tuple:
            raise UnpicklingError("something is called that is no function")
        self.limits.spend(STAND_IN * inert)
        self.count_copies(arguments)
        self.stack[-1] = function(*arguments)

    def make_object(self) -> None:
        """Make an object of a class that `find` has given; `set_state` fills it."""
        arguments, kind = self.stack.pop(), self.stack[-1]
        if type(kind) is StandInKind and type(arguments) is tuple:
            self.limits.spend(STAND_IN)
            self.count_copies(arguments)
            self.stack[-1] = StandIn(kind.name, arguments)
            return
        if id(kind) not in self.callables or not isinstance(kind, type):
            raise UnpicklingError("something is made whose class is none")
        self.count_copies(arguments)
        self.stack[-1] = kind.__new__(kind, *arguments)

    def set_state(self) -> None:
        """Fill an object, or give an OrderedDict its attributes."""
        state, target = self.stack.pop(), self.stack[-1]
        self.count_copies(state if type(state) is tuple else (state,))
        if type(target) is OrderedDict:
            set_attributes(target, state)
        elif type(target) is StandIn:
            target.set_state(state)
        elif id(type(target)) in self.callables and hasattr(target, "__setstate__"):
            target.__setstate__(state)
        else:
            kind = type(target).__name__
            raise UnpicklingError(Sentence("a {kind} is given a state", kind=kind))

    def count_copies(self, values: Any) -> None:
        """Count the members that a call may copy."""
        for value in values:
            if type(value) in SIZED:
                each = 1 if isinstance(value, (str, bytes)) else MEMBER
                self.limits.spend(len(value) * each)

    def push_storage(self) -> None:
        """Put a storage in the place of its name."""
        self.stack[-1] = self.load_storage(self.stack[-1])


def set_attributes(target: OrderedDict[Any, Any], state: Any) -> None:
    """Give an OrderedDict its attributes, as torch's ``_metadata``; none that hides a method."""
    if not isinstance(state, Mapping):
        raise UnpicklingError("an OrderedDict is given a state that is no dict")
    for name, value in state.items():
        if not isinstance(name, str) or hasattr(OrderedDict, name):
            raise UnpicklingError("an OrderedDict is given another method")
        vars(target)[name] = value


# What pickle calls BININT, TUPLE, and so on.
OPERATIONS: dict[int, Callable[[PickleReader], object]] = {
    ord(code): operation
    for code, operation in {
        "\x80": PickleReader.check_protocol,
        "(": PickleReader.set_mark,
        "q": lambda reader: reader.memo.__setitem__(reader.byte(), reader.stack[-1]),
        "r": lambda reader: reader.memo.__setitem__(reader.unpack(UINT), reader.stack[-1]),
        "h": lambda reader: reader.push(reader.memo[reader.byte()]),
        "j": lambda reader: reader.push(reader.memo[reader.unpack(UINT)]),
        "K": lambda reader: reader.push(reader.byte()),
        "M": lambda reader: reader.push(reader.unpack(SHORT)),
        "J": lambda reader: reader.push(reader.unpack(INT)),
        "\x8a": lambda reader: reader.push(decode_long(reader.read(reader.byte()))),
        "G": lambda reader: reader.push(reader.unpack(DOUBLE)),
        "X": lambda reader: reader.push(str(reader.read(reader.unpack(UINT)), *UTF_8)),
        "T": lambda reader: reader.push(reader.read(reader.unpack(UINT)).decode()),
        "U": lambda reader: reader.push(reader.read(reader.byte()).decode()),
        "B": lambda reader: reader.push(reader.read(reader.unpack(UINT))),
        "C": lambda reader: reader.push(reader.read(reader.byte())),
        "]": lambda reader: reader.push([]),
        "}": lambda reader: reader.push({}),
        ")": lambda reader: reader.push(()),
        "N": lambda reader: reader.push(None),
        "\x88": lambda reader: reader.push(True),
        "\x89": lambda reader: reader.push(False),
        "t": lambda reader: reader.push(tuple(reader.close_mark())),
        "\x85": lambda reader: reader.push_tuple(1),
        "\x86": lambda reader: reader.push_tuple(2),
        "\x87": lambda reader: reader.push_tuple(3),
        "a": lambda reader: reader.extend([reader.stack.pop()]),
        "e": lambda reader: reader.extend(reader.close_mark()),
        "s": PickleReader.set_item,
        "u": lambda reader: reader.set_items(reader.close_mark()),
        "c": PickleReader.push_global,
        "R": PickleReader.call,
        "\x81": PickleReader.make_object,
        "b": PickleReader.set_state,
        "Q": PickleReader.push_storage,
    }.items()
}
