"""Where models run: the processor, a graphics card, or both."""

from __future__ import annotations

import os

from data.errors import BrainLensError, unknown

__all__ = ["AUTO", "VARIABLE", "choose", "device"]

VARIABLE = "BRAINLENS_DEVICE"
"""Environment variable with the user's choice; processes started from here take it over."""

AUTO = "auto"
CHOICES = ("auto", "cpu", "cuda", "cuda:1", "mps", "offload")


def choose(name: str) -> None:
    """Set where models of this process, and of those it starts, run from now on.

    Parameters
    ----------
    name : str
        ``auto`` (a graphics card where there is one), ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``offload``: as many blocks on
        the graphics cards as they hold, the rest in memory, and what that does not hold on disk.

    Raises
    ------
    BrainLensError
        A name that is none, or a device that is not there.
    """
    _there(name)
    os.environ[VARIABLE] = name


def device() -> str:
    """The device models run on: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``offload``."""
    return _there(os.environ.get(VARIABLE, "") or AUTO)


def _there(name: str) -> str:
    import torch

    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps", "offload") or (
        number and (kind != "cuda" or not number.isdigit())
    ):
        raise unknown("device", name, CHOICES)
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind == AUTO:
        return "cuda" if cards else "cpu"
    if kind == "cuda" and int(number or 0) >= cards:
        raise BrainLensError(
            f"There is no device {name!r}: torch finds {cards or 'no'} graphics card{'s' * (cards != 1)} of that kind",
            choices=("cpu", *(f"cuda:{n}" for n in range(cards))),
            remedy="Choose auto or cpu, or install a torch that was built for the card",
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise BrainLensError(
            "There is no device 'mps' on this machine", remedy="Choose auto or cpu"
        )
    return name
