"""Which part of the brain is predicted, and from which depth of the model?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural, signed
from analysis.answers.each_person import each_person_by_region
from analysis.answers.groups import groupings
from analysis.scoring.layer_map import LayerMap, chosen_by_region, labels_of, map_of, mapped
from analysis.scoring.nested import picked
from analysis.scoring.parcelled import parcelled
from analysis.scoring.summary import per_target
from analysis.statistics.measured import beside
from analysis.statistics.multiple import fdr
from analysis.statistics.turning import people_by_blocks
from data.errors import BrainLensError
from data.stories.parcels import Parcels, on_parcels
from data.surface import OnCortex, on_cortex, places_of

__all__ = ["brain_values", "place_of", "regions"]

DRAWS = 1000


def place_of(score) -> str:
    """Coordinate of the targets that is taken for a place; empty where they have nothing but a point in space or on a surface.

    Raises
    ------
    BrainLensError
        Where nothing says where targets lie.
    """
    name, why = groupings(score)["region"]
    known = {str(one) for one, values in score.dataset.coords.items() if values.dims == ("target",)}
    if not name and not ({"x", "y", "z"} <= known or {"vertex", "hemisphere"} <= known):
        raise BrainLensError(
            f"{score.recording} cannot be shown by region: {why}",
            remedy="Give its targets a coordinate region",
        )
    return name


def regions(
    scores: Iterable,
    *,
    recording=None,
    layer: str = "nested",
    committed: LayerMap | None = None,
    parcels: Parcels | None = None,
    seed: int = 0,
) -> Answer:
    """Score of each region, with each region at a layer of its own, chosen inside training folds or by a committed map.

    Parameters
    ----------
    scores : iterable of Score
        On one recording.
    recording : Recording, optional
        Needed with a map, and with parcels.
    layer : str
        ``"nested"``: each fold chooses on its training rows; ``"map:NAME"``: the layers of a committed map.
    committed : LayerMap, optional
        Layers that another recording chose, where the map is at hand already; it counts before ``layer``.
    parcels : Parcels, optional
        Of an annotation (:func:`data.stories.parcels.parcels`): targets are pooled by the parcel that they lie in, those in none
        are left out and counted.
    seed : int
        Of the draws.

    Returns
    -------
    Answer
        ``frame``: model, region, r (each fold at the region's own layer), r_low, r_high, p, q (over the regions of a model),
        above (q < .05), layer (chosen by most folds), depth (mean over folds), agreement (share of folds that chose that
        layer), r_whole (with the layer chosen for the whole recording), ceiling, others (a lower bound of the ceiling:
        what the other people predict of each person, mean over targets), n_targets, n_people. ``facts["together"]``:
        model, regions, r (all targets that have a score, each at its region's layer), r_low, r_high, r_whole (the same targets at
        the layer chosen for the whole recording), gain, gain_low, gain_high. ``facts["label"]``: what a map shares with this
        recording. ``facts["said"]``: model -> its sentence. ``facts["people"]``: the answer of
        :func:`each_person_by_region`, or None.

    Raises
    ------
    BrainLensError
        Where targets have no place, and for a map that was not committed or does not belong here.

    Notes
    -----
    Intervals and p (share of draws at or below 0, doubled) draw people and held-out blocks, independently; q by Benjamini &
    Hochberg over regions.
    """
    scores, committed = list(scores), committed or map_of(layer)
    if committed is not None and recording is None:
        raise BrainLensError(
            f"The map {committed.name!r} is held against the recording, which is not given",
            remedy="Give recording=",
        )
    outside = ""
    if parcels is not None:
        scores, outside = _in_parcels(scores, recording, parcels)
    place = place_of(scores[0]) if parcels is None else "region"
    frames, label, each, together = [], "", {}, []
    for score in scores:
        names, chosen = chosen_by_region(score, place)
        labels = labels_of(score, place)
        r = score.dataset.r.transpose("layer", "fold", "target").values
        position = {layer: i for i, layer in enumerate(score.layers)}
        own = np.full(r.shape[1:], np.nan)
        for region, row in zip(names, chosen):
            mine = labels == region
            own[:, mine] = picked(r, np.array([position[int(one)] for one in row]))[:, mine]
        if committed is not None:
            if not set(names) & set(committed.regions):
                raise BrainLensError(
                    f"The map {committed.name!r} has none of the {place or 'place'}s of this recording "
                    f"({', '.join(names[:6])}): it was chosen for {', '.join(list(committed.regions)[:6])}",
                    remedy="Take a map of the same regions, or let each fold choose",
                )
            own, label = mapped(score, recording, place, committed)
        whole = picked(r, np.array([position[one] for one in score.fold_layers]))
        each[score.model] = per_target(own, score.dataset.part.values)
        together.append(_together(score, labels, own, whole, seed))
        rows = [
            _row(score, region, labels == region, row, own, whole, committed, seed)
            for region, row in zip(names, chosen)
        ]
        frame = pd.DataFrame(rows)
        frame["q"] = fdr(frame["p"].to_numpy()).q
        frame["above"] = (frame["q"] < 0.05) & (frame["r"] > 0)
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    of_model = {score.model: _sentence(one) for score, one in zip(scores, frames)}
    said = list(of_model.values())
    if committed is not None:
        said += [_sentence_together(one, committed, place) for one in together if one["regions"]]
    return Answer(
        frame,
        " ".join(filter(None, [*said, f"The map: {label}." if label else ""])),
        _caption(scores[0], place, committed, label, list(dict.fromkeys(frame["region"])))
        + (f" {outside[0].upper()}{outside[1:]}." if outside else ""),
        facts={
            "place": place,
            "label": label,
            "said": of_model,
            "together": pd.DataFrame(together),
            "targets": each,
            "people": each_person_by_region(each, scores, labels_of(scores[0], place), seed=seed),
        },
        axes={"x_title": place.capitalize() or "Where", "y_title": "Pearson r, held out"},
    )


def _in_parcels(scores: list, recording, parcels: Parcels) -> tuple[list, str]:
    """The scores with parcels as regions, and how many targets lie in none."""
    if recording is None:
        raise BrainLensError(
            f"The parcels of {parcels.name} are held against the recording, which is not given",
            remedy="Give recording=",
        )
    found = [parcelled(score, recording, parcels) for score in scores]
    return [score for score, _ in found], found[0][1]


def _row(score, region: str, mine: np.ndarray, row, own, whole, committed, seed: int) -> dict:
    data = score.dataset
    subjects = data.subject.values[mine] if "subject" in data.coords else np.full(mine.sum(), "all")
    (value,), drawn = people_by_blocks(own[None][:, :, mine], subjects, draws=DRAWS, seed=seed)
    (plain,), _ = people_by_blocks(whole[None][:, :, mine], subjects, draws=2, seed=seed)
    known = np.isfinite(drawn).all()
    low, high = np.percentile(drawn, [2.5, 97.5]) if known else (np.nan, np.nan)
    p = min(1.0, 2 * (1 + int((drawn <= 0).sum())) / (1 + len(drawn))) if known else np.nan
    layer = int(pd.Series(row).mode()[0])
    if committed is not None:
        layer = int(committed.regions.get(region, -1))
    depth = dict(zip(score.layers, data.depth.values))
    bound, others = _bounds(score.ceiling, mine)
    return {
        "model": score.model,
        "region": region,
        "r": value,
        "r_low": float(low),
        "r_high": float(high),
        "p": p,
        "layer": layer,
        "depth": float(depth.get(layer, np.nan)) if committed is not None else float(np.mean([depth[int(one)] for one in row])),
        "agreement": float(np.mean(np.asarray(row) == layer)),
        "r_whole": plain,
        "ceiling": bound,
        "others": others,
        "n_targets": int(mine.sum()),
        "n_people": len(set(subjects.tolist())),
    }  # fmt: skip


def _bounds(ceiling, mine: np.ndarray) -> tuple[float, float]:
    """Means over a region's targets of the ceiling, and of its lower bound: what the other people predict of each person."""
    found = []
    for one in (ceiling, ceiling.lower_bound):
        values = np.array([]) if one is None else np.asarray(one.per_target, float)[mine]
        values = values[np.isfinite(values)]
        found.append(float(values.mean()) if len(values) else float("nan"))
    return found[0], found[1]


def _together(score, labels: np.ndarray, own: np.ndarray, whole: np.ndarray, seed: int) -> dict:
    """All targets that have a score at their region's layer, and the same targets at the layer of the whole recording."""
    mine, data = np.isfinite(own).any(axis=0), score.dataset
    found = {"model": score.model, "regions": len(set(labels[mine]))}
    if not mine.any():
        return found | dict.fromkeys(
            ("r", "r_low", "r_high", "r_whole", "gain", "gain_low", "gain_high"), np.nan
        )
    subjects = data.subject.values[mine] if "subject" in data.coords else np.full(mine.sum(), "all")
    (value, plain), drawn = people_by_blocks(
        np.stack([own[:, mine], whole[:, mine]]), subjects, draws=DRAWS, seed=seed
    )
    low, high = np.percentile(drawn[:, 0], [2.5, 97.5])
    less, more = np.percentile(drawn[:, 0] - drawn[:, 1], [2.5, 97.5])
    return found | {
        "r": float(value), "r_low": float(low), "r_high": float(high), "r_whole": float(plain),
        "gain": float(value - plain), "gain_low": float(less), "gain_high": float(more),
    }  # fmt: skip


def brain_values(answer: Answer, model: str, recording, parcels: Parcels | None = None) -> OnCortex:
    """r of a model's targets on the cortex, where the recording (or the region's name) says where they lie.

    Parameters
    ----------
    parcels : Parcels, optional
        Of an annotation (:func:`data.stories.parcels.parcels`) that names the regions: each is drawn as its parcel.

    Raises
    ------
    BrainLensError
        Where nothing says that.
    """
    if parcels is not None:
        mine = answer.frame[answer.frame["model"] == model]
        return on_parcels(dict(zip(mine["region"].astype(str), mine["r"])), parcels)
    responses, values = recording.responses, answer.facts["targets"][model]
    if {"vertex", "hemisphere"} <= set(map(str, responses.coords)):
        return on_cortex(
            values, vertices=responses["vertex"].values, sides=responses["hemisphere"].values
        )
    where, how = places_of(responses)
    return on_cortex(values, where, how=how)


# ---- words -----------------------------------------------------------------------------------------------------------
def _sentence(frame: pd.DataFrame) -> str:
    model, known = frame["model"].iloc[0], frame.dropna(subset="r")
    if not len(known):
        return f"{model} has no score in any region."
    if len(known) == 1:
        one = known.iloc[0]
        where = "all targets together" if one.region == "everywhere" else one.region
        value = f"r = {decimal(one.r)} {interval(one.r_low, one.r_high)}"
        if one.above and one.r_low > 0:
            return f"{model} predicts {where} with {value}."
        return f"{model}, {where}: {value}, not told from 0."
    top, last = known.loc[known["r"].idxmax()], known.loc[known["r"].idxmin()]
    above = known[known["above"]]
    said = (
        f"{model} predicts {top.region} best (r = {decimal(top.r)} {interval(top.r_low, top.r_high)}) and {last.region} least "
        f"({decimal(last.r)} {interval(last.r_low, last.r_high)}); {len(above)} of {plural(len(known), 'region')} above 0 "
        "(q < .05)"
    )
    if known["layer"].nunique() > 1 and len(above) > 1:
        low, high = above.loc[above["depth"].idxmin()], above.loc[above["depth"].idxmax()]
        if high.depth > low.depth:
            said += (
                f"; {low.region} by the shallowest layers (depth {decimal(low.depth)}), {high.region} by the deepest "
                f"({decimal(high.depth)})"
            )
    return said + "."


def _sentence_together(one: dict, committed: LayerMap, place: str) -> str:
    return (
        f"With {'the' if one['regions'] == 1 else 'all'} {plural(one['regions'], place or 'place')} of the map {committed.name} "
        f"taken together {one['model']} scores r = {decimal(one['r'])} {interval(one['r_low'], one['r_high'])}, as against "
        f"{decimal(one['r_whole'])} with the layer chosen for the whole recording (difference {signed(one['gain'], 2)} "
        f"{interval(one['gain_low'], one['gain_high'])})."
    )


def _caption(score, place: str, committed: LayerMap | None, label: str, names: list[str]) -> str:
    what = place or "place"
    how = (
        f"Each {what} at the layer that {committed.recording} chose for it (map {committed.name})"
        if committed is not None
        else f"Each {what} in each fold at the layer that predicts it best in the training rows; depth is the mean over folds"
    )
    if strange := [name for name in names if committed and name not in committed.regions]:
        how += f"; not in the map, so without a score: {', '.join(strange)}"
    doubt = f"; {label}" if label else ""
    story = score.provenance["recording"]["scored_unit"] == "tr"
    return (
        f"Held out: {score.provenance['folds']}. {how}{doubt}. Intervals: 95 %, people and held-out blocks drawn independently"
        f"{'; one story says nothing about other stories' if story else ''}. q: Benjamini & Hochberg over "
        f"{what}s of a model. Layers that predict nearly alike change places from fold to fold: see the agreement."
        + (
            " others: what the mean of the other people's signals predicts of each person, mean over people: a lower bound of "
            "the ceiling."
            if score.ceiling.lower_bound is not None
            else ""
        )
        + (f" {beside('p of a region')}" if score.provenance["recording"]["n_subjects"] > 1 else "")
    )
