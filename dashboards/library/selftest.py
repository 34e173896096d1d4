"""The self-test in the library: one click, green or red, and a report to attach to a paper."""

from __future__ import annotations

import io

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from analysis.selftest.check import GROUPS
from analysis.selftest.run import markdown, selftest, verdict
from dashboards.look.look import heading, note
from dashboards.work.desk import Desk

__all__ = ["SelfTest"]


class SelfTest(pmui.Column):
    """Does this machine compute the right numbers?

    Parameters
    ----------
    desk : Desk
        Where the checks run.
    """

    def __init__(self, desk: Desk):
        self._desk, self._outcomes = desk, []
        self._said = note(
            "Golden values, planted truths and peers' numbers, computed on this machine; nothing is fetched.",
            margin=(4, 10),
        )
        self.button = pmui.Button(
            label="Run the self-test (under a minute)",
            icon="fact_check",
            variant="outlined",
            size="small",
            margin=(4, 10),
            on_click=lambda _: self.run(),
        )
        self.report = pmui.FileDownload(
            label="Report",
            callback=self.file,
            filename="brainlens-selftest.md",
            size="small",
            icon=None,
            margin=(4, 10),
            visible=False,
            description="Every number with its tolerance, to attach to a paper",
        )
        self.table = pn.pane.DataFrame(
            pd.DataFrame(), index=False, sizing_mode="stretch_width", margin=(4, 10)
        )
        self._box = pmui.Column(self.table, sizing_mode="stretch_width", margin=0, visible=False)
        super().__init__(
            heading("Self-test", "h5", margin=(18, 10, 0, 10)),
            self._said,
            pmui.Row(self.button, self.report, margin=0),
            self._box,
            sizing_mode="stretch_width",
            margin=0,
            styles={"max-width": "820px"},
        )

    def run(self) -> None:
        """Run the quick checks off the page's loop."""
        self.button.disabled = True
        self._desk.submit(
            "library:selftest", "Self-test", _tested, self._show, failed=lambda error: self._free()
        )

    def _free(self) -> None:
        self.button.disabled = False

    def _show(self, outcomes: list) -> None:
        self._outcomes = outcomes
        self._said.object = verdict(outcomes)
        rows = [
            (GROUPS[one.check.group], one.check.name, one.state, f"{one.found:.6g}", one.check.expected,
             one.check.tolerance, round(one.seconds, 1), one.words)
            for one in outcomes
        ]  # fmt: skip
        names = ["group", "check", "state", "found", "expected", "tolerance", "s", "why"]
        self.table.object = pd.DataFrame(rows, columns=names)
        self._box.visible = self.report.visible = True
        self._free()

    def file(self) -> io.BytesIO:
        """The report as Markdown."""
        return io.BytesIO(markdown(self._outcomes).encode())


def _tested(report) -> list:
    """In a worker: what each check gave, without the functions in it."""
    from dataclasses import replace

    return [replace(one, check=replace(one.check, number=None)) for one in selftest(report=report)]
