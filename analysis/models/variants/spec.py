"""The same model otherwise: a variant is a name behind the model's, made of steps, each with its seed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from analysis.models.sites import KINDS, is_site
from data.errors import BrainLensError, unknown

__all__ = ["GRAMMAR", "HIDING", "ORDERS", "PARTS", "SCHEMES", "UNITS", "Variant", "split"]

SCHEMES = {
    "init": "the library's own initialisation",
    "permute": "each trained tensor, its weights in a random order",
    "gaussian": "Gaussian weights with each trained tensor's mean and standard deviation",
    "mixture": "weights drawn from a Gaussian mixture fitted to each trained tensor",
    "hashed": "each trained tensor from so few shared values that 256 of them fill it, dealt out by a hash",
    "blocks": "untrained blocks under the trained embeddings",
}
"""Untrained schemes (a) to (f)."""

PARTS = ("all", "embeddings", "norms", "attention", "down", "last-K", "rank-R")
"""What a training may change: everything; the embeddings; gains and biases; the matrices of attention; the last matrix of
each feed-forward part; the last K blocks; an update of rank R to every matrix of the blocks."""

NOISED = ("all", "lower", "upper", "lower-third", "middle-third", "upper-third", "3", "3-7")
UNITS = ("language", "random", "matched", "least", "heads", "blocks", "map-NAME", "matched-NAME")
HIDING = {
    "word": "another word of about the same frequency",
    "delete": "nothing: the word is left out",
    "token": "the mask token, once for each piece, of a model that was trained with one",
}
"""What stands in place of a masked word."""
ORDERS = {
    "scrambled": "the words of each stimulus in a random order",
    "content": "content words only",
    "function": "function words only",
    "other": "another stimulus of the recording",
}
"""What the stimuli are made into."""

GRAMMAR = {
    "untrained": "@untrained:SCHEME:SEED",
    "wire": "@wire:PARTS:UPDATES:SEED",
    "noise": "@noise:LAYERS:SD:SEED",
    "lesion": "@lesion:UNITS:PERCENT:SEED",
    "mask": "@mask:PERCENT:HOW:SEED",
    "words": "@words:ORDER:SEED",
    "at": "@at:SITE+SITE",
    "revision": "@revision:NAME",
}
"""Kind of step -> how it is written. Only what stands in front of a seed must be given."""

_READING = ("mask", "words")  # steps that change what is read, and no weight
_NO_WEIGHT = (*_READING, "at")  # "at": other places inside are read like layers
_SUFFIX = re.compile(r"@(?=(?:" + "|".join(GRAMMAR) + r")\b)")
_LAYERS = re.compile(
    r"(all|lower|upper|(?:lower|middle|upper)-third|\d+(?:-\d+)?)(\.matrices|\.gains)?"
)
_PARTS = re.compile(r"all|embeddings|norms|attention|down|last-[1-9]\d?|rank-[1-9]\d{0,4}")
_UNITS = re.compile(
    r"language|random|matched|least|heads|blocks|(?:map|matched)-[a-z0-9][a-z0-9_.-]*"
)


@dataclass(frozen=True)
class Variant:
    """How a model differs from its trained self: one step, and what is done after it.

    Parameters
    ----------
    kind : str
        ``""`` (the trained model), or one of :data:`GRAMMAR` but ``revision``.
    scheme : str
        untrained: one of :data:`SCHEMES`. wire: one of :data:`PARTS`, with its number. noise: ``all``; ``lower`` or ``upper``
        half of the blocks; ``lower-third``, ``middle-third`` or ``upper-third``, three equal numbers of blocks; a layer ``3`` or
        layers ``3-7`` (0 = embeddings); behind any of them ``.matrices`` or ``.gains`` (gains and biases) alone. lesion: one
        of :data:`UNITS`, the units that are cut out. mask: one of :data:`HIDING`. words: one of :data:`ORDERS`. at: places
        that are read like layers, see :mod:`analysis.models.sites`.
    amount : float
        wire: updates. noise: standard deviation relative to each tensor's own. lesion: per cent of all units (heads, blocks).
        mask: per cent of the words.
    seed : int
    then : Variant or None
        The next step.
    """

    kind: str = ""
    scheme: str = ""
    amount: float = 0.0
    seed: int = 0
    then: Variant | None = None

    @classmethod
    def parse(cls, text: str | Variant | None) -> Variant:
        """The variant written as in :data:`GRAMMAR`, several steps one behind the other.

        Raises
        ------
        BrainLensError
            Where a part is missing, unknown or no number; where a kind of step is named twice.

        Examples
        --------
        >>> Variant.parse("untrained:init:3").seed
        3
        >>> str(Variant.parse("lesion:language:1"))
        'lesion:language:1:0'
        >>> [step.kind for step in Variant.parse("untrained:mixture:0@wire:attention:64").steps]
        ['untrained', 'wire']
        """
        if text is None or isinstance(text, Variant):
            return text or cls()
        return cls.of(
            [
                _step(part)
                for part in _SUFFIX.split(f"@{text.strip().lstrip('@')}")
                if part.strip("@")
            ]
        )

    @classmethod
    def of(cls, steps: list[Variant]) -> Variant:
        """Steps one behind the other."""
        kinds = [step.kind for step in steps]
        for number, kind in enumerate(kinds):
            if kind in kinds[:number]:
                raise BrainLensError(
                    f"{'@'.join(map(str, steps))!r} names two variants of one kind at once",
                    remedy=f"Give one {GRAMMAR[kind]}",
                )
            if kind == "untrained" and number:
                raise BrainLensError(
                    f"{'@'.join(map(str, steps))!r} forgets what was done before it: an untrained copy starts anew",
                    remedy=f"Write {GRAMMAR['untrained']} first",
                )
        made = None
        for step in reversed(steps):
            made = replace(step, then=made)
        return made or cls()

    @property
    def steps(self) -> tuple[Variant, ...]:
        """Each step by itself."""
        return tuple(replace(step, then=None) for step in self)

    @property
    def on_weights(self) -> Variant:
        """The steps that change weights."""
        return Variant.of([step for step in self.steps if step.kind not in _NO_WEIGHT])

    @property
    def on_text(self) -> Variant:
        """The steps that change what is read."""
        return Variant.of([step for step in self.steps if step.kind in _READING])

    @property
    def sites(self) -> list[str]:
        """Names of the places that are read in place of layers; empty where layers are."""
        return next((step.scheme.split("+") for step in self.steps if step.kind == "at"), [])

    @property
    def starts_fresh(self) -> bool:
        """Whether nothing of the trained weights is in it."""
        return self.kind == "wire" or (self.kind, self.scheme) == ("untrained", "init")

    def __iter__(self) -> Iterator[Variant]:
        step = self if self.kind else None
        while step is not None:
            yield step
            step = step.then

    def __str__(self) -> str:
        return "@".join(_written(step) for step in self)

    def __bool__(self) -> bool:
        return bool(self.kind)


def split(name: str) -> tuple[str, str, Variant]:
    """A model id taken apart: base name, revision (empty: the pinned one) and variant.

    Examples
    --------
    >>> base, revision, variant = split("pythia-70m@revision:step1000@untrained:permute:2")
    >>> base, revision, str(variant)
    ('pythia-70m', 'step1000', 'untrained:permute:2')
    """
    base, *suffixes = _SUFFIX.split(name.strip())
    revision, steps = "", []
    for suffix in suffixes:
        kind, _, rest = suffix.partition(":")
        if kind == "revision":
            if not rest or revision:
                raise _malformed(name)
            revision = rest
        else:
            steps.append(_step(suffix))
    return base, revision, Variant.of(steps)


# ---- one step ----------------------------------------------------------------------------------------------------------
def _step(text: str) -> Variant:
    kind, *parts = text.strip().lstrip("@").split(":")
    if kind not in _READERS:
        raise unknown("variant", kind, _READERS, remedy="Write it as model@untrained:init:0")
    return _READERS[kind](parts, text)


def _written(step: Variant) -> str:
    if step.kind == "at":
        return f"at:{step.scheme}"
    amount = f"{int(step.amount)}" if step.kind == "wire" else f"{step.amount:g}"
    parts = {
        "untrained": (step.scheme,),
        "words": (step.scheme,),
        "mask": (amount, step.scheme),
    }.get(step.kind, (step.scheme, amount))
    return ":".join([step.kind, *parts, str(step.seed)])


def _filled(parts: list[str], text: str, defaults: tuple[str | None, ...]) -> list[str]:
    """The parts, those that were left out as by default; None must be given."""
    if len(parts) > len(defaults) or None in defaults[len(parts) :]:
        raise _malformed(text)
    return [*parts, *defaults[len(parts) :]]  # type: ignore[list-item]


def _untrained(parts: list[str], text: str) -> Variant:
    scheme, seed = _filled(parts, text, ("init", "0"))
    if scheme not in SCHEMES:
        raise unknown("untrained scheme", scheme, SCHEMES)
    return Variant("untrained", scheme, seed=_whole(seed, text))


def _noise(parts: list[str], text: str) -> Variant:
    layers, sd, seed = _filled(parts, text, (None, None, "0"))
    if not _LAYERS.fullmatch(layers):
        raise unknown(
            "layers of the noise",
            layers,
            NOISED,
            remedy="Behind them .matrices or .gains may stand",
        )
    return Variant("noise", layers, _positive(sd, text), _whole(seed, text))


def _lesion(parts: list[str], text: str) -> Variant:
    units, percent, seed = _filled(parts, text, ("language", "1", "0"))
    if not _UNITS.fullmatch(units):
        raise unknown("units of the lesion", units, UNITS)
    return Variant(
        "lesion", units, _percent(percent, text, "cuts out more than all units"), _whole(seed, text)
    )


def _wire(parts: list[str], text: str) -> Variant:
    what, updates, seed = _filled(parts, text, (None, None, "0"))
    if not _PARTS.fullmatch(what):
        raise unknown("part to train", what, PARTS, remedy="For example last-1 or rank-8")
    if not re.fullmatch(r"\d{1,7}", updates):
        raise BrainLensError(
            f"{updates!r} in {text!r} is not a number of updates",
            remedy="For example @wire:all:640:0",
        )
    return Variant("wire", what, float(updates), _whole(seed, text))


def _mask(parts: list[str], text: str) -> Variant:
    percent, how, seed = _filled(parts, text, (None, "word", "0"))
    if how not in HIDING:
        raise unknown("way of masking", how, HIDING)
    return Variant(
        "mask", how, _percent(percent, text, "masks more than all words"), _whole(seed, text)
    )


def _words(parts: list[str], text: str) -> Variant:
    order, seed = _filled(parts, text, (None, "0"))
    if order not in ORDERS:
        raise unknown("order of the words", order, ORDERS)
    return Variant("words", order, seed=_whole(seed, text))


def _at(parts: list[str], text: str) -> Variant:
    names = [one.strip() for one in ":".join(parts).split("+")]
    for name in names:
        if not is_site(name):
            raise unknown(
                "site", name, [f"{kind}:1" for kind in KINDS], remedy="For example @at:attn:3+mlp:3"
            )
    return Variant("at", "+".join(names))


_READERS = {
    "at": _at,
    "untrained": _untrained,
    "noise": _noise,
    "lesion": _lesion,
    "wire": _wire,
    "mask": _mask,
    "words": _words,
}


def _malformed(text: str) -> BrainLensError:
    return BrainLensError(
        f"Malformed variant {text!r}",
        choices=tuple(GRAMMAR.values()),
        remedy="For example gpt2@untrained:init:0",
    )


def _whole(text: str, whole: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise BrainLensError(
            f"The seed {text!r} of {whole!r} is not a whole number", remedy="For example 0"
        )
    return int(text)


def _percent(text: str, whole: str, too_much: str) -> float:
    amount = _positive(text, whole, "10 (per cent)")
    if amount > 100:
        raise BrainLensError(f"{whole!r} {too_much}", remedy="Give a percentage up to 100")
    return amount


def _positive(text: str, whole: str, such: str = "0.1") -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise BrainLensError(
            f"{text!r} in {whole!r} is not a positive number", remedy=f"For example {such}"
        )
    return value
