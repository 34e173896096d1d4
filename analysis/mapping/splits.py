"""Which stimuli are held out together: outer folds, and inner folds inside each training fold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.protocol import SINGLE, Protocol
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["GAP", "Part", "make_folds", "same_folds", "within"]

GAP = 5
"""Rows on either side of a contiguous test block that are left out of training (at most half the shortest block)."""

BLOCK = 10
"""Consecutive rows that stand for one stimulus group where the recording names none (for bootstraps)."""

MOST_GROUPS = 100
"""Groups left out one by one inside a training fold; more are dealt into as many bundles."""

Fold = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Part:
    """The folds of one part of a recording; scores of several parts are averaged.

    Parameters
    ----------
    name : str
        Value of ``recording.within`` (Pereira's experiment); empty where the recording is one piece.
    rows : ndarray, shape (n_rows,)
        Rows of the recording that the part covers, ascending.
    folds : list of (train, test)
        Rows of the recording, ascending, never in both.
    inner : list of list of (train, test)
        For each outer fold, folds inside its training rows.
    groups : ndarray, shape (n_stimuli,)
        Stimulus group of every row of the *recording*: what is held out together, and what a bootstrap draws.
    rule : str
        How the folds were made, in words.
    dropped : int
        Training rows left out next to contiguous test blocks, summed over the outer folds.
    """

    name: str
    rows: np.ndarray
    folds: list[Fold]
    inner: list[list[Fold]]
    groups: np.ndarray
    rule: str
    dropped: int = 0


def make_folds(recording: Recording, protocol: Protocol, *, shuffled: bool = False) -> list[Part]:
    """Outer and inner folds of a recording under a protocol.

    Parameters
    ----------
    recording : Recording
        ``recording.group`` is what ``group="recording"`` holds out together. The roles ``paper_group`` and
        ``paper_stratify`` are what the original papers used; ``group="paper"`` asks for them.
    protocol : Protocol
        Its ``split``, ``group``, ``folds``, ``inner_folds``, ``seed`` and ``by_experiment`` are read.
    shuffled : bool
        The shuffled twin: single stimuli in random folds, as many folds as the protocol's own split has.

    Returns
    -------
    list of Part
        One for each value of ``recording.within`` where the protocol scores experiments apart, else one.

    Raises
    ------
    BrainLensError
        Where there are fewer groups than two, or fewer stimuli than folds need.

    Notes
    -----
    - ``grouped``: whole groups, in seeded random order and largest first, each to the fold with fewest rows; with
      ``group="paper"`` scikit-learn's ``GroupKFold(shuffle=True)``. Without any group: ``contiguous``.
    - ``contiguous``: consecutive blocks of nearly equal length, cut at group boundaries where groups are known, with
      :data:`GAP` rows (at most half the shortest block) left out of training on either side.
    - ``leave-one-group-out``: one fold for each group.
    - ``stratified``: scikit-learn's ``StratifiedKFold(shuffle=True)`` over the group labels (``group="paper"``: over
      ``paper_stratify``, and plain shuffled ``KFold`` where the paper had none).
    - ``shuffled``: ``KFold(shuffle=True)``. ``shuffle-split``: ``ShuffleSplit``, one in ``folds`` held out each time.

    For a recording whose people saw different stimuli the folds are drawn over all stimuli; the per-subject folds of
    Schrimpf et al. (2021) for reading times come from ``recording.subject_view(...)`` limited to the rows he or she read.

    Sources: Schrimpf et al. 2021, doi 10.1073/pnas.2105646118; Hadidi, Feghhi et al. 2024, arXiv 2406.01538.
    """
    labels = held_labels(recording, protocol)
    strata = _strata(recording, protocol, labels)
    return [
        _part(recording, protocol, name, rows, labels, strata, shuffled)
        for name, rows in _parts(recording, protocol)
    ]


def within(part: Part, protocol: Protocol) -> tuple[str, list[list[Fold]] | None]:
    """How alpha is chosen inside each training fold: the criterion of the solver, and the folds it needs.

    Parameters
    ----------
    part : Part
    protocol : Protocol
        Its ``method``, ``criterion`` and ``seed`` are read.

    Returns
    -------
    criterion : str
    inner : list of list of (train, test), or None
        Rows of the recording, as in ``part.inner``, which they are for ``"kfold"``.

    Notes
    -----
    ``logo`` leaves out one group at a time (of more than :data:`MOST_GROUPS` one bundle of groups). Where single stimuli are
    held out at random that is leave-one-out, and has that name. Where no groups are known it leaves out the blocks of
    ``part.inner``, and the rows beside them.
    """
    if protocol.method != "ridge" or protocol.criterion not in ("kfold", "logo"):
        return protocol.criterion, None
    if protocol.criterion == "kfold":
        return "kfold", part.inner
    made = [
        _each_group(part, train, inner, [protocol.seed, number])
        for number, ((train, _), inner) in enumerate(zip(part.folds, part.inner, strict=True))
    ]
    if all(folds is None for folds in made):
        return "loo", None
    return "logo", [folds or inner for folds, inner in zip(made, part.inner, strict=True)]


def _each_group(part: Part, train: np.ndarray, inner: list[Fold], seed) -> list[Fold] | None:
    """One fold per group of the training rows; the inner folds where those leave rows out; None where groups are cut."""
    if any(len(a) + len(b) < len(train) for a, b in inner):
        return inner
    codes = _codes(part.groups[train])
    place, fold_of = np.zeros(len(part.groups), int), np.zeros(len(train), int)
    place[train] = np.arange(len(train))
    for number, (_, held) in enumerate(inner):
        fold_of[place[held]] = number
    count = codes.max() + 1
    if count < 2 or np.count_nonzero(np.bincount(codes * len(inner) + fold_of)) > count:
        return None
    local = _grouped(codes, min(count, MOST_GROUPS), np.random.default_rng(seed))
    return [(train[a], train[b]) for a, b in local]


def same_folds(first: list[Part], second: list[Part]) -> bool:
    """Whether two lists of parts have the very same outer and inner folds: contiguous ones depend on no seed."""

    def rows(parts: list[Part]) -> list[np.ndarray]:
        return [
            side
            for part in parts
            for folds in (part.folds, *part.inner)
            for fold in folds
            for side in fold
        ]

    one, two = rows(first), rows(second)
    return len(one) == len(two) and all(map(np.array_equal, one, two))


# ---- labels -----------------------------------------------------------------------------------------------------------
def _parts(recording: Recording, protocol: Protocol) -> list[tuple[str, np.ndarray]]:
    if recording.within is None or not protocol.by_experiment:
        return [("", _kept(recording, protocol))]
    values = _complete(recording, recording.within)
    return [(str(value), np.flatnonzero(values == value)) for value in pd.unique(values)]


def _kept(recording: Recording, protocol: Protocol) -> np.ndarray:
    """Rows that are scored: of samples, without those trimmed at both ends of every run."""
    if not recording.sampled or not any(protocol.trim):
        return np.arange(recording.n_stimuli)
    runs = pd.Series(recording.stimuli["run"].to_numpy())
    place = runs.groupby(runs).cumcount()
    left = runs.groupby(runs).cumcount(ascending=False)
    return np.flatnonzero((place >= protocol.trim[0]) & (left >= protocol.trim[1]))


def _complete(recording: Recording, name: str) -> np.ndarray:
    """Labels of a grouping, or of several joined by ``+``; a missing label is an error."""
    columns = [recording.column(part) for part in name.split("+")]
    for part, column in zip(name.split("+"), columns, strict=True):
        missing = np.flatnonzero(pd.isna(column))
        if len(missing):
            raise BrainLensError(
                f"{recording.id}: {len(missing)} stimuli have no {part!r}, first: "
                f"{str(recording.stimuli.index[missing[0]])!r} (row {missing[0] + 1})",
                remedy=f"Fill in the column {recording.roles.get(part, part)!r} or leave these stimuli out",
            )
    if len(columns) == 1:
        return np.asarray(columns[0])
    return np.array(["+".join(map(str, row)) for row in zip(*columns, strict=True)], dtype=object)


def held_labels(recording: Recording, protocol: Protocol) -> np.ndarray | None:
    """What each row is held out together with; None where the protocol knows no groups here."""
    name = protocol.group
    if name == "paper":
        name = "paper_group" if "paper_group" in recording.roles else "recording"
    if name == "recording":
        name = recording.group or "none"
    return None if name == "none" else _complete(recording, name)


def _strata(
    recording: Recording, protocol: Protocol, labels: np.ndarray | None
) -> np.ndarray | None:
    if protocol.group != "paper":
        return labels
    return _complete(recording, "paper_stratify") if "paper_stratify" in recording.roles else None


def _codes(labels: np.ndarray) -> np.ndarray:
    """Groups numbered by first appearance, so that renaming a group moves nothing."""
    return pd.factorize(labels)[0]


# ---- parts ------------------------------------------------------------------------------------------------------------
def _part(
    recording: Recording,
    protocol: Protocol,
    name: str,
    rows: np.ndarray,
    labels: np.ndarray | None,
    strata: np.ndarray | None,
    shuffled: bool,
) -> Part:
    where = f"{recording.id}, {name}" if name else recording.id
    split = "contiguous" if protocol.split == "grouped" and labels is None else protocol.split
    _need_blocks(recording, protocol, where)
    if len(rows) < 4:
        raise BrainLensError(
            f"{where}: {len(rows)} stimuli are too few to hold any out",
            remedy="Give at least 4 stimuli",
        )
    if split in {"grouped", "leave-one-group-out"}:
        _need_groups(recording, protocol, where, labels, rows)
    if split == "stratified" and strata is None:
        split = "shuffled"

    codes = _codes(labels[rows]) if labels is not None else None
    outer, rule = _outer(
        protocol,
        split,
        len(rows),
        codes,
        None if labels is None else labels[rows],
        None if strata is None else strata[rows],
        where,
        apart := gap_of(recording, protocol),
    )
    if min(len(train) for train, _ in outer) < 2:
        raise BrainLensError(
            f"{where}: a fold has fewer than two stimuli to train on",
            remedy="Choose a finer grouping"
            if apart is None
            else "Give more runs or a smaller gap"
            if recording.sampled
            else f"Give more words or fewer folds: the {apart} words beside a held-out block, whose epochs overlap, are left out",
        )
    groups = _bootstrap_groups(recording, rows, labels, outer)
    if shuffled:
        outer = _shuffled(len(rows), len(outer), protocol.seed)
        split, rule = "shuffled", f"{len(outer)} folds of single stimuli at random (shuffled twin)"

    inner, fallback = [], 0
    for number, (train, _) in enumerate(outer):
        folds, grouped = _inner(protocol, split, train, codes, number, apart)
        inner.append(folds)
        fallback += not grouped
    if fallback:
        rule += f"; inner folds contiguous in {fallback} of {len(outer)} training folds, which hold a single group"
    dropped = (
        sum(len(rows) - len(train) - len(test) for train, test in outer)
        if split == "contiguous"
        else 0
    )
    if dropped:
        rule += f"; {dropped} training rows next to test blocks left out"
    here = rows.__getitem__
    return Part(
        name,
        rows,
        [(here(a), here(b)) for a, b in outer],
        [[(here(a), here(b)) for a, b in folds] for folds in inner],
        groups,
        rule,
        dropped,
    )


def _need_blocks(recording: Recording, protocol: Protocol, where: str) -> None:
    """Refuse single samples or epochs that are held out at random: their neighbours would stay in training."""
    timed = recording.sampled or "lag" in recording.responses.coords
    if timed and protocol.split in SINGLE:
        raise BrainLensError(
            f"{where}: split={protocol.split!r} holds out single {'samples' if recording.sampled else 'epochs'}, whose "
            "neighbours stay in training: slow noise alone would score",
            choices=("grouped", "contiguous", "leave-one-group-out"),
            remedy="Hold out whole runs or blocks; what shuffled folds would give stands beside as the shuffled twin",
        )


def _need_groups(
    recording: Recording,
    protocol: Protocol,
    where: str,
    labels: np.ndarray | None,
    rows: np.ndarray,
) -> None:
    found = 0 if labels is None else len(pd.unique(labels[rows]))
    if found >= 2:
        return
    table = recording.stimuli.iloc[rows]
    columns = [c for c in table.columns if c != "text" and 2 <= table[c].nunique() < len(table)]
    what = "none" if labels is None else f"only {pd.unique(labels[rows])[0]!r}"
    raise BrainLensError(
        f"{where}: the split {protocol.split!r} holds out whole groups and needs two or more; "
        f"group={protocol.group!r} gives {what}",
        choices=columns,
        remedy="Set group to a column with two or more values, or split to 'contiguous'",
    )


def _outer(
    protocol: Protocol,
    split: str,
    n: int,
    codes: np.ndarray | None,
    labels: np.ndarray | None,
    strata: np.ndarray | None,
    where: str,
    apart: int | None,
) -> tuple[list[Fold], str]:
    k, seed = protocol.folds, protocol.seed
    if split == "grouped":
        assert codes is not None and labels is not None  # else it is another split
        count = codes.max() + 1
        k = min(k, count)
        if protocol.group == "paper":
            return _like_sklearn_group(
                labels, k, seed
            ), f"{k} folds of {count} whole groups (GroupKFold, shuffled, seed {seed})"
        return _grouped(
            codes, k, np.random.default_rng(seed)
        ), f"{k} folds of {count} whole groups, balanced, seed {seed}"
    if split == "leave-one-group-out":
        assert codes is not None
        count = codes.max() + 1
        return _complements(
            n, [np.flatnonzero(codes == g) for g in range(count)]
        ), f"each of {count} groups held out once"
    k = min(k, n // 2)
    if split == "contiguous":
        folds = _contiguous(n, k, codes, apart)
        known = ", cut where groups end" if codes is not None else ""
        return folds, f"{len(folds)} contiguous blocks{known}"
    if split == "shuffled":
        return _shuffled(
            n, k, seed
        ), f"{k} folds of single stimuli at random (KFold, shuffled, seed {seed})"
    if split == "shuffle-split":
        from sklearn.model_selection import ShuffleSplit

        folds = ShuffleSplit(k, test_size=1 / k, random_state=seed).split(np.empty(n))
        return _ascending(
            folds
        ), f"{k} random draws of 1/{k} of the stimuli (ShuffleSplit, seed {seed})"
    assert strata is not None  # what a stratified split goes by
    return _stratified(strata, k, seed, where)


def _inner(
    protocol: Protocol,
    split: str,
    train: np.ndarray,
    codes: np.ndarray | None,
    number: int,
    apart: int | None,
) -> tuple[list[Fold], bool]:
    """Folds inside one training fold, in the part's own row numbers, and whether they could be of the wanted kind."""
    rng = np.random.default_rng([protocol.seed, number + 1])
    k = protocol.inner_folds
    wanted = True
    if split in {"grouped", "leave-one-group-out"}:
        assert codes is not None
        inside = _codes(codes[train])
        wanted = inside.max() > 0
        local = (
            _grouped(inside, min(k, inside.max() + 1), rng)
            if wanted
            else _contiguous(len(train), k, None, apart)
        )
    elif split == "contiguous":
        local = _contiguous(len(train), k, None if codes is None else _codes(codes[train]), apart)
    else:  # shuffled, stratified, shuffle-split: single stimuli, as outside
        local = _shuffled(len(train), k, int(rng.integers(2**31)))
    return [(train[a], train[b]) for a, b in local], bool(wanted)


def _bootstrap_groups(
    recording: Recording, rows: np.ndarray, labels: np.ndarray | None, outer: list[Fold]
) -> np.ndarray:
    """The known groups; else runs of :data:`BLOCK` rows that no fold boundary cuts (single rows where folds are random)."""
    if labels is not None:
        return labels
    groups = np.arange(recording.n_stimuli)
    for _, test in outer:
        if len(test) > 1 and np.all(np.diff(test) == 1):
            groups[rows[test]] = rows[test[(np.arange(len(test)) // BLOCK) * BLOCK]]
    return groups


# ---- kinds of folds, in local row numbers --------------------------------------------------------------------------------
def _complements(n: int, tests: list[np.ndarray]) -> list[Fold]:
    folds = []
    for test in tests:
        rest = np.ones(n, bool)
        rest[test] = False
        folds.append((np.flatnonzero(rest), test))
    return folds


def _ascending(folds) -> list[Fold]:
    return [(np.sort(train), np.sort(test)) for train, test in folds]


def _grouped(codes: np.ndarray, k: int, rng: np.random.Generator) -> list[Fold]:
    """Largest group first (ties in random order), each to the fold that has fewest rows so far."""
    sizes = np.bincount(codes)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    load, fold_of = np.zeros(k, int), np.empty(len(sizes), int)
    for group in order:
        fold_of[group] = np.argmin(load)
        load[fold_of[group]] += sizes[group]
    return _complements(len(codes), [np.flatnonzero(fold_of[codes] == fold) for fold in range(k)])


def _like_sklearn_group(labels: np.ndarray, k: int, seed: int) -> list[Fold]:
    from sklearn.model_selection import GroupKFold

    return _ascending(
        GroupKFold(k, shuffle=True, random_state=seed).split(np.empty(len(labels)), groups=labels)
    )


def _shuffled(n: int, k: int, seed: int) -> list[Fold]:
    from sklearn.model_selection import KFold

    return _ascending(KFold(min(k, n), shuffle=True, random_state=seed).split(np.empty(n)))


def _stratified(strata: np.ndarray, k: int, seed: int, where: str) -> tuple[list[Fold], str]:
    from sklearn.model_selection import StratifiedKFold

    sizes = np.unique(strata, return_counts=True)[1]
    if sizes.max() < k:
        raise BrainLensError(
            f"{where}: the largest group has {sizes.max()} stimuli, too few for {k} stratified folds",
            remedy=f"Set folds to {max(sizes.max(), 2)} or fewer, or choose another split",
        )
    small = int((sizes < k).sum())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the rule says it instead
        folds = _ascending(
            StratifiedKFold(k, shuffle=True, random_state=seed).split(np.empty(len(strata)), strata)
        )
    few = f"; {small} groups have fewer than {k} stimuli and miss some folds" if small else ""
    return folds, f"{k} folds stratified by group (StratifiedKFold, shuffled, seed {seed}){few}"


def gap_of(recording: Recording, protocol: Protocol) -> int | None:
    """Rows between a held-out block and training; None where rows are neither samples nor epochs.

    Of samples the protocol's own number, or as far as features and signal reach: the longest delay (32 s for a convolved
    response), half the resampling kernel, and 10 s for what the signal carries on. Of epochs (targets with a ``lag``) as many
    words as it takes until two windows share nothing, by the onsets of the words where the recording has them.
    """
    if not recording.sampled:
        return _words_apart(recording) if "lag" in recording.responses.coords else None
    if protocol.gap != "auto":
        return int(protocol.gap)
    step = recording.timed.interval
    reach = {"fir": max(map(abs, protocol.delays)) * step, "none": 0.0}.get(protocol.hrf, 32.0)
    kernel = 3 * step if protocol.resample == "lanczos" else step
    return int(np.ceil((reach + kernel + 10.0) / step))


FASTEST = 0.2
"""Seconds from word to word where their onsets are not known: few people speak faster."""


def _words_apart(recording: Recording) -> int:
    """Words between two epochs that share no moment, at the fastest place; :data:`GAP` at least."""
    lags = np.unique(recording.responses["lag"].values.astype(float))
    width = (lags[-1] - lags[0] + (np.diff(lags).min() if len(lags) > 1 else 0.0)) / 1000  # ms
    if "onset" not in recording.stimuli or recording.stimuli["onset"].dtype.kind not in "iuf":
        return max(GAP, int(np.ceil(width / FASTEST)))
    onset = recording.stimuli["onset"].to_numpy(float)
    column = recording.context or recording.group
    pieces = _codes(recording.column(column)) if column else np.zeros(len(onset), int)
    most = GAP
    for piece in np.unique(pieces):
        own = onset[pieces == piece]
        if not np.isfinite(own).all() or (np.diff(own) < 0).any():
            return max(GAP, int(np.ceil(width / FASTEST)))
        inside = np.searchsorted(own, own + width, side="left") - np.arange(len(own)) - 1
        most = max(most, int(inside.max()))
    return most


def _contiguous(n: int, k: int, codes: np.ndarray | None, apart: int | None = None) -> list[Fold]:
    """Consecutive blocks with a gap on either side; where groups are known a cut moves to the nearest end of one.

    The gap is at most half the shortest block, so that every fold has rows to train on.
    """
    cuts = np.linspace(0, n, max(min(k, n // 2), 2) + 1).round().astype(int)[1:-1]
    ends = np.array([], int) if codes is None else np.flatnonzero(np.diff(codes)) + 1
    if len(ends):
        cuts = np.unique(ends[np.abs(ends - cuts[:, None]).argmin(axis=1)])
    bounds, rows, folds = [0, *cuts.tolist(), n], np.arange(n), []
    gap = min(GAP, int(np.diff(bounds).min()) // 2) if apart is None else apart
    for start, stop in pairwise(bounds):
        folds.append((rows[(rows < start - gap) | (rows >= stop + gap)], rows[start:stop]))
    return folds
