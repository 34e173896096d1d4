"""Where one lens stands in the page: its body in the middle, its controls at the side."""

from __future__ import annotations

import panel_material_ui as pmui

__all__ = ["AROUND", "OF_ONE_SIZE", "Place"]

AROUND = {"position": "relative"}
"""Of what holds places: one that is behind is as wide as it would be in front."""
OF_ONE_SIZE = {"height": "1px"}
"""The same: what it holds is seen below it, and Bokeh does not lay out all lenses anew since another one is longer."""

_BEHIND = {
    "position": "absolute",
    "top": "-100000px",
    "left": "0",
    "right": "0",
    "max-height": "none",
    "visibility": "hidden",
}
"""A lens that was seen keeps its size above the page, where nobody can scroll to: taken out by ``visible``, the browser measures
and draws all of its parts anew, a fifth of a second. Bokeh lays nothing out when styles change."""
_IN_FRONT = dict.fromkeys(_BEHIND)
"""None takes a style back."""


class Place:
    """The two columns of a lens, which stay in the page whether the lens is made or not."""

    def __init__(self):
        column = dict(sizing_mode="stretch_width", margin=0, visible=False)
        self.body, self.controls = pmui.Column(**column), pmui.Column(**column)

    @property
    def _both(self) -> tuple[pmui.Column, pmui.Column]:
        return self.body, self.controls

    def show(self, front: bool) -> None:
        """Be seen, or not."""
        for part in self._both:
            styles = _IN_FRONT if front else _BEHIND
            if (front or part.visible) and part.styles != styles:
                part.styles = styles
            if front and not part.visible:
                part.visible = True

    @property
    def front(self) -> bool:
        """Whether it is seen."""
        return self.body.visible and self.body.styles != _BEHIND

    def fill(self, lens) -> None:
        """Hold a lens, once."""
        for part, held in zip(self._both, (lens.body, lens.controls), strict=True):
            if part.objects != [held]:
                part.objects = [held]

    def empty(self) -> None:
        """Let go of what Panel made of a lens."""
        self.body.objects = self.controls.objects = []

    def put(self, away: bool) -> None:
        """Let a browser draw the lens, or only know it: what Panel made of its parts stays, which costs half a second."""
        for place in self._both:
            for ref, (model, _) in place._models.items():
                if away and model.data.objects:
                    model.tags = list(
                        model.data.objects
                    )  # what nothing refers to leaves the document
                    model.data.objects = []
                elif not away and model.tags:
                    made = [part._models.get(ref) for part in place.objects]
                    if all(
                        made
                    ):  # else the page is still opening, and Panel puts them there itself
                        model.data.objects = [part for part, _ in made]
                    model.tags = []
