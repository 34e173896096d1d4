"""Submissions on the page: results handed in by another lab, run again here; and own ones written for another lab."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import panel_material_ui as pmui

from analysis.paper.methods_answers import beside
from analysis.scoring.submission import receipt_of, submit, was_changed
from dashboards.figures.ranking import again
from dashboards.lens.view import Picture
from dashboards.look.look import note
from dashboards.work.computation import Computation
from dashboards.work.desk import Desk
from dashboards.work.ledger import Ledger
from dashboards.work.submission_computations import read_told, verification
from data.counts import plural

__all__ = ["Submissions"]


class Submissions(pmui.Column):
    """Write a submission, and what became of one that was handed in.

    Parameters
    ----------
    desk : Desk
        Where a file is read.
    board : callable
        Gives the results that are shown.
    leaving : callable
        Makes the callback of a download tell its errors on the page.
    changed : callable
        Called when another file was handed in, or it was put away.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        board: Callable[[], pd.DataFrame],
        leaving: Callable,
        changed: Callable[[], None],
    ):
        self._desk, self._board, self._changed = desk, board, changed
        self._checked = Ledger()
        self._name, self._told = "", None
        act = dict(size="small", variant="outlined", icon=None, margin=(4, 6, 4, 0))
        self.lab = pmui.TextInput(
            label="Who submits", placeholder="a lab, a person", size="small", sizing_mode="stretch_width", margin=(8, 0, 2, 0)
        )  # fmt: skip
        self.write = pmui.FileDownload(
            label="Submission (JSON)", filename="submission.json", callback=leaving(self.file),
            description="The own results that are ranked, with hashes of weights and data and every choice, to be run again",
            **act,
        )  # fmt: skip
        self._said = note(margin=(4, 4), visible=False)
        self.receipt = pmui.FileDownload(
            label="Receipt (JSON)", filename="receipt.json", callback=leaving(self.receipt_file), visible=False,
            description="What came out here, with the submission's hash, for whoever submitted", **act,
        )  # fmt: skip
        self.away = pmui.Button(
            label="Put it away", size="small", variant="text", margin=(4, 0), visible=False, on_click=lambda _: self.put_away()
        )  # fmt: skip
        super().__init__(
            note("A submission holds results for another lab to run again. Drop one above to run it again here.", margin=(4, 0)),
            self.lab,
            self.write,
            self._said,
            pmui.Row(self.receipt, self.away, margin=0),
            sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip

    # ---- out -----------------------------------------------------------------------------------------------------------
    def file(self) -> io.BytesIO:
        """The own results that are ranked, as a submission."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "submission.json"
            submit(path, lab=(self.lab.value or "").strip(), board=self._board())
            return io.BytesIO(path.read_bytes())

    def receipt_file(self) -> io.BytesIO:
        """What came out, for whoever submitted."""
        return io.BytesIO(receipt_of(self.found).encode())

    # ---- in ------------------------------------------------------------------------------------------------------------
    def take(self, name: str, content: bytes) -> None:
        """Read a file that was handed in, off the page's loop."""
        self._desk.submit(
            f"handed-in:{name}:{hash(content)}", name, partial(read_told, content, name), partial(self._taken, name), quiet=True
        )  # fmt: skip

    def _taken(self, name: str, told: dict) -> None:
        self._name, self._told = name, told
        self._changed()

    def put_away(self) -> None:
        """Forget what was handed in."""
        self._name, self._told = "", None
        self._changed()

    @property
    def wish(self):
        """What is asked for: every row run again; None where nothing was handed in."""
        return None if self._told is None else verification(self._told)

    @property
    def found(self):
        """The Verification of what was handed in, or None."""
        return None if self._told is None else self._checked.value(self.wish.key)

    def missing(self) -> list[Computation]:
        """What is to be run."""
        return self._checked.computations([self.wish]) if self._told is not None else []

    @property
    def waits(self) -> str:
        """Why there is no outcome of what was handed in, in words; empty where there is one, or nothing was handed in."""
        if self._told is None or self.found is not None:
            return ""
        return f"{self._name} has not been run again. Press Run (or the key r)."

    def tell(self) -> None:
        """Say what was handed in, and show what can be done with it."""
        told, found = self._told, self.found
        self._said.object = self._words() if told is not None else ""
        self._said.visible = self.away.visible = told is not None
        self.receipt.visible = found is not None

    def _words(self) -> str:
        rows = self._told["rows"]
        lab = f" of {self._told['lab'][:60]}" if self._told["lab"] else ""
        models, recordings = ({row[name] for row in rows} for name in ("model", "recording"))
        said = (
            f"{self._name}{lab}: {plural(len(rows), 'result')} of {plural(len(models), 'model')} on "
            f"{plural(len(recordings), 'recording')}."
        )
        if edited := [row for row in rows if was_changed(row)]:
            first = f"{edited[0]['model']} on {edited[0]['recording']}"
            said += f" Changed after it was written: {plural(len(edited), 'result')} (first: {first}); such a one is not run."
        elif not self._told["whole"]:
            said += " The file was changed after it was written."
        if self.found is not None:
            said += f" {self.found.sentence()}"
        return said

    def pictures(self) -> list[Picture]:
        """What came out, as a picture."""
        if (found := self.found) is None:
            return []
        simulated = any(row.get("simulated") is True for row in self._told["rows"])
        spec = again(found, self._name, "simulated data" if simulated else "")
        models = list(dict.fromkeys(found.table.loc[found.table["here"].notna(), "model"]))
        paper = partial(beside, f"{found.sentence()} {spec.caption}", models=models)
        code = _PYTHON.format(name=self._name)
        return [Picture("Submission", spec, found.table, python=code, paper=paper)]


_PYTHON = '''"""Made by BrainLens: the results of a submission, run again here."""

from analysis.scoring.submission import verify

found = verify({name!r})
print(found.sentence())
found.table.to_csv("verification.csv", index=False)
'''
