"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

import panel_material_ui as pmui

from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens import Lens, View

__all__ = ["Task"]


class Task(Lens):
    """Score against perplexity, size or width: the published 43 models, and own scores beside them."""

    slug, label, icon = "task", "Task", "scatter_plot"
    question = "Does better next-word prediction mean a better brain score?"
    watches = ("benchmark", "x", "models", "recording", "preset", "changes")

    def make_controls(self) -> list:
        return [pmui.Select(label="Benchmark", options=["pereira2018"], sizing_mode="stretch_width")]

    def view(self) -> View:
        from data.published import schrimpf2021, schrimpf2021_tasks

        scores = schrimpf2021().query("variant == 'trained' and benchmark == @self.selection.benchmark")
        tasks = schrimpf2021_tasks().query("variant == 'trained'")
        frame = scores.merge(tasks[["model", "wikitext2_ppl"]], on="model")
        spec = FigureSpec(self.question, (Mark("points", frame, "wikitext2_ppl", "score", colour="model"),), x_title="Perplexity on WikiText-2",
                          y_title="Normalised predictivity", log_x=True, invert_x=True, answer="Stand-in answer.", caption="Stand-in caption.")
        return View(spec, frame)
