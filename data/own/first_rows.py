"""The first rows of a recording as they were understood: what a person who brought the file looks at before it counts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.recording import Recording

__all__ = ["first_rows"]

FOLLOWS = 40  # characters of the text before that are shown


def first_rows(recording: Recording, count: int = 8, targets: int = 4) -> pd.DataFrame:
    """The first stimuli of a recording as they were understood, to be shown beside the report of a check.

    A page shows ``first_rows(report.recording)`` of :func:`data.own.validation.check` where the file could be read; it is not in
    the report itself, for it holds what was measured.

    Parameters
    ----------
    recording : Recording
    count : int
        Rows.
    targets : int
        Targets; of a recording of people these are of different people as long as there are some.

    Returns
    -------
    pandas.DataFrame
        ``stimulus`` (id); ``text``; ``follows``: the end of what the model has read before it in one text, with the blank that
        joins them, empty where a text begins; ``held out with``: the label of its group, empty where none is known; ``measured``:
        how many targets have a response; then one column per target, ``target, person (region)`` with the unit where it is
        known, NaN where it was not measured. ``attrs``: ``rows`` and ``targets``, how many there are in all; ``people``, how many
        (0: averaged or not known); ``unit``; ``joiner``.

    Examples
    --------
    >>> from data.catalog.catalog import recording
    >>> shown = first_rows(recording("simulated"), count=2, targets=1)
    >>> list(shown.columns[:5]), len(shown)
    (['stimulus', 'text', 'follows', 'held out with', 'measured'], 2)
    """
    values = recording.responses.values
    shown = np.arange(min(count, recording.n_stimuli))
    frame = pd.DataFrame(
        {
            "stimulus": [str(one) for one in recording.stimuli.index[shown]],
            "text": [str(recording.stimuli["text"].iloc[row]).strip() for row in shown],
            "follows": _follows(recording, shown),
            "held out with": _labels(recording, recording.group)[shown],
            "measured": np.isfinite(values[shown]).sum(axis=1),
        }
    )
    for target in _some(recording, targets):
        frame[_name(recording, target)] = values[shown, target]
    people = recording.subjects
    frame.attrs = {
        "rows": recording.n_stimuli,
        "targets": recording.n_targets,
        "people": 0 if people is None else len(set(people)),
        "unit": recording.unit,
        "joiner": recording.joiner,
    }
    return frame


def _labels(recording: Recording, column: str | None) -> np.ndarray:
    if column is None:
        return np.full(recording.n_stimuli, "", dtype=object)
    return np.array([str(one) for one in recording.column(column)], dtype=object)


def _follows(recording: Recording, rows: np.ndarray) -> list[str]:
    """The end of what stands before each row in its text."""
    if recording.context is None or recording.presentation is not None:
        return [""] * len(rows)
    texts, blanks = recording.texts, recording.before
    last: dict[str, str] = {}
    found = []
    for row, label in zip(rows.tolist(), _labels(recording, recording.context)[rows], strict=True):
        before = last.get(label)
        blank = blanks[row] if before is not None else ""
        whole = "" if before is None else before + blank
        found.append(whole if len(whole) <= FOLLOWS else f"… {whole[-FOLLOWS:].lstrip()}")
        last[label] = whole + texts[row]
    return found


def _some(recording: Recording, count: int) -> list[int]:
    """Targets to show: the first of each person, then the others in their order."""
    people = recording.subjects
    if people is None:
        return list(range(min(count, recording.n_targets)))
    first = [int(np.flatnonzero(people == one)[0]) for one in dict.fromkeys(people.tolist())]
    rest = [target for target in range(recording.n_targets) if target not in set(first)]
    return sorted([*first, *rest][:count])


def _name(recording: Recording, target: int) -> str:
    """A target as a reader calls it: its name, whose it is, where it lies, its unit."""
    one = recording.responses.isel(target=target)
    name = str(one["target"].values)
    said = [name]
    if recording.subjects is not None and (who := str(recording.subjects[target])) != name:
        said.append(who)
    where = str(one["region"].values) if "region" in recording.responses.coords else ""
    if where and where != name:
        said[-1] += f" ({where})"
    unit = f" [{recording.unit}]" if recording.unit and recording.unit != "a.u." else ""
    return ", ".join(said) + unit
