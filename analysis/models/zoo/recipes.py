"""What is trained: one record per member of the zoo."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CHECKPOINTS", "RECIPES", "VOCABULARY", "Recipe"]

VOCABULARY = 4096
"""Pieces of the byte-level tokenizer that every model but the static one shares."""

CHECKPOINTS = (0, 12, 32, 80, 200, 500, 1280)
"""Steps of the checkpointed model, log-spaced; the finished model is the eighth."""


@dataclass(frozen=True)
class Recipe:
    """One model and how it is trained.

    Parameters
    ----------
    id : str
        Folder under ``data/zoo`` and catalogue id.
    kind : str
        ``"causal"``, ``"shared"`` (causal, one block applied again and again), ``"masked"``, ``"recurrent"`` or ``"embedding"``.
    width, layers, heads, inner : int
        Units per layer, blocks, attention heads, units inside the feed-forward part.
    rate : float
        Peak learning rate: higher where the model is narrower.
    spread : float
        Standard deviation of the initial weights. The masked model needs a wide start: from 0.02 it still guessed by frequency
        alone after 800 steps, from 0.08 it had left that plateau after 250.
    steps, batch, length : int
        Updates, texts per update, tokens per text. All models but the static one see the same tokens in the same order; the
        largest goes on to twice as many, for on the others' share it was no better than the next smaller one.
    dtype : str
        Of the multiplications during training (the weights stay float32): from width 128 on, bfloat16 is 1.6 times as fast.
    seed : int
        Of the initialisation, of the order of the text and of the masks.
    checkpoints : tuple of int
        Steps after which the weights are kept as models of their own, named ``<id>-step<N>``.
    """

    id: str
    kind: str
    width: int
    layers: int
    heads: int = 0
    inner: int = 0
    rate: float = 3e-3
    spread: float = 0.02
    steps: int = 3200
    batch: int = 4
    length: int = 256
    dtype: str = "float32"
    seed: int = 0
    checkpoints: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens seen in the whole training."""
        return self.steps * self.batch * self.length


RECIPES = {
    recipe.id: recipe
    for recipe in (
        Recipe(
            "zoo-causal-400k",
            "causal",
            64,
            3,
            heads=2,
            inner=192,
            rate=4e-3,
            checkpoints=CHECKPOINTS,
        ),
        Recipe("zoo-causal-200k", "causal", 40, 2, heads=2, inner=112, rate=5e-3),
        Recipe(
            "zoo-causal-700k", "causal", 96, 3, heads=3, inner=256, rate=3.5e-3, dtype="bfloat16"
        ),
        Recipe("zoo-recurrent-700k", "shared", 128, 4, heads=4, inner=352, rate=3e-3),
        Recipe("zoo-causal-1m", "causal", 128, 4, heads=4, inner=352, rate=3e-3, dtype="bfloat16"),
        Recipe(
            "zoo-causal-3m",
            "causal",
            192,
            5,
            heads=6,
            inner=512,
            rate=2e-3,
            steps=6400,
            dtype="bfloat16",
        ),
        Recipe(
            "zoo-masked-1m",
            "masked",
            128,
            4,
            heads=4,
            inner=256,
            rate=2e-3,
            spread=0.08,
            dtype="bfloat16",
        ),
        Recipe("zoo-lstm-1m", "recurrent", 192, 2, rate=4e-3, dtype="bfloat16"),
        Recipe("zoo-glove-64d", "embedding", 64, 0, rate=0.05, steps=20),
    )
}
"""In the order of training: the smallest first, so that something is there soon."""
