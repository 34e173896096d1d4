"""The activity drawer: every computation of this process."""

from __future__ import annotations

import panel_material_ui as pmui

from dashboards.look.look import Words, heading, note
from dashboards.work.inbox import Inbox
from dashboards.work.jobs import RUNNER, Runner

__all__ = ["Activity"]

_ICONS = {
    "waiting": "schedule",
    "running": "autorenew",
    "done": "check_circle",
    "failed": "error",
    "cancelled": "cancel",
}
_COLOURS = {"done": "success", "failed": "error", "running": "primary"}


class Activity:
    """A button with the number of running jobs, and a drawer that lists them all."""

    def __init__(self, runner: Runner = RUNNER):
        self._runner = runner
        self._inbox = Inbox(self._show)
        self._list = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.drawer = pmui.Drawer(
            heading("Activity", "h5", margin=(16, 16, 4, 16)),
            note("Everything this program computes, in all windows.", margin=(0, 16, 8, 16)),
            self._list,
            anchor="right",
            size=380,
            open=False,
        )
        self._icon = pmui.IconButton(
            icon="timeline",
            label="Activity",
            color="default",
            margin=0,
            description="Activity: what is being computed",
            on_click=lambda _: self._toggle(),
        )
        self.button = pmui.Badge(
            self._icon, content=0, color="secondary", overlap="circular", offset=(0, 0), margin=0
        )
        runner.watch(self._changed)

    def _toggle(self) -> None:
        self.drawer.open = not self.drawer.open
        self._show()

    def _changed(self) -> None:
        """In a worker's thread."""
        self._inbox.put("jobs", None)

    def _show(self, *_) -> None:
        jobs = self._runner.jobs()
        active = sum(job.active for job in jobs)
        self.button.content = active
        if not self.drawer.open:
            return
        rows = []
        for job in jobs:
            rows.append(
                pmui.Row(
                    pmui.IconButton(
                        icon=_ICONS[job.state],
                        color=_COLOURS.get(job.state, "default"),
                        size="small",
                        label=job.state.capitalize(),
                        description=job.state.capitalize(),
                        margin=0,
                    ),
                    pmui.Column(
                        Words(job.title, margin=(4, 4, 0, 4), styles={"font-weight": "500"}),
                        note(job.words(), margin=(0, 4)),
                        sizing_mode="stretch_width",
                        margin=0,
                    ),
                    sizing_mode="stretch_width",
                    margin=(2, 12),
                )
            )
        self._list.objects = rows or [note("Nothing has been computed yet.", margin=(8, 16))]

    def close(self) -> None:
        """Stop listening."""
        self._inbox.close()
