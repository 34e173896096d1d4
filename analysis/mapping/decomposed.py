"""Spectra computed once and kept: a second run over the same folds starts where the first one's algebra ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.mapping.gram import Gram, Kernel, Spectrum, layer_of
from analysis.mapping.plan import checked_folds, checked_inner, choose_form
from analysis.mapping.threads import one_blas_thread, work
from analysis.progress import SILENT, Report
from data.errors import BrainLensError

__all__ = ["Decomposed", "Known", "decompose", "decompose_each"]


def _key(train: np.ndarray, test: np.ndarray) -> str:
    digest = hashlib.sha256()
    for rows in (train, test):
        digest.update(np.ascontiguousarray(rows, dtype=np.int64).tobytes() + b"|")
    return digest.hexdigest()[:32]


@dataclass
class Known:
    """One layer of which the spectra of some training sets are known.

    Parameters
    ----------
    spectra : dict of str to Spectrum
    form : str
    shape : tuple of int
    kept : dict, optional
        Per training set what was worked out of its spectrum whatever the targets; filled where it is a dict.
    """

    spectra: dict[str, Spectrum]
    form: str
    shape: tuple[int, int]
    kept: dict[str, dict] | None = None

    def shared(self, train: np.ndarray, test: np.ndarray) -> dict | None:
        """What was worked out of one fold's spectrum for other targets; None where nothing is kept."""
        return None if self.kept is None else self.kept.setdefault(_key(train, test), {})

    def prepare(self, form: str) -> None:
        """Nothing is left to prepare: the decomposition is given."""

    def release(self) -> None:
        """Nothing is held beside the given decomposition."""

    def spectrum(self, train: np.ndarray, test: np.ndarray, form: str) -> Spectrum:
        """The decomposition of one fold, looked up."""
        try:
            return self.spectra[_key(train, test)]
        except KeyError:
            raise BrainLensError(
                "the decomposition was made for other folds, or for responses without missing values",
                remedy="Give the features themselves",
            ) from None


@dataclass
class Decomposed:
    """The spectra of every layer on every fold: accepted by ``cross_validate`` in the place of features.

    Parameters
    ----------
    known : list of Known
    standardize : bool
        Whether the units were z-scored on the training rows.
    """

    known: list[Known]
    standardize: bool

    @property
    def nbytes(self) -> int:
        """Memory of all decompositions, in bytes."""
        return sum(spectrum.nbytes for layer in self.known for spectrum in layer.spectra.values())

    def layers(self, folds, inner, standardize: bool) -> list[Known]:
        """The layers, where they were decomposed the way that is asked for now."""
        if standardize != self.standardize:
            raise BrainLensError(
                f"the decomposition has standardize={self.standardize}, asked for is {standardize}",
                remedy="Give the features themselves",
            )
        return self.known


def decompose(
    features,
    folds,
    *,
    inner_folds=None,
    standardize: bool = False,
    targets: int = 1000,
    report: Report | None = None,
) -> Decomposed:
    """Decompose the features on every (inner) training fold, once for any number of responses, criteria and grids.

    Parameters
    ----------
    features, folds, inner_folds, standardize
        As for :func:`~analysis.mapping.fit.cross_validate`.
    targets : int
        About how many responses it will serve; decides between dual and primal form.

    Returns
    -------
    Decomposed
        Takes ``.nbytes``: about 12 m^2 bytes per (layer, fold) in the dual form.
    """
    report = report or SILENT
    listed = list(features) if isinstance(features, (list, tuple)) else [features]
    rows = (
        np.asarray(listed[0]).shape[0] if not hasattr(listed[0], "matrix") else listed[0].shape[0]
    )
    folds = checked_folds(folds, rows)
    pairs = list(folds)
    if inner_folds is not None:
        pairs += [pair for inner in checked_inner(inner_folds, folds, rows) for pair in inner]
    known = []
    with one_blas_thread():
        for number, given in enumerate(listed):
            layer = layer_of(given, rows, standardize)
            form = (
                choose_form(max(len(train) for train, _ in folds), layer.shape[1], targets)
                if layer.has_units
                else "dual"
            )
            layer.prepare(form)
            tasks = [partial(_spectrum, layer, train, test, form) for train, test in pairs]

            def step(done: int, total: int, number: int = number) -> None:
                report.step(number * total + done, len(listed) * total, "decomposing")

            spectra = work(tasks, report, step)
            known.append(
                Known(
                    {_key(*pair): s for pair, s in zip(pairs, spectra, strict=True)},
                    form,
                    layer.shape,
                )
            )
    return Decomposed(known, standardize)


def decompose_each(
    gram_of: Callable[[int], Gram],
    pairs: Sequence[Sequence],
    *,
    report: Report = SILENT,
    workers: int | None = None,
) -> Decomposed:
    """Decompose units that are scaled by each outer training fold, of which each fold has its own Gram.

    Parameters
    ----------
    gram_of : callable
        ``gram_of(fold)``; called once for each fold, from several threads.
    pairs : sequence of lists of (train, test)
        For each fold the outer pair, and inner ones that are refitted with its scaling.
    workers : int, optional
        Threads; one per core by default.

    Returns
    -------
    Decomposed
        For ``standardize=True``.
    """

    def of_fold(number: int, checkpoint) -> tuple[dict[str, Spectrum], tuple[int, int]]:
        layer = Kernel(gram_of(number))
        spectra = {}
        for train, test in pairs[number]:
            checkpoint()
            spectra[_key(train, test)] = layer.spectrum(train, test, "dual")
        return spectra, layer.shape

    tasks = [partial(of_fold, number) for number in range(len(pairs))]
    with one_blas_thread():
        found = work(tasks, report, lambda *_: None, workers=workers)
    spectra = {key: one for each, _ in found for key, one in each.items()}
    return Decomposed([Known(spectra, "dual", found[0][1])], standardize=True)


def _spectrum(layer, train, test, form, checkpoint) -> Spectrum:
    checkpoint()
    return layer.spectrum(train, test, form)
