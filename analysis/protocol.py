"""Every choice behind a number, as one frozen record; the presets are instances of it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = ["PRESETS", "SIMILARITIES", "SINGLE", "STRICTER", "Protocol", "preset"]

CHOICES: dict[str, tuple[str, ...]] = {
    "pooling": ("last", "mean", "sum", "max"),
    "attention": ("prefix", "whole"),
    "split": (
        "grouped",
        "contiguous",
        "leave-one-group-out",
        "shuffled",
        "stratified",
        "shuffle-split",
    ),
    "method": ("ridge", "ols", "rsa", "cka", "shape", "soft-matching"),
    "criterion": ("kfold", "logo", "loo", "gcv"),
    "targets": ("mean", "median"),
    "people": ("mean", "median"),
    "order": ("targets-first", "folds-first"),
    "layer": ("nested", "max", "last"),
    "normalise": ("target", "aggregate"),
    "ceiling": ("auto", "pools", "extrapolated", "leave-one-out", "split-half", "repeats", "none"),
    "start": ("policy", "tokenizer"),
    "last_layer": ("raw", "normed"),
    "dtype": ("float32", "bfloat16"),
    "resample": ("lanczos", "sum", "mean", "last", "boxcar"),
    "hrf": ("fir", "spm", "glover", "none"),
}


SIMILARITIES = ("rsa", "cka", "shape", "soft-matching")
"""Methods that compare geometries and fit no weights to single responses."""
_REDUCTIONS = ("pca", "random")
_LATER = ("dimensions",)
"""Fields that came after results were stored: at their defaults they say nothing, and are no part of the key."""
SINGLE = ("shuffled", "stratified", "shuffle-split")
"""Splits that hold single stimuli out: neighbours stand on both sides, and what they share leaks."""
SMALLEST_WINDOW = 8


@dataclass(frozen=True)
class Protocol:
    """What is computed, choice by choice. Sources: the method notes in ``docs/method.md``.

    Parameters
    ----------
    name : str
        Preset it came from; a changed copy is called ``<preset>*``.
    context : str
        ``"recording"`` (the recording's own default), ``"none"``, ``"sentence"``, ``"passage"``, ``"topic"``, ``"story"``,
        any column of the stimulus table, several joined by ``+``, or ``"words:N"`` (the N words before the stimulus).
    window : int or None
        Tokens a transformer sees at once, special tokens included: the newest ones; None: as many as the model can (2021: 512).
        Recurrent networks carry their state through the whole text in any case.
    pooling : str
        How a stimulus's tokens become one vector: last (the last token of its last word), mean, sum or max.
    attention : str
        ``"prefix"``: no model sees words to come; ``"whole"``: bidirectional models see the whole context group.
    word_boundary : bool
        Correct surprisals for tokenizers whose words begin with the space (Oh & Schuler 2024; Pimentel & Meister 2024).
    split : str
        grouped, contiguous, leave-one-group-out, shuffled, stratified or shuffle-split.
    group : str
        What is held out together: ``"recording"`` or a column as for ``context``.
    folds : int
        Outer folds (all groups where there are fewer).
    inner_folds : int
        Folds inside the training fold, for alpha (criterion ``"kfold"``) and the nested layer choice.
    seed : int
        Seed of the folds and of the random embedding. Bootstrap draws are the same whatever it is.
    seeds : int
        Fold seeds (``seed``, ``seed + 1``, ...) that a score is averaged over; the random embedding is drawn anew with each. The
        first alone is a preview. 1 in the replicas, and in links and numbers from before there were several.
    method : str
        ridge or ols; or a similarity of the geometries on held-out stimuli that fits no weights: rsa (Spearman over pairs of
        stimuli of different groups), cka (debiased), shape (after a rotation) or soft-matching (of single units), the last two
        learnt on the training rows. See :mod:`analysis.scoring.geometry`.
    dimensions : str
        Layers brought to a common width before the fit: ``"all"``: as they are; ``"pca:50"``: the first 50 principal components
        of the training fold; ``"random:50"``: a Gaussian projection, drawn anew with each fold seed. Narrower control features
        stay as they are.
    criterion : str
        How ridge chooses alpha: kfold over inner groups (refitted), logo (every group left out once, in closed form), exact
        loo, or gcv.
    alphas : tuple of float
        Grid, ascending.
    shared_alpha : bool
        One alpha for all targets.
    standardize : bool
        z-score each unit by the training fold.
    rcond : float or None
        Singular-value cut-off of the minimum-norm OLS; None: eps * max(n, p) of float64.
    order : str
        ``"targets-first"``: folds are averaged per target before targets are summarised; ``"folds-first"`` the other way.
    targets, people : str
        mean or median over the targets of a subject, over subjects.
    by_experiment : bool
        Score the values of ``recording.within`` apart and average them.
    layer : str
        How one layer stands for a model: nested (inner folds), max (the same data), last.
    ceiling : str
        auto, pools, extrapolated, leave-one-out (a lower bound, never divided by), split-half, repeats or none.
    normalise : str
        Share of the ceiling: ``"target"``, a mean of ratios, target by target (replicas); ``"aggregate"``, a ratio of means.
    clip : bool
        Clip normalised scores to [0, 1]; only in replicas of benchmarks that do.
    controls : tuple of str
        Control feature sets scored on the same folds; written ``none`` where there are none.
    shuffled_twin : bool
        Score each layer under shuffled folds too (the leak meter).
    unique : bool
        At the chosen layer, fit the model jointly with position and length (banded ridge): unique R2 beyond them.
    bootstrap : int
        Draws of the hierarchical bootstrap behind every interval.
    start : str
        What stands in front of a text: ``"policy"``, the start token of the model's card; ``"tokenizer"``, only what the
        tokenizer itself adds (none for GPT-2), as in 2021.
    last_layer : str
        Layer L as the ``"raw"`` output of the last block, or ``"normed"``, after the model's final norm, as in 2021.
    dtype : str
        Precision of the model's forward pass: float32 or bfloat16.
    resample : str
        Of recordings whose rows are samples of a run: how features of words become features of samples: ``"lanczos"``,
        ``"sum"``, ``"mean"``, ``"last"`` or ``"boxcar"`` (see :mod:`analysis.features.time`). This and the next seven
        fields say nothing of other recordings.
    hrf : str
        ``"fir"``: copies of the features at ``delays``; ``"spm"`` or ``"glover"``: convolved with that response (nilearn's);
        ``"none"``: as they are.
    delays : tuple of int
        Samples by which the features are delayed; they never cross runs.
    highpass : float or None
        Cycles longer than so many seconds are taken out of features and responses, of every contiguous piece of training
        rows and of the held-out block apart; None: only means.
    trim : tuple of int
        Samples left out at the beginning and the end of every run.
    gap : str
        Samples left out of training on either side of a held-out block: a number, or ``"auto"``, the longest delay, half
        the resampling kernel and 10 s.
    standardize_run : bool
        z-score responses within each contiguous piece.
    nuisance : tuple of str
        What the unique R2 goes beyond, by a band of its own: ``"word-rate"`` and columns of the recording. Columns that differ
        between people (motion) are taken out of that person's signal instead.
    """

    name: str = "defended"
    context: str = "recording"
    window: int | None = None
    pooling: str = "last"
    attention: str = "prefix"
    word_boundary: bool = True
    split: str = "grouped"
    group: str = "recording"
    folds: int = 10
    inner_folds: int = 5
    seed: int = 0
    seeds: int = 3
    method: str = "ridge"
    criterion: str = "logo"
    alphas: tuple[float, ...] = tuple(float(a) for a in np.logspace(-1, 7, 17))
    shared_alpha: bool = False
    standardize: bool = True
    rcond: float | None = None
    order: str = "targets-first"
    targets: str = "mean"
    people: str = "mean"
    by_experiment: bool = True
    layer: str = "nested"
    ceiling: str = "auto"
    normalise: str = "aggregate"
    clip: bool = False
    controls: tuple[str, ...] = ("position", "length", "random-embedding")
    shuffled_twin: bool = True
    unique: bool = True
    bootstrap: int = 1000
    start: str = "policy"
    last_layer: str = "raw"
    dtype: str = "float32"
    resample: str = "lanczos"
    hrf: str = "fir"
    delays: tuple[int, ...] = (1, 2, 3, 4)
    highpass: float | None = 128.0
    trim: tuple[int, ...] = (0, 0)
    gap: str = "auto"
    standardize_run: bool = True
    nuisance: tuple[str, ...] = ("word-rate", "sound-power", "motion")
    dimensions: str = "all"

    def __post_init__(self):
        for name, value in list(vars(self).items()):
            object.__setattr__(self, name, _checked(name, value))
        if self.folds < 2 or self.inner_folds < 2:
            raise BrainLensError(
                f"folds={self.folds}, inner_folds={self.inner_folds}: at least 2 are needed",
                remedy="Set folds and inner_folds to 2 or more",
            )
        if self.seeds < 1:
            raise BrainLensError(
                f"seeds={self.seeds}: at least one is needed",
                remedy="Set seeds to 1, or to 3 or more to average over fold seeds",
            )
        if self.window is not None and self.window < SMALLEST_WINDOW:
            raise BrainLensError(
                f"window={self.window} is too small to read in",
                remedy=f"Give {SMALLEST_WINDOW} tokens or more, or none for the model's own maximum",
            )
        if not self.delays or len(set(self.delays)) < len(self.delays):
            raise BrainLensError(
                f"delays={list(self.delays)}: at least one, each once",
                remedy="For example delays=1,2,3,4",
            )
        if len(self.trim) != 2 or min(self.trim) < 0:
            raise BrainLensError(
                f"trim={list(self.trim)}: samples to leave out at the beginning and the end of a run",
                remedy="For example trim=5,5",
            )
        if self.gap != "auto" and not self.gap.isdecimal():
            raise BrainLensError(
                f"gap={self.gap!r} is neither 'auto' nor a number of samples",
                remedy="For example gap=12",
            )
        if self.highpass is not None and not self.highpass > 0:
            raise BrainLensError(
                f"highpass={self.highpass}: seconds of the longest cycle kept",
                remedy="For example highpass=128, or none",
            )
        kind, _, width = self.dimensions.partition(":")
        if self.dimensions != "all" and not (
            kind in _REDUCTIONS and width.isdecimal() and int(width) > 0
        ):
            raise BrainLensError(
                f"dimensions={self.dimensions!r} is neither 'all' nor a way to a common width",
                remedy="For example dimensions=pca:50 or dimensions=random:50",
            )
        ascending = all(a < b for a, b in zip(self.alphas, self.alphas[1:], strict=False))
        if not self.alphas or self.alphas[0] <= 0 or not ascending:
            raise BrainLensError(
                f"alphas={list(self.alphas)} must be positive and ascending",
                remedy="For example alphas=0.1,1,10",
            )

    # ---- copies -----------------------------------------------------------------------------------------------------
    def but(self, **fields) -> Protocol:
        """A copy with some fields changed, marked with ``*`` behind the preset's name.

        Raises
        ------
        BrainLensError
            For an unknown field or a value it does not take.

        Examples
        --------
        >>> preset("defended").but(pooling="mean").name
        'defended*'
        """
        for name in fields:
            if name not in FIELDS:
                raise unknown("protocol field", name, FIELDS)
        changed = dataclasses.replace(
            self, **{name: _parsed(name, value) for name, value in fields.items()}
        )
        base = fields.get("name", self.name.rstrip("*"))
        if base in PRESETS and "name" not in fields:
            same = all(
                getattr(changed, f) == getattr(PRESETS[base], f) for f in FIELDS if f != "name"
            )
            return dataclasses.replace(changed, name=base if same else base + "*")
        return changed

    def each_seed(self) -> list[Protocol]:
        """The protocol for each of its fold seeds alone; the shuffled twin, a comparison in kind, is the first one's."""
        return [
            dataclasses.replace(
                self,
                seeds=1,
                seed=self.seed + number,
                shuffled_twin=self.shuffled_twin and not number,
            )
            for number in range(self.seeds)
        ]

    @property
    def width(self) -> int | None:
        """The common width that layers are brought to; None: they stay as they are."""
        return None if self.dimensions == "all" else int(self.dimensions.partition(":")[2])

    # ---- as data ----------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return {f: list(v) if isinstance(v := getattr(self, f), tuple) else v for f in FIELDS}

    @classmethod
    def from_dict(cls, fields: Mapping) -> Protocol:
        """The protocol written by :meth:`to_dict`; unknown fields are an error."""
        for name in fields:
            if name not in FIELDS:
                raise unknown("protocol field", name, FIELDS)
        return cls(**{name: _parsed(name, value) for name, value in fields.items()})

    def changes(self) -> dict:
        """The fields that differ from the preset the protocol came from."""
        base = PRESETS.get(self.name.rstrip("*"), PRESETS["defended"])
        return {
            f: getattr(self, f)
            for f in FIELDS
            if f != "name" and getattr(self, f) != getattr(base, f)
        }

    def key(self) -> str:
        """Content key: equal exactly where every choice is equal; the name does not count."""
        fields = {
            f: v
            for f, v in self.to_dict().items()
            if f != "name" and not (f in _LATER and v == _DEFAULTS[f])
        }
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:16]


_EMPTY = {"", "none", "()", "[]"}
"""How an empty list may be written."""
FIELDS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(Protocol))
_DEFAULTS = {f.name: f.default for f in dataclasses.fields(Protocol)}
_PARTS = {"alphas": float, "delays": int, "trim": int}  # what the parts of a list are; else text
_OPTIONAL = {
    "rcond": float,
    "window": int,
    "highpass": float,
}  # fields that may be None, and what they are otherwise
_EXAMPLES = {"rcond": 1e-6, "window": 512}
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def _parsed(name: str, value: Any) -> Any:
    """A field's value from a command line, a URL or JSON."""
    default = _DEFAULTS[name]
    if isinstance(default, tuple):
        parts = value
        if isinstance(value, str):
            empty = value.strip().lower() in _EMPTY
            parts = [] if empty else [part for part in value.split(",") if part]
        try:
            return tuple(_PARTS.get(name, str)(p) for p in parts)
        except (TypeError, ValueError):
            raise BrainLensError(
                f"{name}={value!r} is not a list of numbers", remedy="For example alphas=0.1,1,10"
            ) from None
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        if value.lower() in _TRUE | _FALSE:
            return value.lower() in _TRUE
        raise BrainLensError(f"{name}={value!r} is not yes or no", choices=("true", "false"))
    if name in _OPTIONAL and value.lower() in {"none", ""}:
        return None
    whole = isinstance(default, int) or _OPTIONAL.get(name) is int
    try:
        return int(value) if whole else float(value)
    except ValueError:
        raise BrainLensError(
            f"{name}={value!r} is not a number",
            remedy=f"For example {name}={_EXAMPLES.get(name, default)}",
        ) from None


def _checked(name: str, value: Any) -> Any:
    """The value itself where the field takes it, else an error."""
    default = _DEFAULTS[name]
    if name == "layer" and str(value).startswith("map:"):
        raise BrainLensError(
            f"layer={value!r} gives every region a layer of its own, and a score has one layer in each fold",
            remedy=f"Ask by region: 'brainlens regions MODEL --on RECORDING --set layer={value}', in Python "
            f"regions(scores, recording=recording, layer={value!r})",
        )
    if name in CHOICES and value not in CHOICES[name]:
        raise unknown(f"value of {name}", value, CHOICES[name])
    if isinstance(default, tuple):
        if isinstance(value, str):
            raise BrainLensError(
                f"{name}={value!r} is one string, not a list", remedy=f"Give {name}=({value!r},)"
            )
        return tuple(value)
    if not _of_type(name, value, default):
        raise BrainLensError(
            f"{name}={value!r} is {type(value).__name__}",
            remedy=f"For example {name}={_EXAMPLES.get(name, default)!r}",
        )
    return value


def _of_type(name: str, value: object, default: object) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if name in _OPTIONAL and value is None:
        return True
    if isinstance(default, int) or _OPTIONAL.get(name) is int:
        return isinstance(value, int | np.integer)
    if isinstance(default, str):
        return isinstance(value, str)
    return isinstance(value, int | float)


PRESETS: dict[str, Protocol] = {
    "defended": Protocol(),
    "schrimpf2021": Protocol(
        name="schrimpf2021",
        context="paper",
        window=512,
        word_boundary=False,
        split="stratified",
        group="paper",
        folds=5,
        seed=1,
        seeds=1,
        method="ols",
        standardize=False,
        targets="median",
        people="median",
        layer="max",
        ceiling="extrapolated",
        normalise="target",
        controls=(),
        shuffled_twin=False,
        start="tokenizer",
        last_layer="normed",
    ),
    "brainscore2026": Protocol(
        name="brainscore2026",
        word_boundary=False,
        split="grouped",
        group="paper",
        folds=10,
        seed=1234,
        seeds=1,
        criterion="loo",
        alphas=tuple(float(a) for a in np.logspace(-3, 3, 7)),
        shared_alpha=True,
        standardize=False,
        order="folds-first",
        targets="median",
        people="median",
        layer="max",
        ceiling="extrapolated",
        normalise="aggregate",
        clip=True,
        controls=(),
        shuffled_twin=False,
        unique=False,
    ),
}
PRESETS["story"] = dataclasses.replace(
    PRESETS["defended"],
    name="story",
    split="contiguous",
    folds=8,
    controls=("word-rate", "word-length", "log-frequency", "sound-power", "random-embedding"),
)
PRESETS["epochs"] = dataclasses.replace(
    PRESETS["defended"],
    name="epochs",
    highpass=None,
    hrf="none",
    delays=(0,),
    standardize_run=False,
)
"""The presets by name. ``context="paper"`` and ``group="paper"`` name the recording's roles ``paper_context`` and
``paper_group``, which fall back to the recording's own defaults."""


STRICTER = "defended:leave-one-group-out"
"""Every topic (story, group) held out alone. The stricter question: r is taken inside a topic that was never seen, so that what
differs between topics adds nothing."""


def preset(name: str) -> Protocol:
    """The preset of that name, or of ``"<preset>:<split>"`` with another split.

    Raises
    ------
    BrainLensError
        Where there is none.

    Examples
    --------
    >>> preset(STRICTER).split
    'leave-one-group-out'
    """
    base, _, split = name.partition(":")
    if base not in PRESETS:
        raise unknown("protocol", name, PRESETS)
    return PRESETS[base].but(split=split) if split else PRESETS[base]
