"""Exercises of notebook 13: attention and language models."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brickbook.course.answers import expect_number, expect_std, plan_of
from brickbook.course.exercise import WrongAnswer, exercise, right

__all__ = ["SmallGPT"]


class Block(nn.Module):
    """A transformer block with the norms first: x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.fc = nn.Linear(width, 4 * width)
        self.fc_proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return (batch, tokens, width)."""
        batch, tokens, width = x.shape
        parts = self.qkv(self.ln_1(x)).view(batch, tokens, 3, self.heads, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.fc_proj(F.gelu(self.fc(self.ln_2(x))))


class SmallGPT(nn.Module):
    """A language model in the form of GPT-2; the head is the table of the embeddings.

    Args:
        vocabulary: How many tokens there are.
        depth: How many blocks.
        width: Of the residual stream.
        heads: Of each attention.
        length: The longest text, in tokens.
    """

    def __init__(
        self, vocabulary: int = 512, depth: int = 12, width: int = 64, heads: int = 4,
        length: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (batch, tokens, vocabulary) of tokens (batch, tokens)."""
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


@exercise("13.1", "the size of attention's logits")
def attention_std(answer: Any) -> str:
    """Look at the standard deviation of q·k for 64 components of variance 1."""
    expect_number(
        answer,
        8,
        {
            64: "That is the variance: 64 products of variance 1. Asked for is its root.",
            1: "Each product has the variance 1, and 64 of them are added.",
            0.125: "That is the factor 1/√64 that makes it 1 again.",
            4096: "Variances of independent numbers add up: 64 times 1.",
        },
    )
    return right("√64 = 8: without the factor 1/√64 softmax would choose one token alone.")


@exercise("13.2", "GPT-2's start")
def gpt2_start(answer: Any) -> str:
    """Look at rules for `SmallGPT`: N(0, 0.02²), and 1/√(2·12) of it into the residual stream."""
    made = plan_of(SmallGPT(), answer)
    projected = 0.02 / math.sqrt(24)
    expect_std(
        made,
        "tokens.weight",
        0.02,
        {1.0: "The embeddings would get a standard deviation of 1, torch's own: name Embedding."},
    )
    if made["places.weight"].law is None:
        raise WrongAnswer("The table of places is left at torch's N(0, 1): it is an Embedding too.")
    expect_std(made, "blocks.0.qkv.weight", 0.02, {projected: "qkv reads the stream; it is not "
               "scaled."})  # fmt: skip
    for name in ("blocks.0.proj.weight", "blocks.11.fc_proj.weight"):
        expect_std(
            made,
            name,
            projected,
            {
                0.02: "proj and fc_proj both add to the residual stream: not both are scaled down.",
                0.02 / math.sqrt(12): "Each block adds twice, so it is √(2·12), not √12.",
                0.02 / 24: "1/(2·12) is for the variance; the standard deviation has the root.",
            },
        )
    expect_std(made, "blocks.0.fc.weight", 0.02, {projected: "fc reads the stream; it is not "
               "scaled."})  # fmt: skip
    return right("0.02 everywhere, and 0.02/√24 = 0.0041 for what adds to the residual stream.")


@exercise("13.3", "the loss of a language model at its start")
def vocabulary_loss(answer: Any) -> str:
    """Look at the cross entropy at the start with GPT-2's 50,257 tokens."""
    expect_number(
        answer,
        math.log(50257),
        {
            math.log2(50257): "That is in bits, to the base 2. Cross entropy takes the natural "
            "logarithm.",
            math.log10(50257): "That is to the base 10. Cross entropy takes the natural logarithm.",
            1 / 50257: "That is the probability of each token. The loss is -ln of it.",
            50257: "That is the perplexity of a guess; the loss is its logarithm.",
        },
    )
    return right("ln 50257 = 10.82: a larger loss at step 0 is a start that is too sure of itself.")
