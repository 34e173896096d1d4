"""The controls that lenses share: which models, which recording, which protocol."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import panel_material_ui as pmui

from analysis.models import catalog
from analysis.protocol import CHOICES, PRESETS, Protocol
from dashboards.figures.style import checked, looks
from dashboards.lens import own_colours
from dashboards.look.look import Words, heading, note
from dashboards.look.swatch import Swatch
from dashboards.state import Selection
from data.catalog.catalog import entries, entry
from data.catalog.fetch import size_text
from data.errors import BrainLensError

__all__ = ["ModelPicker", "ProtocolPicker", "RecordingPicker", "ScalePicker", "model_label"]

_STATES = {"ready": "", "needs download": "download", "needs a file": "needs a file"}


class ModelPicker(pmui.Column):
    """Search, pick, see in which colour, take away.

    Parameters
    ----------
    selection : Selection
        Its ``models`` are kept in step.
    label : str
    """

    def __init__(self, selection: Selection, label: str = "Models"):
        self._selection = selection
        self._cards, self._labels = _models()
        self._search = pmui.AutocompleteInput(
            label=label,
            placeholder="Search a model",
            options=list(self._labels),
            restrict=False,
            case_sensitive=False,
            min_characters=0,
            search_strategy="includes",
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 2, 0),
            description="A model of the list, the id of one on the model hub (owner/name), or a folder",
        )
        self._chosen = pmui.Column(sizing_mode="stretch_width", margin=(0, 0, 4, 0))
        super().__init__(self._search, self._chosen, sizing_mode="stretch_width", margin=0)
        self._search.param.watch(self._add, "value")
        selection.param.watch(self._list, ["models", "theme", "colours"])
        self._list()

    def look_again(self) -> None:
        """What was added or fetched meanwhile can be picked too."""
        self._cards, self._labels = _models()
        if list(self._labels) != self._search.options:
            self._search.options = list(self._labels)

    def _add(self, event) -> None:
        text = (event.new or "").strip()
        if not text:
            return
        name = self._labels.get(text, text)
        problem = model_problem(name)
        self._search.param.update(error_state=bool(problem), helper_text=problem)
        if problem:
            return
        if name not in self._selection.models:
            self._selection.models = [*self._selection.models, name]
        self._search.param.update(value=None, value_input="")

    def _remove(self, name: str) -> None:
        self._selection.models = [other for other in self._selection.models if other != name]

    def _paint(self, name: str, colour: str) -> None:
        self._selection.colours = {**self._selection.colours, **checked({name: colour})}
        try:
            own_colours.keep(name, colour)
        except BrainLensError as error:  # this view has it all the same
            self._search.param.update(error_state=True, helper_text=str(error))

    def _list(self, *_) -> None:
        models = self._selection.models
        if mine := own_colours.missing(models, self._selection.colours):
            self._selection.colours = {**self._selection.colours, **mine}  # which lists them
            return
        colours = (
            looks(models, self._selection.theme, chosen=self._selection.colours) if models else {}
        )
        rows = []
        for name in models:
            dot = Swatch(
                partial(self._paint, name),
                colour=colours[name].colour,
                label=f"Colour of {name}",
                margin=(9, 6, 0, 4),
            )
            away = pmui.IconButton(
                icon="close",
                label=f"Remove {name}",
                description=f"Remove {name}",
                size="small",
                margin=0,
                on_click=lambda _, name=name: self._remove(name),
            )
            rows.append(
                pmui.Row(
                    dot,
                    Words(
                        name,
                        margin=(8, 0),
                        sizing_mode="stretch_width",
                        styles={"overflow-wrap": "anywhere", "font-size": "0.92rem"},
                    ),
                    away,
                    sizing_mode="stretch_width",
                    margin=0,
                )
            )
        self._chosen.objects = rows or [note("None yet.", margin=(2, 8))]


class RecordingPicker(pmui.Column):
    """One of the catalogue's recordings, or a file of the user's own."""

    def __init__(self, selection: Selection):
        self._selection = selection
        options = _recordings()
        if selection.recording not in options.values():
            options[selection.recording] = selection.recording
        self._select = pmui.Select(
            label="Recording",
            options=options,
            value=selection.recording,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 2, 0),
        )
        self._about = note(margin=(0, 4, 8, 4))  # the label of what follows rises over its frame
        super().__init__(self._select, self._about, sizing_mode="stretch_width", margin=0)
        self._select.param.watch(lambda event: setattr(selection, "recording", event.new), "value")
        selection.param.watch(self._follow, "recording")
        self._follow()

    def look_again(self) -> None:
        """What was added or fetched meanwhile can be picked too."""
        options, name = _recordings(), self._selection.recording
        if name not in options.values():
            options[name] = name
        if options != self._select.options:
            self._select.param.update(options=options, value=name)

    def _follow(self, *_) -> None:
        name = self._selection.recording
        if name not in self._select.options.values():
            self._select.options = {**self._select.options, name: name}
        self._select.value = name
        self._about.object = _about_recording(name)


class ScalePicker(pmui.RadioButtonGroup):
    """Raw or normalised scores."""

    def __init__(self, selection: Selection):
        super().__init__(
            label="Score",
            options={"Raw r": "raw", "Normalised": "normalised"},
            value=selection.scale,
            size="small",
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(10, 0),
        )
        self.param.watch(lambda event: setattr(selection, "scale", event.new), "value")
        selection.param.watch(lambda event: setattr(self, "value", event.new), "scale")


class ProtocolPicker(pmui.Column):
    """A preset, what was changed on it, and every choice behind it in a dialog."""

    def __init__(self, selection: Selection):
        self._selection = selection
        self._preset = pmui.Select(
            label="Protocol",
            options=list(PRESETS),
            value=selection.preset,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 2, 0),
            description="Every choice behind the number, as one named set",
        )
        self._changed = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._edit = pmui.Button(
            label="Every choice",
            icon="tune",
            variant="text",
            size="small",
            margin=(2, 0),
            on_click=lambda _: self._open(),
        )
        self._fields: dict[str, object] = {}
        self._dialog = pmui.Dialog(
            title="Protocol: every choice",
            close_on_click=True,
            show_close_button=True,
            width_option="md",
            sizing_mode="stretch_width",
            title_variant="h5",
        )
        super().__init__(
            self._preset,
            self._changed,
            self._edit,
            self._dialog,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._preset.param.watch(self._picked, "value")
        selection.param.watch(self._follow, ["preset", "changes"])
        self._follow()

    def _picked(self, event) -> None:
        if event.new != self._selection.preset:
            self._selection.param.update(preset=event.new, changes={})

    def _follow(self, *_) -> None:
        self._preset.value = self._selection.preset
        rows = []
        for name, value in self._selection.changes.items():
            back = pmui.IconButton(
                icon="undo",
                label=f"Reset {name}",
                size="small",
                margin=0,
                description="Back to the preset",
                on_click=lambda _, name=name: self._reset(name),
            )
            rows.append(
                pmui.Row(
                    Words(
                        f"{name} = {_shown(value)}",
                        margin=(8, 4),
                        sizing_mode="stretch_width",
                        styles={"font-size": "0.88rem", "overflow-wrap": "anywhere"},
                    ),
                    back,
                    sizing_mode="stretch_width",
                    margin=0,
                )
            )
        self._changed.objects = rows
        for name, widget in self._fields.items():
            shown = _as_widget(getattr(self._selection.protocol, name))
            shown = str(shown) if isinstance(widget, pmui.TextInput) else shown
            if widget.value != shown:
                widget.value = shown

    def _reset(self, name: str) -> None:
        self._selection.changes = {
            key: value for key, value in self._selection.changes.items() if key != name
        }

    def _open(self) -> None:
        if not self._fields:
            self._build()
        self._dialog.open = True

    def _build(self) -> None:
        meanings = field_meanings()
        protocol = self._selection.protocol
        groups = []
        for title, names in _GROUPS.items():
            groups.append(heading(title, "overline", margin=(14, 8, 0, 8)))
            boxes = []
            for name in names:
                widget = _widget(
                    name, getattr(protocol, name), lambda value, name=name: self._set(name, value)
                )
                self._fields[name] = widget
                boxes.append(
                    pmui.Column(
                        widget,
                        note(meanings.get(name, ""), margin=(0, 10, 8, 10)),
                        width=400,
                        margin=0,
                    )
                )
            groups.append(pmui.FlexBox(*boxes, sizing_mode="stretch_width", gap="0 16px"))
        self._dialog.objects = groups

    def _set(self, name: str, value: object) -> None:
        widget = self._fields[name]
        try:
            changed = self._selection.protocol.but(**{name: value})
        except BrainLensError as error:
            if hasattr(widget, "error_state"):
                widget.param.update(error_state=True, helper_text=str(error))
            return
        if hasattr(widget, "error_state"):
            widget.param.update(error_state=False, helper_text="")
        if changed != self._selection.protocol:
            self._selection.changes = changed.changes()


_GROUPS = {
    "What the model reads": (
        "context",
        "window",
        "pooling",
        "attention",
        "last_layer",
        "start",
        "word_boundary",
        "dtype",
    ),
    "What is held out": (
        "split",
        "group",
        "folds",
        "inner_folds",
        "by_experiment",
        "seed",
        "seeds",
        "gap",
    ),
    "How stimuli become the signal's samples": (
        "delays",
        "hrf",
        "resample",
        "highpass",
        "nuisance",
        "standardize_run",
        "trim",
    ),
    "How responses are predicted": (
        "method",
        "dimensions",
        "criterion",
        "alphas",
        "shared_alpha",
        "standardize",
        "rcond",
    ),
    "How scores are summarised": (
        "order",
        "targets",
        "people",
        "layer",
        "ceiling",
        "normalise",
        "clip",
    ),
    "What stands beside the score": ("controls", "shuffled_twin", "unique", "bootstrap"),
}


def field_meanings() -> dict[str, str]:
    """What each protocol field means, from the docstring of :class:`Protocol`."""
    found, names = {}, []
    for line in (Protocol.__doc__ or "").splitlines():
        if match := re.match(r"    ([\w, ]+) : ", line):
            names = [name.strip() for name in match[1].split(",")]
        elif line.startswith("        ") and names:
            for name in names:
                found[name] = (found.get(name, "") + " " + line.strip().replace("``", "")).strip()
    return found


def _widget(name: str, value: object, set_: Callable) -> object:
    label = name.replace("_", " ")
    common = dict(label=label, sizing_mode="stretch_width", margin=(6, 10, 2, 10))
    if name in CHOICES:
        widget = pmui.Select(options=list(CHOICES[name]), value=value, size="small", **common)
    elif isinstance(value, bool):
        widget = pmui.Switch(value=value, **common)
    elif isinstance(value, int) and name != "window":  # which may also be none
        widget = pmui.IntInput(value=value, size="small", **common)
    else:
        widget = pmui.TextInput(value=str(_as_widget(value)), size="small", **common)
    widget.param.watch(lambda event: set_(event.new), "value")
    return widget


def _as_widget(value: object) -> object:
    if isinstance(value, (bool, int, str)):
        return value
    return "none" if value is None else _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return "yes" if value is True else "no" if value is False else str(value)


# ---- what there is -----------------------------------------------------------------------------------------------------
def model_label(card, state: str) -> str:
    """A model in the list: its name and what stands between it and a score."""
    extra = _STATES.get(state, state)
    if extra == "download" and card.download:
        extra = f"{card.download / 1e6:,.0f} MB download"
    return f"{card.id}  ({extra})" if extra else card.id


def model_problem(name: str) -> str:
    """Why a typed name cannot be used, in words; empty where it can."""
    try:
        catalog.card(name)
        where = catalog.state(name)
        catalog.must_apply(name)
    except BrainLensError as error:
        return str(error)
    if where == "published only":
        return (
            f"{name} has published scores only and cannot be run here; they are on the Task lens."
        )
    return ""


def _models() -> tuple[dict, dict[str, str]]:
    """Cards, and list entries -> ids: first what is ready, then what needs a download."""
    found, ranked = catalog.cards(), []
    for name, where in catalog.states(found).items():
        if where == "published only" or re.search(r"-step\d+$", name):
            continue
        ranked.append((where != "ready", name, model_label(found[name], where)))
    return found, {label: name for _, name, label in sorted(ranked)}


def _recordings() -> dict[str, str]:
    """List entries -> ids, those that are here first."""
    found = {name: one.state for name, one in entries(recordings=True).items()}
    return {
        name if found[name] == "ready" else f"{name}  (download)": name
        for name in sorted(found, key=lambda n: (found[n] != "ready", n))
    }


def _about_recording(name: str) -> str:
    try:
        one = entry(name)
    except BrainLensError:
        return "A file of your own."
    fetch = f"; {size_text(one.size)} to download" if one.state != "ready" else ""
    return f"{one.title} ({one.shape}){fetch}."
