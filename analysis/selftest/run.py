"""Run the checks, one after the other, and write a report to attach to a paper."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Sequence

import numpy as np

from analysis.progress import SILENT, Cancelled, Report
from analysis.selftest import checks
from analysis.selftest.check import GROUPS, Absent, Check, Outcome
from data.errors import BrainLensError

__all__ = ["markdown", "selftest", "verdict"]


def selftest(*, quick: bool = True, report: Report = SILENT) -> list[Outcome]:
    """Run the checks; nothing is fetched and the user's store is not written.

    Parameters
    ----------
    quick : bool
        Without what takes longer than a moment, or needs the starter pack or a mirror of the original files.
    """
    chosen, outcomes = [one for one in checks.CHECKS if one.quick or not quick], []
    for number, check in enumerate(chosen):
        report.step(number, len(chosen), f"{GROUPS[check.group]}: {check.name}")
        outcomes.append(_outcome(check))
    report.step(len(chosen), len(chosen), "checks")
    return outcomes


def _outcome(check: Check) -> Outcome:
    began = time.perf_counter()
    try:
        found = float(check.number())
    except Cancelled:
        raise
    except Absent as why:
        return Outcome(check, "not here", np.nan, time.perf_counter() - began, str(why))
    except Exception as error:  # whatever breaks is what a self-test is for
        words = (
            error.problem
            if isinstance(error, BrainLensError)
            else f"{type(error).__name__}: {error}"
        )
        return Outcome(check, "red", np.nan, time.perf_counter() - began, words)
    right = np.isfinite(found) and abs(found - check.expected) <= check.tolerance
    words = "" if right else f"{found:.6g} is not {check.expected:g} +- {check.tolerance:g}"
    return Outcome(check, "green" if right else "red", found, time.perf_counter() - began, words)


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The whole in one sentence."""
    red = [one for one in outcomes if one.state == "red"]
    absent = sum(one.state == "not here" for one in outcomes)
    seconds = sum(one.seconds for one in outcomes)
    said = f"{sum(one.state == 'green' for one in outcomes)} of {len(outcomes)} checks are green"
    said += f", {len(red)} red" if red else ""
    said += f", {absent} need files that are not here" if absent else ""
    names = (
        f": {'; '.join(f'{GROUPS[one.check.group]}, {one.check.name}' for one in red)}"
        if red
        else ""
    )
    return f"{said} ({seconds:.0f} s){names}."


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A report with every number, its tolerance and its seconds, and the machine."""
    packages = ("brainlens", "numpy", "scipy", "scikit-learn", "torch", "transformers")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    lines = [
        "# BrainLens self-test",
        "",
        verdict(outcomes),
        "",
        f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}; Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}; {versions}.",
    ]
    for group, title in GROUPS.items():
        mine = [one for one in outcomes if one.check.group == group]
        if mine:
            lines += ["", f"## {title}", "", "| check | state | found | expected | tolerance | s | source |",
                      "|---|---|---|---|---|---|---|"]  # fmt: skip
            lines += [
                f"| {one.check.name} | {one.state} | {one.found:.6g} | {one.check.expected:g} | {one.check.tolerance:g} | "
                f"{one.seconds:.1f} | {one.check.source}{'; ' + one.words if one.words else ''} |"
                for one in mine
            ]
    return "\n".join(lines) + "\n"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
