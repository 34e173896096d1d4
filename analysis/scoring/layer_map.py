"""Committed maps of layers: the layer that predicts each region best, chosen once, written down, and used elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.scoring.summary import choose_layers
from data.errors import BrainLensError, unknown
from data.files import atomic
from data.home import home

__all__ = [
    "LayerMap",
    "chosen_by_region",
    "commit",
    "committed",
    "layer_map",
    "load_map",
    "map_of",
    "mapped",
]

VERSION = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")


@dataclass(frozen=True)
class LayerMap:
    """Region -> layer of one model, as one recording chose it.

    Parameters
    ----------
    name : str
    model, recording, stimuli, responses, protocol : str
        What chose it; hashes of its stimuli and responses.
    layers : int
        Layers of the model.
    regions : mapping of str to int
        The layer that most folds chose.
    folds : tuple of mappings
        The choice of each fold, on its training rows alone.
    texts : tuple of str
        Hashes of the stimuli's texts, to know what other recordings share.
    """

    name: str
    model: str
    recording: str
    stimuli: str
    responses: str
    protocol: str
    layers: int
    regions: Mapping[str, int]
    folds: tuple[Mapping[str, int], ...] = ()
    texts: tuple[str, ...] = field(default=(), repr=False)


def chosen_by_region(score, place: str) -> tuple[list[str], np.ndarray]:
    """Regions, and for each the layer that wins inside each training fold, (n_regions, n_folds).

    Raises
    ------
    BrainLensError
        Where the protocol does not choose layers inside folds.
    """
    if "inner" not in score.dataset:
        raise BrainLensError(
            f"The protocol {score.protocol.name} has layer={score.protocol.layer}: nothing was chosen inside training folds",
            remedy="Use layer=nested",
        )
    inner = score.dataset.inner.transpose("layer", "fold", "target").values
    labels = labels_of(score, place)
    subjects = (
        score.dataset.subject.values.astype(str) if "subject" in score.dataset.coords else None
    )
    regions = list(dict.fromkeys(labels))
    rows = []
    for region in regions:
        mine = labels == region
        rows.append(choose_layers(inner[:, :, mine], None if subjects is None else subjects[mine]))
    return regions, np.array(score.layers)[np.stack(rows)]


def labels_of(score, place: str) -> np.ndarray:
    """Place of each target; one for all where there is none."""
    if not place:
        return np.full(score.dataset.sizes["target"], "everywhere")
    return score.dataset[place].values.astype(str)


def layer_map(score, recording, place: str, name: str) -> LayerMap:
    """The map of a score: each region's layer, fold by fold."""
    if not _NAME.fullmatch(name):
        raise BrainLensError(
            f"{name!r} is no name of a map",
            remedy="Lower case, digits and hyphens, such as story-map",
        )
    regions, layers = chosen_by_region(score, place)
    most = {region: int(pd.Series(row).mode()[0]) for region, row in zip(regions, layers)}
    folds = tuple(
        {region: int(layers[i, fold]) for i, region in enumerate(regions)}
        for fold in range(layers.shape[1])
    )
    return LayerMap(
        name, score.model, recording.id, recording.stimulus_hash, recording.response_hash, score.protocol.name,
        len(score.layers), most, folds, texts_of(recording),
    )  # fmt: skip


def texts_of(recording) -> tuple[str, ...]:
    """Short hashes of what was read: of a story its runs, else each stimulus."""
    import hashlib

    table = recording.timed.words if recording.sampled else None
    pieces = (
        [" ".join(words["text"]) for _, words in table.groupby("run", sort=False)]
        if table is not None
        else recording.texts
    )
    plain = (re.sub(r"\W+", " ", piece.lower()).strip() for piece in pieces)
    return tuple(sorted({hashlib.sha256(piece.encode()).hexdigest()[:16] for piece in plain}))


# ---- kept ------------------------------------------------------------------------------------------------------------
def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise unknown("map of layers", name, committed())
    return home() / "maps" / f"{name}.json"


def committed() -> list[str]:
    """Names of the maps that are kept."""
    return sorted(path.stem for path in (home() / "maps").glob("*.json"))


def commit(one: LayerMap) -> Path:
    """Write a map down; a name that is taken is not written over, for a committed choice stays what it was.

    Raises
    ------
    BrainLensError
        Where another map has the name.
    """
    path = _path(one.name)
    content = json.dumps({"version": VERSION, **asdict(one)}, indent=1) + "\n"
    if path.is_file():
        if path.read_text(encoding="utf-8") == content:
            return path
        raise BrainLensError(
            f"There is a map {one.name!r} already, and a committed choice is not changed",
            remedy=f"Choose another name, or delete {path}",
        )
    with atomic(path) as part:
        part.write_text(content, encoding="utf-8")
    return path


def load_map(name: str) -> LayerMap:
    """A map that was committed.

    Raises
    ------
    BrainLensError
        Where there is none, or it cannot be read.
    """
    path = _path(name)
    if not path.is_file():
        raise unknown(
            "map of layers",
            name,
            committed(),
            remedy="Commit one: brainlens regions ... --commit NAME",
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        told.pop("version")
        return LayerMap(**{**told, "folds": tuple(told["folds"]), "texts": tuple(told["texts"])})
    except (ValueError, KeyError, TypeError) as error:
        raise BrainLensError(
            f"{path.name} cannot be read: {error}", remedy="Commit the map again"
        ) from None


def map_of(layer: str) -> LayerMap | None:
    """The committed map that a choice of layers names; None for the choice of each fold on its own training rows.

    Parameters
    ----------
    layer : str
        ``"nested"`` or ``"map:NAME"``.

    Raises
    ------
    BrainLensError
        For another choice, and a map that was not committed.
    """
    if layer == "nested":
        return None
    kind, _, name = layer.partition(":")
    if kind != "map":
        choices = ["nested", *(f"map:{one}" for one in committed())]
        raise unknown("choice of layers by region", layer, choices)
    return load_map(name)


# ---- used ------------------------------------------------------------------------------------------------------------
def mapped(score, recording, place: str, one: LayerMap) -> tuple[np.ndarray, str]:
    """r of every fold and target with each region at the layer of a map, and what has to be said of that choice.

    Returns
    -------
    r : ndarray, shape (n_folds, n_targets)
        NaN in regions that the map does not have.
    label : str
        Empty where the map comes from other people and other stimuli; otherwise what is shared.

    Raises
    ------
    BrainLensError
        For a map of another model, or one that was chosen on these very responses: its layers have seen what they would be
        tested on.
    """
    if one.model != score.model:
        raise BrainLensError(
            f"The map {one.name!r} is of {one.model}, not of {score.model}",
            remedy=f"Score {one.model}",
        )
    if one.responses == recording.response_hash:
        raise BrainLensError(
            f"The map {one.name!r} was chosen on {one.recording} itself: its layers have seen what they would be tested on",
            remedy="Use it on another recording; on this one each fold chooses for itself",
        )
    shared = set(one.texts) & set(texts_of(recording))
    label = (
        f"same stimuli: {len(shared)} of {len(set(texts_of(recording)))} texts are those that chose the map"
        if shared
        else ""
    )
    labels = labels_of(score, place)
    r = score.dataset.r.transpose("layer", "fold", "target").values
    out = np.full(r.shape[1:], np.nan)
    for region, layer in one.regions.items():
        if layer in score.layers:
            mine = labels == region
            out[:, mine] = r[score.layers.index(layer)][:, mine]
    return out, label
