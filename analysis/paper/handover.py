"""What a reviewer or a statistician is handed: R tables with their script, the checklist, and a capsule of each score."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.paper.capsule import write_capsule
from analysis.paper.checklist import checklist
from analysis.paper.methods import bibtex, paragraph, several
from analysis.paper.tables import long_table, r_script
from analysis.progress import SILENT, Report
from analysis.scoring.beside import stored_oasm
from data.errors import BrainLensError
from data.files import atomic, guarded, made_folder
from data.recording import Recording

__all__ = ["hand_over", "r_files", "write_r_files"]

_README = """# From BrainLens to R

- `long.csv`: one row per model, layer, fold and target, with r, r2, ceiling and the person; `chosen` is the layer of that fold.
- `models.R`: run `Rscript models.R` in this folder. It needs lme4.
- `ours.csv`: what BrainLens reports for each model.

The script first averages r as BrainLens does (over folds, targets, people and fold seeds), prints it beside `ours.csv` and
stops where the two differ. Then the mixed model, of Fisher's z of the first fold seed, with people, targets and folds as
random effects: its estimates, back through tanh, differ from ours in the second decimal (a mean of z is no mean of r) and
its intervals more (ours are drawn by bootstrap); the order of models should not. Single trials (reading times, N400) leave
for R as mixed models of their own: `brainlens reading MODEL --on RECORDING --form mixed --r-folder FOLDER`.
"""


def r_files(scores) -> dict[str, bytes]:
    """Name -> content of the R folder: ``long.csv``, ``models.R``, ``ours.csv``, ``README.md``."""
    scores = several(scores)
    if not scores:
        raise BrainLensError("No score to hand over", remedy="Run the panels first")
    ours = pd.DataFrame(
        [
            {"model": one.model, "recording": one.recording, "protocol": one.protocol.name, **one.summary()}
            for one in scores
        ]
    )  # fmt: skip
    return {
        "long.csv": guarded(long_table(scores)).to_csv(index=False, lineterminator="\n").encode(),
        "models.R": r_script(scores, ours="ours.csv").encode(),
        "ours.csv": guarded(ours).to_csv(index=False, lineterminator="\n").encode(),
        "README.md": _README.encode(),
    }


def write_r_files(scores, folder: str | Path) -> Path:
    """The R folder on disk.

    Raises
    ------
    BrainLensError
        Where the folder holds something already.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BrainLensError(f"The folder {folder} is not empty", remedy="Name a new one")
    files = r_files(scores)
    made_folder(folder)
    for name, content in files.items():
        with atomic(folder / name) as part:
            part.write_bytes(content)
    return folder


def hand_over(
    scores,
    recording: Recording,
    *,
    name: str = "",
    models: Mapping[str, str] | None = None,
    columns: Mapping | None = None,
    store=None,
    report: Report = SILENT,
) -> bytes:
    """One zip: ``R/``, ``checklist.md``, ``methods.txt``, ``references.bib``, and ``capsules/`` (without predictions).

    Parameters
    ----------
    scores : Score or iterable of Score
        On the recording.
    name : str
        How the user named the recording.
    models : mapping of str to str, optional
        A score's model -> how the user named it.
    columns : mapping, optional
        How an own file's columns were said to be read.
    """
    scores = several(scores)
    files = {f"R/{one}": content for one, content in r_files(scores).items()}
    about = recording.content_hash
    known = [stored_oasm(about, one.protocol, store) for one in scores]
    files["checklist.md"] = "\n".join(
        checklist(one, oasm=oasm) for one, oasm in zip(scores, known)
    ).encode()
    files["methods.txt"] = (paragraph(scores) + "\n").encode()
    files["references.bib"] = (bibtex(scores) + "\n").encode()
    with tempfile.TemporaryDirectory() as folder:
        for number, one in enumerate(scores):
            report.step(number, len(scores), "capsules")
            stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", one.model).strip("-.") or "model"
            path = write_capsule(
                Path(folder) / f"{number + 1}-{stem}.zip",
                one,
                recording,
                name=name,
                model=(models or {}).get(one.model, ""),
                columns=columns,
                predictions=False,
                store=store,
                report=report,
            )
            files[f"capsules/{path.name}"] = path.read_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for one, content in files.items():
            made.writestr(
                zipfile.ZipInfo(one, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED
            )
    return out.getvalue()
