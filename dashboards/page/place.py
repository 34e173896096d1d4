"""Where one lens stands in the page: its body in the middle, its controls at the side."""

from __future__ import annotations

import panel_material_ui as pmui

__all__ = ["Place"]


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
            part.visible = front

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
