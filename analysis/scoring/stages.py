"""The work behind one score, in the order in which somebody waits for it: layers before all that stands beside them.

1. where there are many targets, every layer on a random 1,000 of them, labelled as a preview;
2. every layer on all targets, with its interval, replacing its preview;
3. the controls, the shuffled twins, the ceiling;
4. the same for further fold seeds.

After each piece a partial score is told; whatever is finished is in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from analysis.progress import Report
from analysis.scoring.blocks import empty_layers
from analysis.scoring.case import Case
from analysis.scoring.comparisons import ceiling_of, controls_of
from analysis.scoring.folds import Run, fit_parts, twin_of
from analysis.scoring.in_time import followed
from analysis.scoring.keys import cell_numbers
from analysis.scoring.provenance import recorded
from analysis.store.keys import made
from data.shares import percent

__all__ = ["PREVIEW_TARGETS", "Stages", "bisection"]

PREVIEW_TARGETS = 1000
"""Random targets of the preview; below three times as many there is none."""


class Stages:
    """What is there of one score, and what makes the rest of it.

    Parameters
    ----------
    case : Case
    """

    def __init__(self, case: Case):
        self.case = case
        self.fits: list[dict[int, xr.Dataset]] = [
            self._stored(case.keys[run], "layer") if run in case.wanted else {}
            for run in range(len(case.every))
        ]
        self.twins = self._twins()
        self.previews: dict[int, xr.Dataset] = {}
        self.controls: list[dict[str, xr.Dataset]] = []
        self.cached = not self._missing_twins() and all(
            len(self.fits[run]) == len(case.numbers) for run in case.wanted
        )
        self.ceiling = None
        self._activations: Any = None  # once they were asked for
        self._told: dict[str, list[str]] = {}

    @cached_property
    def about(self) -> dict:
        """The recording as provenance tells it, hashed once for all partial scores."""
        return recorded(self.case.recording)

    def _stored(self, key: str, what: str) -> dict[int, xr.Dataset]:
        found = {n: self.case.store.load_score(f"{key}-{what}{n}") for n in self.case.numbers}
        return {n: one for n, one in found.items() if one is not None}

    def _twins(self) -> dict[int, xr.Dataset]:
        return self._stored(self.case.keys[0], "twin") if self.case.every[0].twins else {}

    def _missing_twins(self) -> list[int]:
        return [
            n
            for n in bisection(self.case.numbers)
            if self.case.every[0].twins and n not in self.twins
        ]

    def layer(self, number: int) -> np.ndarray:
        """One layer's features (n_stimuli, n_units); of a story as the signal should follow them."""
        if self._activations is None:
            missing = {
                n for run in self.case.wanted for n in self.case.numbers if n not in self.fits[run]
            }
            self._activations = self.case.activations(sorted(missing | set(self._missing_twins())))
        return followed(self._activations.layer(number), self.case.recording, self.case.protocol)

    def shown(self, runs: Sequence[int]) -> list[dict[int, xr.Dataset]]:
        """Per run, layer -> what there is of it: the first run has twins, and previews where it has nothing better."""
        found = [dict(self.fits[run]) for run in runs]
        found[0] = self.previews | found[0]
        if self.twins:
            none = xr.full_like(next(iter(self.twins.values())), np.nan)
            for number, fit in found[0].items():
                twin = self.twins.get(number, none)
                found[0][number] = fit.merge(twin, combine_attrs="override")
        return found

    # ---- the work ---------------------------------------------------------------------------------------------------
    def run(self, tell: Callable[[list[int]], None]) -> None:
        """Make what is missing; ``tell(runs)`` after each piece, with the numbers of the runs that can be shown."""
        report = self.case.report
        total = sum(len(self.case.numbers) - len(self.fits[run]) for run in self.case.wanted)
        done, first = 0, True
        for run, each in enumerate(self.case.every):
            missing = [n for n in bisection(self.case.numbers) if n not in self.fits[run]]
            missing = missing if run in self.case.wanted else []
            if first and missing:
                self._preview(missing, report, lambda: tell([0]))
            for number in missing:
                report.step(done, total, "layers")
                began = time.perf_counter()
                fit = self._fit(number, each, report)
                key = f"{self.case.keys[run]}-layer{number}"
                self.fits[run][number] = self._keep(key, fit, number, each, began)
                done += 1
                if first:
                    tell([0])
            self.controls.append(controls_of(self.case, each))
            if first:
                self._beside(report, lambda: None if self.cached else tell([0]))
            elif missing and run < self.case.wanted[-1]:
                tell([one for one in self.case.wanted if one <= run])
            first = False
        report.step(total, total, "layers")

    def _preview(self, missing: list[int], report: Report, tell: Callable[[], None]) -> None:
        """Layers on some targets and every other alpha; leaving groups out in closed form where refits were asked for."""
        count = self.case.recording.n_targets
        if count < 3 * PREVIEW_TARGETS:
            return
        rng = np.random.default_rng(self.case.protocol.seed)
        some = np.sort(rng.permutation(count)[:PREVIEW_TARGETS])
        few, each = self.case.recording.select(targets=some), self.case.every[0]
        quick = each.protocol.criterion == "kfold"
        protocol = each.protocol.but(alphas=each.protocol.alphas[::2])
        protocol = protocol.but(criterion="logo") if quick else protocol
        everywhere = self.case.recording.responses.target.values
        for done, number in enumerate(missing):
            report.step(done, len(missing), "preview of layers")
            began = time.perf_counter()
            fit = fit_parts(
                self.layer(number), few, protocol, each.parts, report, choosing=self._nested
            ).reindex(target=everywhere)
            fit.attrs["note"] = f"preview: {few.n_targets:,} of {count:,} targets"
            fit.attrs["made"] = made(time.perf_counter() - began, seed=each.protocol.seed)
            self.previews[number] = fit
            tell()

    @property
    def _nested(self) -> bool:
        return self.case.protocol.layer == "nested"

    def _fit(self, number: int, run: Run, report: Report) -> xr.Dataset:
        """r, R2, alpha over (fold, target) of one layer, and its interval."""
        fit = fit_parts(
            self.layer(number),
            self.case.recording,
            run.protocol,
            run.parts,
            report,
            draws=run.protocol.split != "shuffle-split",
            choosing=self._nested,
        )
        fit.attrs["note"] = _layer_note(fit, self._activations.note(number))
        return fit

    def _beside(self, report: Report, tell: Callable[[], None]) -> None:
        """Twins and ceiling."""
        tell()
        missing = self._missing_twins()
        for done, number in enumerate(missing):
            report.step(done, len(missing), "shuffled twins")
            began, first = time.perf_counter(), self.case.every[0]
            twin = twin_of(self.layer(number), self.case.recording, first, report)
            key = f"{self.case.keys[0]}-twin{number}"
            self.twins[number] = self._keep(key, twin, number, first, began)
            tell()
        self.ceiling = ceiling_of(
            self.case.recording, self.case.protocol, self.case.every, self.case.store, report
        )
        tell()

    def _keep(self, key: str, fit: xr.Dataset, number: int, run: Run, began: float) -> xr.Dataset:
        fit.attrs |= {
            "model": self.case.source.id,
            "recording": self.case.recording.id,
            "protocol": self.case.protocol.name,
            "layer": number,
            "made": made(time.perf_counter() - began, seed=run.protocol.seed)
            | {"device": getattr(self._activations, "device", "")},
        }
        self.case.store.save_score(key, fit, numbers=self._numbers(run))
        return fit

    def _numbers(self, run: Run) -> list[str]:
        """What the run's r is, once for all layers."""
        known = self._told.get(run.protocol.key())
        if known is None:
            known = cell_numbers(self.case.source, self.case.recording, run.protocol)
            self._told[run.protocol.key()] = known
        return known


def bisection(layers: Sequence[int]) -> list[int]:
    """Layers in the order 0, L, L/2, L/4, ..: the shape of the profile is there after a few of them.

    Examples
    --------
    >>> bisection([0, 1, 2, 3, 4])
    [0, 4, 2, 1, 3]
    """
    layers = sorted(layers)
    if len(layers) <= 2:
        return layers
    order, gaps = [0, len(layers) - 1], [(0, len(layers) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [layers[i] for i in order]


def _layer_note(result: xr.Dataset, note: str) -> str:
    """What a reader must know about this layer's number."""
    constant, measured = float(result["constant"].sum()), int(result["r"].notnull().sum())
    if empty_layers(result):
        note = note or "constant prediction: r = 0 by definition"
    elif constant:
        note = "; ".join(
            filter(None, [note, f"{percent(constant / measured)} of predictions constant (r = 0)"])
        )
    return note
