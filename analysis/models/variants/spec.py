"""The same model otherwise: untrained, with noise in its weights, or with units cut out, always by seed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.errors import BrainLensError, unknown

__all__ = ["SCHEMES", "UNITS", "Variant", "split"]

KINDS = ("untrained", "noise", "lesion", "revision")
SCHEMES = {
    "init": "the library's own initialisation",
    "permute": "each trained tensor, its weights in a random order",
    "gaussian": "Gaussian weights with each trained tensor's mean and standard deviation",
    "mixture": "weights drawn from a Gaussian mixture fitted to each trained tensor",
    "blocks": "untrained blocks under the trained embeddings",
}
"""Untrained schemes (a) to (e)."""

UNITS = ("language", "random", "least")
_SUFFIX = re.compile(r"@(?=(?:" + "|".join(KINDS) + r")\b)")


@dataclass(frozen=True)
class Variant:
    """How a model differs from its trained self.

    Parameters
    ----------
    kind : str
        ``""`` (the trained model), ``untrained``, ``noise`` or ``lesion``.
    scheme : str
        untrained: one of :data:`SCHEMES`. noise: ``all``, ``lower``, ``upper``, a layer ``3`` or layers ``3-7`` (0 = embeddings).
        lesion: ``language``, ``random`` or ``least``, the units that are cut out.
    amount : float
        noise: standard deviation relative to each tensor's own. lesion: per cent of all units.
    seed : int
    """

    kind: str = ""
    scheme: str = ""
    amount: float = 0.0
    seed: int = 0

    @classmethod
    def parse(cls, text: str | Variant | None) -> Variant:
        """The variant written as ``untrained:SCHEME:SEED``, ``noise:LAYERS:SD:SEED`` or ``lesion:UNITS:PERCENT:SEED``.

        Raises
        ------
        BrainLensError
            Where a part is missing, unknown or no number.

        Examples
        --------
        >>> Variant.parse("untrained:init:3").seed
        3
        >>> str(Variant.parse("lesion:language:1"))
        'lesion:language:1:0'
        """
        if text is None or isinstance(text, cls):
            return text or cls()
        kind, *parts = text.strip().lstrip("@").split(":")
        if not kind and not parts:
            return cls()
        if kind == "untrained":
            scheme, seed = (
                (*parts, *("init", "0")[len(parts) :])[:2] if len(parts) <= 2 else ("", "")
            )
            if len(parts) > 2:
                raise _malformed(text)
            if scheme not in SCHEMES:
                raise unknown("untrained scheme", scheme, SCHEMES)
            return cls(kind, scheme, seed=_whole(seed, text))
        if kind == "noise":
            if not 2 <= len(parts) <= 3:
                raise _malformed(text)
            if parts[0] not in ("all", "lower", "upper") and not re.fullmatch(
                r"\d+(-\d+)?", parts[0]
            ):
                raise unknown(
                    "layers of the noise", parts[0], ("all", "lower", "upper", "3", "3-7")
                )
            return cls(
                kind,
                parts[0],
                _positive(parts[1], text),
                _whole(parts[2] if len(parts) == 3 else "0", text),
            )
        if kind == "lesion":
            if not 1 <= len(parts) <= 3:
                raise _malformed(text)
            units, percent, seed = (*parts, *("language", "1", "0")[len(parts) :])
            if units not in UNITS:
                raise unknown("units of the lesion", units, UNITS)
            amount = _positive(percent, text)
            if amount > 100:
                raise BrainLensError(
                    f"{text!r} cuts out more than all units", remedy="Give a percentage up to 100"
                )
            return cls(kind, units, amount, _whole(seed, text))
        raise unknown("variant", kind, KINDS[:3], remedy="Write it as model@untrained:init:0")

    def __str__(self) -> str:
        amount = [f"{self.amount:g}"] if self.kind in ("noise", "lesion") else []
        return ":".join([self.kind, self.scheme, *amount, str(self.seed)]) if self.kind else ""

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
    revision, variant = "", Variant()
    for suffix in suffixes:
        kind, _, rest = suffix.partition(":")
        if kind == "revision":
            if not rest or revision:
                raise _malformed(name)
            revision = rest
        elif variant:
            raise BrainLensError(
                f"{name!r} names two variants at once", remedy=f"Give one of {variant} and {suffix}"
            )
        else:
            variant = Variant.parse(suffix)
    return base, revision, variant


def _malformed(text: str) -> BrainLensError:
    return BrainLensError(
        f"Malformed variant {text!r}",
        choices=(
            "@untrained:SCHEME:SEED",
            "@noise:LAYERS:SD:SEED",
            "@lesion:UNITS:PERCENT:SEED",
            "@revision:NAME",
        ),
        remedy="For example gpt2@untrained:init:0",
    )


def _whole(text: str, whole: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise BrainLensError(
            f"The seed {text!r} of {whole!r} is not a whole number", remedy="For example 0"
        )
    return int(text)


def _positive(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < float("inf"):
        raise BrainLensError(
            f"{text!r} in {whole!r} is not a positive number", remedy="For example 0.1"
        )
    return value


# ---- making them -----------------------------------------------------------------------------------------------------
