"""The first five minutes: what the program answers, one click each, on what ships with it."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui

from dashboards.lenses.training import CHECKPOINTED
from dashboards.look.look import Words, heading, note
from dashboards.state import Selection, defaults
from dashboards.work.score_computations import example

__all__ = ["STEPS", "Welcome"]

FAMILY = ("zoo-causal-200k", "zoo-causal-400k", "zoo-causal-700k", "zoo-causal-1m", "zoo-causal-3m")
"""Models of one family that ship, by size."""

STEPS = (
    (
        "Layers",
        "Which layer of a model predicts a recording best, and how near to the ceiling?",
        lambda: {"lens": "layers"},
    ),
    (
        "Task",
        "Do better next-word predictors of one family predict it better?",
        lambda: {"lens": "task", "models": list(FAMILY)},
    ),
    (
        "Untrained",
        "How much of the score is there before training?",
        lambda: {"lens": "untrained", "seeds": 5},
    ),
    (
        "Training",
        "When in training does the score emerge?",
        lambda: {"lens": "training", "models": [CHECKPOINTED]},
    ),
    (
        "Reading",
        "Does a model's surprisal explain reading times?",
        lambda: {"lens": "reading", "models": list(FAMILY[:2])},
    ),
)
"""Name, question, and the selection that answers it."""


class Welcome(pmui.Column):
    """A strip above the lenses of a fresh page, until it is put away.

    Parameters
    ----------
    selection : Selection
        Set by each step.
    run : callable
        Computes what the lens in front then misses.
    visible : bool
        Whether the page was opened without a link to a view.
    """

    def __init__(self, selection: Selection, run: Callable[[], None], *, visible: bool):
        self._selection, self._run = selection, run
        close = pmui.IconButton(
            icon="close",
            label="Put this away",
            description="Put this away",
            size="small",
            margin=0,
            on_click=lambda _: setattr(self, "visible", False),
        )
        super().__init__(
            pmui.Row(
                heading("The first five minutes", "h6", margin=(6, 10, 0, 10)),
                pmui.Row(sizing_mode="stretch_width"),
                close,
                sizing_mode="stretch_width",
                margin=0,
            ),
            note(
                "Each button answers one question on the built-in example: trained models that are tiny, and a simulated "
                "recording whose truth is known. Nothing is downloaded. Your own models and data: the Library."
            ),
            pmui.FlexBox(
                *map(self._step, range(len(STEPS))),
                sizing_mode="stretch_width",
                gap="4px 10px",
                margin=(2, 4),
            ),
            visible=visible,
            sizing_mode="stretch_width",
            margin=(4, 0, 8, 0),
            styles={
                "border": "1px solid var(--mui-palette-divider, #d9dee4)",
                "border-radius": "8px",
                "padding": "4px",
            },
        )

    def _step(self, place: int):
        name, question, _ = STEPS[place]
        button = pmui.Button(
            label=f"{place + 1}. {name}",
            variant="outlined",
            size="small",
            sizing_mode="stretch_width",
            margin=(2, 2),
            on_click=lambda _: self.take(place),
        )
        return pmui.Column(
            button,
            Words(
                question,
                margin=(0, 6, 6, 6),
                styles={"font-size": "0.8rem", "line-height": "1.35", "opacity": "0.8"},
            ),
            margin=0,
            styles={"flex": "1 1 170px", "min-width": "0"},
        )

    def take(self, place: int) -> None:
        """Show one step; everything else goes back to its default."""
        wanted = {**defaults(), **example(), **STEPS[place][2](), "theme": self._selection.theme}
        self._selection.param.update(
            **{name: value for name, value in wanted.items() if name != "lens"}
        )
        self._selection.lens = wanted["lens"]
        self._run()
