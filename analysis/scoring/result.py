"""The answer of ``score``: values per layer, fold and target, their summaries, and the complete recipe behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.protocol import Protocol
from analysis.scoring.summary import choose_layers, interval, per_target, summarise

__all__ = ["Score"]


@dataclass(frozen=True)
class Score:
    """How well each layer of one model predicts one recording.

    Parameters
    ----------
    dataset : xarray.Dataset
        ``r``, ``r2``, ``alpha``, ``constant`` over (layer, fold, target); ``r_shuffled`` over (layer, twin_fold, target);
        ``draws_r`` over (layer, draw); ``dropped`` (constant units) over (layer, fold). Coordinates: ``part`` of
        each fold, ``subject`` of each target, ``depth`` (0 embedding .. 1 top) and ``note`` of each layer.
    ceiling : Ceiling
        What a perfect model could reach, or why that is not known.
    protocol : Protocol
    controls : pandas.DataFrame
        One row per control on the same folds: control, r, r_low, r_high, r2, r_shuffled.
    headline : mapping
        ``layer``, ``unique_r2``, ``joint_r2``, ``controls_r2``: what the chosen layer explains beyond the controls; empty where
        that was not computed.
    provenance : dict
        Everything that determines the numbers: protocol, model, tokenizer, stimuli, folds, versions.
    cached : bool
        Everything came from the store.
    complete : bool
        False for a partial score that is still being computed.
    """

    dataset: xr.Dataset
    ceiling: object
    protocol: Protocol
    controls: pd.DataFrame
    headline: dict = field(default_factory=dict)
    provenance: dict = field(default_factory=dict)
    cached: bool = False
    complete: bool = True

    # ---- who and what -----------------------------------------------------------------------------------------------
    @property
    def model(self) -> str:
        return self.provenance["model"]["id"]

    @property
    def recording(self) -> str:
        return self.provenance["recording"]["id"]

    @property
    def layers(self) -> list[int]:
        return [int(layer) for layer in self.dataset.layer.values]

    @property
    def stamp(self) -> str:
        """What must stand on every picture of this score: simulated, or a note on the data's quality."""
        about = self.provenance["recording"]
        return "; ".join(
            filter(None, ["simulated data" if about["simulated"] else "", about["quality"]])
        )

    @cached_property
    def _subjects(self) -> np.ndarray | None:
        return self.dataset.subject.values.astype(str) if "subject" in self.dataset.coords else None

    def _summary(self, values: np.ndarray, parts: np.ndarray) -> float:
        return summarise(values, parts, self._subjects, self.protocol)

    # ---- the layer that stands for the model --------------------------------------------------------------------------
    @cached_property
    def fold_layers(self) -> list[int]:
        """The layer used in each fold: chosen on its training rows (nested), the same-data maximum, or the last one."""
        layers, n_folds = self.layers, self.dataset.sizes["fold"]
        if self.protocol.layer == "nested":
            won = choose_layers(self.dataset.inner.values, self._subjects)
            return [layers[i] for i in won]
        return [max(layers) if self.protocol.layer == "last" else self.best_layer] * n_folds

    @cached_property
    def best_layer(self) -> int:
        """The layer with the highest r on the very data that is reported."""
        parts = self.dataset.part.values
        return self.layers[
            int(np.nanargmax([self._summary(values, parts) for values in self.dataset.r.values]))
        ]

    @property
    def chosen_layer(self) -> int:
        """The layer that most folds use."""
        layers, counts = np.unique(self.fold_layers, return_counts=True)
        return int(layers[counts.argmax()])

    @cached_property
    def value(self) -> float:
        """The model's r, every fold with the layer chosen for it."""
        picked = np.stack(
            [
                self.dataset.r.sel(layer=layer).values[fold]
                for fold, layer in enumerate(self.fold_layers)
            ]
        )
        return self._summary(picked, self.dataset.part.values)

    @property
    def optimism(self) -> float:
        """What choosing the layer on the reported data would have added to r."""
        best = self.dataset.r.sel(layer=self.best_layer).values
        return self._summary(best, self.dataset.part.values) - self.value

    # ---- tables -------------------------------------------------------------------------------------------------------
    def per_target(self, layer: int | None = None) -> pd.DataFrame:
        """r, R2, ceiling and normalised r of every target at one layer (None: the chosen one)."""
        at = self.dataset.sel(layer=self.chosen_layer if layer is None else layer)
        parts = self.dataset.part.values
        frame = pd.DataFrame(
            {
                "target": at.target.values,
                "r": per_target(at.r.values, parts),
                "r2": per_target(at.r2.values, parts),
            }
        )
        for name in at.coords:
            if at[name].dims == ("target",) and name != "target":
                frame.insert(1, name, at[name].values)
        frame["ceiling"] = self.ceiling.per_target
        frame["normalised"] = frame["r"] / frame["ceiling"]
        return frame

    def table(self) -> pd.DataFrame:
        """One row per layer.

        Returns
        -------
        pandas.DataFrame
            model, layer, depth, r with its 95 % interval, r2, r_shuffled, one ``r_<control>`` per control, ceiling,
            normalised, unique_r2 (chosen layer), counts, whether the layer was chosen, and a note. A layer whose features are
            constant has an empty r.
        """
        return self._table.copy()

    @cached_property
    def _table(self) -> pd.DataFrame:
        return pd.DataFrame([self._row(layer) for layer in self.layers])

    def _row(self, layer: int) -> dict:
        at, parts = self.dataset.sel(layer=layer), self.dataset.part.values
        note = str(at.note.values)
        empty = note.startswith("constant")
        r = np.nan if empty else self._summary(at.r.values, parts)
        low, high = (np.nan, np.nan) if empty else interval(at)
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
                self._normalised(at, r, low, high),
                strict=True,
            )
        )
        here = self.headline if self.headline.get("layer") == layer else {}
        row |= {name: here.get(name, np.nan) for name in ("unique_r2", "joint_r2", "controls_r2")}
        about = self.provenance["recording"]
        return row | {
            "n_stimuli": about["n_stimuli"],
            "n_targets": about["n_targets"],
            "n_subjects": about["n_subjects"],
            "folds": self.dataset.sizes["fold"],
            "chosen": layer == self.chosen_layer,
            "note": note,
        }

    def _normalised(
        self, at: xr.Dataset, r: float, low: float, high: float
    ) -> tuple[float, float, float]:
        """r over the ceiling, target by target or aggregate by aggregate; never clipped unless the protocol replicates that."""
        bound, point = self.ceiling, np.nan
        if bound.holds_for == "targets" and self.protocol.normalise == "target":
            usable = np.where(bound.per_target > 0, bound.per_target, np.nan)
            point = self._summary(at.r.values / usable, self.dataset.part.values)
        elif bound.holds_for in ("targets", "the aggregate") and bound.value > 0:
            point = r / bound.value
        scale = point / r if r and np.isfinite(point) else np.nan
        out = (point, low * scale, high * scale)
        return tuple(np.clip(out, 0, 1)) if self.protocol.clip else out

    # ---- in words, and out ----------------------------------------------------------------------------------------------
    def sentence(self) -> str:
        """The one-line answer."""
        about = self.provenance["recording"]
        bound = (
            f"the ceiling is {self.ceiling.value:.3f}"
            if np.isfinite(self.ceiling.value)
            else self.ceiling.flag
        )
        return (
            f"{self.model} predicts {about['id']} with r = {self.value:.3f} "
            f"(layer {self.chosen_layer}; {self.provenance['folds']}); {bound}"
        )

    def warnings(self) -> list[str]:
        """What has to be known before the number is quoted, one sentence each."""
        about, lines = self.provenance["recording"], []
        if self.stamp:
            lines.append(f"Data: {self.stamp}.")
        if unmeasured := about.get("n_unmeasured"):
            lines.append(
                f"Scored: {about['n_stimuli']:,} {about['scored_unit']}s; {unmeasured:,} more without a measurement "
                "are read as context only."
            )
        if self.provenance["model"]["note"]:
            lines.append(f"Model: {self.provenance['model']['note']}.")
        if "r_shuffled" in self.dataset:
            twin = self._summary(
                self.dataset.r_shuffled.sel(layer=self.chosen_layer).values,
                self.dataset.twin_part.values,
            )
            relation = "more than" if twin > self.value else "not more than"
            lines.append(
                f"Leak meter: shuffled folds give r = {twin:.3f}, {relation} the held-out groups' {self.value:.3f}."
            )
        for row in self.controls.to_dict("records"):
            if row["control"] == "position+length":
                lines.append(
                    f"Position and length alone give r = {row['r']:.3f} on the same folds."
                )
        if self.headline:
            lines.append(
                f"Unique R2 of layer {self.headline['layer']} beyond {self.headline['beyond']}: "
                f"{self.headline['unique_r2']:.3f} (joint {self.headline['joint_r2']:.3f}, "
                f"controls {self.headline['controls_r2']:.3f})."
            )
        if self.protocol.layer == "nested" and len(self.layers) > 1:
            lines.append(
                f"Choosing the layer on the reported data (layer {self.best_layer}) would add {self.optimism:+.3f}."
            )
        lines += self._solver_warnings()
        if about["averaged"]:
            lines.append(
                "The responses are averaged over people: no ceiling, no normalised score, no inference over people."
            )
        elif 0 < about["n_subjects"] <= 5:
            lines.append(f"Only {about['n_subjects']} subjects: the interval is optimistic.")
        if not about["averaged"] and self.ceiling.flag:
            lines.append(f"Ceiling: {self.ceiling.flag}.")
        above = self._table.loc[self._table["normalised"] > 1, "layer"].tolist()
        if above:
            lines.append(
                f"Normalised score above 1 at layer {', '.join(map(str, above))}: the ceiling is too low."
            )
        return lines

    def _solver_warnings(self) -> list[str]:
        lines = []
        if self.protocol.method == "ridge":
            alpha = self.dataset.alpha.sel(layer=self.chosen_layer).values
            alpha = alpha[~np.isnan(alpha)]
            low, high = self.protocol.alphas[0], self.protocol.alphas[-1]
            edge = np.mean(np.isclose(alpha, low) | np.isclose(alpha, high))
            if edge > 0.05:
                lines.append(
                    f"{edge:.0%} of layer {self.chosen_layer}'s alphas lie at the edge of the grid {low:g} .. {high:g}."
                )
        most = self.dataset.dropped.max("fold").values
        some = [
            f"{int(n)} in layer {layer}"
            for layer, n in zip(self.layers, most, strict=True)
            if n > 0
        ]
        if some:
            lines.append(f"Constant units left out: {', '.join(some)}.")
        return lines

    def save(self, path: str | Path) -> Path:
        """Write the table as CSV or Parquet, or everything as NetCDF, by the ending of the file's name."""
        from data.errors import unknown
        from data.files import atomic

        path = Path(path)
        writers = {
            ".csv": lambda to: self.table().to_csv(to, index=False),
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
        return f"<Score {self.model} on {self.recording}: r = {self.value:.3f} at layer {self.chosen_layer}, {state}>"

    def _repr_html_(self) -> str:
        return f"<p>{self.sentence()}</p>" + self.table().to_html(
            index=False, float_format="{:.3f}".format
        )
