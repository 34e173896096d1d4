"""What the store of results holds, and giving room back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import panel_material_ui as pmui

from analysis.models.zoo.trained import clear, held
from analysis.store.store import Store
from dashboards.look.look import heading, note
from dashboards.work.desk import Desk
from data.catalog.fetch import size_text
from data.files import weighed
from data.home import home
from data.shares import percent

__all__ = ["Storage"]

_MEANING = {
    "activations": "Activations: what models answered to stimuli; the slow part",
    "scores": "Scores: finished numbers, small",
    "runs": "Runs: finished pieces of long computations",
    "embeddings": "Embeddings: word vectors in a form that is read at once",
    "old": "Old: in the form of an older version of the program, never read",
    "trained": "Trained: weights of Wiring's runs, which go on from them; beside the limit",
}
_BESIDE = {"models": "Models", "recordings": "recordings"}
"""What the limit does not count and is taken away on the card of each."""


class Storage(pmui.Column):
    """Sizes by kind against the limit; each kind is cleared after a question.

    Parameters
    ----------
    desk : Desk
        Where looking and clearing run.
    tell : callable
        ``tell(words)``: what was done.
    """

    def __init__(self, desk: Desk, *, tell: Callable[[str], None]):
        self._desk, self._tell = desk, tell
        self._words = note("Looking ...", margin=(8, 10, 4, 10))
        self._bar = pmui.LinearProgress(
            value=0, variant="determinate", sizing_mode="stretch_width", margin=(4, 10, 12, 10)
        )
        self._rows = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._confirm = pmui.Dialog(
            title="", show_close_button=True, close_on_click=True, title_variant="h5"
        )
        super().__init__(
            heading("Stored results", "h5", margin=(12, 10, 0, 10)),
            self._words,
            self._bar,
            self._rows,
            self._confirm,
            sizing_mode="stretch_width",
            margin=0,
            styles={"max-width": "820px"},
        )

    def look(self) -> None:
        """Measure again."""
        self._desk.submit("library:store", "Measuring the store", _measured, self._show, quiet=True)

    def _show(self, found: dict) -> None:
        used = sum(size for kind, (_, size) in found["kinds"].items() if kind != "trained")
        share = used / found["limit"] if found["limit"] else 0.0
        self._words.object = (
            f"{size_text(used)} of {size_text(found['limit'])} are used ({percent(share)}), in {found['root']}. Above the limit "
            f"the least recently used results go first; a cleared result is computed again when it is asked for."
        )
        self._bar.value = min(100, round(100 * share))
        rows = []
        for kind, words in _MEANING.items():
            count, size = found["kinds"].get(kind, (0, 0))
            clear = pmui.Button(
                label=f"Clear {kind}",
                icon="delete_sweep",
                variant="outlined",
                size="small",
                color="error",
                disabled=not count,
                margin=(4, 10),
                width=170,
                on_click=lambda _, kind=kind, size=size: self._ask(kind, size),
            )
            text = f"{count:,} stored, {size_text(size)}"
            rows.append(
                pmui.Row(
                    pmui.Column(
                        heading(words, "body1", margin=(4, 10, 0, 10)),
                        note(text),
                        sizing_mode="stretch_width",
                        margin=0,
                    ),
                    clear,
                    sizing_mode="stretch_width",
                    margin=(4, 0),
                    sx={"alignItems": "center"},
                )
            )
        told = [
            f"{words} take {size_text(found['beside'][kind])}" for kind, words in _BESIDE.items()
        ]
        rows.append(note(f"{'; '.join(told)}: taken away on the card of each.", margin=(8, 10)))
        self._rows.objects = rows

    def _ask(self, kind: str, size: int) -> None:
        def really(_):
            self._confirm.open = False
            self._desk.submit(
                f"clear:{kind}", f"Clearing {kind}", partial(_cleared, kind), self._gone, files=True
            )

        self._confirm.param.update(
            title=f"Clear {kind}?",
            objects=[
                note(
                    f"{size_text(size)} are given back. Results that are being computed now stay.",
                    margin=(4, 10, 12, 10),
                ),
                pmui.Button(label=f"Clear {kind}", color="error", on_click=really, margin=(4, 10)),
            ],
            open=True,
        )

    def _gone(self, freed: int) -> None:
        self._tell(f"{size_text(freed)} given back")
        self.look()


def _measured(report) -> dict:
    store = Store()
    kinds = store.kinds() | {"trained": held()}
    beside = {kind: weighed(home(kind)) for kind in _BESIDE}
    return {"kinds": kinds, "beside": beside, "limit": store.limit, "root": str(store.root)}


def _cleared(kind: str, report) -> int:
    return clear() if kind == "trained" else Store().clear(kind)
