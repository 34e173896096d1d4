"""The export dialog: what goes into a paper, with a preview."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

import panel as pn
import panel_material_ui as pmui

from analysis.models.catalog import card
from analysis.models.variants.spec import split
from analysis.paper.checklist import checklist
from analysis.paper.code import python_code
from analysis.paper.methods import bibtex, paragraph
from analysis.paper.tables import long_table, r_script
from dashboards.figures.sizes import PRESETS, SIGHTS
from dashboards.lens.view import Picture
from dashboards.look.look import DIALOG, MONO, Html, Words, note
from dashboards.state import VIEW, defaults
from data.catalog.catalog import recording
from data.errors import BrainLensError

__all__ = ["Exporter"]

_KINDS = ("pdf", "svg", "png", "csv", "parquet")


@dataclass(frozen=True)
class Bundle:
    """Everything that can leave, made at once in a thread of its own."""

    picture: Picture
    archive: bytes
    files: dict[str, bytes]

    def named(self, ending: str) -> bytes:
        """The first file with this ending."""
        return next(data for name, data in self.files.items() if name.endswith(ending))

    def words(self, name: str) -> str:
        """A text file of the bundle, or an empty string."""
        return next((data.decode() for path, data in self.files.items() if path.endswith(name)), "")


class Exporter(pn.viewable.Viewer):
    """The dialog of one lens; built when it is first opened.

    Parameters
    ----------
    lens : Lens
        Gives the pictures it shows.
    """

    def __init__(self, lens):
        super().__init__()
        self._lens = lens
        self._dialog = pmui.Dialog(title="Export", open=False, width_option="lg", **DIALOG)
        self._bundle: Bundle | None = None
        self._asked: tuple = ()
        self._turn = 0

    def __panel__(self):
        return self._dialog

    @property
    def is_open(self) -> bool:
        """Whether the dialog is in front."""
        return self._dialog.open

    def open(self) -> None:
        """Show the dialog for what the lens shows now."""
        if not self._dialog.objects:
            self._build()
        labels = [picture.label for picture in self._pictures]
        self._setting = True
        self._which.param.update(options=labels, value=labels[0], visible=len(labels) > 1)
        self._panels.param.update(options=labels, value=[], visible=len(labels) > 1)
        self._setting = False
        self._dialog.open = True
        self._make()

    def close(self) -> None:
        """Hide the dialog."""
        self._dialog.open = False

    def forget(self) -> None:
        """Close it and let go of what was made: it may have been locked since."""
        self.close()
        self._turn += 1  # what is being made now comes too late
        if self._dialog.objects:
            self._enable(None)
            self._wait.visible = False
            self._image.object = self._size.object = ""
            for words in self._texts.values():
                words.object = ""

    @property
    def _pictures(self) -> list:
        return [picture for picture in self._lens.shown.pictures if not picture.spec.empty]

    @property
    def _picture(self):
        return next(
            (picture for picture in self._pictures if picture.label == self._which.value),
            self._pictures[0],
        )

    # ---- the dialog ------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        small = dict(size="small", sizing_mode="stretch_width", margin=(4, 10))
        self._which = pmui.RadioButtonGroup(label="Figure", options=[], **small)
        self._preset = pmui.Select(
            label="For", options=list(PRESETS), value=next(iter(PRESETS)), **small
        )
        self._width = pmui.FloatInput(
            label="Width (mm)", value=85, start=40, end=1200, step=1, **small
        )
        self._height = pmui.FloatInput(
            label="Height (mm)",
            description="0: what suits the figure",
            value=0,
            start=0,
            end=1200,
            step=1,
            **small,
        )
        self._font = pmui.FloatInput(
            label="Font size (pt)", value=7, start=4, end=60, step=0.5, **small
        )
        self._lines = pmui.FloatInput(
            label="Line width (times)", value=1, start=0.3, end=6, step=0.1, **small
        )
        self._legend = pmui.Select(label="Legend", options={"above": "top", "on the right": "right", "none": "none"},
                                   value="top", **small)  # fmt: skip
        self._panels = pmui.MultiChoice(label="Panels A, B, C on one sheet (none: this figure alone)", options=[],
                                        sizing_mode="stretch_width", margin=(6, 10))  # fmt: skip
        self._corner = pmui.Switch(label="Short link in the corner", value=False, margin=(2, 10))
        self._seen = pmui.RadioButtonGroup(
            label="Seen", options=list(SIGHTS), value=SIGHTS[0], **small
        )
        self._preset.param.watch(self._take_preset, "value")
        for widget in (self._which, self._width, self._height, self._font, self._lines, self._legend, self._panels,
                       self._corner, self._seen):  # fmt: skip
            widget.param.watch(
                lambda _: self._make() if self.is_open and not self._setting else None, "value"
            )
        self._setting = False
        self._image = Html("", margin=0, sizing_mode="stretch_width", styles={"overflow-x": "auto"})
        self._size = note(margin=(4, 2))
        self._wait = pmui.LinearProgress(
            variant="indeterminate",
            value=-1,
            sizing_mode="stretch_width",
            margin=(0, 0, 6, 0),
            visible=False,
        )
        self._downloads = {
            kind: pmui.FileDownload(
                label=kind.upper() if kind != "parquet" else "Parquet",
                callback=self._lens.leaving(lambda kind=kind: self._file(kind)),
                filename=f"brainlens.{kind}",
                variant="outlined",
                size="small",
                icon=None,
                margin=(4, 4),
                width=96,
            )
            for kind in _KINDS
        }
        self._zip = pmui.FileDownload(
            label="Everything as zip",
            callback=self._lens.leaving(lambda: io.BytesIO(self._made().archive)),
            filename="brainlens.zip",
            size="small",
            icon="folder_zip",
            sizing_mode="stretch_width",
            margin=(10, 8, 4, 4),
        )
        self._texts = {
            name: Words(
                "",
                sizing_mode="stretch_width",
                styles={
                    "font-family": MONO if name != "Methods" else "inherit",
                    "font-size": "0.8rem" if name != "Methods" else "0.95rem",
                    "white-space": "pre-wrap",
                    "overflow-wrap": "anywhere",
                    "max-height": "360px",
                    "overflow": "auto",
                    "line-height": "1.5",
                },
            )
            for name in _TEXTS
        }
        tabs = [("Figure", self._figure_page())]
        for name, words in self._texts.items():
            button = pmui.Button(
                label=f"Copy {name}",
                icon="content_copy",
                size="small",
                variant="outlined",
                margin=(8, 4),
                on_click=lambda _, name=name: (
                    self._lens.client.copy(self._bundle.words(_TEXTS[name]))
                    if self._bundle
                    else None
                ),
            )
            tabs.append(
                (name, pmui.Column(button, words, sizing_mode="stretch_width", margin=(0, 8)))
            )
        self._tabs = pmui.Tabs(*tabs, sizing_mode="stretch_width")
        self._dialog.objects = [self._tabs]

    def _figure_page(self):
        sheet = pmui.Column(
            self._seen,
            self._wait,
            self._image,
            self._size,
            sizing_mode="stretch_width",
            margin=(12, 12),
            styles={"flex": "3 1 380px", "min-width": "0"},
        )
        side = pmui.Column(
            self._which,
            self._preset,
            pmui.FlexBox(
                *(
                    pmui.Column(one, width=150, margin=0)
                    for one in (self._width, self._height, self._font, self._lines)
                ),
                margin=0,
            ),
            self._legend,
            self._panels,
            self._corner,
            pmui.FlexBox(*self._downloads.values(), margin=(8, 4, 0, 4)),
            self._zip,
            note(
                "The zip holds the figure in three formats, tables, recipe, references, methods paragraph and code; "
                "with mixed models of trials a folder for R, too.",
                margin=(2, 8),
            ),
            sizing_mode="stretch_width",
            margin=(8, 0),
            styles={"flex": "1 1 260px", "min-width": "0"},
        )
        return pmui.FlexBox(
            sheet, side, sizing_mode="stretch_width", gap="0 16px", align_items="flex-start"
        )

    def _take_preset(self, event) -> None:
        """Set what a journal, a slide or a poster asks for."""
        chosen = {"height_mm": 0, "line_width": 1, **PRESETS[event.new]}
        self._setting = True
        for widget, name in ((self._width, "width_mm"), (self._height, "height_mm"), (self._font, "font_size"),
                             (self._lines, "line_width")):  # fmt: skip
            widget.value = chosen[name]
        self._setting = False
        self._make()

    @property
    def _style(self) -> dict:
        """What the figure is printed with."""
        style = {
            "width_mm": self._width.value,
            "height_mm": self._height.value or None,
            "font_size": self._font.value,
        }
        if self._lines.value != 1:
            style["line_width"] = self._lines.value
        if self._legend.value != "top":
            style["legend"] = self._legend.value
        return style

    # ---- making it ---------------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        pn.state.execute(self._make_off_loop)

    async def _make_off_loop(self) -> None:
        self._turn += 1
        turn, picture = self._turn, self._picture
        size, chosen = self._style, list(self._panels.value)
        panels = [one for one in self._pictures if one.label in chosen] if len(chosen) > 1 else []
        options = {"panels": panels, "linked": self._corner.value}
        recipe = self._lens.recipe()
        asked = (size, chosen, self._corner.value, recipe["selection"])
        ready = self._bundle is not None and self._bundle.picture is picture
        ready = ready and self._asked == asked  # only seen otherwise: the files are the same
        self._wait.visible = True
        if not ready:
            self._enable(None)
        try:
            shown = await asyncio.to_thread(
                look, picture, recipe, seen=self._seen.value, **options, **size
            )
            if turn != self._turn:  # somebody changed his mind meanwhile
                return
            self._show(shown, picture, size)
            if ready:
                return
            bundle = await asyncio.to_thread(
                make, picture, self._lens.slug, recipe, **options, **size
            )
            if turn == self._turn:
                self._asked = asked
                self._enable(bundle)
        except Exception as error:
            self.close()
            self._lens.fail(error, where="export", title="The export failed")
        finally:
            if turn == self._turn:
                self._wait.visible = False

    def _show(self, shown: bytes, picture: Picture, size: dict) -> None:
        """The preview, before anything else of the export is made."""
        self._image.object = on_a_ruler(shown, size["width_mm"])
        self._size.object = (
            f"{picture.spec.title} {size['width_mm']:g} mm wide, {size['font_size']:g} pt; at 100 % the ruler is true. "
            "Text stays text in PDF and SVG."
        )

    def _enable(self, bundle: Bundle | None) -> None:
        self._bundle = bundle
        for button in (*self._downloads.values(), self._zip):
            button.disabled = bundle is None
        if bundle is not None:
            stem = next(iter(bundle.files)).split("/")[0]
            self._zip.filename = f"{stem}.zip"
            for kind, button in self._downloads.items():
                button.filename = f"{stem}.{kind}"
            for name, words in self._texts.items():
                words.object = bundle.words(_TEXTS[name]) or _without(bundle.picture, name)

    def _file(self, kind: str) -> io.BytesIO:
        return io.BytesIO(self._made().named(f".{kind}"))

    def _made(self) -> Bundle:
        """What is ready to leave, unless it was locked since it was made."""
        self._lens.keep_promises()
        if self._bundle is None:
            raise BrainLensError(
                "There is nothing to export: what was made is not shown any more",
                remedy="Open the export of a figure that is shown",
            )
        return self._bundle


_OF_THE_PAGE = ("lens", "theme", "picked", *VIEW)
"""Fields of the selection that make no difference to a figure's numbers."""
_TEXTS = {
    "Methods": "methods.txt",
    "BibTeX": "references.bib",
    "Python": ".py",
    "R": ".R",
    "Recipe": "recipe.json",
}


def on_a_ruler(png: bytes, width_mm: float) -> str:
    """A preview at its true width under a ruler in millimetres, as HTML."""
    ticks = "".join(map(_tick, range(int(width_mm) + 1)))
    shown = base64.b64encode(png).decode()
    return (
        f"<svg width='{width_mm + 4:g}mm' height='13' role='img' aria-label='Ruler, {width_mm:g} millimetres'>{ticks}</svg>"
        f"<img alt='Preview of the figure in print' src='data:image/png;base64,{shown}' "
        f"style='display:block;width:{width_mm:g}mm;background:white;box-shadow:0 1px 6px rgba(0,0,0,.28)'/>"
    )


def _tick(at: int) -> str:
    """A line for each millimetre, longer for five and ten; a number at each ten."""
    top = 0 if at % 10 == 0 else 6 if at % 5 == 0 else 9
    line = f"<line x1='{at}mm' x2='{at}mm' y1='{top}' y2='12' stroke='currentColor' stroke-width='.6'/>"
    number = f"<text x='{at + 0.6}mm' y='8' font-size='8' fill='currentColor'>{at}</text>"
    return line + (number if at % 10 == 0 else "")


def look(
    picture: Picture,
    recipe: dict,
    *,
    panels: Sequence[Picture] = (),
    seen: str = SIGHTS[0],
    linked: bool = False,
    **style,
) -> bytes:
    """The preview of :func:`make`, which draws no more than it shows.

    Parameters
    ----------
    picture, recipe, panels, linked
        As of :func:`make`.
    seen : str
        One of :data:`dashboards.figures.export.SIGHTS`.
    **style
        As of :func:`dashboards.figures.paper.render`.

    Returns
    -------
    bytes
        A PNG.
    """
    from dashboards.figures.export import preview

    style |= _corner(picture, recipe, panels) if linked else {}
    return preview([one.spec for one in panels] or picture.spec, seen=seen, **style)


def make(
    picture: Picture,
    name: str,
    recipe: dict,
    *,
    panels: Sequence[Picture] = (),
    linked: bool = False,
    **style,
) -> Bundle:
    """Everything that can leave of one picture, or of a sheet of several; slow, so never on the page's loop.

    Parameters
    ----------
    picture : Picture
    name : str
        Of the lens; a picture's files have names of their own.
    recipe : dict
    panels : sequence of Picture
        Panels A, B, C.
    linked : bool
        A short link in the lower right corner.
    **style
        As of :func:`dashboards.figures.paper.render`.
    """
    from dashboards.figures.export import bundle, file_name

    style |= _corner(picture, recipe, panels) if linked else {}
    specs = [one.spec for one in panels]
    decimal = recipe.get("selection", {}).get("decimal", "point")
    scores = list(picture.scores)
    stem = f"brainlens-{name}" + ("-sheet" if specs else f"-{file_name(picture.label)}")
    code = picture.python or (python_code(scores, **as_selected(scores, recipe)) if scores else "")
    methods, references = picture.methods, picture.bibtex
    if picture.paper is not None:
        methods, references = picture.paper()
    archive = bundle(
        picture.spec,
        table=picture.table,
        recipe=recipe,
        bibtex=references or bibtex(scores, published=picture.published),
        methods=methods or paragraph(scores, published=picture.published),
        python=code
        + figure_code([one.label for one in panels] or picture.label, recipe, stem, **style)
        if code
        else "",
        checklist=checklist(scores) if scores else "",
        long=long_table(scores) if scores else None,
        r_script=r_script(scores) if scores else "",
        name=stem,
        panels=specs,
        decimal=decimal,
        more=_tables(panels, decimal) | dict(picture.more() if picture.more is not None else {}),
        **style,
    )
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        files = {entry: opened.read(entry) for entry in opened.namelist()}
    return Bundle(picture, archive, files)


def _tables(panels: Sequence[Picture], decimal: str) -> dict[str, bytes]:
    """The table behind each panel of a sheet, by its letter."""
    from dashboards.figures.export import csv

    return {
        f"panel_{ascii_uppercase[place]}.csv": csv(one.table, one.spec.stamp, decimal)
        for place, one in enumerate(panels)
    }


def _corner(picture: Picture, recipe: dict, panels: Sequence[Picture] = ()) -> dict[str, str]:
    """The short link in the lower right corner."""
    from dashboards.figures.export import marks_of

    numbers = marks_of(picture.spec, recipe, [one.spec for one in panels])["numbers"]
    return {"corner": f"BrainLens {numbers.removeprefix('sha256 ')}"}


def figure_code(labels: str | Sequence[str], recipe: dict, stem: str = "figure", **style) -> str:
    """Code that draws the figure again, with its table: the lens, with what was selected; several labels are one sheet."""
    name, start = recipe["lens"].capitalize(), defaults()
    fields = {
        field: value
        for field, value in recipe["selection"].items()
        if field not in _OF_THE_PAGE and value != start[field]
    }
    drawn = "".join(f", {key}={value!r}" for key, value in style.items() if value is not None)
    arguments = ", ".join(f"{field}={value!r}" for field, value in fields.items())
    if isinstance(labels, str):
        chosen = [
            f"picture = next(one for one in lens.shown.pictures if one.label == {labels!r})",
            "print(picture.spec.answer)",
            f'picture.table.to_csv("{recipe["lens"]}.csv", index=False)',
        ]
    else:
        chosen = [
            f"sheet = [one for one in lens.shown.pictures if one.label in {list(labels)!r}]",
            "for number, picture in enumerate(sheet):",
            "    print(picture.spec.answer)",
            f'    picture.table.to_csv(f"{recipe["lens"]}-{{number + 1}}.csv", index=False)',
        ]
    drawn_of = "picture.spec" if isinstance(labels, str) else "[one.spec for one in sheet]"
    return "\n".join([
        "",
        "# The figure and its table, as the lens makes them",
        f"from dashboards import {name}",
        "from dashboards.figures.export import figure, save",
        "",
        f"lens = {name}({arguments}).run(wait=True)",
        *chosen,
        f'save(figure({drawn_of}, "pdf"{drawn}), "{stem}.pdf")',
        "",
    ])  # fmt: skip


def as_selected(scores: list, recipe: dict) -> dict[str, list[str]]:
    """How the user named what was scored, for code that has to find it again: a path stays a path, a version stays in the name.

    Parameters
    ----------
    scores : list of Score
    recipe : dict
        As of :meth:`dashboards.lens.lens.Lens.recipe`.

    Returns
    -------
    dict
        ``models`` and ``recording``, one name for each score: arguments of :func:`analysis.paper.code.python_code`.
    """
    choice, bases = recipe["selection"], {}
    for name in choice["models"]:
        with contextlib.suppress(BrainLensError):  # a name that is nothing has no score either
            base = split(name)[0]
            bases[card(base).id] = base
    models = [score.model for score in scores]
    models = [
        bases.get(base := split(model)[0], base) + model.removeprefix(base) for model in models
    ]
    if recipe["lens"] != "reading":
        return {"models": models, "recording": [choice["recording"]] * len(scores)}
    named = {recording(name).response_hash: name for name in choice["corpora"]}
    hashes = [score.provenance["recording"]["response_hash"] for score in scores]
    return {
        "models": models,
        "recording": [
            named.get(one, score.recording) for one, score in zip(hashes, scores, strict=True)
        ],
    }


def _without(picture: Picture, name: str) -> str:
    """Why a text is empty."""
    if picture.published and not picture.scores:
        return "Nothing was computed here: published figures only."
    if name == "R":
        return "No R script goes with this figure."
    return f"{name} of this figure: see the lens in which each of its results was computed."
