"""Settings: how it looks, how numbers are written, what computes, how much is kept, and where things are."""

from __future__ import annotations

import asyncio
import os

import panel_material_ui as pmui

from analysis.answers.answer import plural
from analysis.models.device import AUTO, VARIABLE, choose
from analysis.store.store import Store
from dashboards.lens import own_colours
from dashboards.look.look import DIALOG, Words, heading, note
from dashboards.state import Selection
from data.catalog.fetch import size_text
from data.errors import BrainLensError
from data.home import home, mirror, shared

__all__ = ["Settings", "places"]


class Settings:
    """A button and its dialog, filled when it is opened.

    Parameters
    ----------
    selection : Selection
        Theme and decimal mark are part of it, and so of a link.
    """

    def __init__(self, selection: Selection):
        self._selection = selection
        self.button = pmui.IconButton(
            icon="settings",
            label="Settings",
            description="Settings",
            color="default",
            size="medium",
            margin=0,
            on_click=lambda _: self.open(),
        )
        self.dialog = pmui.Dialog(title="Settings", width_option="sm", **DIALOG)

    def open(self) -> None:
        """Show how things stand."""
        wide = dict(size="small", sizing_mode="stretch_width", margin=(8, 6))
        theme = pmui.Select(label="Theme", options={"Light": "light", "Dark": "dark"},
                            value=self._selection.theme, **wide)  # fmt: skip
        decimal = pmui.Select(label="Decimal mark in exported tables", value=self._selection.decimal,
                              options={"Point: 0.47": "point", "Comma: 0,47 (columns parted by semicolons)": "comma"},
                              **wide)  # fmt: skip
        for widget, name in ((theme, "theme"), (decimal, "decimal")):
            widget.param.watch(
                lambda event, name=name: setattr(self._selection, name, event.new), "value"
            )
        self.dialog.objects = [
            theme,
            decimal,
            *self._colours(),
            heading("What computes", "overline", margin=(14, 8, 0, 8)),
            note(device(), margin=(2, 8)),
            *_devices(wide),
            heading("What is kept", "overline", margin=(14, 8, 0, 8)),
            *_kept(wide),
            heading("Where things are", "overline", margin=(14, 8, 0, 8)),
            *(_line(name, words) for name, words in places().items()),
        ]
        self.dialog.open = True

    def _colours(self) -> list:
        """How many models have a colour of the person's own, and a way back."""
        mine = own_colours.own()
        if not mine:
            return []
        told = note(f"{plural(len(mine), 'model')} in a colour of your own.", margin=(8, 8))

        def forgotten(_) -> None:
            try:
                own_colours.forget()
            except BrainLensError as error:
                told.object = str(error)
                return
            left = {m: c for m, c in self._selection.colours.items() if mine.get(m) != c}
            self._selection.colours = left
            told.object, button.disabled = "Models have the colours of their families again.", True

        button = pmui.Button(label="Forget them", size="small", variant="outlined",
                             margin=(4, 6), on_click=forgotten)  # fmt: skip
        return [pmui.Row(told, button, margin=0, sx={"alignItems": "center"})]


DEVICES = {
    "Automatic: a graphics card where there is one": "auto",
    "Processor": "cpu",
    "Graphics card (CUDA)": "cuda",
    "Graphics card (Apple)": "mps",
    "Spread over cards, memory and disk (large models)": "offload",
}


def _devices(wide: dict) -> list:
    """Where models run from the next computation on; on a server that is its keeper's choice."""
    chosen = os.environ.get(VARIABLE, "") or AUTO
    options = DEVICES if chosen in DEVICES.values() else DEVICES | {chosen: chosen}
    pick = pmui.Select(
        label="Models run on",
        options=options,
        value=chosen,
        disabled=bool(os.environ.get("BRAINLENS_SERVED")),
        **wide,
    )
    told = note(
        "Chosen for the whole server (BRAINLENS_DEVICE)."
        if pick.disabled
        else "From the next computation on; results are kept whatever read them, and each says what did. The number format "
        "(dtype) is a field of the protocol.",
        margin=(2, 8),
    )

    async def changed(event) -> None:
        try:
            await asyncio.to_thread(choose, event.new)  # it asks torch, which takes seconds to load
        except BrainLensError as error:
            told.object = str(error)
            pick.value = os.environ.get(VARIABLE, "") or AUTO
            return
        told.object = f"Models run on: {event.new}, from the next computation on."

    pick.param.watch(changed, "value")
    return [pick, told]


def _kept(wide: dict) -> list:
    """How much of computed things may be kept; on a server that is its keeper's choice."""
    store = Store()
    fixed = bool(os.environ.get("BRAINLENS_SERVED") or os.environ.get("BRAINLENS_CACHE_LIMIT"))
    most = pmui.TextInput(
        label="Keep at most",
        value=size_text(store.limit),
        disabled=fixed,
        placeholder="20GB",
        **wide,
    )
    told = note(
        "Chosen by whoever started it (BRAINLENS_CACHE_LIMIT)."
        if fixed
        else "Activations and scores, such as 20GB. Above it what was not used for longest goes first, and is computed anew "
        "when it is asked for.",
        margin=(2, 8),
    )

    async def changed(event) -> None:
        if event.new == size_text(store.limit):
            return
        try:
            gone = await asyncio.to_thread(store.keep_at_most, event.new)
        except BrainLensError as error:
            told.object = str(error)
            most.value = size_text(store.limit)
            return
        told.object = f"At most {size_text(store.limit)} are kept from now on; {plural(len(gone), 'item')} went."

    most.param.watch(changed, "value")
    return [most, told]


def places() -> dict[str, str]:
    """What is kept where, and how much of it may be."""
    store = Store()
    return {
        "Your folder": f"{home()} (BRAINLENS_HOME)",
        "Stored results": f"{store.root}, at most {size_text(store.limit)} (BRAINLENS_CACHE_LIMIT)",
        "Shared folder, read only": f"{shared() or 'none'} (BRAINLENS_SHARED)",
        "Mirror of original files": f"{mirror() or 'none'} (BRAINLENS_MIRROR)",
    }


def device() -> str:
    """On what models run and regressions are solved, without loading a library to ask."""
    import sys

    torch = sys.modules.get("torch")
    gpu = torch is not None and torch.cuda.is_available()
    words = f"{os.cpu_count()} processor cores"
    return (
        f"{words} and {torch.cuda.get_device_name(0)}"
        if gpu
        else f"{words}; a graphics card is used where PyTorch finds one"
    )


def _line(name: str, words: str):
    return pmui.Column(
        Words(name, margin=(4, 8, 0, 8), styles={"font-weight": "500"}),
        Words(words, margin=(0, 8, 4, 8), sizing_mode="stretch_width",
              styles={"font-size": "0.85rem", "overflow-wrap": "anywhere"}),
        sizing_mode="stretch_width",
        margin=0,
    )  # fmt: skip
