"""How do the models rank?"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import pandas as pd
import panel as pn
import panel_material_ui as pmui
import param

from analysis.answers import compare
from analysis.answers.compare import (
    TABLES,
    benchmarks,
    derived,
    detail,
    methods,
    most_results,
    paired_methods,
    published,
    rank,
    told_apart,
)
from analysis.answers.difference import compare_results, record_of
from analysis.answers.history import history
from analysis.answers.steps import steps
from analysis.paper.methods import bibtex_of_rows
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.scoring.results import export, results, targets
from analysis.store.store import Store
from analysis.sweep.board import finished_since
from dashboards.figures.ranking import courses, dots, two_models
from dashboards.lens.controls import ModelPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.submissions import Submissions
from dashboards.look.dropper import Dropper
from dashboards.look.look import note
from dashboards.look.session import in_session
from dashboards.work.brought import brought
from dashboards.work.identity import promised
from dashboards.work.ledger import Ledger, Wish
from data.errors import BrainLensError

__all__ = ["Compare"]

EVERY = 5000
"""Milliseconds between two looks at what sweeps have finished."""
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
    fields: ClassVar[Mapping[str, param.Parameter]] = {
        "steps": param.Boolean(
            False, doc="Steps of waterfalls and specifications of Trust are ranked too."
        ),
    }
    watches = (
        "models",
        "steps",
        "ranked",
        "hidden",
        "gaps",
        "scale",
        "tables",
        "pooling",
        "facets",
        "folded",
        "columns",
    )

    def make_controls(self) -> dict:
        self._results, self._turn = Ledger(), 0
        self._finished = time.time()
        self._reread = ""  # the submission after which the store was read again
        self.submissions = Submissions(
            self.desk, board=self._to_submit, leaving=self.leaving, changed=self.refresh
        )
        if in_session():
            pn.state.add_periodic_callback(self.follow_sweeps, period=EVERY)
        choice, several = self.selection, pmui.MultiChoice
        self._recordings = self.control(
            several, "ranked", "Recordings (none: fullest)", options=list(choice.ranked)
        )
        self._absent = note(margin=(0, 4))
        self._hidden = self.control(several, "hidden", "Hide models", options=list(choice.hidden))
        tables = self.control(several, "tables", "Published tables", options=list(TABLES))
        self._why = note(margin=(4, 4))
        again = pmui.Button(label="Read the store again", icon="refresh", variant="text", size="small", margin=(4, 0),
                            on_click=lambda _: self.reload())  # fmt: skip
        self._file = Dropper(multiple=False, max_file_size="20MB", height=90,
                                            sizing_mode="stretch_width", margin=(4, 0))  # fmt: skip
        self._file.param.watch(self._dropped, "value")
        self._downloads = [
            pmui.FileDownload(label=kind, filename=f"results{ending}",
                              callback=self.leaving(lambda ending=ending: self.results_file(ending)),
                              variant="outlined", size="small", icon=None, margin=(4, 6, 4, 0),
                              description=f"All results that are ranked, with their recipes, as {kind}")
            for kind, ending in KINDS.items()
        ]  # fmt: skip
        by = {
            "nothing": "",
            **{name: name for name in ("family", "size", "training", "class", "year")},
        }
        facets = self.control(pmui.Select, "facets", "Split by", options=by)
        folded = self.control(pmui.Switch, "folded", "Seeds and checkpoints on their model's line")
        self._columns = self.control(
            several, "columns", "Hide columns", options=list(choice.columns)
        )
        means = {
            "no mean": "empty",
            "it counts as 0": "zero",
            "mean over the shared ones": "shared",
        }
        gaps = self.control(pmui.Select, "gaps", "Where a model lacks a recording", options=means)
        too = self.control(pmui.Switch, "steps", "Steps and specifications too")
        self._left = note(margin=(0, 4))
        return {
            "What": [self._recordings, self._absent, gaps, self._hidden, too, self._left, tables],
            "Two models in detail": [
                ModelPicker(self.selection),
                note("The first two, on the first recording of the mean.", margin=(0, 4)),
            ],
            "View": [ScalePicker(self.selection), facets, folded, self._columns],
            "Results in and out": [
                pmui.Row(*self._downloads, margin=0),
                *self._inlet(),
                again,
                self._why,
            ],
            "Submissions": [self.submissions],
        }

    # ---- work ----------------------------------------------------------------------------------------------------------
    def reload(self) -> None:
        """Read the store again."""
        self._results, self._turn = Ledger(), self._turn + 1
        self.refresh()

    def follow_sweeps(self) -> None:
        """Read the store again where a sweep, here or on a cluster, finished a score since the last look."""
        if not self.in_front:
            return
        newest = finished_since(Store().root, self._finished)
        if newest > self._finished:
            self._finished = newest
            self.reload()

    @property
    def _key(self) -> str:
        return f"board:{id(self)}:{self._turn}:{promised()}"

    @property
    def _every(self) -> pd.DataFrame | None:
        """Every result in the store; None until it was read."""
        return self._results.value(self._key)

    @property
    def _board(self) -> pd.DataFrame | None:
        """The results that are ranked: steps of larger questions only where they are asked for."""
        every = self._every
        return every if every is None or self.selection.steps else every[~every["step"]]

    def _steps_left(self) -> str:
        """How many results are left out since they are steps, and how they come back."""
        left = 0 if self._every is None or self.selection.steps else int(self._every["step"].sum())
        if not left:
            return ""
        return (
            f"{left} {'result is' if left == 1 else 'results are'} left out: steps of waterfalls, specifications and copies "
            "of Trust, with nothing beside them (Steps and specifications too)."
        )

    def missing(self) -> list[Computation]:
        self._read_after()
        if self._board is None:
            wishes = [Wish(self._key, "results in the store", _read, quiet=True)]
        else:
            wishes = [
                Wish(one["key"], "targets", _Targets(one["key"]), quiet=True)
                for one in self._pair() or ()
            ]
        return [*self._results.computations(wishes), *self.submissions.missing()]

    def _read_after(self) -> None:
        """Read the store again once a submission was run: what it computed is ranked too."""
        wish = self.submissions.wish
        if wish is not None and self.submissions.found is not None and self._reread != wish.key:
            self._reread = wish.key
            self._results, self._turn = Ledger(), self._turn + 1

    def reflect(self, view: View) -> None:
        self.submissions.tell()
        self._absent.object = view.controls.get("absent", "")
        self._left.object = self._steps_left()
        if (board := self._board) is None:
            return
        why = self.differences() if len(board) else []
        self._why.object = "\n".join(["Why do numbers of one model differ?", *why] if why else [])
        for widget, options in (
            (self._recordings, [*told_apart(board), *benchmarks()]),
            (self._hidden, sorted(board["model"].unique())),
            (self._columns, [*told_apart(board), *benchmarks()]),
        ):
            options = list(dict.fromkeys([*options, *widget.value]))
            if options != widget.options:
                widget.options = options

    def differences(self) -> list[str]:
        """Why results of one model on one recording differ, the first two of each, for the first three that have several."""
        shown = self._shown()
        several = shown[shown.duplicated(["model", "recording"], keep=False)]
        found = []
        for (model, _), rows in list(several.groupby(["model", "recording"], sort=False))[:3]:
            one, two = (
                record_of(row, f"{model} ({row['source']}, {row['protocol']})")
                for row in rows.head(2).to_dict("records")
            )
            found.append(compare_results(one, two).sentence)
        return found

    def _split(self) -> tuple[list[str], list[str]]:
        """The chosen recordings that results here are of, and those that none is of."""
        names, chosen = compare.known(self._board), self.selection.ranked
        return [name for name in chosen if name in names], [
            name for name in chosen if name not in names
        ]

    def _shown(self) -> pd.DataFrame:
        """The rows behind the ranking."""
        board = self._board[~self._board["model"].isin(self.selection.hidden)]
        if not self.selection.ranked:
            return board
        names = compare.known(self._board)
        return board[
            compare.told_apart(self._board)[board.index].isin(
                [one for name in self._split()[0] for one in names[name]]
            )
        ]

    def _folded(self, here: list[str]) -> list[str]:
        """Seeds, variants and checkpoints that stand on the line of their model, as it has one under each of their protocols.

        Those of a model that is hidden are hidden with it.
        """
        choice = self.selection
        some = (
            [one for one in self._board["model"].unique() if derived(one)] if choice.folded else []
        )
        if not some:
            return []
        frame = rank(
            self._board, here, scale=choice.scale, hidden=choice.hidden, gaps=choice.gaps
        ).frame
        frame = frame[frame["mean"].notna()]
        lines = set(zip(frame["model"], frame.get("protocol_key", ())))
        return [
            one
            for one in some
            if derived(one) in choice.hidden
            or all((derived(one), protocol) in lines for model, protocol in lines if model == one)
        ]

    def _below(self, here: list[str], folded: list[str]) -> pd.DataFrame:
        """The results of what is folded, by the model and protocol they stand under."""
        nothing = pd.DataFrame(columns=["model", "protocol_key", "mean", "condition"])
        some = self._board[self._board["model"].isin(folded)]
        if some.empty:
            return nothing
        try:
            frame = rank(some, here, scale=self.selection.scale, hidden=self.selection.hidden).frame
        except BrainLensError:  # none of them on this recording
            return nothing
        frame = frame[frame["mean"].notna()]
        return pd.DataFrame(
            {
                "model": frame["model"].map(derived),
                "protocol_key": frame["protocol_key"],
                "mean": frame["mean"],
                "condition": frame["model"],
            }
        )

    def _others(self, here: list[str]) -> str:
        """Why the ranking is of these recordings, where none was chosen."""
        rest = [one for one in dict.fromkeys(told_apart(self._board)) if one not in here]
        if self.selection.ranked or not rest:
            return ""
        left = f"{', '.join(rest[:4])} {'is' if len(rest) == 1 else 'are'} left out until chosen"
        return f"Shown is the recording with most results; {left}."

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

    def _history(self, here: list[str], folded: list[str]) -> list[Picture]:
        """Ranks over versions, where several versions have results on the same recordings."""
        board = self._board[~self._board["model"].isin([*self.selection.hidden, *folded])]
        if board.empty:
            return []
        answer = history(board, here, scale=self.selection.scale)
        if answer.frame["version"].nunique() < 2:
            return []
        python = _python_history(self.selection, here)
        paper = partial(beside, answer.caption, models=list(dict.fromkeys(answer.frame["model"])))
        return [Picture("Over versions", courses(answer), answer.frame, python=python, paper=paper)]

    def _inlet(self) -> list:
        """Where results come in; in a notebook that has not loaded the widget, how they do."""
        if "filedropper" in pn.extension._loaded_extensions:
            return [
                note(
                    "Bring results: CSV, Parquet or NetCDF with model, recording and r, a capsule (.zip), or a submission "
                    "(.json) to be run again.",
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
        board = self._shown() if self._board is not None else pd.DataFrame()
        with tempfile.TemporaryDirectory() as folder:
            return io.BytesIO(export(board, Path(folder) / f"results{ending}").read_bytes())

    def _dropped(self, event) -> None:
        for name, content in (event.new or {}).items():
            self.bring(name, content)
        if event.new:
            self._file.value = {}

    def _to_submit(self) -> pd.DataFrame:
        return self._shown() if self._board is not None else pd.DataFrame(columns=["source"])

    def bring(self, name: str, content: bytes | str) -> None:
        """Take a file's results in, off the page's loop, or say why not; those of a submission are run again first."""
        self.desk.clear("import")
        given = content.encode() if isinstance(content, str) else bytes(content)
        if name.lower().endswith(".json"):
            self.submissions.take(name, given)
            return
        self.desk.submit(
            f"import:{name}:{hash(given)}", f"Results of {name}", partial(brought, name, given),
            lambda _: self.reload(), quiet=True,
        )  # fmt: skip

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def _ranking(self, here: list[str], absent: list[str], folded: list[str]) -> Picture:
        """The results that are here, ranked, as a picture that brings what makes it again."""
        choice = self.selection
        answer = rank(
            self._board,
            here,
            scale=choice.scale,
            hidden=[*choice.hidden, *folded],
            gaps=choice.gaps,
        )
        simulated = "on_simulated" in answer.frame and answer.frame["on_simulated"].any()
        ranking = dots(
            self.question,
            answer,
            stamp="simulated data" if simulated else "",
            absent=absent,
            folded=self._below(here, folded),
            others=" ".join(filter(None, (self._others(here), self._steps_left()))),
            facets=choice.facets,
            left_out=choice.columns,
        )
        shown = self._shown()
        told = methods(shown, answer, choice.scale) if len(answer.frame) else ""
        paper = partial(_paper, told, list(shown["provenance"]))
        common = {"python": _python(choice, here), "methods": told, "paper": paper}
        return Picture("Results here", ranking, answer.frame, **common)

    def view(self) -> View:
        choice = self.selection
        pictures, stamps, absent = self.submissions.pictures(), (), []
        if self._board is not None and len(self._board):
            here, absent = self._split()
            if here or not choice.ranked:
                here = here or [most_results(self._board)]
                folded = self._folded(here)
                ranking = self._ranking(here, absent, folded)
                stamps = (ranking.spec.stamp,) if ranking.spec.stamp else ()
                pictures += [ranking, *self._history(here, folded)]
            pair = self._pair()
            each = [] if pair is None else self._results.values(one["key"] for one in pair)
            if len(each) == 2:
                found = detail(*pair, tuple(each))
                told = paired_methods(*pair)
                paper = partial(_paper, told, [one["provenance"] for one in pair])
                common = {"python": _python_pair(*pair), "methods": told, "paper": paper}
                pictures.append(
                    Picture("Two models", two_models(found, pair), found.frame, **common)
                )
        without = f"No result here is of {', '.join(absent)}." if absent else ""
        controls = {"absent": without}
        for name in choice.tables:
            answer = published(name, choice.ranked, hidden=choice.hidden, pooling=choice.pooling)
            spec = dots("Published scores", answer, facets=choice.facets, left_out=choice.columns)
            python = _python(choice, choice.ranked, name)
            pictures.append(
                Picture(f"Published: {name}", spec, answer.frame, published=(name,), python=python)
            )
        if not pictures and self.submissions.waits:
            return View(empty=self.submissions.waits, action=("Run", self.run), controls=controls)
        if not pictures and absent:
            return View(
                empty=f"{without} Choose other recordings for the mean, or none: then it is over all.",
                controls=controls,
            )
        if not pictures or all(one.spec.empty for one in pictures):
            return View(empty="Nothing was scored yet: score a model on the Layers lens, bring a file of results, or choose a "
                        "published table.")  # fmt: skip
        return View(tuple(pictures), stamps, notes=NOTES, controls=controls)


# ---- helpers -----------------------------------------------------------------------------------------------------------
def _paper(told: str, provenance: list) -> tuple[str, str]:
    """Methods paragraph, and references of what the rows say of themselves."""
    return told, bibtex_of_rows(provenance)


def _read(report: Report) -> pd.DataFrame:
    found = results()
    return found.assign(step=steps(found))


class _Targets:
    """A look into the store that holds on to no session."""

    def __init__(self, key: str):
        self._key = key

    def __call__(self, report: Report):
        return targets(self._key)


def _python(choice, recordings: list[str], table: str = "") -> str:
    rows = _rows(choice)
    call = (
        f"published({table!r}, {recordings!r}, hidden={choice.hidden!r}, pooling={choice.pooling!r})" if table
        else f"rank({rows}, {recordings!r}, scale={choice.scale!r}, hidden={choice.hidden!r}, "
        f"gaps={choice.gaps!r})"
    )  # fmt: skip
    return "\n".join([
        '"""Made by BrainLens: the ranking of the results in the store, or of a published table."""',
        "",
        "from analysis.answers.compare import published, rank",
        *_needed(rows if not table else ""),
        "",
        f"answer = {call}",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("ranking.csv", index=False)',
        "",
    ])  # fmt: skip


def _rows(choice) -> str:
    """The code of the results that are ranked."""
    return "results()" if choice.steps else "headlines(results())"


def _needed(rows: str) -> list[str]:
    """The imports of that code."""
    found = ["from analysis.answers.steps import headlines"] if "headlines" in rows else []
    return found + (["from analysis.scoring.results import results"] if rows else [])


def _python_history(choice, recordings: list[str]) -> str:
    rows = _rows(choice)
    return "\n".join([
        '"""Made by BrainLens: ranks over versions."""',
        "",
        "from analysis.answers.history import history",
        *_needed(rows),
        "",
        f"answer = history({rows}, {recordings!r}, scale={choice.scale!r})",
        "print(answer.sentence)",
        'answer.frame.to_csv("history.csv", index=False)',
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
