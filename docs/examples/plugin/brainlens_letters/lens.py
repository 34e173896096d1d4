"""A lens: does the response grow with the length of a stimulus?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens.controls import RecordingPicker
from dashboards.lens.lens import Lens, Picture, View
from data.catalog.catalog import recording

__all__ = ["Lengths", "lengths"]


def lengths(data) -> tuple[pd.DataFrame, str]:
    """The answer, without a screen: one row per stimulus, and a sentence."""
    frame = pd.DataFrame(
        {
            "item": data.stimuli.index.astype(str),
            "characters": [len(text) for text in data.texts],
            "response": np.nanmean(data.responses.values, axis=1),
        }
    ).dropna()
    r = float(np.corrcoef(frame["characters"], frame["response"])[0, 1])
    return (
        frame,
        f"On {data.id}, the mean response goes with the number of characters by r = {r:.2f}.",
    )


class Lengths(Lens):
    """A point per stimulus: its characters and the mean response to it."""

    slug, label, icon = "lengths", "Lengths", "straighten"
    question = "Does the response grow with the length of a stimulus?"
    watches = ("recording",)

    def make_controls(self) -> list:
        return [RecordingPicker(self.selection)]

    def view(self) -> View:
        data = recording(self.selection.recording)
        frame, sentence = lengths(data)
        spec = FigureSpec(
            self.question,
            (Mark("points", frame, "characters", "response", hover=("item",)),),
            "Characters of the stimulus",
            f"Mean response ({data.unit})",
            answer=sentence,
            caption=f"{len(frame)} stimuli, mean over {data.n_targets} targets.",
            stamp="simulated data" if data.simulated else "",
        )
        return View((Picture("Lengths", spec, frame),))
