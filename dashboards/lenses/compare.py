"""How do the models rank?"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from analysis.answers.compare import TABLES
from analysis.progress import Report
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.look.look import heading, note
from dashboards.work.ledger import Ledger, Wish
from data.errors import BrainLensError

__all__ = ["Compare"]

KINDS = {"CSV": ".csv", "Parquet": ".parquet", "NetCDF": ".nc"}
NOTES = (
    (
        "mean",
        "Over the chosen recordings; empty where one of them is missing, so that no two means are of different recordings.",
    ),
    (
        "protocol",
        "Every choice behind the number; rows of different protocols never share a mean. analysis.protocol.Protocol.",
    ),
    (
        "interval",
        "95 %, bootstrap over people and stimulus groups, recordings independent; analysis.answers.compare.rank.",
    ),
    (
        "own, imported",
        "Computed here and stored, or brought from a file and checked against its hash; analysis.scoring.results.",
    ),
    (
        "ceiling, layer",
        "Of several recordings: the mean of their ceilings; the layer that most folds use on each.",
    ),
    (
        "published",
        "Tables of the literature by their own rules, on axes of their own; data.published.",
    ),
    (
        "paired difference",
        "The same people and stimulus groups are drawn for both models; analysis.statistics.paired.",
    ),
)


class Compare(Lens):
    """Everything that was scored here, ranked; published tables apart; two models in detail; results in and out.

    The first two of the selection's models are shown in detail.

    Examples
    --------
    >>> Compare().run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "compare", "Compare", "leaderboard"
    question = "How do the models rank?"
    watches = ("models", "ranked", "hidden", "scale", "tables", "pooling")

    def make_controls(self) -> list:
        self._results, self._turn = Ledger(), 0
        wide = dict(sizing_mode="stretch_width", margin=(8, 0, 4, 0))
        self._recordings = pmui.MultiChoice(label="Recordings in the mean (none: all)", options=list(self.selection.ranked),
                                            value=list(self.selection.ranked), **wide)  # fmt: skip
        self._absent = note(margin=(0, 4))
        self._hidden = pmui.MultiChoice(label="Hide models", options=list(self.selection.hidden),
                                        value=list(self.selection.hidden), **wide)  # fmt: skip
        tables = pmui.MultiChoice(
            label="Published tables",
            options=list(TABLES),
            value=list(self.selection.tables),
            **wide,
        )
        for widget, name in (
            (self._recordings, "ranked"),
            (self._hidden, "hidden"),
            (tables, "tables"),
        ):
            self.link(widget, name)
        again = pmui.Button(label="Read the store again", icon="refresh", variant="text", size="small", margin=(4, 0),
                            on_click=lambda _: self.reload())  # fmt: skip
        self._file = pn.widgets.FileDropper(multiple=False, max_file_size="20MB", height=90, sizing_mode="stretch_width",
                                            margin=(4, 0))  # fmt: skip
        self._file.param.watch(self._dropped, "value")
        self._downloads = [
            pmui.FileDownload(label=kind, callback=lambda ending=ending: self.results_file(ending), filename=f"results{ending}",
                              variant="outlined", size="small", icon=None, margin=(4, 6, 4, 0),
                              description=f"All results that are ranked, with their recipes, as {kind}")
            for kind, ending in KINDS.items()
        ]  # fmt: skip
        return [ScalePicker(self.selection), self._recordings, self._absent, self._hidden, tables,
                heading("Two models in detail", "overline", margin=(12, 0, 0, 0)),
                ModelPicker(self.selection), note("The first two, on the first recording of the mean.", margin=(0, 4)),
                heading("Results in and out", "overline", margin=(12, 0, 0, 0)), pmui.Row(*self._downloads, margin=0),
                *self._inlet(),
                again]  # fmt: skip

    # ---- work ----------------------------------------------------------------------------------------------------------
    def reload(self) -> None:
        """Read the store again."""
        self._results, self._turn = Ledger(), self._turn + 1
        self.refresh()

    @property
    def _key(self) -> str:
        return f"board:{id(self)}:{self._turn}"

    @property
    def _board(self) -> pd.DataFrame | None:
        """Every result in the store; None until it was read."""
        return self._results.value(self._key)

    def missing(self) -> list[Computation]:
        if self._board is None:
            wishes = [Wish(self._key, "results in the store", _read, quiet=True)]
        else:
            wishes = [
                Wish(one["key"], "targets", _Targets(one["key"]), quiet=True)
                for one in self._pair() or ()
            ]
        return self._results.computations(wishes)

    def reflect(self, view: View) -> None:
        from analysis.answers.compare import benchmarks, told_apart

        self._absent.object = view.controls.get("absent", "")
        if (board := self._board) is None:
            return
        for widget, options in (
            (self._recordings, [*told_apart(board), *benchmarks()]),
            (self._hidden, board["model"]),
        ):
            options = list(dict.fromkeys([*options, *widget.value]))
            if options != widget.options:
                widget.options = options

    def _split(self) -> tuple[list[str], list[str]]:
        """The chosen recordings that results here are of, and those that none is of."""
        from analysis.answers.compare import known

        names, chosen = known(self._board), self.selection.ranked
        return [name for name in chosen if name in names], [
            name for name in chosen if name not in names
        ]

    def _shown(self) -> pd.DataFrame:
        """The rows behind the ranking."""
        from analysis.answers.compare import known, told_apart

        board = self._board[~self._board["model"].isin(self.selection.hidden)]
        if not self.selection.ranked:
            return board
        names = known(self._board)
        return board[
            told_apart(self._board)[board.index].isin(
                [one for name in self._split()[0] for one in names[name]]
            )
        ]

    def _pair(self) -> tuple[pd.Series, pd.Series] | None:
        """Own results of the first two models on the first recording and protocol that both have."""
        models, board = self.selection.models[:2], self._shown()
        if len(models) < 2:
            return None
        own = board[board["source"] == "own"]
        first, second = (
            own[own["model"] == model].set_index(["data_key", "protocol_key"]) for model in models
        )
        both = [key for key in first.index if key in second.index]
        if not both:
            return None
        return tuple(one.reset_index().set_index(["data_key", "protocol_key"], drop=False).loc[[both[0]]].iloc[0]
                     for one in (first, second))  # fmt: skip

    def _inlet(self) -> list:
        """Where results come in; in a notebook that has not loaded the widget, how they do."""
        if "filedropper" in pn.extension._loaded_extensions:
            return [
                note(
                    "Bring results: CSV, Parquet or NetCDF with model, recording and r.",
                    margin=(4, 0, 0, 0),
                ),
                self._file,
            ]
        words = (
            "Bring results: analysis.scoring.results.bring(path), "
            "or pn.extension('filedropper') for a field to drop them on."
        )
        return [note(words, margin=(4, 0, 0, 0))]

    # ---- in and out ----------------------------------------------------------------------------------------------------
    def results_file(self, ending: str) -> io.BytesIO:
        """The ranked results as a file."""
        from analysis.scoring.results import export

        board = self._shown() if self._board is not None else pd.DataFrame()
        with tempfile.TemporaryDirectory() as folder:
            return io.BytesIO(export(board, Path(folder) / f"results{ending}").read_bytes())

    def _dropped(self, event) -> None:
        for name, content in (event.new or {}).items():
            self.bring(name, content)
        if event.new:
            self._file.value = {}

    def bring(self, name: str, content: bytes | str) -> None:
        """Take a file's results in, or say why not."""
        from analysis.scoring.results import bring

        self.desk.clear("import")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"given{Path(name).suffix.lower()}"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            try:
                bring(path, name=name)
            except BrainLensError as error:
                self.fail(error, where="import", title=f"{name} was not taken in")
                return
        self.reload()

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def view(self) -> View:
        from analysis.answers.compare import detail, methods, paired_methods, published, rank

        choice = self.selection
        pictures, stamps, absent = [], (), []
        if self._board is not None and len(self._board):
            here, absent = self._split()
            if here or not choice.ranked:
                answer = rank(self._board, here, scale=choice.scale, hidden=choice.hidden)
                stamp = (
                    "simulated data"
                    if "simulated" in answer.frame and answer.frame["simulated"].any()
                    else ""
                )
                stamps = (stamp,) if stamp else ()
                ranking = dots(self.question, answer, stamp=stamp, absent=absent)
                told = methods(self._shown(), answer, choice.scale) if len(answer.frame) else ""
                pictures.append(
                    Picture(
                        "Results here",
                        ranking,
                        answer.frame,
                        python=_python(choice, here),
                        methods=told,
                    )
                )
            pair = self._pair()
            each = [] if pair is None else self._results.values(one["key"] for one in pair)
            if len(each) == 2:
                found = detail(*pair, tuple(each))
                pictures.append(Picture("Two models", targets(found, pair), found.frame, python=_python_pair(*pair),
                                        methods=paired_methods(*pair)))  # fmt: skip
        without = f"No result here is of {', '.join(absent)}." if absent else ""
        controls = {"absent": without}
        for name in choice.tables:
            answer = published(name, choice.ranked, hidden=choice.hidden, pooling=choice.pooling)
            spec = dots("Published scores", answer)
            python = _python(choice, choice.ranked, name)
            pictures.append(
                Picture(f"Published: {name}", spec, answer.frame, published=(name,), python=python)
            )
        if not pictures and absent:
            return View(
                empty=f"{without} Choose other recordings for the mean, or none: then it is over all.",
                controls=controls,
            )
        if not pictures or all(one.spec.empty for one in pictures):
            return View(empty="Nothing was scored yet: score a model on the Layers lens, bring a file of results, or choose a "
                        "published table.")  # fmt: skip
        return View(tuple(pictures), stamps, notes=NOTES, controls=controls)


# ---- figures -----------------------------------------------------------------------------------------------------------
def dots(title: str, answer, *, stamp: str = "", absent: Sequence[str] = ()) -> FigureSpec:
    """Models in the order of their means, with intervals where there are any; shares of the ceiling above 1 are flagged."""
    frame = answer.frame[answer.frame["mean"].notna()]
    ends = ("low", "high") if {"low", "high"} <= set(frame) else (None, None)
    known = (
        "entry",
        "mean",
        "low",
        "high",
        "ceiling",
        "layer",
        "n_stimuli",
        "n",
        "of",
        "protocol",
        "source",
    )
    hover = tuple(name for name in known if name in frame)
    share = "share" in answer.axes["y_title"]
    left = f" Chosen too, but no result here is of {', '.join(absent)}." if absent else ""
    return FigureSpec(
        title,
        (Mark("points", frame, "entry", "mean", *ends, colour="model", hover=hover),),
        "",
        answer.axes["y_title"],
        (Rule("y", 0.0), *((Rule("y", 1.0, "ceiling"),) if share else ())),
        answer=answer.sentence,
        caption=answer.caption + left,
        stamp=stamp,
        flag_above=1.0 if share else None,
    )


def targets(found, pair: tuple) -> FigureSpec:
    """One point per target, the first model's r against the second's."""
    return FigureSpec(
        f"{pair[0]['model']} or {pair[1]['model']}?",
        (
            Mark(
                "points",
                found.frame,
                "second",
                "first",
                hover=("target", "first", "second", "difference"),
            ),
        ),
        found.axes["x_title"],
        found.axes["y_title"],
        (Rule("xy", label="as good"),),
        answer=found.sentence,
        caption=found.caption,
        stamp="simulated data" if pair[0]["simulated"] else "",
    )


# ---- helpers -----------------------------------------------------------------------------------------------------------
def _read(report: Report) -> pd.DataFrame:
    from analysis.scoring.results import results

    return results()


class _Targets:
    """A look into the store that holds on to no session."""

    def __init__(self, key: str):
        self._key = key

    def __call__(self, report: Report):
        from analysis.scoring.results import targets

        return targets(self._key)


def _python(choice, recordings: list[str], table: str = "") -> str:
    call = (
        f"published({table!r}, {recordings!r}, hidden={choice.hidden!r}, pooling={choice.pooling!r})" if table
        else f"rank(results(), {recordings!r}, scale={choice.scale!r}, hidden={choice.hidden!r})"
    )  # fmt: skip
    return "\n".join([
        '"""Made by BrainLens: the ranking of the results in the store, or of a published table."""',
        "",
        "from analysis.answers.compare import published, rank",
        "from analysis.scoring.results import results",
        "",
        f"answer = {call}",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("ranking.csv", index=False)',
        "",
    ])  # fmt: skip


def _python_pair(first: pd.Series, second: pd.Series) -> str:
    same = f"source == 'own' and data_key == {first['data_key']!r} and protocol_key == {first['protocol_key']!r}"
    return "\n".join([
        '"""Made by BrainLens: two results on one recording, target by target."""',
        "",
        "from analysis.answers.compare import detail",
        "from analysis.scoring.results import results, targets",
        "",
        f'own = results().query("{same}").set_index("model", drop=False)',
        f"first, second = (own.loc[[model]].iloc[0] for model in {[first['model'], second['model']]!r})",
        'answer = detail(first, second, (targets(first["key"]), targets(second["key"])))',
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("targets.csv", index=False)',
        "",
    ])  # fmt: skip
