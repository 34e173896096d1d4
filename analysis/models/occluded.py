"""A model that reads a changed text: words masked, in another order, of one kind only, or of another stimulus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from analysis.text.occlusion import Occluded, occlude, rearranged
from analysis.text.passages import Passage
from data.errors import BrainLensError

__all__ = ["OccludedModel", "no_mask_token", "opened"]

CODE_VERSION = 1
"""Raised whenever a text may be changed otherwise; part of the model's identity."""


def no_mask_token(name: str) -> BrainLensError:
    """What a model that was not trained with a mask token is refused with."""
    return BrainLensError(
        f"{name} was not trained with a mask token",
        choices=("word", "delete"),
        remedy="Mask with a word of about the same frequency: @mask:50:word:0",
    )


def opened(cls: type[Model], card: Card, path: Path | None, variant: Variant) -> Model:
    """The reader of a class with the steps on its weights, inside one that changes what it reads where that is asked for.

    Raises
    ------
    BrainLensError
        For places inside the blocks of what is no transformer.
    """
    model: Any = cls.open(card, path, variant.on_weights)
    if variant.sites:
        if not hasattr(model, "at"):
            raise BrainLensError(
                f"{card.id} is no transformer and has no {variant.sites[0]!r}",
                remedy=f"Leave @at:{'+'.join(variant.sites)} out: its layers have numbers",
            )
        model = model.at(variant.sites)
    return OccludedModel(model, variant.on_text) if variant.on_text else model


class OccludedModel(Model):
    """A model and the steps by which every text is changed before it is read.

    Parameters
    ----------
    inner : Model
    steps : Variant
        ``mask`` and ``words`` steps.

    Raises
    ------
    BrainLensError
        For activations that were made elsewhere; for the mask token of a model that was not trained with one.
    """

    def __init__(self, inner: Model, steps: Variant):
        if hasattr(inner, "of"):
            raise BrainLensError(
                f"{inner.id}: activations that were made elsewhere read no other text",
                remedy="Use the model itself",
            )
        self.inner, self.steps, self.card = inner, steps, inner.card
        self.id = f"{inner.id}@{steps}"
        self.resumable, self.words_only = inner.resumable, inner.words_only
        self._token = ""
        if any(step.kind == "mask" and step.scheme == "token" for step in steps):
            self._token = self._mask_token()

    def _mask_token(self) -> str:
        known = getattr(self.inner, "tokenizer", None)
        token = getattr(known, "mask_token", None)
        if self.card.cls != "bidirectional" or not token:
            raise no_mask_token(self.inner.id)
        return token

    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        return f"{self.inner.fingerprint}|{self.steps}|{CODE_VERSION}"

    @property
    def tokenizer_hash(self) -> str:
        """Of the model inside."""
        return self.inner.tokenizer_hash

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return self.inner.widths

    @property
    def sites(self) -> list:
        """Places inside the blocks that are read like layers; empty where layers are."""
        return getattr(self.inner, "sites", [])

    @property
    def depths(self) -> list[float] | None:
        """Relative depth of each of them; None: evenly spaced."""
        return getattr(self.inner, "depths", None)

    @property
    def window(self) -> int | None:
        """Tokens the model sees at once; None: no limit."""
        return getattr(self.inner, "window", None)

    @property
    def device(self) -> str:
        """Where the model computes."""
        return getattr(self.inner, "device", "cpu")

    def reading_options(self, protocol) -> dict[str, Any]:
        """Of the model inside."""
        return self.inner.reading_options(protocol)

    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        report: Report = SILENT,
        **options,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations of the changed stimuli, in the rows of the whole ones."""
        for step in self.steps.steps:
            if step.kind == "words":
                passages = rearranged(passages, step.scheme, step.seed)
            else:
                passages = [
                    Passage(made.text, made.spans, one.rows)
                    for one in passages
                    for made in [self._occluded(one.text, one.spans, step)]
                ]
        return self.inner.read(passages, layers, report=report, **options)

    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Surprisal of the words that stand as they stood, among the masked ones; NaN for those.

        Raises
        ------
        BrainLensError
            Where the words were rearranged: then the text's own words have no surprisal.
        """
        (step, *more) = self.steps.steps
        if more or step.kind != "mask":
            raise BrainLensError(
                f"{self.id} reads other words than the text has: they have no surprisal in it",
                remedy="Mask words instead: @mask:50:word:0",
            )
        changed = [self._occluded(text, (), step) for text in texts]
        read = self.inner.surprisal(
            [one.text for one in changed], window=window, stride=stride, report=report
        )
        return [_whole(one, tokens) for one, tokens in zip(changed, read, strict=True)]

    def _occluded(self, text: str, spans, step: Variant) -> Occluded:
        glued = step.scheme == "token" and self.card.space_before
        return occlude(
            text, spans, step.amount, step.scheme, step.seed, token=self._token, glued=glued
        )

    def close(self) -> None:
        """Give back memory; it loads itself again when it is next asked."""
        self.inner.close()


def _whole(changed: Occluded, tokens: TokenSurprisal) -> TokenSurprisal:
    """Tokens of the changed text over the whole one: masked words are there, without a surprisal."""
    offsets = np.asarray(tokens.offsets, np.int64).reshape(-1, 2)
    own = np.array([bool(changed.kept[a:b].all()) for a, b in offsets], bool)
    nats = np.where(own, tokens.nats, np.nan)
    places, start = _places(changed, offsets), tokens.start
    if changed.lost:
        lost = np.asarray(changed.lost, np.int64)
        before = np.searchsorted(places[:, 0], lost[:, 0], side="right")
        places = np.insert(places, before, lost, axis=0)
        nats = np.insert(nats, before, np.nan)
        start = np.insert(start, before, start[before])
    return TokenSurprisal(places, nats, start)


def _places(changed: Occluded, offsets: np.ndarray) -> np.ndarray:
    """Offsets in the whole text; an empty token stands where the character before it ends."""
    if not len(changed.text):
        return np.zeros_like(offsets)
    first = np.minimum(offsets[:, 0], len(changed.text) - 1)
    ends = changed.last[np.maximum(offsets[:, 1] - 1, 0)]
    empty = offsets[:, 0] == offsets[:, 1]
    return np.stack([np.where(empty, ends, changed.first[first]), ends], axis=1)
