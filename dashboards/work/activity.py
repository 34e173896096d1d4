"""The activity drawer: every computation of this process."""

from __future__ import annotations

from dataclasses import replace

import panel_material_ui as pmui

from dashboards.look.look import Words, heading, note
from dashboards.work.inbox import Inbox
from dashboards.work.jobs import RUNNER, Job, Runner
from data.home import person

__all__ = ["Activity"]

_SIGNS = {"waiting": "…", "running": "▸", "done": "✓", "failed": "!", "cancelled": "×"}
_COLOURS = {"done": "success.main", "failed": "error.main", "running": "primary.main"}


class Activity:
    """A button with the number of running jobs, and a drawer that lists them all, each with its bar, cancel and "tell me".

    Parameters
    ----------
    client : Client, optional
        Tells the user when a job that was asked for has ended.
    runner : Runner
    """

    def __init__(self, client=None, runner: Runner = RUNNER):
        self._client, self._runner, self._person = client, runner, person()
        self._inbox = Inbox(self._show)
        self._asked: set[int] = set()
        self._rows: dict[tuple, _Row] = {}
        self._nothing = note("Nothing has been computed yet.", margin=(8, 16))
        self._list = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._inside = pmui.Column(
            heading("Activity", "h5", margin=(8, 16, 4, 16)),
            note("Everything this program computes, in all windows.", margin=(0, 16, 8, 16)),
            self._list,
            visible=False,  # a drawer that is closed is read out all the same
            sizing_mode="stretch_width",
            margin=0,
        )
        self.drawer = pmui.Drawer(
            self._inside,
            anchor="right",
            size=400,
            variant="persistent",
            open=False,
            # below the header, and over the inspector
            sx={"top": "53px", "height": "calc(100% - 53px)", "zIndex": 1300},
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
            self._icon, content=0, color="secondary", overlap="circular", offset=(0, 0), margin=0,
            width=44,
        )  # fmt: skip
        self.drawer.param.watch(lambda event: setattr(self._inside, "visible", event.new), "open")
        runner.watch(self._changed)

    def _toggle(self) -> None:
        self.drawer.open = not self.drawer.open
        self._show()

    def _changed(self) -> None:
        """In a worker's thread."""
        self._inbox.put("jobs", None)

    def _show(self, *_) -> None:
        jobs = [seen for job in self._runner.jobs() if (seen := self._seen(job)) is not None]
        active = sum(job.active for job in jobs if self._own(job))
        if self.button.content != active:
            self.button.content = active
        for job in jobs:
            if job.number in self._asked and not job.active:
                self._asked.discard(job.number)
                if self._client is not None:
                    self._client.tell(f"{job.title}: {job.state}")
        if self.drawer.open:
            self._fill(jobs)

    def _own(self, job: Job) -> bool:
        return job.of(self._person)

    def _seen(self, job: Job) -> Job | None:
        """What of a job is shown: of another person's only that it stands in the queue, for a title names recordings."""
        if self._own(job):
            return job
        return replace(job, title="Somebody else's computation", what="") if job.active else None

    def _fill(self, jobs: list[Job]) -> None:
        """What is listed already changes in its place: progress takes no button from under the pointer."""
        rows = {}
        for job in jobs:
            key = job.number, job.state, job.number in self._asked
            rows[key] = self._rows.get(key) or _Row(job, self._buttons(job))
            rows[key].show(job)
        self._rows = rows
        there = [row.panel for row in rows.values()] or [self._nothing]
        if there != list(self._list.objects):
            self._list.objects = there

    def _buttons(self, job: Job) -> list:
        if not job.active or not self._own(job):
            return []
        small = dict(size="small", margin=0)
        asked = job.number in self._asked
        tell = pmui.IconButton(
            icon="notifications_active" if asked else "notifications_none",
            label=f"Tell me when {job.title} has ended",
            description="Tell me when it has ended",
            on_click=lambda _: self._tell_me(job),
            **small,
        )
        stop = pmui.IconButton(
            icon="close",
            label=f"Cancel {job.title}",
            description="Cancel, in every window",
            on_click=lambda _: self._runner.stop(job),
            **small,
        )
        return [tell, stop]

    def _tell_me(self, job: Job) -> None:
        self._asked ^= {job.number}
        if job.number in self._asked and self._client is not None:
            self._client.may_tell()
        self._show()

    def close(self) -> None:
        """Stop listening."""
        self._inbox.close()


class _Row:
    """A job in one state, with what may be pressed."""

    def __init__(self, job: Job, buttons: list):
        sign = pmui.Typography(
            _SIGNS[job.state], variant="body1", margin=(4, 6, 0, 0), width=18,
            sx={"color": f"{_COLOURS.get(job.state, 'text.secondary')}"},
        )  # fmt: skip
        self._words = note(job.words(), margin=0)
        self._bar = None
        title = Words(
            job.title,
            margin=(4, 4, 0, 0),
            styles={"font-weight": "500", "overflow-wrap": "anywhere"},
        )
        words = pmui.Column(title, self._words, sizing_mode="stretch_width", margin=0)
        parts = [pmui.Row(sign, words, *buttons, sizing_mode="stretch_width", margin=0)]
        if job.active:
            self._bar = pmui.LinearProgress(
                variant="determinate", value=0, sizing_mode="stretch_width", margin=(2, 8, 4, 24)
            )
            parts.append(self._bar)
        self.panel = pmui.Column(*parts, sizing_mode="stretch_width", margin=(2, 12))

    def show(self, job: Job) -> None:
        """Where it stands now."""
        if (said := job.words()) != self._words.object:
            self._words.object = said
        if self._bar is None:
            return
        known = job.state == "waiting" or job.fraction is not None
        now = {
            "variant": "determinate" if known else "indeterminate",
            "value": round(100 * (job.fraction or 0)) if known else -1,
        }
        if any(getattr(self._bar, name) != value for name, value in now.items()):
            self._bar.param.update(**now)
