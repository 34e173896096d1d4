"""The export dialog: what goes into a paper, with a preview."""

from __future__ import annotations

import asyncio
import contextlib
import io
import zipfile
from dataclasses import dataclass

import panel as pn
import panel_material_ui as pmui

from dashboards.lens.view import Picture
from dashboards.look.look import DIALOG, MONO, Words, note
from data.errors import BrainLensError

__all__ = ["Exporter"]

WIDTHS = {"85 mm, one column": 85, "114 mm, one and a half": 114, "174 mm, two columns": 174}
_KINDS = ("pdf", "svg", "png", "csv", "parquet")


@dataclass(frozen=True)
class Bundle:
    """Everything that can leave, made at once in a thread of its own."""

    picture: Picture
    preview: bytes
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
        self._which.param.update(options=labels, value=labels[0], visible=len(labels) > 1)
        self._dialog.open = True
        self._make()

    def close(self) -> None:
        """Hide the dialog."""
        self._dialog.open = False

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
        small = dict(size="small", sizing_mode="stretch_width")
        self._which = pmui.RadioButtonGroup(label="Figure", options=[], **small, margin=(4, 10))
        self._width = pmui.Select(label="Width", options=WIDTHS, value=85, **small)
        self._font = pmui.Select(
            label="Font size",
            options={f"{size} pt": size for size in (5, 6, 7, 8, 9, 10)},
            value=7,
            **small,
        )
        for widget in (self._which, self._width, self._font):
            widget.param.watch(lambda _: self._make() if self.is_open else None, "value")
        self._image = pn.pane.PNG(
            None,
            sizing_mode="scale_width",
            alt_text="Preview of the figure in print",
            styles={"background": "white"},
            margin=0,
        )
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
                callback=lambda kind=kind: self._file(kind),
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
            callback=lambda: io.BytesIO(self._bundle.archive),
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
            self._wait,
            pmui.Column(
                self._image,
                max_width=700,
                sizing_mode="stretch_width",
                styles={"box-shadow": "0 1px 6px rgba(0,0,0,.28)"},
            ),
            self._size,
            sizing_mode="stretch_width",
            margin=(12, 12),
            styles={"flex": "3 1 380px", "min-width": "0"},
        )
        side = pmui.Column(
            self._which,
            self._width,
            self._font,
            pmui.FlexBox(*self._downloads.values(), margin=(8, 4, 0, 4)),
            self._zip,
            note(
                "The zip holds the figure in three formats, tables, recipe, references, methods paragraph and code.",
                margin=(2, 8),
            ),
            sizing_mode="stretch_width",
            margin=(8, 0),
            styles={"flex": "1 1 260px", "min-width": "0"},
        )
        return pmui.FlexBox(
            sheet, side, sizing_mode="stretch_width", gap="0 16px", align_items="flex-start"
        )

    # ---- making it ---------------------------------------------------------------------------------------------------------
    def _make(self) -> None:
        pn.state.execute(self._make_off_loop)

    async def _make_off_loop(self) -> None:
        self._turn += 1
        turn, picture = self._turn, self._picture
        size = {"width_mm": self._width.value, "font_size": self._font.value}
        self._wait.visible = True
        self._enable(None)
        try:
            bundle = await asyncio.to_thread(
                make, picture, self._lens.slug, self._lens.recipe(), **size
            )
        except Exception as error:
            self.close()
            self._lens.fail(error, where="export", title="The export failed")
            return
        finally:
            if turn == self._turn:
                self._wait.visible = False
        if turn == self._turn:  # nobody changed his mind meanwhile
            self._enable(bundle)
            self._size.object = (
                f"{picture.spec.title} {size['width_mm']} mm wide, {size['font_size']} pt; "
                "text stays text in PDF and SVG."
            )

    def _enable(self, bundle: Bundle | None) -> None:
        self._bundle = bundle
        for button in (*self._downloads.values(), self._zip):
            button.disabled = bundle is None
        if bundle is not None:
            self._image.object = bundle.preview
            stem = next(iter(bundle.files)).split("/")[0]
            self._zip.filename = f"{stem}.zip"
            for kind, button in self._downloads.items():
                button.filename = f"{stem}.{kind}"
            for name, words in self._texts.items():
                words.object = bundle.words(_TEXTS[name]) or _without(bundle.picture, name)

    def _file(self, kind: str) -> io.BytesIO:
        return io.BytesIO(self._bundle.named(f".{kind}"))


_OF_THE_PAGE = ("lens", "theme", "picked")
"""Fields of the selection that make no difference to a figure's numbers."""
_TEXTS = {
    "Methods": "methods.txt",
    "BibTeX": "references.bib",
    "Python": ".py",
    "Recipe": "recipe.json",
}


def make(picture: Picture, name: str, recipe: dict, *, width_mm: float, font_size: float) -> Bundle:
    """Preview and zip of one picture; slow, so never on the page's loop."""
    from analysis.paper.code import python_code
    from analysis.paper.methods import bibtex, paragraph
    from analysis.paper.tables import long_table, r_script
    from dashboards.figures.export import bundle, preview

    scores = list(picture.scores)
    archive = bundle(
        picture.spec,
        table=picture.table,
        recipe=recipe,
        bibtex=picture.bibtex or bibtex(scores, published=picture.published),
        methods=picture.methods or paragraph(scores, published=picture.published),
        python=picture.python
        or (
            python_code(scores, **as_selected(scores, recipe)) + figure_code(picture.label, recipe)
            if scores
            else ""
        ),
        long=long_table(scores) if scores else None,
        r_script=r_script(scores) if scores else "",
        name=f"brainlens-{name}",
        width_mm=width_mm,
        font_size=font_size,
    )
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        files = {entry: opened.read(entry) for entry in opened.namelist()}
    return Bundle(
        picture, preview(picture.spec, width_mm=width_mm, font_size=font_size), archive, files
    )


def figure_code(label: str, recipe: dict) -> str:
    """Code that makes the figure's own table again: the lens, with what was selected."""
    from dashboards.state import defaults

    name, start = recipe["lens"].capitalize(), defaults()
    fields = {
        field: value
        for field, value in recipe["selection"].items()
        if field not in _OF_THE_PAGE and value != start[field]
    }
    arguments = ", ".join(f"{field}={value!r}" for field, value in fields.items())
    return "\n".join([
        "",
        "# The figure's own table, as the lens makes it",
        f"from dashboards import {name}",
        "",
        f"lens = {name}({arguments}).run(wait=True)",
        f"picture = next(one for one in lens.shown.pictures if one.label == {label!r})",
        "print(picture.spec.answer)",
        f'picture.table.to_csv("{recipe["lens"]}.csv", index=False)',
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
    from analysis.models.catalog import card
    from analysis.models.variants.spec import split
    from data.catalog.catalog import recording

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
    return f"{name} of this figure: see the lens in which each of its results was computed."
