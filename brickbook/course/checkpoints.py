"""Exercises of notebooks 11 and 12: pretrained weights, and models too large for one machine."""

from __future__ import annotations

import re
from typing import Any

from brickbook.course.answers import expect_number, kind_of
from brickbook.course.exercise import WrongAnswer, exercise, right

SAVED = (
    "module.encoder_q.conv1.weight", "module.encoder_q.layer1.0.bn1.weight",
    "module.encoder_q_ema.conv1.weight", "module.queue",
)  # fmt: skip
OURS = ("conv1.weight", "layer1.0.bn1.weight")


@exercise("11.1", "the part of a checkpoint that is yours")
def backbone_prefix(answer: Any) -> str:
    """Look at the prefix by which a backbone finds its weights in a classifier's checkpoint."""
    if not isinstance(answer, str):
        raise WrongAnswer("A prefix is a text, this is of the type {kind}.", kind=kind_of(answer))
    prefix = answer.rstrip(".")
    if prefix == "backbone":
        return right("backbone.conv1.weight is found as conv1.weight, head.fc.weight is left.")
    if prefix == "":
        raise WrongAnswer("Without a prefix conv1.weight is looked for, and no key begins so.")
    if prefix == "head":
        raise WrongAnswer(
            "head is the classifier's last layer: its keys are head.fc.weight and bias."
        )
    raise WrongAnswer("No key of the checkpoint begins with {prefix}.", prefix=repr(answer))


@exercise("11.2", "renaming the keys of a checkpoint")
def revise(answer: Any) -> str:
    """Look at revise_keys that keep the encoder's weights under the backbone's names."""
    if not isinstance(answer, list | tuple) or not all(
        isinstance(pair, list | tuple) and len(pair) == 2 for pair in answer
    ):
        raise WrongAnswer("revise_keys is a list of pairs: (regular expression, what replaces it).")
    found = []
    for key in SAVED:
        for pattern, replacement in answer:
            key = re.sub(pattern, replacement, key)
        found.append(key)
    if found[2] in OURS:
        raise WrongAnswer(
            "{key} becomes {name} too: the moving average would be loaded over the encoder. End "
            "the pattern with an escaped dot.",
            key=SAVED[2],
            name=found[2],
        )
    for key, name, wanted in zip(SAVED, found, OURS, strict=False):
        if name == key:
            raise WrongAnswer("{key} stays as it is: the pattern does not match it.", key=key)
        if name != wanted:
            raise WrongAnswer(
                "{key} becomes {name}, not {wanted}.", key=key, name=name, wanted=wanted
            )
    return right(
        "The encoder's keys become {names}; the others keep theirs.", names=", ".join(OURS)
    )


@exercise("11.3", "what a checkpoint has left fresh")
def left_fresh(answer: Any) -> str:
    """Look at the parameters that keep their start: ten classes, a checkpoint of a thousand."""
    found = {answer} if isinstance(answer, str) else set(answer)
    body = {"conv1.weight", "bn1.weight", "bn1.bias"}
    if found & body:
        name = sorted(found & body)[0]
        raise WrongAnswer("{name} has the same shape in the checkpoint: it is loaded.", name=name)
    if not found:
        raise WrongAnswer("A head of 1000 classes does not fit one of 10: it cannot be loaded.")
    if missing := sorted({"fc.weight", "fc.bias"} - found):
        raise WrongAnswer("{name} has another shape in the checkpoint, too.", name=missing[0])
    if extra := sorted(found - {"fc.weight", "fc.bias"}):
        raise WrongAnswer("The model has no parameter {name}.", name=extra[0])
    return right("fc.weight and fc.bias: the head is as it was started, whatever accuracy says.")


@exercise("12.1", "the memory of seven billion parameters")
def parameter_memory(answer: Any) -> str:
    """Look at the gigabytes (10⁹ bytes) of 7 billion bfloat16 parameters."""
    expect_number(
        answer,
        14,
        {
            28: "That is float32, of 4 bytes; bfloat16 has 2.",
            7: "That is one byte for each; bfloat16 has 16 bits.",
            112: "That counts bits. A byte has 8.",
            14e9: "That is in bytes. A gigabyte has 10⁹.",
        },
    )
    return right("7·10⁹ · 2 bytes = 14 GB, before the first gradient.")


@exercise("12.2", "what the weights depend on")
def stream_of(answer: Any) -> str:
    """Look at which of threads, ranks, order and name change what a seed draws."""
    found = {answer} if isinstance(answer, str) else set(answer)
    choices = {"threads", "ranks", "order", "name"}
    if unknown := sorted(found - choices, key=str):
        raise WrongAnswer(
            "Choose from threads, ranks, order and name, not {word}.", word=unknown[0]
        )
    if "ranks" in found:
        raise WrongAnswer(
            "Each rank draws its part of the same stream: 1 or 64 give the same weights."
        )
    if "threads" in found:
        raise WrongAnswer("A block of a stream is drawn by one thread, whichever that is.")
    if "order" in found:
        raise WrongAnswer(
            "Each parameter has a stream of its own: the order of writing plays no part."
        )
    if not found:
        raise WrongAnswer("One of them does: what tells the streams of two parameters apart?")
    return right(
        "The stream is made of the seed and the parameter's name. A renamed layer starts anew."
    )


@exercise("12.3", "the memory of a rank in training")
def rank_memory(answer: Any) -> str:
    """Look at the gigabytes on each of 64 ranks: 7 billion float32 parameters with Adam."""
    expect_number(
        answer,
        1.75,
        {
            0.4375: "That is the parameters alone. A gradient and Adam's two averages are as large "
            "each.",
            0.875: "Parameters and gradients; Adam keeps two averages as well.",
            1.3125: "Three of four: parameters, gradients, and two averages.",
            112: "That is all of it; 64 ranks share it.",
            28: "That is the parameters on one rank.",
        },
    )
    return right("4·4 bytes · 7·10⁹ / 64 = 1.75 GB, without activations.")
