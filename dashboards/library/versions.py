"""Two versions of a recording side by side: asked for on its card, computed off the page's loop."""

from __future__ import annotations

from functools import partial

import panel as pn
import panel_material_ui as pmui

from analysis.answers.versions import compare, sources
from dashboards.figures.screen import draw
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.table import DataTable
from dashboards.look.look import DIALOG, answer, note
from dashboards.work import identity
from dashboards.work.desk import Desk

__all__ = ["VersionsDialog", "comparable", "profiles"]


def comparable(entry) -> tuple[str, str] | None:
    """The two versions of an entry that hold the same words, the older one first; None where it has none."""
    if entry.option != "version" or len(entry.versions) < 2:
        return None
    return f"{entry.id}@{entry.versions[-1]}", f"{entry.id}@{entry.versions[0]}"


def profiles(said) -> FigureSpec:
    """Both lag profiles: t of the surprisal of the words around."""
    frame = said.facts["profile"]
    frame = frame[frame["predictor"] == "surprisal"]
    return FigureSpec(
        "To which word do the times of each version respond?",
        (Mark("line", frame, "lag", "t", colour="version", hover=("version", "word", "t")),),
        "Words back (-1: the next word, 0: the word itself)",
        "t of surprisal",
        (Rule("y", 0.0),),
        answer=said.sentence,
        caption=said.caption,
    )


class VersionsDialog(pmui.Dialog):
    """Choose whose surprisal, see both versions as a figure, in words and as a table.

    Parameters
    ----------
    desk : Desk
        Where the comparison runs.
    """

    def __init__(self, desk: Desk):
        self._desk, self._pair, self._theme = desk, None, "light"
        self.source = pmui.Select(
            label="Surprisal of",
            options=[],
            size="small",
            width=320,
            margin=(6, 10),
            description="Who predicts the words",
        )
        self.source.param.watch(lambda event: self._compare() if event.new else None, "value")
        self._said = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.table = DataTable(name="versions", picked=lambda _: None, height=360)
        self.table.visible = False
        super().__init__(
            self.source,
            self._said,
            self.table,
            title="Two versions",
            width_option="md",
            **DIALOG,
        )

    def show(self, pair: tuple[str, str], theme: str) -> None:
        """Open on two versions of one recording."""
        self._pair, self._theme = pair, theme
        names = sources(pair[0].partition("@")[0])
        self.title = f"{pair[0]} beside {pair[1].partition('@')[2]}"
        self.open = True
        if not names:
            self._said.objects = [
                note("No model that predicts words is on this machine: fetch one under Models.")
            ]
        elif self.source.value in names:
            self.source.options = names
            self._compare()
        else:
            self.source.param.update(options=names, value=names[0])

    def _compare(self) -> None:
        pair, source = self._pair, self.source.value
        self._said.objects = [
            note(f"Reading both versions with the surprisal of {source} ...", margin=(10, 10))
        ]
        self.table.visible = False
        for key in self._desk.under_way("versions:"):
            self._desk.cancel(key)
        self._desk.submit(
            f"versions:{pair}:{identity.recording(pair[0])}:{identity.recording(pair[1])}:{source}",
            f"{pair[0]} and {pair[1]}",
            partial(_work, *pair, source),
            partial(self._got, pair, source),
            failed=self._failed,
        )

    def _failed(self, error: BaseException) -> None:
        self._said.objects = [answer(str(error))]

    def _got(self, pair, source: str, said) -> None:
        if (pair, source) != (self._pair, self.source.value):
            return
        spec = profiles(said)
        verdicts = [
            answer(f"{name}: {verdict}.") for name, verdict in said.facts["verdicts"].items()
        ]
        plot = pn.pane.Bokeh(
            draw(spec, theme=self._theme, height=320), sizing_mode="stretch_width", margin=(4, 10)
        )
        self._said.objects = [
            *verdicts,
            note(said.sentence, margin=(2, 10)),
            plot,
            note(said.caption, margin=(2, 10, 8, 10)),
        ]
        self.table.tables = {"Both versions": said.frame}
        self.table.visible = True
        self.table.look(True)


def _work(first: str, second: str, source: str, report):
    return compare(first, second, source, report=report)
