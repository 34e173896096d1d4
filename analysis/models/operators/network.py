"""The torch module of a network of operators."""

from __future__ import annotations

import zlib

import torch
from torch import nn

from analysis.models.operators.language import ARITY, Candidate

__all__ = ["NetConfig", "OperatorNetwork"]

GAIN = {"x": 1.0, "h": 0.8}
"""Of the matrices on what comes from below and on the state before: above 1 a random network forgets its input in chaos."""
SPREAD = 0.5  # of the embedding


class NetConfig:
    """What a training asks of a model's config."""

    def __init__(self, candidate: Candidate, vocabulary: int):
        self.candidate, self.vocab_size = candidate, vocabulary
        self.hidden_size, self.num_hidden_layers = candidate.width, candidate.depth
        self.max_position_embeddings = 256
        self.rate = 4e-3


class OperatorNetwork(nn.Module):
    """Embedding, layers of gates or of attention, and a read-out that shares the embedding's weights.

    Notes
    -----
    Of each layer, with a residual where there is attention: s_t = g(W x_t, U s_{t-1}), g the gate, kept within 20; each ``x``
    and ``h`` of the gate has a matrix of its own. Logits are E s_t of the top layer. Tied layers are one layer, gone through
    several times.
    """

    def __init__(self, candidate: Candidate, vocabulary: int):
        super().__init__()
        self.config = NetConfig(candidate, vocabulary)
        self.candidate = candidate
        self.embedding = nn.Embedding(vocabulary, candidate.width)
        first = int(torch.randint(2**31, (1,)))  # of the seed that is set
        own = 1 if candidate.tied else candidate.depth
        self.layers = nn.ModuleList(_layer(candidate, _Drawn(first, n)) for n in range(own))
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        generator = torch.Generator().manual_seed(
            candidate.width
        )  # one embedding for all networks of a width
        with torch.no_grad():
            self.embedding.weight.copy_(
                torch.randn(self.embedding.weight.shape, generator=generator) * SPREAD
            )

    def states(self, ids: torch.Tensor) -> list[torch.Tensor]:
        """Every layer's values at every piece: embedding, then each layer, (batch, piece, unit)."""
        values = self.embedding(ids)
        if self.candidate.position == "sine":
            values = values + _positions(ids.shape[1], self.candidate.width)
        found = [values]
        for number in range(self.candidate.depth):
            values = self.layers[0 if self.candidate.tied else number](values)
            found.append(values)
        return found

    def read_out(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of the next piece."""
        return hidden @ self.embedding.weight.T / self.candidate.width**0.5 + self.bias

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of the next piece after each piece, (batch, piece) -> (batch, piece, vocabulary)."""
        return self.read_out(self.states(ids)[-1])


class _Drawn:
    """Matrices by seed, layer, and what they stand on: the first matrix on ``x`` is the same in every gate of a width."""

    def __init__(self, seed: int, layer: int):
        self.seed, self.layer = seed, layer

    def __call__(self, what: str, rows: int, columns: int, gain: float = 1.0) -> nn.Parameter:
        mark = zlib.crc32(f"{self.seed}:{self.layer}:{what}".encode())
        values = torch.randn(rows, columns, generator=torch.Generator().manual_seed(mark))
        return nn.Parameter(values * gain / rows**0.5)


def _layer(candidate: Candidate, drawn: _Drawn) -> nn.Module:
    return (_Attention if candidate.heads is not None else _Gate)(candidate, drawn)


def _positions(length: int, width: int) -> torch.Tensor:
    at = torch.arange(length, dtype=torch.float32)[:, None]
    rates = torch.exp(-torch.arange(0, width, 2, dtype=torch.float32) / width * 9.21)
    angles = at * rates
    return (
        SPREAD
        / 2
        * torch.stack([angles.sin(), angles.cos()], dim=-1).reshape(length, -1)[:, :width]
    )


class _Gate(nn.Module):
    def __init__(self, candidate: Candidate, drawn: _Drawn):
        super().__init__()
        self.words, width = candidate.gate, candidate.width
        self.inputs = nn.ParameterList(
            drawn(f"{word}{self.words[:number].count(word)}", width, width, GAIN[word])
            for number, word in enumerate(self.words)
            if word in ("x", "h")
        )
        self.recurrent = candidate.recurrent

    def forward(self, below: torch.Tensor) -> torch.Tensor:
        ready = {
            number: below @ matrix
            for number, matrix in zip(self._numbered("x"), self._matrices("x"), strict=True)
        }
        own = dict(zip(self._numbered("h"), self._matrices("h"), strict=True))
        if not self.recurrent:
            return self._value(lambda number: ready[number], None)
        state, steps = below.new_zeros(len(below), below.shape[-1]), []
        for t in range(below.shape[1]):
            before = state
            state = self._value(
                lambda n, t=t, s=before: ready[n][:, t] if n in ready else s @ own[n], before
            )
            steps.append(state)
        return torch.stack(steps, dim=1)

    def _numbered(self, word: str) -> list[int]:
        return [number for number, one in enumerate(self.words) if one == word]

    def _matrices(self, word: str) -> list:
        places = [number for number, one in enumerate(self.words) if one in ("x", "h")]
        return [self.inputs[places.index(number)] for number in self._numbered(word)]

    def _value(self, leaf, before) -> torch.Tensor:
        stack: list[torch.Tensor] = []
        for number, word in enumerate(self.words):
            taken = [stack.pop() for _ in range(ARITY[word])][::-1]
            if word in ("x", "h"):
                stack.append(leaf(number))
            elif word == "p":
                stack.append(before)
            else:
                stack.append(_OPERATORS[word](*taken))
        return stack[0].clamp(-20, 20)


_OPERATORS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "sin": lambda a: torch.sin(2 * a),
    "norm": lambda a: (
        (a - a.mean(-1, keepdim=True)) / (a.std(-1, correction=0, keepdim=True) + 1e-5)
    ),
    "add": torch.add,
    "mul": torch.mul,
    "div": lambda a, b: a / (1 + b.abs()),
}


class _Attention(nn.Module):
    def __init__(self, candidate: Candidate, drawn: _Drawn):
        super().__init__()
        width = candidate.width
        self.heads = candidate.heads
        self.inside = drawn("inside", width, 3 * width)
        self.out = drawn("out", width, width)
        self.up = drawn("up", width, 2 * width)
        self.down = drawn("down", 2 * width, width)

    def forward(self, below: torch.Tensor) -> torch.Tensor:
        batch, length, width = below.shape
        parts = (_OPERATORS["norm"](below) @ self.inside).view(batch, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        below = below + mixed.transpose(1, 2).reshape(batch, length, width) @ self.out
        return below + torch.tanh(_OPERATORS["norm"](below) @ self.up) @ self.down
