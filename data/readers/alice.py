"""Alice in Wonderland, chapter 1, heard in the scanner (Brennan et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from data.errors import BrainLensError, unknown
from data.language import blanks
from data.presentation import Presentation, sample_table
from data.recording import Recording
from data.stories.words import read_words

__all__ = ["REGIONS", "SILENCE", "alice2016"]

REGIONS = ("LATL", "RATL", "LPTL", "LIPL", "LPreM", "LIFG")
INTERVAL, SAMPLES, DISCARDED, SILENCE = 2.0, 362, 10, 20.0
"""Seconds a volume; volumes kept; volumes discarded before them; seconds of silence before the first word.

The ten discarded volumes last as long as the silence, so that the first kept one begins where the story does."""
CONSTANT = ("s33",)
"""People whose time courses do not vary."""
RADII = ("6mm", "10mm")


def alice2016(
    paths: Sequence[Path], *, radius: str = "6mm", words_at: float = -SILENCE, **facts
) -> Recording:
    """Six regions of 27 people, 362 volumes of 2 s, 2,127 words with onsets.

    Parameters
    ----------
    paths : sequence of path-like
        The files as their authors shared them: time courses, motion, sound power, word rate, the TextGrid.
    radius : str
        Of the spheres around the six centres: ``"6mm"`` or ``"10mm"``.
    words_at : float
        Seconds added to the TextGrid's times. -20 is right (ten volumes were discarded, the sound began with 20 s of
        silence); 0 is the mistake that the doctor finds.

    Returns
    -------
    Recording
        Targets ``person.region``; nuisance: sound power, and six columns of motion by person. The authors' own convolved
        word rate stands in the table of samples as ``rate_convolved``.

    Raises
    ------
    BrainLensError
        For an unknown radius or files of another shape.

    Notes
    -----
    Source: Brennan, Stabler, Van Wagenen, Luh & Hale 2016, doi 10.1016/j.bandl.2016.04.008. Tables of motion
    and of the authors' predictors have 372 rows: their first ten belong to discarded volumes.
    """
    if radius not in RADII:
        raise unknown("radius of alice2016", radius, RADII)
    by_name = {(path.parent.name, path.name): path for path in map(Path, paths)}
    courses = {
        name.split("-")[0]: path
        for (folder, name), path in sorted(by_name.items())
        if folder == radius and name.endswith("-timecourses.txt")
    }
    people = [person for person in courses if person not in CONSTANT]
    values = [_numbers(courses[person], (SAMPLES, len(REGIONS))) for person in people]
    grid = next(path for (_, name), path in by_name.items() if name.endswith(".TextGrid"))
    words = read_words(grid, run="story")
    words[["onset", "offset"]] += words_at
    presentation = Presentation(words, INTERVAL)
    table = sample_table(presentation, {"story": SAMPLES})
    ids = table.index.to_numpy()
    predictors = next(path for (_, name), path in by_name.items() if name.startswith("sept18"))
    table["rate_convolved"] = _numbers(predictors, (SAMPLES + DISCARDED, 12))[DISCARDED:, 0]

    def beside(columns: list[np.ndarray]) -> xr.DataArray:
        return xr.DataArray(
            np.column_stack(columns),
            dims=("stimulus", "subject"),
            coords={"stimulus": ids, "subject": np.array(people, object)},
        )

    def of(person: str, part: str) -> Path:
        hits = [p for (_, name), p in by_name.items() if name.startswith(f"{person}-{part}")]
        if not hits:
            raise BrainLensError(f"alice2016: {person} has no file {part!r}", remedy="Fetch again")
        return hits[0]

    motion = {p: _numbers(of(p, "rp_"), (SAMPLES + DISCARDED, 6))[DISCARDED:] for p in people}
    nuisance = {
        # the same sound for everybody: the files differ in the sixth digit only
        "sound-power": beside([_numbers(of(p, "sndpwr"), (SAMPLES, 1))[:, 0] for p in people]).mean(
            "subject"
        ),
        **{f"motion-{i + 1}": beside([motion[p][:, i] for p in people]) for i in range(6)},
    }
    targets = [f"{person}.{region}" for person in people for region in REGIONS]
    responses = xr.DataArray(
        np.hstack(values),
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            "target": np.array(targets, object),
            "subject": ("target", np.repeat(np.array(people, object), len(REGIONS))),
            "region": ("target", np.tile(np.array(REGIONS, object), len(people))),
        },
    )
    left_out = [person for person in courses if person in CONSTANT]
    clitics = blanks(list(words["text"]), "treebank").count("")
    notes = [
        f"{radius} spheres; {len(people)} people x {len(REGIONS)} regions x {SAMPLES} volumes of 2 s",
        f"left out: {', '.join(left_out)} (a time course that does not vary)" if left_out else "",
        f"{clitics} clitics such as 's are words of their own with their own times, and are read without a blank before them",
        f"{words.attrs.get('silent', 0)} silent intervals of the TextGrid are no words",
        "" if words_at == -SILENCE else f"words moved by {words_at:g} s instead of -20 s",
    ]
    return Recording(
        responses=responses,
        stimuli=table,
        kind="fmri",
        unit="a.u.",
        scored_unit="tr",
        context="run",
        joiner="treebank",
        notes=tuple(filter(None, notes)),
        presentation=Presentation(words, INTERVAL, nuisance),
        **{"id": "alice2016", **facts},
    )


def _numbers(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """The table of numbers in a text file, of exactly this shape."""
    try:
        values = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise BrainLensError(f"{path.name}: {error}", remedy="Fetch the file again") from None
    if values.shape != shape:
        raise BrainLensError(
            f"{path.name} holds {values.shape[0]} x {values.shape[1]} numbers, not {shape[0]} x {shape[1]}",
            remedy="Fetch the file again",
        )
    return values
