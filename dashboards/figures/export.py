"""What leaves the page: the figure for print, its data, its recipe, its references, its methods paragraph and its code.

Single formats, each ``-> bytes``::

    figure(spec, format="pdf", *, width_mm=85, height_mm=None, font_size=7, dpi=300)      format: pdf, svg or png
    preview(spec, *, width_mm=85, height_mm=None, font_size=7, theme="light")              PNG at the size of a screen
    csv(table, stamp="")      parquet(table, stamp="")      recipe_json(recipe, spec=None)      text(words, stamp="", comment="")

All in one: ``bundle(spec, *, table=None, recipe=None, bibtex="", methods="", python="", long=None, r_script="",
name="brainlens", ...)`` gives a zip. ``save(data, path)`` writes any of them under a temporary name and renames it.

Whatever is made of simulated data, or carries a note on the data's quality (``spec.stamp``), says so in every one of these files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dashboards.figures import paper
from dashboards.figures.sizes import PRESETS, SIGHTS
from dashboards.figures.spec import FigureSpec
from data.errors import BrainLensError, unknown
from data.files import guarded

__all__ = [
    "PRESETS",
    "SIGHTS",
    "bundle",
    "csv",
    "figure",
    "file_name",
    "parquet",
    "preview",
    "recipe_json",
    "save",
    "text",
]

PREVIEW_DPI = 144
_DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip


def figure(spec: FigureSpec | Sequence[FigureSpec], format: str = "pdf", **style) -> bytes:
    """The figure, or panels A, B, C of one sheet, as PDF, SVG or PNG: see :func:`dashboards.figures.paper.render`."""
    return paper.render(spec, format=format, **style)


def preview(spec: FigureSpec | Sequence[FigureSpec], *, seen: str = "as it is", **style) -> bytes:
    """What the print will look like, as a PNG twice as fine as a screen.

    Parameters
    ----------
    spec : FigureSpec or sequence of FigureSpec
    seen : str
        One of :data:`SIGHTS`: what is left without colours, and without the difference of red and green.
    **style
        As of :func:`dashboards.figures.paper.render`.
    """
    if seen not in SIGHTS:
        raise unknown("sight", seen, SIGHTS)
    wide = style.get("width_mm", 85) > 260
    data = figure(spec, "png", dpi=72 if wide else PREVIEW_DPI, **style)
    return data if seen == SIGHTS[0] else _seen(data, seen)


def _seen(png: bytes, how: str) -> bytes:
    """A PNG in grey, or as people without the cones for green see it (Machado et al. 2009, severity 1)."""
    from PIL import Image

    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float) / 255
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4)
    if how == "grey":
        linear = np.repeat((linear @ [0.2126, 0.7152, 0.0722])[..., None], 3, axis=-1)
    else:
        linear = np.clip(linear @ np.array(_DEUTERANOPIA).T, 0, 1)
    picture = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    out = io.BytesIO()
    Image.fromarray(np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


_DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)


def marks_of(
    spec: FigureSpec, recipe: Mapping | None, panels: Sequence[FigureSpec] = ()
) -> dict[str, str]:
    """What every single file says of where it comes from: versions, link, and the hash of the numbers it shows."""
    from importlib.metadata import version

    digest = hashlib.sha256(b"".join(csv(one.table) for one in panels or [spec])).hexdigest()[:12]
    known = {"software": f"BrainLens {version('brainlens')}", "numbers": f"sha256 {digest}"}
    link = str((recipe or {}).get("link", ""))
    return known | ({"link": link} if link else {})


def csv(table: pd.DataFrame, stamp: str = "", decimal: str = "point") -> bytes:
    """A table as CSV in UTF-8, with a column ``stamp`` where there is something to say.

    ``decimal="comma"`` writes 0,47 and parts the columns by semicolons, as spreadsheets of many languages read it.
    """
    how = {"sep": ";", "decimal": ","} if decimal == "comma" else {}
    return _stamped(guarded(table), stamp).to_csv(index=False, lineterminator="\n", **how).encode()


def parquet(table: pd.DataFrame, stamp: str = "") -> bytes:
    """A table as Parquet; columns of mixed kinds become text."""
    frame = _stamped(table, stamp)
    mixed = [
        name
        for name in frame
        if frame[name].dtype == object and frame[name].dropna().map(type).nunique() > 1
    ]
    frame = frame.assign(**{name: frame[name].astype(str) for name in mixed})
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def recipe_json(recipe: Mapping | None, spec: FigureSpec | None = None) -> bytes:
    """Everything that determines the figure, as JSON: the recipe, and what the figure says in words."""
    said = (
        {}
        if spec is None
        else {
            "title": spec.title,
            "answer": spec.answer,
            "caption": spec.caption,
            "stamp": spec.stamp,
        }
    )
    whole = _plain({"figure": said, **(recipe or {})})
    return (json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def text(words: str, stamp: str = "", comment: str = "") -> bytes:
    """Words as UTF-8, with the stamp in front, behind ``comment`` (such as ``"# "``)."""
    head = f"{comment}{stamp[0].upper()}{stamp[1:]}.\n" if stamp else ""
    return (head + words.rstrip("\n") + "\n").encode()


def _with_rows(
    spec: FigureSpec, *, width_mm: float = 85, height_mm: float | None = None, **style
) -> FigureSpec:
    """The figure, whose caption says how many rows of a long ranking find no room on a page of this size."""
    style = {name: style[name] for name in ("font_size", "legend", "theme") if name in style}
    if spec.empty:
        return spec
    shown, whole = paper.rows_drawn(spec, width_mm=width_mm, height_mm=height_mm, **style)
    if shown == whole:
        return spec
    words = f"The figure shows the first {shown} of {whole} rows; the table has all of them."
    return replace(spec, caption=f"{spec.caption} {words}".strip())


def bundle(spec: FigureSpec, *, table: pd.DataFrame | None = None, recipe: Mapping | None = None, bibtex: str = "",
           methods: str = "", python: str = "",
           checklist: str = "", long: pd.DataFrame | None = None, r_script: str = "", name: str = "brainlens",
           dpi: int = 300, panels: Sequence[FigureSpec] = (), decimal: str = "point",
           more: Mapping[str, bytes] | None = None, **style) -> bytes:  # fmt: skip
    """Everything in one zip.

    Parameters
    ----------
    spec : FigureSpec
    table : pandas.DataFrame, optional
        The lens's table; None: the rows that are drawn. The drawn rows are always in ``<name>_figure.csv``.
    recipe : mapping, optional
        Provenance, protocol, selection and link.
    bibtex, methods, python : str
        As of :mod:`analysis.paper.methods`; left out where empty.
    checklist : str
        As of :func:`analysis.paper.checklist.checklist`; left out where empty.
    long : pandas.DataFrame, optional
        One row per target and fold, for the R script.
    r_script : str
        As of :func:`analysis.paper.tables.r_script`; reads ``long.csv``.
    name : str
        Stem of the files.
    dpi : int
    panels : sequence of FigureSpec
        All figures of the sheet, where there are several.
    decimal : str
        ``"point"`` or ``"comma"``, in the tables for people (``long.csv`` is for R and keeps the point).
    more : mapping of str to bytes, optional
        Further files: path -> content.
    **style
        As of :func:`dashboards.figures.paper.render`.

    Returns
    -------
    bytes
        A zip with the figure in three formats, the tables, recipe, references, methods, caption and code.
    """
    name = file_name(name)
    stamp = next((one.stamp for one in (*panels, spec) if one.stamp), "")
    table = spec.table if table is None else table
    drawn, said = (list(panels) or _with_rows(spec, **style)), marks_of(spec, recipe, panels)
    files = {
        f"{name}.{kind}": figure(drawn, kind, dpi=dpi, metadata=said, **style)
        for kind in paper.FORMATS
    }
    files |= {
        f"{name}.csv": csv(table, stamp, decimal),
        f"{name}.parquet": parquet(table, stamp),
        f"{name}_figure.csv": csv(spec.table, stamp, decimal),
    }
    files["recipe.json"] = recipe_json(
        {
            **(recipe or {}),
            "size": {"width_mm": 85, "height_mm": None, "font_size": 7, **style, "dpi": dpi},
        },
        spec,
    )
    captions = [
        "\n\n".join(filter(None, (one.title, one.answer, one.caption)))
        for one in (panels or [drawn])
    ]
    if panels:
        each = zip(paper.lettered(len(captions)), captions, strict=True)
        captions = [f"{letter}. {words}" for letter, words in each]
    files["caption.txt"] = text("\n\n".join(captions), stamp)
    optional = {
        "references.bib": (bibtex, "% "),
        "methods.txt": (methods, ""),
        "checklist.md": (checklist, ""),
        f"{name}.py": (python, "# "),
        f"{name}.R": (r_script, "# "),
    }
    files |= {
        path: text(words, stamp, comment) for path, (words, comment) in optional.items() if words
    }
    if long is not None:
        files["long.csv"] = csv(long, stamp)
    files |= more or {}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(f"{name}/{path}", _DATE)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def save(data: bytes, path: str | Path) -> Path:
    """Write a file under a temporary name beside its place, then rename it: a reader never sees half of it.

    Raises
    ------
    BrainLensError
        Where the folder does not exist or cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BrainLensError(
            f"There is no folder {str(path.parent)!r}",
            remedy="Make it first, or choose another one",
        )
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise BrainLensError(
            f"{str(path)!r} cannot be written: {error.strerror}", remedy="Choose another folder"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def file_name(words: str) -> str:
    """Words as a file name: lower case, hyphens, nothing that a file system minds.

    Examples
    --------
    >>> file_name("gpt2 @ Pereira 2018?")
    'gpt2-pereira-2018'
    """
    return re.sub(r"[^a-z0-9._]+", "-", words.lower()).strip("-.") or "brainlens"


def _stamped(table: pd.DataFrame, stamp: str) -> pd.DataFrame:
    return table.assign(stamp=stamp) if stamp else table


def _plain(value: object) -> object:
    """Only what strict JSON knows: numpy's numbers and arrays as plain ones, NaN and infinities as null, the rest as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value), key=str)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
