"""Sweeps seen from the page: what is done, cached, failed, and the plan of what is selected, for a cluster."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import panel as pn
import panel_material_ui as pmui

from analysis.protocol import PRESETS, preset
from analysis.store.store import Store
from analysis.sweep.board import Standing, Sweep, standing, sweeps
from analysis.sweep.plan import Plan
from dashboards.look.look import MONO, Html, Words, heading, note, plain
from dashboards.look.session import in_session
from dashboards.state import Selection
from dashboards.work.desk import Desk
from dashboards.work.jobs import duration
from data.catalog.catalog import entries
from data.errors import BrainLensError
from data.files import guarded

__all__ = ["Sweeps", "plan_of"]

EVERY = 4000
"""Milliseconds between two looks at a sweep that goes on."""
ROWS = 200
"""Models of a grid that are shown."""
_COLOURS = {
    "done": "#2e7d32",
    "cached": "#2e7d3266",
    "running": "#1565c0",
    "failed": "#c62828",
    "blocked": "#c6282866",
    "waiting": "transparent",
}
_ON = {"done": "#fff", "running": "#fff", "failed": "#fff"}


class Sweeps(pmui.Column):
    """The plan of the selection to take away, and the grid of every sweep of this store, whoever works on it.

    Parameters
    ----------
    selection : Selection
    desk : Desk
        Where looking runs.
    """

    def __init__(self, selection: Selection, desk: Desk):
        self._selection, self._desk = selection, desk
        self._seen, self._front, self._beat = None, False, None
        self._planned = note(margin=(4, 10))
        self.plan = pmui.FileDownload(
            label="Plan (TOML)",
            callback=lambda: io.BytesIO(plan_of(selection).toml().encode()),
            filename="plan.toml",
            size="small",
            icon="playlist_add_check",
            margin=(4, 10),
            description="Models x recordings x protocols of the page, to run on a cluster",
        )
        self._commands = Words(
            "brainlens sweep run plan.toml --runner processes --workers 8\n"
            "brainlens sweep submit plan.toml --workers 32 --sbatch=--partition=short",
            margin=(4, 10, 12, 10),
            styles={"font-family": MONO, "font-size": "0.8rem", "white-space": "pre-wrap"},
        )
        self.which = pmui.Select(
            label="Sweep", options=[], size="small", width=360, margin=(8, 10), visible=False
        )
        self._filling = False
        self.which.param.watch(lambda _: None if self._filling else self.look(), "value")
        self._words = note("Looking ...", margin=(4, 10))
        self._bar = pmui.LinearProgress(
            value=0,
            variant="determinate",
            sizing_mode="stretch_width",
            margin=(4, 10),
            visible=False,
        )
        self._grid = Html(
            "", sizing_mode="stretch_width", margin=(8, 10), styles={"overflow-x": "auto"}
        )
        act = dict(size="small", variant="outlined", margin=(4, 4, 4, 10), visible=False)
        self.compare = pmui.Button(
            label="Open Compare", icon="leaderboard", on_click=lambda _: self._open(), **act
        )
        self.table = pmui.FileDownload(
            label="Scores (CSV)", callback=self._scores, filename="scores.csv", icon=None, **act
        )
        self._withheld = note(margin=(4, 10), visible=False)
        self._errors = Words(
            "", margin=(4, 10), styles={"white-space": "pre-wrap", "overflow-wrap": "anywhere"}
        )
        super().__init__(
            heading("All of this on a cluster", "h5", margin=(12, 10, 0, 10)),
            self._planned,
            self.plan,
            self._commands,
            heading("Sweeps of this store", "h5", margin=(12, 10, 0, 10)),
            self.which,
            self._words,
            self._bar,
            self._grid,
            pmui.Row(self.compare, self.table, margin=0),
            self._withheld,
            self._errors,
            sizing_mode="stretch_width",
            margin=0,
        )
        selection.param.watch(
            self._say_plan, ["models", "recording", "ranked", "preset", "changes", "protocols"]
        )
        self._say_plan()

    # ---- the plan --------------------------------------------------------------------------------------------------------
    def _say_plan(self, *_) -> None:
        try:
            plan = plan_of(self._selection)
        except BrainLensError as error:
            self._planned.object, self.plan.disabled = str(error), True
            return
        self.plan.disabled = False
        self._planned.object = (
            f"{_count(plan.models, 'model')} x {_count(plan.recordings, 'recording')} x {_count(plan.protocols, 'protocol')} as "
            "selected on the page: take the plan to where BrainLens and the recordings are, and run one of the commands there. "
            "What a shared store (BRAINLENS_HOME) gets shows up here."
        )

    # ---- following -------------------------------------------------------------------------------------------------------
    def front(self, there: bool) -> None:
        """Whether somebody looks: then it looks too, every few seconds while a sweep goes on."""
        self._front = there
        if there:
            self.look()
            if self._beat is None and in_session():
                self._beat = pn.state.add_periodic_callback(self._again, period=EVERY)

    def _again(self) -> None:
        if (
            self._front
            and self._selection.lens == "library"
            and (self._seen is None or self._seen.goes_on)
        ):
            self.look()

    def look(self) -> None:
        """Look again, off the page's loop."""
        self._desk.submit(
            f"library:sweeps:{self.which.value or ''}",
            "Looking at the sweeps",
            partial(_seen, self.which.value or ""),
            self._show,
            quiet=True,
        )

    def _show(self, found: tuple[list[str], Standing | None]) -> None:
        names, seen = found
        if list(self.which.options) != names:
            self._filling = True
            self.which.param.update(options=names, value=self.which.value or (seen and seen.name))
            self._filling = False
        if seen is not None and seen.name != self.which.value:
            return  # another one was chosen meanwhile
        self._seen = seen
        there = seen is not None
        for part in (self.which, self._bar, self.compare, self.table):
            part.visible = there
        if not there:
            self._words.object = (
                "None yet: a plan that is run here, or on a cluster with the same store, shows up."
            )
            self._grid.object = self._errors.object = ""
            return
        total, counts = sum(seen.counts.values()), seen.counts
        self._bar.value = round(100 * (counts["done"] + counts["failed"]) / max(total, 1))
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        cost = (
            f" What was computed took {duration(seen.seconds)} (estimated {duration(seen.estimated)})."
            if seen.seconds
            else ""
        )
        resume = f" To go on: brainlens sweep resume {seen.name}" if seen.goes_on else ""
        retry = (
            f" To try again: brainlens sweep resume {seen.name} --retry" if counts["failed"] else ""
        )
        self._words.object = f"{_count(range(total), 'task')}: {said}.{cost}{retry or resume}"
        self._grid.object = grid_html(seen)
        self._errors.object = "\n".join(f"{who}: {why}" for who, why in seen.errors)
        self.table.disabled = not counts["done"]
        self.table.filename = f"{seen.name}.csv"

    def _open(self) -> None:
        """To the ranking, with this sweep's recordings."""
        self._selection.param.update(ranked=list(self._seen.recordings), lens="compare")

    def _scores(self) -> io.BytesIO:
        """The scores that are done; a locked cell leaves without its number, and the file and the page say so."""
        try:
            frame = Sweep.find(self._seen.name).scores()
        except BrainLensError as error:
            self._desk.fail(error, where="sweeps", title="There are no scores to download")
            return io.BytesIO(str(error).encode())
        count = frame.attrs["locked"]
        said = (
            "One score is locked by a prediction: its"
            if count == 1
            else f"{count} scores are locked by predictions: their"
        )
        self._withheld.object = f"{said} row in the file has no number." if count else ""
        self._withheld.visible = bool(count)
        return io.BytesIO(guarded(frame).to_csv(index=False).encode())


def grid_html(seen: Standing) -> str:
    """Models x (recording, protocol) as a table whose cells say their state in words and colour."""
    head = "".join(
        f"<th scope='col' style='padding:2px 8px;text-align:left;font-weight:500'>{plain(on)}<br>{plain(how)}</th>"
        for on, how in seen.grid.columns
    )
    rows = []
    for model, row in seen.grid.head(ROWS).iterrows():
        cells = "".join(_cell("" if one != one else str(one)) for one in row)
        rows.append(
            f"<tr><th scope='row' style='padding:2px 8px;text-align:left;font-weight:400'>{plain(str(model))}</th>{cells}</tr>"
        )
    more = len(seen.grid) - ROWS
    below = (
        f"<p>{more:,} further models: brainlens sweep status {plain(seen.name)}</p>"
        if more > 0
        else ""
    )
    return (
        f"<table aria-label='{plain(seen.name)}' style='border-collapse:separate;border-spacing:3px;font-size:.85rem'>"
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{below}"
    )


def _cell(state: str) -> str:
    return (
        f"<td style='padding:2px 8px;border-radius:3px;border:1px solid #8884;background:{_COLOURS.get(state, 'none')};"
        f"color:{_ON.get(state, 'inherit')}'>{plain(state)}</td>"
    )


def plan_of(selection: Selection) -> Plan:
    """The sweep of what is selected: its models, on its recording and those that are ranked, by its protocols.

    Raises
    ------
    BrainLensError
        Where no model is chosen.
    """
    if not selection.models:
        raise BrainLensError(
            "A plan needs models, and none is selected",
            remedy="Choose models in any lens, or here under Models",
        )
    known = entries(recordings=True)
    recordings = [selection.recording, *(one for one in selection.ranked if one in known)]
    named, changed = [], {}  # protocols that are no presets have names of their own in a plan
    for protocol in [selection.protocol, *map(preset, selection.protocols)]:
        name = protocol.name
        if name not in PRESETS:
            name = f"{name.rstrip('*')}-changed"
            while changed.get(name, protocol) != protocol:
                name += "-too"
            changed[name] = protocol
        named.append(name)
    return Plan(
        f"{len(selection.models)} on {selection.recording.rsplit('/', 1)[-1]}",
        tuple(selection.models),
        tuple(dict.fromkeys(recordings)),
        tuple(dict.fromkeys(named)),
        changed,
    )


def _count(things, word: str) -> str:
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"


def _seen(name: str, report: Callable) -> tuple[list[str], Standing | None]:
    """Names of the sweeps, newest first, and where one of them stands; the newest where none is named."""
    folders = sweeps(Store().root)
    names = [folder.name for folder in folders]
    if not names:
        return [], None
    chosen = name if name in names else names[0]
    return names, standing(Sweep(folders[names.index(chosen)]))
