"""The torch module of an LSTM language model."""

from __future__ import annotations

import torch
from torch import nn

from analysis.models.lstm_config import LSTMConfig

__all__ = ["LSTMModule"]


class LSTMModule(nn.Module):
    """Embedding, LSTM, and a linear read-out that may share the embedding's weights.

    Notes
    -----
    h_t, c_t = LSTM(E x_t, h_{t-1}, c_{t-1});  logits_t = W P h_t + b, with W = E where tied and P = 1 where the widths agree.
    """

    def __init__(self, config: LSTMConfig):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.embedding)
        self.rnn = nn.LSTM(config.embedding, config.width, config.layers, batch_first=True)
        narrow = config.tied and config.embedding != config.width
        self.projection = nn.Linear(config.width, config.embedding, bias=False) if narrow else None
        self.head = nn.Linear(config.embedding if config.tied else config.width, config.vocab_size)
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.embedding.weight

    def read_out(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of the next piece, shape (..., vocab_size)."""
        return self.head(hidden if self.projection is None else self.projection(hidden))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of the next piece after each piece, (batch, token) -> (batch, token, vocab_size)."""
        return self.read_out(self.rnn(self.embedding(ids))[0])

    def states(self, ids: torch.Tensor, *, cells: bool = True) -> list[torch.Tensor]:
        """Every layer's values at every token: embedding, h of each LSTM layer, c of each (where ``cells``).

        The library gives c only at the end; here it comes from the gates, c_t = f_t c_{t-1} + i_t g_t, with all gates computed
        at once because h is known.
        """
        below = self.embedding(ids)
        hidden, memory = [below], []
        for k in range(self.config.layers):
            weights = [
                getattr(self.rnn, f"{name}_l{k}")
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            zero = below.new_zeros(1, len(below), self.config.width)
            above = torch.lstm(below, (zero, zero), weights, True, 1, 0.0, False, False, True)[0]
            if cells:
                before = torch.cat([zero[0][:, None], above[:, :-1]], dim=1)
                gates = below @ weights[0].T + before @ weights[1].T + (weights[2] + weights[3])
                i, f, g, _ = gates.chunk(4, dim=-1)  # the library's order
                new, keep, c = i.sigmoid() * g.tanh(), f.sigmoid(), zero[0]
                steps = []
                for t in range(below.shape[1]):
                    c = keep[:, t] * c + new[:, t]
                    steps.append(c)
                memory.append(torch.stack(steps, dim=1))
            hidden.append(above)
            below = above
        return hidden + memory
