"""The answer of ``score``: values per layer, fold and target, their summaries, and the complete recipe behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.ceiling.result import Ceiling
from analysis.protocol import SIMILARITIES, Protocol
from analysis.scoring import words
from analysis.scoring.blocks import empty_layers
from analysis.scoring.nested import nested_draws, picked, ratio_interval
from analysis.scoring.summary import choose_layers, ends, omega, per_target, summarise, targets_of
from analysis.statistics.measured import SOME_PEOPLE, beside_result
from data.errors import unknown
from data.files import atomic, guarded

__all__ = ["Score"]

_UNIQUE = ("unique_r2", "joint_r2", "controls_r2")


@dataclass(frozen=True)
class Score:
    """How well each layer of one model predicts one recording.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``r``, ``r2``, ``alpha``, ``constant`` over (layer, fold, target); ``r_shuffled`` over (layer, twin_fold, target);
        ``draws_r`` over (layer, draw), ``draws_fold`` over (layer, draw, fold); ``dropped`` (constant units) over (layer, fold).
        Coordinates: ``part`` and ``seed`` of each fold, ``subject`` of each target, ``depth`` (0 embedding .. 1 top) and ``note``
        of each layer.
    ceiling : Ceiling
        What a perfect model could reach, or why that is not known.
    protocol : Protocol
    controls : pandas.DataFrame
        One row per control on the same folds: control, r, r_low, r_high, r2, r_shuffled.
    headline : mapping
        ``unique_r2``, ``joint_r2``, ``controls_r2``, ``model_r2``, ``beyond``: what the model explains beyond the controls, every
        fold with the layer chosen for it; empty where that was not computed.
    provenance : dict
        Everything that determines the numbers: protocol, model, tokenizer, stimuli, folds, versions.
    cached : bool
        Everything came from the store.
    complete : bool
        False for a partial score that is still being computed.
    control_draws : mapping
        Control -> its r in each draw, of the same people and groups as the model's: differences are paired.

    Notes
    -----
    ``value`` with ``low`` and ``high`` is the result: every fold with the layer that was chosen on its training rows, averaged
    over the protocol's fold seeds. A layer of the profile is only pointed at; its r is never the result.
    """

    dataset: xr.Dataset
    ceiling: Ceiling
    protocol: Protocol
    controls: pd.DataFrame
    headline: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    cached: bool = False
    complete: bool = True
    control_draws: dict = field(default_factory=dict)

    # ---- who and what -----------------------------------------------------------------------------------------------
    @property
    def model(self) -> str:
        """Id of the model."""
        return self.provenance["model"]["id"]

    @property
    def recording(self) -> str:
        """Id of the recording."""
        return self.provenance["recording"]["id"]

    @property
    def layers(self) -> list[int]:
        """Numbers of the scored layers, ascending."""
        return [int(layer) for layer in self.dataset.layer.values]

    @property
    def stamp(self) -> str:
        """What must stand on every picture of this score: simulated, a note on the data's quality, a preview."""
        about = self.provenance["recording"]
        return "; ".join(
            filter(
                None,
                ["simulated data" if about["simulated"] else "", about["quality"], self.preview],
            )
        )

    # ---- fold seeds ---------------------------------------------------------------------------------------------------
    @cached_property
    def _fold_seeds(self) -> np.ndarray | None:
        return self.dataset.seed.values if "seed" in self.dataset.coords else None

    @property
    def preview(self) -> str:
        """That fold seeds are missing, in words; empty for a finished score."""
        if self.complete or self._fold_seeds is None or self.protocol.seeds == 1:
            return ""
        done = len(set(self._fold_seeds.tolist()))
        return f"preview: {done} of {self.protocol.seeds} fold seeds"

    @cached_property
    def by_seed(self) -> dict[int, float]:
        """The model's r of each fold seed alone: how much the draw of the folds moves it."""
        if self._fold_seeds is None:
            return {self.protocol.seed: self.value}
        parts, values = self.dataset.part.values, self.at_chosen_layers("r")
        return {
            int(seed): self._summary(values[mine], parts[mine])
            for seed in dict.fromkeys(self._fold_seeds.tolist())
            if (mine := self._fold_seeds == seed).any()
        }

    @cached_property
    def subjects(self) -> np.ndarray | None:
        """Whose each target is; None where nothing says so."""
        return self.dataset.subject.values.astype(str) if "subject" in self.dataset.coords else None

    def _summary(self, values: np.ndarray, parts: np.ndarray) -> float:
        return summarise(values, parts, self._people, self.protocol)

    @cached_property
    def _people(self) -> list[np.ndarray] | None:
        return targets_of(self.subjects)

    # ---- the layer that stands for the model --------------------------------------------------------------------------
    @cached_property
    def fold_layers(self) -> list[int]:
        """The layer used in each fold: chosen on its training rows (nested), the same-data maximum, or the last one."""
        return [self.layers[position] for position in self._positions]

    @cached_property
    def _positions(self) -> np.ndarray:
        """The same as positions among the layers."""
        if self.protocol.layer == "nested":
            return choose_layers(self.dataset.inner.values, self.subjects)
        layer = max(self.layers) if self.protocol.layer == "last" else self.best_layer
        return np.full(self.dataset.sizes["fold"], self.layers.index(layer))

    @cached_property
    def best_layer(self) -> int:
        """The layer with the highest r on the very data that is reported."""
        parts = self.dataset.part.values
        return self.layers[
            int(np.nanargmax([self._summary(values, parts) for values in self.dataset.r.values]))
        ]

    @property
    def chosen_layer(self) -> int:
        """The layer that most folds use: pointed at in the profile, never quoted as the result."""
        layers, counts = np.unique(self.fold_layers, return_counts=True)
        return int(layers[counts.argmax()])

    def place(self, layer: int) -> str:
        """What a layer is called: its number, or of a model that is read inside its blocks the name of the place."""
        if "site" in self.dataset.coords:
            return str(self.dataset.site.values[self.layers.index(layer)])
        return f"layer {layer}"

    @property
    def layer_words(self) -> str:
        """Which layers stand for the model, in words."""
        if len(self.layers) == 1:
            alone = self.place(self.layers[0])
            return "single layer" if alone == "layer 0" else alone
        if self.protocol.layer != "nested":
            how = {"max": "the best on the same data", "last": "the last"}[self.protocol.layer]
            return f"{self.place(self.chosen_layer)}, {how}"
        used, folds = self.fold_layers.count(self.chosen_layer), len(self.fold_layers)
        where = f"in {used} of {folds} folds" if used < folds else "in every fold"
        what = "place" if "site" in self.dataset.coords else "layer"
        return f"{what} chosen in each fold on its training data, {self.place(self.chosen_layer)} {where}"

    # ---- the result ---------------------------------------------------------------------------------------------------
    def at_chosen_layers(self, name: str) -> np.ndarray:
        """(fold, target): every fold with the layer chosen for it."""
        return picked(
            self.dataset[name].transpose("layer", "fold", "target").values, self._positions
        )

    @cached_property
    def value(self) -> float:
        """The model's r, every fold with the layer chosen for it, mean over fold seeds."""
        return self._summary(self.at_chosen_layers("r"), self.dataset.part.values)

    @cached_property
    def draws(self) -> np.ndarray:
        """Bootstrap draws of ``value``, which know of the choice of layers; empty where there are none."""
        chosen = self.protocol.layer == "nested"
        return nested_draws(self.dataset, self._positions, self.value, chosen=chosen)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of ``value``."""
        return ends(self.draws)[0]

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of ``value``."""
        return ends(self.draws)[1]

    @cached_property
    def share(self) -> tuple[float, float, float]:
        """``value`` over the ceiling, with an interval that carries the ceiling's own; NaN where it may not be divided by."""
        return self._share(self.at_chosen_layers("r"), self.value, self.draws)

    @cached_property
    def shuffled(self) -> float:
        """r under shuffled folds, mean over the layers that the folds use; NaN without the twin."""
        if "r_shuffled" not in self.dataset:
            return float("nan")
        twin = self.dataset.r_shuffled.transpose("layer", "twin_fold", "target").values
        weights = np.bincount(self._positions, minlength=len(twin)) / len(self._positions)
        return self._summary(
            np.tensordot(weights, np.where(weights[:, None, None] > 0, twin, 0.0), 1),
            self.dataset.twin_part.values,
        )

    @property
    def omega(self) -> float:
        """Percent of the model's R2 that position and length explain (Hadidi, Feghhi et al. 2024); NaN where that is not defined.

        Other controls: :func:`analysis.scoring.beside.beyond`.
        """
        if "joint_r2" not in self.headline:
            return float("nan")
        return float(
            omega(*(self.headline[f"{name}_r2"] for name in ("joint", "model", "controls")))
        )

    @property
    def optimism(self) -> float:
        """What choosing the layer on the reported data would have added to r."""
        best = self.dataset.r.sel(layer=self.best_layer).values
        return self._summary(best, self.dataset.part.values) - self.value

    def summary(self) -> dict:
        """The result in one row, the same on every face of the program.

        Returns
        -------
        dict
            r, r_low, r_high; share, share_low, share_high (of the ceiling); layer (that most folds use), optimism; r_seed_low,
            r_seed_high (lowest and highest fold seed), seeds; unique_r2, joint_r2, controls_r2, omega; ceiling, ceiling_low,
            ceiling_high; others, others_low, others_high (what other people predict, a lower bound of the ceiling).
        """
        by_seed = list(self.by_seed.values())
        share, bound = self.share, self.ceiling.lower_bound
        return {
            "r": self.value,
            "r_low": self.low,
            "r_high": self.high,
            "share": share[0],
            "share_low": share[1],
            "share_high": share[2],
            "layer": self.chosen_layer,
            "optimism": self.optimism,
            "seeds": len(by_seed),
            "r_seed_low": min(by_seed),
            "r_seed_high": max(by_seed),
            **{name: self.headline.get(name, np.nan) for name in _UNIQUE},
            "omega": self.omega,
            "ceiling": self.ceiling.value,
            "ceiling_low": self.ceiling.low,
            "ceiling_high": self.ceiling.high,
            "others": np.nan if bound is None else bound.value,
            "others_low": np.nan if bound is None else bound.low,
            "others_high": np.nan if bound is None else bound.high,
        }

    # ---- tables -------------------------------------------------------------------------------------------------------
    def per_target(self, layer: int | None = None) -> pd.DataFrame:
        """r, R2, ceiling and normalised r of every target: every fold with the layer chosen for it, or at one layer."""
        parts = self.dataset.part.values
        if layer is None:
            r, r2 = self.at_chosen_layers("r"), self.at_chosen_layers("r2")
        else:
            at = self.dataset.sel(layer=layer)
            r, r2 = at.r.values, at.r2.values
        frame = pd.DataFrame(
            {
                "target": self.dataset.target.values,
                "r": per_target(r, parts),
                "r2": per_target(r2, parts),
            }
        )
        for name, values in self.dataset.coords.items():
            if values.dims == ("target",) and name != "target":
                frame.insert(1, name, values.values)
        frame["ceiling"] = self.ceiling.per_target
        usable = frame["ceiling"].where((frame["ceiling"] > 0) & self.ceiling.divides)
        frame["normalised"] = frame["r"] / usable
        return frame

    def per_person(self) -> pd.DataFrame:
        """r of every person, every fold with the layer chosen for it, beside the person's ceiling and what other people predict.

        Returns
        -------
        pandas.DataFrame
            person, r (mean or median over the person's targets, as the protocol has it), ceiling, others, n_targets; empty where
            nothing says whose the targets are, or they are averages. ceiling is empty where it holds for no single target.
        """
        if self.subjects is None or self.provenance["recording"]["averaged"]:
            return pd.DataFrame(columns=["person", "r", "ceiling", "others", "n_targets"])
        values, parts, bound = self.at_chosen_layers("r"), self.dataset.part.values, self.ceiling
        centre = np.nanmean if self.protocol.targets == "mean" else np.nanmedian
        rows = []
        for person in dict.fromkeys(self.subjects):
            mine = self.subjects == person
            r = summarise(values[:, mine], parts, None, self.protocol)
            ends_ = []
            for one in (bound if bound.holds_for == "targets" else None, bound.lower_bound):
                each = np.empty(0) if one is None else np.asarray(one.per_target, float)[mine]
                ends_.append(float(centre(each)) if np.isfinite(each).any() else np.nan)
            rows.append((str(person), r, *ends_, int(mine.sum())))
        return pd.DataFrame(rows, columns=["person", "r", "ceiling", "others", "n_targets"])

    def table(self) -> pd.DataFrame:
        """The profile, one row per layer, with the model's result repeated in each row.

        Returns
        -------
        pandas.DataFrame
            model, layer, depth, r with its 95 % interval, r2, r_shuffled, one ``r_<control>`` per control, ceiling,
            normalised (of the layer), counts, whether most folds chose the layer (``chosen``), and a note. ``score`` with
            ``score_low`` and ``score_high``, ``score_share`` with its ends and ``score_unique_r2`` are the model's own, every
            fold with the layer chosen for it. A layer whose features are constant has an empty r.
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> pd.DataFrame:
        whole = self.summary()
        names = {"score": "r", "score_low": "r_low", "score_high": "r_high", "score_seed_low": "r_seed_low",
                 "score_seed_high": "r_seed_high", "score_share": "share", "score_share_low": "share_low",
                 "score_share_high": "share_high", "score_omega": "omega",
                 **{f"score_{name}": name for name in _UNIQUE}}  # fmt: skip
        model = {name: whole[of] for name, of in names.items()}
        table = pd.DataFrame([self._row(layer, model) for layer in self.layers])
        return table.assign(preview=self.preview) if self.preview else table

    def _row(self, layer: int, model: dict) -> dict:
        at, parts = self.dataset.sel(layer=layer), self.dataset.part.values
        note, empty = str(at.note.values), bool(empty_layers(at))
        r = np.nan if empty else self._summary(at.r.values, parts)
        draws = at["draws_r"].values if "draws_r" in at and not empty else np.empty(0)
        low, high = ends(draws)
        row = {
            "model": self.model,
            "layer": layer,
            "depth": float(at.depth),
            "r": r,
            "r_low": low,
            "r_high": high,
            "r2": np.nan if empty else self._summary(at.r2.values, parts),
        }
        if "r_shuffled" in at:
            row["r_shuffled"] = (
                np.nan
                if empty
                else self._summary(at.r_shuffled.values, self.dataset.twin_part.values)
            )
        for name, control in self.controls.set_index("control")["r"].items():
            row["r_" + name.replace("+", "_").replace("-", "_")] = control
        row |= {
            "ceiling": self.ceiling.value,
            "ceiling_low": self.ceiling.low,
            "ceiling_high": self.ceiling.high,
        }
        row |= dict(
            zip(
                ("normalised", "normalised_low", "normalised_high"),
                self._share(at.r.values, r, draws),
                strict=True,
            )
        )
        about = self.provenance["recording"]
        return (
            row
            | model
            | {
                "n_stimuli": about["n_stimuli"],
                "n_targets": about["n_targets"],
                "n_subjects": about["n_subjects"],
                "folds": self.dataset.sizes["fold"] // len(self.by_seed),
                "chosen": layer == self.chosen_layer,
                "note": note,
            }
        )

    def _share(self, values: np.ndarray, r: float, draws: np.ndarray) -> tuple[float, float, float]:
        """A score over the ceiling, as a ratio of means (replicas: a mean of ratios), never clipped unless a replica asks."""
        bound, point = self.ceiling, np.nan
        if not bound.divides or not np.isfinite(r):
            return np.nan, np.nan, np.nan
        if (
            self.protocol.normalise == "target"
            and bound.holds_for == "targets"
            and (bound.per_target > 0).any()
        ):
            usable = np.where(bound.per_target > 0, bound.per_target, np.nan)
            point = self._summary(values / usable, self.dataset.part.values)
        elif bound.value > 0:
            point = r / bound.value
        out = (point, *ratio_interval(draws, bound.draws, point, r))
        return tuple(np.clip(out, 0, 1)) if self.protocol.clip else out

    # ---- in words, and out ----------------------------------------------------------------------------------------------
    def sentence(self) -> str:
        """The one-line answer."""
        return words.sentence(self)

    def warnings(self) -> list[str]:
        """What has to be known before the number is quoted, one sentence each."""
        return words.warnings(self)

    @property
    def measured(self) -> tuple[str, ...]:
        """Kinds of its intervals that did not keep their promise in simulations: see :mod:`analysis.statistics.measured`."""
        about = self.provenance["recording"]
        if about["scored_unit"] == "tr":  # stories were simulated by themselves
            wide = self.ceiling.kind == "synchrony" and about["n_subjects"] < SOME_PEOPLE
            return ("story ceiling",) if wide else ()
        if self.protocol.method in SIMILARITIES:
            return ("similarity",) if about["n_subjects"] > 1 and not about["averaged"] else ()
        return beside_result(
            people=about["n_subjects"],
            averaged=about["averaged"],
            nested=self.protocol.layer == "nested" and len(self.layers) > 1,
            low=self.low,
            share=self.share[0],
            ceiling=self.ceiling.kind,
            value=self.ceiling.value,
        )

    def save(self, path: str | Path) -> Path:
        """Write the table as CSV or Parquet, or everything as NetCDF, by the ending of the file's name."""
        path = Path(path)
        writers = {
            ".csv": lambda to: guarded(self.table()).to_csv(to, index=False),
            ".parquet": lambda to: self.table().to_parquet(to),
            ".nc": lambda to: self.dataset.assign_attrs(
                provenance=json.dumps(self.provenance)
            ).to_netcdf(to),
        }
        if path.suffix.lower() not in writers:
            raise unknown(
                "file type", path.suffix, writers, remedy="End the file's name in one of these"
            )
        with atomic(path) as part:
            writers[path.suffix.lower()](part)
        return path

    def __repr__(self) -> str:
        state = "stored" if self.cached else "fresh" if self.complete else "partial"
        return f"<Score {self.model} on {self.recording}: r = {self.value:.3f} [{self.low:.3f}, {self.high:.3f}], {state}>"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence()}</p>" + self.table().to_html(
            index=False, float_format="{:.3f}".format
        )
