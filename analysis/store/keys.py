"""Content keys: equal exactly where the number must be equal.

A key covers everything that determines a number: what was measured and who is who in it, what was read, every choice of the
protocol, the model by the content of its files, the version of each step of the code, and those parts of other packages' versions
that may change a number.

Of a package's version the first two parts count (``2.13`` of ``2.13.1+cpu``): that is where numpy, scipy, scikit-learn, torch,
transformers and tokenizers make changes of results public. A patch release and the build (``+cpu``, ``+cu128``) do not count, nor
does the machine: the same numbers to float32's rounding are expected there, and the provenance of every result names them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from functools import cache

__all__ = [
    "CODE_VERSION",
    "READING",
    "SOLVING",
    "STEPS",
    "content_key",
    "made",
    "packages",
    "versions",
]

STEPS = {
    "reading": 2,
    "splits": 2,
    "mapping": 7,
    "summary": 4,
    "bootstrap": 6,
    "ceiling": 7,
    "controls": 4,
    "joint fit": 6,
    "items": 4,
    "store": 2,
}
"""Step of a score -> its version, raised whenever a number may come out differently; all are part of every score's key."""

CODE_VERSION = ", ".join(f"{step} {version}" for step, version in STEPS.items())
"""The versions of all steps, in one line."""

READING = ("torch", "transformers", "tokenizers", "numpy")
"""Packages whose version is part of the key of activations and surprisals."""
SOLVING = ("numpy", "scipy", "scikit-learn")
"""Packages whose version is part of the key of scores, ceilings and controls."""


@cache
def _version(package: str) -> str:
    try:
        return ".".join(importlib.metadata.version(package).split("+")[0].split(".")[:2])
    except importlib.metadata.PackageNotFoundError:
        return ""


def packages(names: tuple[str, ...]) -> dict[str, str]:
    """Package -> the part of its version that counts; empty where it is not installed."""
    return {name: _version(name) for name in names}


def content_key(*parts: object) -> str:
    """Hash of the parts, of the version of each step, and of the packages that solve."""
    told = [STEPS, packages(SOLVING), *map(str, parts)]
    payload = json.dumps(told, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(payload).hexdigest()[:32]


_NAMED = (
    "brainlens",
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "tokenizers",
    "xarray",
)


def versions() -> dict[str, str]:
    """Package -> its whole version, of this program; ``not installed`` where it is not."""
    found = {}
    for package in _NAMED:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found | {"python": platform.python_version()}


def made(seconds: float | None = None, **seeds: int) -> dict[str, object]:
    """What is written down when a number is computed, and never made up afterwards: versions, machine, time, seconds, seeds."""
    told: dict[str, object] = {
        "versions": versions(),
        "code_version": CODE_VERSION,
        "machine": f"{platform.system()} {platform.machine()}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    if seconds is not None:
        told["seconds"] = round(seconds, 3)
    return told | ({"seeds": seeds} if seeds else {})
