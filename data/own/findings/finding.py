"""One line of a report on a file, the report, and where in the file something stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from data.counts import plural
from data.own.columns import Understood
from data.recording import Recording

__all__ = ["LEVELS", "Finding", "Places", "ValidationReport", "fact", "warning"]

LEVELS = ("error", "warning", "fact")


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Parameters
    ----------
    level : str
        ``"error"`` (cannot be used), ``"warning"`` (can be used, with care) or ``"fact"``.
    what : str
        What was found, with where.
    fix : str
        The next step.
    """

    level: str
    what: str
    fix: str = ""


def warning(what: str, fix: str = "") -> Finding:
    """What a user should know, and what to do about it."""
    return Finding("warning", what, fix)


def fact(what: str, fix: str = "") -> Finding:
    """What was counted."""
    return Finding("fact", what, fix)


@dataclass(frozen=True)
class ValidationReport:
    """What was found in a file.

    Parameters
    ----------
    name : str
        Name of the file or recording.
    findings : tuple of Finding
        Errors first.
    recording : Recording or None
        What was read, where it could be read.
    facts : dict
        Numbers: n_stimuli, n_targets, n_subjects, n_groups, folds, missing, autocorrelation, duplicates.
    """

    name: str
    findings: tuple[Finding, ...]
    recording: Recording | None = None
    facts: dict = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it can be scored."""
        return not self.errors

    @property
    def errors(self) -> list[Finding]:
        """Findings that forbid its use."""
        return [f for f in self.findings if f.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """Findings that a user should know."""
        return [f for f in self.findings if f.level == "warning"]

    def to_frame(self) -> pd.DataFrame:
        """level, what, fix, one row per finding."""
        return pd.DataFrame(
            [(f.level, f.what, f.fix) for f in self.findings], columns=["level", "what", "fix"]
        )

    @property
    def counts(self) -> str:
        """``1 error, 2 warnings``."""
        return f"{plural(len(self.errors), 'error')}, {plural(len(self.warnings), 'warning')}"

    def __str__(self) -> str:
        verdict = "can be used" if self.ok else "cannot be used as it is"
        lines = [f"{self.name}: {verdict} ({self.counts})"]
        for finding in self.findings:
            lines.append(
                f"  {finding.level:<8} {finding.what}"
                + (f"\n           -> {finding.fix}" if finding.fix else "")
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Places:
    """Where stimuli and responses stand: lines of the file where there is one, else ids.

    Parameters
    ----------
    recording : Recording
    source : Understood or None
        The file that it was read from.
    """

    recording: Recording
    source: Understood | None

    def of(self, stimuli: Iterable[int]) -> str:
        """Of stimuli, as numbers from 0."""
        stimuli = list(stimuli)
        if self.source is not None:
            return self.source.places(stimuli)
        more = f" and {len(stimuli) - 5} more" if len(stimuli) > 5 else ""
        return (
            ", ".join(f"stimulus {self.recording.stimuli.index[row]}" for row in stimuli[:5]) + more
        )

    def of_responses(self, mask: np.ndarray) -> str:
        """Of responses, as a mask (n_stimuli, n_targets)."""
        return (
            self.of(np.flatnonzero(mask.any(axis=1)))
            if self.source is None
            else self.source.places_of(mask)
        )
