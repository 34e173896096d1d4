"""One result with all that determines it, in a zip that another lab opens, compares and computes again."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.features.activations import extract
from analysis.models import load
from analysis.paper.capsule_readme import readme
from analysis.paper.checklist import checklist
from analysis.paper.code import python_code
from analysis.paper.methods import bibtex, paragraph
from analysis.progress import SILENT, Report
from analysis.scoring.beside import stored_oasm
from analysis.scoring.capsules import FORMAT, MANIFEST
from analysis.scoring.folds import runs
from analysis.scoring.predictions import held_out
from analysis.scoring.results import row
from analysis.store.store import Store
from data.files import atomic, guarded
from data.recording import Recording

__all__ = ["capsule_files", "fold_table", "write_capsule"]

_DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip


def write_capsule(
    path: str | Path,
    score,
    recording: Recording,
    *,
    name: str = "",
    model: str = "",
    columns: Mapping | None = None,
    predictions: bool = True,
    more: Mapping[str, bytes] | None = None,
    store=None,
    report: Report = SILENT,
) -> Path:
    """Write a capsule.

    Parameters
    ----------
    path : path-like
        Ends in ``.zip``.
    score : Score
    recording : Recording
        The one that was scored: its folds are written, its responses and texts are not (only their hashes), since they have
        licences of their own.
    name, model : str
        How the user named the recording and the model, for ``reproduce.py``.
    columns : mapping, optional
        How an own file's columns were said to be read, as for :func:`data.catalog.catalog.recording`.
    predictions : bool
        The held-out predictions of the first fold seed too.
    more : mapping of str to bytes, optional
        Further files, such as the figure.
    """
    files = capsule_files(
        score,
        recording,
        name=name,
        model=model,
        columns=columns,
        predictions=predictions,
        store=store,
        report=report,
    ) | dict(more or {})
    files["README.md"] = readme(score, files).encode()
    digests = {one: hashlib.sha256(content).hexdigest() for one, content in files.items()}
    about = {"format": FORMAT, "made_by": "BrainLens", "files": digests}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for one, content in {MANIFEST: _json(about), **files}.items():
            made.writestr(zipfile.ZipInfo(one, _DATE), content, zipfile.ZIP_DEFLATED)
    path = Path(path)
    with atomic(path) as part:
        part.write_bytes(out.getvalue())
    return path


def capsule_files(
    score,
    recording: Recording,
    *,
    name: str = "",
    model: str = "",
    columns: Mapping | None = None,
    predictions: bool = True,
    store=None,
    report: Report = SILENT,
) -> dict[str, bytes]:
    """Name -> content of everything in a capsule but manifest, README and figure."""
    about = score.provenance
    oasm = stored_oasm(about["recording"]["content_hash"], score.protocol, store)
    found = {
        "provenance.json": _json(about),
        "result.json": _json(row(score)),
        "layers.csv": _csv(score.table()),
        "targets.csv": _csv(score.per_target()),
        "folds.csv": _csv(fold_table(recording, score.protocol)),
        "methods.txt": (paragraph([score]) + "\n").encode(),
        "references.bib": (bibtex([score]) + "\n").encode(),
        "checklist.md": checklist(score, oasm=oasm).encode(),
        "licences.md": _licences(about).encode(),
        "reproduce.py": python_code(
            [score],
            recording=name or None,
            columns=columns,
            models=[model] if model else None,
        ).encode(),
    }
    if predictions and not recording.sampled:
        for number, held in enumerate(_held(score, recording, model, store, report)):
            out = io.BytesIO()
            np.save(out, held.predictions.astype(np.float32), allow_pickle=False)
            found[f"predictions_{number}.npy"] = out.getvalue()
    return found


def fold_table(recording: Recording, protocol) -> pd.DataFrame:
    """seed, part, fold, stimulus: which stimulus was held out where."""
    ids = recording.responses.stimulus.values
    rows = [
        (run.protocol.seed, part.name, number, str(stimulus))
        for run in runs(recording, protocol)
        for part in run.parts
        for number, (_, test) in enumerate(part.folds)
        for stimulus in ids[test]
    ]
    return pd.DataFrame(rows, columns=["seed", "part", "fold", "stimulus"])


def _held(score, recording: Recording, model: str, store, report: Report):
    """Held-out predictions of each part under the first fold seed, each fold with its own layer."""
    first = score.protocol.each_seed()[0]
    parts = runs(recording, first)[0].parts
    layers = score.fold_layers[: sum(len(part.folds) for part in parts)]
    read = extract(
        load(model or score.model), recording.reading(), first, sorted(set(layers)),
        store=store or Store(), report=report,
    )  # fmt: skip
    yield from held_out(read, layers, recording, first, parts, report)


def _licences(about: Mapping) -> str:
    data, model = about["recording"], about["model"]
    return "\n".join(
        [
            "# Licences",
            "",
            f"- Recording {data['id']}: {data['licence'] or 'not stated'}. Its responses and "
            "texts are not in here; their hashes are.",
            f"- Model {model['id']}: {model['licence'] or 'not stated'}. Its weights are not in here; their hash is.",
            "- Numbers, tables and code in this capsule were made by BrainLens and belong to whoever made them.",
            "",
        ]
    )


def _json(told) -> bytes:
    plain = json.loads(json.dumps(told, default=str), parse_constant=lambda _: None)
    return (json.dumps(plain, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _csv(frame: pd.DataFrame) -> bytes:
    return guarded(frame).to_csv(index=False, float_format="%.9g").encode()
