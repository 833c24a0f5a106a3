"""What a state dict and a model have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from brickbook.checkpoint.errors import CheckpointError
from brickbook.errors import Sentence, join_limited
from brickbook.introspect import unwrap_model

__all__ = [
    "BATCH_COUNT",
    "Adapted",
    "Match",
    "Reshaped",
    "can_fill",
    "match",
    "named_child_modules",
    "named_tensors",
    "non_persistent",
    "still_missing",
    "stored_tensors",
]

# A buffer of batch norm that older files lack and that is no weight.
BATCH_COUNT = "num_batches_tracked"


@dataclass(frozen=True)
class Reshaped:
    """A tensor that has one shape in the file and another in the model."""

    name: str
    file: tuple[int, ...]
    model: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name}: file {self.file}, model {self.model}"


@dataclass(frozen=True)
class Adapted:
    """A tensor of the file that was changed to fit, or left out, because the caller asked."""

    name: str
    how: str
    left_out: bool = False

    def __str__(self) -> str:
        return f"{self.name}: {self.how}"


@dataclass(frozen=True, repr=False)
class Match:
    """What of a model a state dict fills.

    ``loaded`` and ``reshaped`` are names that both have, ``missing`` those the file lacks and
    ``unexpected`` those the model lacks. A parameter under two names (tied weights) is not missing
    if the file has one of them; ``num_batches_tracked`` never is. ``adapted`` says what was done to
    tensors of the file because ``adapt`` asks for it; those left out are in no other tuple.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[Reshaped, ...]
    adapted: tuple[Adapted, ...] = ()

    def __repr__(self) -> str:
        words = [f"loaded {len(self.loaded)} of {self.total} tensors"]
        for kind in ("missing", "unexpected", "reshaped", "adapted"):
            if names := getattr(self, kind):
                words.append(f"{len(names)} {kind}")
        return f"Match({', '.join(words)})"

    def __str__(self) -> str:
        rows = [f"The model and loaded state dict match: {self.total} tensors."]
        if not self.exact or len(self.loaded) < self.total:
            fit = "match" if self.exact else "do not match exactly"
            rows = [
                f"The model and loaded state dict {fit}: {len(self.loaded)} of the model's "
                f"{self.total} tensors are in both."
            ]
        for kind in ("missing", "unexpected", "reshaped", "adapted"):
            if names := getattr(self, kind):
                rows.append(f"{kind}: {join_limited(names)}")
        return "\n".join(rows)

    @property
    def total(self) -> int:
        """How many tensors of the model there were to fill."""
        left_out = sum(each.left_out for each in self.adapted)
        return len(self.loaded) + len(self.missing) + len(self.reshaped) + left_out

    @property
    def exact(self) -> bool:
        """Whether the file fills the model and holds nothing else."""
        return not (self.missing or self.unexpected or self.reshaped)

    @property
    def file_prefix(self) -> str:
        """What most names of the model lack to be names of the file (``backbone.``), or nothing."""
        return common_prefix(self.unexpected, self.missing)

    @property
    def model_prefix(self) -> str:
        """What most names of the file lack to be names of the model, or nothing."""
        return common_prefix(self.missing, self.unexpected)

    def check(
        self,
        path: str = "checkpoint",
        *,
        strict: bool = False,
        format_prefix: Callable[[str], str] = "prefix={!r}".format,
    ) -> None:
        """Refuse a match that loads nothing or, with ``strict``, one that is not exact.

        Args:
            path: Where the error stands.
            strict: Refuse a match that is not exact.
            format_prefix: Writes the argument that would cut a prefix off the file's names.

        Raises:
            RuntimeError: Nothing is loaded or, with ``strict``, the match is not exact.
        """
        if self.loaded and (self.exact or not strict):
            return
        if self.loaded:
            raise CheckpointError(path, str(self))
        if self.file_prefix:
            hint = Sentence("Did you mean {word}?", word=format_prefix(self.file_prefix))
        elif self.model_prefix:
            part = repr(self.model_prefix.rstrip("."))
            hint = Sentence("They are the names of the model's part {name}.", name=part)
        elif self.reshaped:
            shapes = join_limited(self.reshaped, most=3)
            hint = Sentence("Other shapes: {shapes}.", shapes=shapes)
        else:
            hint = Sentence(
                "The file has {names}; the model {missing}.",
                names=join_limited(self.unexpected, most=3) or Sentence("none"),
                missing=join_limited(self.missing, most=3) or Sentence("none"),
            )
        count = len(self.unexpected) + len(self.reshaped)
        problem = Sentence("none of the file's {n} tensors fits the model.", n=count)
        raise CheckpointError(path, problem, hint)


def match(state: Mapping[str, Any], model: nn.Module) -> Match:
    """Compare a state dict with a model by names and shapes; neither is changed.

    Names of the model are without the ``module.`` of DataParallel and the like, wherever it stands.
    A lazy parameter takes any shape.
    """
    wanted = named_tensors(model)
    scratch = non_persistent(model)
    loaded, reshaped = [], []
    for name, tensor in wanted.items():
        if name not in state:
            continue
        if can_fill(state[name], tensor):
            loaded.append(name)
        else:
            reshaped.append(Reshaped(name, tuple(state[name].shape), tuple(tensor.shape)))
    absent = [name for name in wanted if name not in state]
    return Match(
        loaded=tuple(loaded),
        missing=tuple(still_missing(absent, loaded, wanted)),
        unexpected=tuple(
            name
            for name, value in state.items()
            if name not in wanted and name not in scratch and isinstance(value, Tensor)
        ),
        reshaped=tuple(reshaped),
    )


def still_missing(
    missing: Iterable[str], loaded: Iterable[str], tensors: Mapping[str, Tensor]
) -> Iterator[str]:
    """Yield the absent names that are not filled under another name, and that matter."""
    filled = {id(tensors[name]) for name in loaded}
    for name in missing:
        if id(tensors.get(name)) not in filled and not name.endswith(BATCH_COUNT):
            yield name


def named_tensors(model: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """Return a model's parameters and stored buffers by the names that ``match`` uses.

    The tensors are the model's own, so a tied one stands under each of its names.
    """
    model = unwrap_model(model)
    found = {f"{prefix}{name}": tensor for name, tensor in stored_tensors(model)}
    for name, child in named_child_modules(model):
        found.update(named_tensors(child, f"{prefix}{name}."))
    return found


def non_persistent(model: nn.Module, prefix: str = "") -> set[str]:
    """Return the names of buffers that are not stored: a file may have them, and they stay."""
    model = unwrap_model(model)
    found = {f"{prefix}{name}" for name in model._non_persistent_buffers_set}
    for name, child in named_child_modules(model):
        found |= non_persistent(child, f"{prefix}{name}.")
    return found


def stored_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and stored buffers of a module, without its children's."""
    yield from module.named_parameters(recurse=False, remove_duplicate=False)
    for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
        if name not in module._non_persistent_buffers_set:
            yield name, buffer


def named_child_modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield each child by name, a shared one under all of its names."""
    for name, child in module._modules.items():  # named_children() leaves out the second name
        if child is not None:
            yield name, child


def can_fill(file: Tensor, model: Tensor) -> bool:
    """Whether a tensor of the file can fill one of the model."""
    return is_lazy(model) or file.shape == model.shape


def common_prefix(longer: Iterable[str], shorter: Iterable[str]) -> str:
    """Return the prefix that turns most of the shorter names into longer ones, or ``""``.

    >>> common_prefix(["backbone.conv.weight", "head.weight"], ["conv.weight", "fc.weight"])
    'backbone.'
    """
    ends = frozenset(shorter)
    found: Counter[str] = Counter()
    for name in longer:
        dots = (place + 1 for place, letter in enumerate(name) if letter == ".")
        found.update(name[:dot] for dot in dots if name[dot:] in ends)
    return found.most_common(1)[0][0] if found else ""
