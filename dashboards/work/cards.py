"""What a computation shows of itself: its progress, its error."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui

from dashboards.look.look import MONO, Words, heading, note, plain
from dashboards.work.jobs import Job
from data.errors import BrainLensError, memory_error
from data.files import no_room

__all__ = ["ErrorCard", "ProgressRow", "explain"]


class ErrorCard(pmui.Paper):
    """An error that stays until it is dismissed: cause, remedy, traceback to copy. What fails for the same reason shares a card.

    Parameters
    ----------
    error : BaseException
    trace : str
        Traceback as text.
    title : str
        What was being done.
    where : str
        What the error is about; when it is tried again, it is forgotten.
    copy : callable
        ``copy(text)``, to the clipboard.
    dismiss : callable
        ``dismiss(card)``.
    """

    def __init__(
        self,
        error: BaseException,
        trace: str,
        *,
        title: str,
        where: str,
        copy: Callable,
        dismiss: Callable,
    ):
        head, cause, remedy = explain(error, title)
        self.says, self._heads = (cause, remedy), {where: head}
        self._heading = heading(head, "h6", margin=(2, 4))
        copy_button = pmui.Button(
            label="Copy traceback",
            icon="content_copy",
            size="small",
            variant="text",
            on_click=lambda _: copy(trace),
        )
        close = pmui.IconButton(
            icon="close",
            label="Dismiss",
            size="small",
            description="Dismiss",
            on_click=lambda _: dismiss(self),
            margin=0,
            align="start",
        )
        parts = [
            pmui.Row(
                pmui.Row(self._heading, sizing_mode="stretch_width"),
                close,
                sizing_mode="stretch_width",
                margin=0,
            ),
            Words(
                cause,
                sizing_mode="stretch_width",
                margin=(0, 4),
                styles={"line-height": "1.5", "overflow-wrap": "anywhere"},
            ),
        ]
        if remedy:
            parts.append(
                Words(
                    remedy,
                    sizing_mode="stretch_width",
                    margin=(6, 4, 0, 4),
                    styles={"font-weight": "500"},
                )
            )
        text = Words(
            trace,
            styles={
                "font-family": MONO,
                "font-size": "0.75rem",
                "white-space": "pre-wrap",
                "overflow-wrap": "anywhere",
                "max-height": "240px",
                "overflow": "auto",
            },
            sizing_mode="stretch_width",
        )
        parts.append(
            pmui.Accordion(
                ("Technical details", pmui.Column(copy_button, text, sizing_mode="stretch_width")),
                elevation=0,
                sizing_mode="stretch_width",
                title_variant="body2",
                margin=(4, 0),
            )
        )
        super().__init__(
            *parts,
            elevation=0,
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(6, 10),
            sx={"borderColor": "error.main", "borderLeftWidth": 4, "p": 1},
            css_classes=["brainlens-error"],
        )

    def also(self, where: str, title: str) -> None:
        """Something else failed for the same reason."""
        self._heads[where] = title
        self._told()

    def forget(self, where: str) -> bool:
        """One thing is tried again (``upload``: whatever begins with ``upload:`` too); whether nothing is left that failed."""
        for known in [one for one in self._heads if f"{one}:".startswith(f"{where}:")]:
            del self._heads[known]
        if self._heads:
            self._told()
        return not self._heads

    def _told(self) -> None:
        first, *others = self._heads.values()
        self._heading.object = plain(first + (f" and {len(others)} more" if others else ""))


def explain(error: BaseException, title: str = "") -> tuple[str, str, str]:
    """Heading, cause and remedy of an error, in words."""
    if isinstance(error, BrainLensError):
        cause = error.problem if error.problem.endswith((".", "?", "!")) else error.problem + "."
        if error.choices:
            shown = ", ".join(error.choices[:12]) + (
                f" and {len(error.choices) - 12} more" if len(error.choices) > 12 else ""
            )
            cause += f" Choices: {shown}."
        return title or "This does not work", cause, error.remedy
    if (full := memory_error(error)) is not None:
        return title or "Out of memory", full.problem + ".", full.remedy
    if (full := no_room(error)) is not None:
        return title or "The disk takes no more", full.problem + ".", full.remedy
    return (
        title or "Something broke",
        f"{type(error).__name__}: {error}",
        "This is a fault of the program, not of your input: please report it with the technical details",
    )


class ProgressRow(pmui.Column):
    """One computation on its way: title, counts, time left, cancel."""

    def __init__(self, title: str, cancel: Callable[[], None]):
        self._bar = pmui.LinearProgress(
            value=-1, variant="indeterminate", sizing_mode="stretch_width", margin=(0, 10, 2, 10)
        )
        self._words = note("starting", margin=(0, 10))
        stop = pmui.IconButton(
            icon="close",
            label=f"Cancel {title}",
            description=f"Cancel {title}",
            size="small",
            on_click=lambda _: cancel(),
            margin=0,
        )
        name = Words(
            title,
            margin=(0, 10),
            styles={"font-weight": "500", "font-size": "0.92rem", "white-space": "nowrap"},
        )
        super().__init__(
            pmui.Row(
                name,
                self._words,
                stop,
                sizing_mode="stretch_width",
                margin=0,
                sx={"alignItems": "center"},
            ),
            self._bar,
            sizing_mode="stretch_width",
            margin=(2, 0),
        )

    def update_from(self, job: Job) -> None:
        """Show where the job stands."""
        self._words.object = job.words()
        if job.state == "waiting":
            self._bar.param.update(variant="determinate", value=0)
        elif job.fraction is None:
            self._bar.variant = "indeterminate"
        else:
            self._bar.param.update(variant="determinate", value=round(100 * job.fraction))
