"""One colour and one marker per model, in every figure and every export.

``looks(values, theme="light", column="model", chosen={}) -> dict[value, Look]`` is all that the renderers ask.

Relatives share a hue and differ in shade and marker, so that a plot of 43 models still shows its families. The assignment depends
on the model's id alone (the published models by family and order, any other by a hash of its id), never on what else was drawn
before; only where two unknown models would look alike in one figure does the later one (in alphabetical order) move to the
next free look. A variant (``gpt2@untrained:init:0``) has the colour of its model and an open marker. Checkpoints of one training
that stand in one figure are a ramp in the order of their steps. ``chosen`` gives single models another colour, in one figure: a
session's choice is part of its selection.

Base hues after Okabe & Ito (2008) and Tol (2021), darkened where they had less than 3 : 1 contrast on white.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = [
    "INK",
    "MARKERS",
    "THEMES",
    "Look",
    "checked",
    "checkpoint",
    "contrast",
    "ink",
    "lettering",
    "looks",
    "ramped",
]

THEMES = ("light", "dark")
MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "hex", "star", "plus")
"""Markers by Bokeh's names; :data:`MATPLOTLIB_MARKERS` has Matplotlib's."""
MATPLOTLIB_MARKERS = dict(zip(MARKERS, "os^DvH*P", strict=True))

INK = {
    "light": {
        "paper": "#ffffff",
        "text": "#1f2328",
        "axis": "#57606a",
        "grid": "#e3e6ea",
        "muted": "#8c959f",
        "rule": "#24292f",
        "stamp": "#a40e26",
        "flag": "#a40e26",
    },
    "dark": {
        "paper": "#15181c",
        "text": "#e6edf3",
        "axis": "#9aa4af",
        "grid": "#2c3238",
        "muted": "#7d8792",
        "rule": "#d5dbe1",
        "stamp": "#ff8a8a",
        "flag": "#ff8a8a",
    },
}
"""Colours of everything that is not a model, by theme."""

HUES = {
    "gpt": "#d55e00",
    "bert": "#0072b2",
    "albert": "#c2609a",
    "t5": "#b07800",
    "xlm": "#00875f",
    "roberta": "#2b8fc4",
    "xlm-r": "#3aa17e",
    "xlnet": "#882255",
    "llama": "#5a50c8",
    "recurrent": "#3d2f8f",
    "embedding": "#7d7a26",
    "transfo-xl": "#a23f97",
    "ctrl": "#8a3b12",
    "ngram": "#4d4d4d",
    "random": "#7f7f7f",
    "pythia": "#117d8c",
    "opt": "#b2182b",
    "stories": "#a86f00",
    "flair": "#0b7d54",
    "zoo-causal": "#c65300",
    "zoo-masked": "#b9528f",
    "zoo-lstm": "#4f45b5",
    "zoo-glove": "#6f6c1f",
}
FAMILIES = {
    "gpt": (
        "distilgpt2",
        "openaigpt",
        "openai-gpt",
        "gpt2",
        "gpt2-medium",
        "gpt2-large",
        "gpt2-xl",
    ),
    "bert": (
        "distilbert-base-uncased",
        "bert-base-uncased",
        "bert-base-multilingual-cased",
        "bert-large-uncased",
        "bert-large-uncased-whole-word-masking",
        "all-minilm-l6-v2",
    ),
    "albert": (
        "albert-base-v1",
        "albert-base-v2",
        "albert-large-v1",
        "albert-large-v2",
        "albert-xlarge-v1",
        "albert-xlarge-v2",
        "albert-xxlarge-v1",
        "albert-xxlarge-v2",
    ),
    "t5": ("t5-small", "t5-base", "t5-large", "t5-3b", "t5-11b"),
    "xlm": (
        "xlm-mlm-enfr-1024",
        "xlm-clm-enfr-1024",
        "xlm-mlm-xnli15-1024",
        "xlm-mlm-100-1280",
        "xlm-mlm-en-2048",
    ),
    "roberta": ("distilroberta-base", "roberta-base", "roberta-large"),
    "xlm-r": ("xlm-roberta-base", "xlm-roberta-large"),
    "xlnet": ("xlnet-base-cased", "xlnet-large-cased"),
    "llama": ("smollm2-135m-instruct-q4_1", "tinyllama-1.1b-chat-iq2"),
    "recurrent": ("lm_1b", "skip-thoughts"),
    "stories": ("stories15m",),
    "flair": ("flair-news-forward-fast", "flair-news-backward-fast"),
    "ngram": ("trigram-en-us",),
    "zoo-causal": (
        "zoo-causal-200k",
        "zoo-causal-400k",
        "zoo-causal-700k",
        "zoo-causal-1m",
        "zoo-causal-3m",
        "zoo-recurrent-700k",
    ),
    "zoo-masked": ("zoo-masked-1m",),
    "zoo-lstm": ("zoo-lstm-1m",),
    "zoo-glove": ("zoo-glove-64d",),
    "embedding": ("glove", "ETM", "word2vec", "glove-6b-50d"),
    "transfo-xl": ("transfo-xl-wt103",),
    "ctrl": ("ctrl",),
}
_ALIASES = {
    "smollm2-135m": "smollm2-135m-instruct-q4_1",
    "glove-50d": "glove-6b-50d",
    "openai-gpt": "openaigpt",
    "minilm": "all-minilm-l6-v2",
    "flair": "flair-news-forward-fast",
    "trigram": "trigram-en-us",
    "tinyllama": "tinyllama-1.1b-chat-iq2",
}
_PREFIXES = (
    ("random", "random"),
    ("pythia", "pythia"),
    ("opt", "opt"),
    ("llama", "llama"),
    ("smollm", "llama"),
    ("mistral", "llama"),
    ("gpt", "gpt"),
    ("roberta", "roberta"),
    ("albert", "albert"),
    ("bert", "bert"),
    ("t5", "t5"),
    ("glove", "embedding"),
    ("flair", "flair"),
    ("trigram", "ngram"),
    ("zoo-causal", "zoo-causal"),
    ("minilm", "bert"),
    ("stories", "stories"),
    ("tinyllama", "llama"),
)
MODELS = ("model", "predictor")
"""Columns that hold models."""
# Categories that are no models: the eight most different colours, in order.
_PLAIN = (
    "#0072b2",
    "#d55e00",
    "#00875f",
    "#c2609a",
    "#b07800",
    "#5a50c8",
    "#2b8fc4",
    "#882255",
    "#7d7a26",
    "#4d4d4d",
)
_RAMP = ("#2b9fb8", "#3d2f8f")  # of checkpoints: the first step and the last


@dataclass(frozen=True)
class Look:
    """How one model is drawn.

    Parameters
    ----------
    colour : str
        ``#rrggbb``.
    marker : str
        One of :data:`MARKERS`.
    open : bool
        Only the outline is drawn: a variant of a model.
    changed : bool
        Lines are dashed: an untrained or otherwise changed model, and not one that is read at other places only.
    """

    colour: str
    marker: str
    open: bool = False
    changed: bool = False

    @property
    def matplotlib_marker(self) -> str:
        """Matplotlib's name of the marker."""
        return MATPLOTLIB_MARKERS[self.marker]


# ---- colour arithmetic (OKLab: Ottosson 2020) -------------------------------------------------------------------------
_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def _linear(colour: str) -> np.ndarray:
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def _lab(colour: str) -> np.ndarray:
    return _LAB @ np.cbrt(_LMS @ _linear(colour))


def _hex(lab: np.ndarray) -> str:
    rgb = np.linalg.solve(_LMS, np.linalg.solve(_LAB, lab) ** 3)
    rgb = np.clip(rgb, 0, 1)
    rgb = np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return "#" + "".join(f"{round(255 * v):02x}" for v in np.clip(rgb, 0, 1))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.1), 1 to 21."""
    a, b = (float(_linear(c) @ [0.2126, 0.7152, 0.0722]) + 0.05 for c in (one, other))
    return max(a, b) / min(a, b)


def _shade(colour: str, lightness: float) -> str:
    """The same hue at another OKLab lightness, as strong as it was at most."""
    lab = _lab(colour)
    scale = min(1.0, (1 - abs(lightness - 0.62)) * 1.05)
    return _hex(np.array([lightness, lab[1] * scale, lab[2] * scale]))


def _themed(colour: str, shade: float, theme: str) -> str:
    """A shade from 0 (towards the paper) to 1 (away from it), always readable on the theme's paper."""
    if theme == "light":
        lightness = 0.66 - 0.30 * shade
    else:
        lightness = 0.64 + 0.24 * shade
    found, paper = _shade(colour, lightness), INK[theme]["paper"]
    while contrast(found, paper) < 3.0:
        lightness += -0.01 if theme == "light" else 0.01
        found = _shade(colour, lightness)
    return found


@lru_cache(maxsize=4096)
def lettering(colour: str, theme: str = "light") -> str:
    """A colour as words are written in it: the same hue, as far from the paper as AA asks of text (4.5)."""
    found, paper = colour, INK[theme]["paper"]
    lightness = float(_lab(colour)[0])
    while contrast(found, paper) < 4.5 and 0.02 < lightness < 0.98:
        lightness += -0.01 if theme == "light" else 0.01
        found = _shade(colour, lightness)
    return found


# ---- assignment --------------------------------------------------------------------------------------------------------
def _digest(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _slot(model: str) -> tuple[str, float, int, bool]:
    """(hue, shade, marker number, whether the place is the model's own) of a model id."""
    model = _ALIASES.get(model, model)
    for family, members in FAMILIES.items():
        if model in members:
            place = members.index(model)
            shade = place / (len(members) - 1) if len(members) > 1 else 0.5
            return HUES[family], shade, place % len(MARKERS), True
    number = _digest(model)
    lower = model.lower().rsplit("/", 1)[-1]
    family = next((hue for start, hue in _PREFIXES if lower.startswith(start)), None)
    hue = HUES[family] if family else list(HUES.values())[number % len(HUES)]
    return hue, (number // 97 % 5) / 4, number // 1009 % len(MARKERS), False


def checked(colours: Mapping[str, str]) -> dict[str, str]:
    """Colours that a user chose, in lower case.

    Parameters
    ----------
    colours : mapping
        Model id -> ``#rrggbb``.

    Raises
    ------
    BrainLensError
        Where a colour is not written as ``#rrggbb``.
    """
    for model, colour in colours.items():
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", str(colour)):
            raise BrainLensError(
                f"{colour!r}, the colour of {model}, is not written as #rrggbb",
                remedy="For example #0072b2",
            )
    return {model: colour.lower() for model, colour in colours.items()}


def looks(
    values: Iterable[object],
    theme: str = "light",
    column: str = "model",
    chosen: Mapping[str, str] | None = None,
) -> dict[object, Look]:
    """Colour and marker of each value of a figure.

    Parameters
    ----------
    values : iterable
        Model ids, or the values of another column (subjects, conditions).
    theme : str
        ``"light"`` or ``"dark"``.
    column : str
        Column they come from; only :data:`MODELS` have looks that are the same everywhere; checkpoints (``step 1,000``, or
        several models of :func:`ramped`) are a ramp in the order of their steps, others take the palette in sorted order.
    chosen : mapping, optional
        Value -> ``#rrggbb``: colours that the user chose instead.

    Returns
    -------
    dict
        In the order given.
    """
    if theme not in THEMES:
        raise unknown("theme", theme, THEMES)
    values, chosen = list(dict.fromkeys(values)), checked(chosen or {})
    steps = ramped(values)
    ramp = _ramp(steps, theme, chosen)
    if column not in MODELS:
        rest = [value for value in values if value not in ramp]
        plain = _plain(rest, theme, chosen)
        return {value: ramp.get(value) or plain[value] for value in values}
    slots = {str(value).partition("@")[0]: None for value in values}
    slots = {base: _slot(base) for base in slots}
    taken, found = set(), {}
    for base in sorted(
        slots, key=lambda name: (not slots[name][3], name)
    ):  # models with a place of their own come first
        hue, shade, marker, own = slots[base]
        for step in range(len(MARKERS) * len(HUES) if not own else 1):
            hues = list(HUES.values())
            candidate = (
                hues[(hues.index(hue) + step // 2) % len(hues)],
                round((shade + 0.5 * (step % 2)) % 1.001, 3),
                (marker + step) % len(MARKERS),
            )
            if candidate[:2] not in {other[:2] for other in taken}:
                break
        taken.add(candidate if not own else (hue, round(shade, 3), marker))
        found[base] = candidate if not own else (hue, shade, marker)
    result = {}
    for value in values:
        base, _, variant = str(value).partition("@")
        hue, shade, marker = found[base]
        if value in ramp:  # the colour tells the step, the marker the training
            base = steps[value][0]
            own = found.get(base) or _slot(base)
            result[value] = Look(ramp[value].colour, MARKERS[own[2]])
            continue
        colour = chosen.get(str(value)) or chosen.get(base) or _themed(hue, shade, theme)
        steps_of = variant.split("@") if variant else ()
        changed = any(not step.startswith(("at:", "revision:")) for step in steps_of)
        result[value] = Look(colour, MARKERS[marker], open=bool(variant), changed=changed)
    return result


def checkpoint(value: object) -> tuple[str, int] | None:
    """Whose checkpoint a name is, and of which step; None for any other name.

    Examples
    --------
    >>> checkpoint("pythia-70m@revision:step1000"), checkpoint("tiny-step20"), checkpoint("step 1,000"), checkpoint("gpt2")
    (('pythia-70m', 1000), ('tiny', 20), ('', 1000), None)
    """
    if told := re.fullmatch(r"step ([\d,]+)", str(value)):
        return "", int(told[1].replace(",", ""))
    if told := re.fullmatch(r"(.+?)(?:-step|@revision:step)(\d+)", str(value)):
        return told[1], int(told[2])
    return None


def ramped(values: Iterable[object]) -> dict[object, tuple[str, int]]:
    """The checkpoints among the values of a figure, with training and step, where a training has two or more of them."""
    found = {value: at for value in values if (at := checkpoint(value)) is not None}
    count = Counter(base for base, _ in found.values())
    return {value: at for value, at in found.items() if count[at[0]] > 1}


def _ramp(
    steps: Mapping[object, tuple[str, int]], theme: str, chosen: Mapping[str, str]
) -> dict[object, Look]:
    """Checkpoints: from light to dark in the order of their steps, which all trainings of a figure share."""
    order = sorted({step for _, step in steps.values()})
    first, last = (_lab(colour) for colour in _RAMP)
    result = {}
    for value, (_, step) in steps.items():
        at = order.index(step) / max(1, len(order) - 1)
        colour = chosen.get(str(value)) or _themed(_hex((1 - at) * first + at * last), at, theme)
        result[value] = Look(colour, MARKERS[0])
    return result


def _plain(values: list, theme: str, chosen: Mapping[str, str]) -> dict[object, Look]:
    order = sorted(values, key=str)
    result = {}
    for value in values:
        place = order.index(value)
        colour = chosen.get(str(value)) or _themed(
            _PLAIN[place % len(_PLAIN)], 0.3 if place < len(_PLAIN) else 0.9, theme
        )
        result[value] = Look(colour, MARKERS[place % len(MARKERS)])
    return result


def ink(role: str, theme: str = "light") -> str:
    """Colour of paper, text, axis, grid, muted things, rules, stamps or flags."""
    if theme not in THEMES:
        raise unknown("theme", theme, THEMES)
    if role not in INK[theme]:
        raise unknown("ink", role, INK[theme])
    return INK[theme][role]
