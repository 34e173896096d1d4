"""Does an unusual architecture do better? Search over networks of operators, judged on stimuli and people it did not see."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, interval, plural
from analysis.answers.outcomes import LEAST_SEEDS, gain, mean_over_seeds
from analysis.features.activations import CODE_VERSION as ACTIVATIONS
from analysis.features.activations import _texts, activation_key
from analysis.mapping import cross_validate
from analysis.models.operators.language import Candidate, features, mutated, sampled
from analysis.models.operators.reader import CODE_VERSION as OPERATORS
from analysis.models.operators.reader import OperatorModel
from analysis.models.variants.wired import piece_loss
from analysis.models.zoo.wire import brief, recipe_of, tokens_for
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.reading.source import corpus as as_corpus
from analysis.scoring.case import as_recording
from analysis.scoring.keys import data_key
from analysis.scoring.lock import require_open
from analysis.scoring.summary import summarise
from analysis.store.keys import READING, content_key, packages
from analysis.store.promises import held
from analysis.store.store import Store
from analysis.store.told import find_told, keep_told
from data.embedded import prose
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = [
    "Ground",
    "architectures",
    "fresh_seeds",
    "ground",
    "judged",
    "search",
    "searched",
    "stored_search",
]

CODE_VERSION = 2
FOLDS, TOURNAMENT, ALIVE, CHILDREN = 5, 8, 40, 8  # of each half; drawn, kept and bred in evolution
FRESH_WIDTH = 64
UNUSUAL = ("sin", "div", "norm")


# ---- what a network is judged on ------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Ground:
    """A recording in two halves: stimuli (whole groups) and people that a search sees, and others that it never sees.

    Parameters
    ----------
    recording : Recording
    protocol : Protocol
    halves : tuple of (rows, targets, folds)
        The search's, then the others'; ``folds`` by position in ``rows``.
    people : bool
        Whether the people differ too.
    """

    recording: Recording
    protocol: Protocol
    halves: tuple
    people: bool


def ground(
    recording: Recording | str, protocol: Protocol | str = "defended", *, seed: int = 0
) -> Ground:
    """Deal groups of stimuli, and people where there are several, into two halves.

    Raises
    ------
    BrainLensError
        For a recording with fewer than ten groups of stimuli, or of samples in time.
    """
    recording = as_recording(recording)
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not stimuli of their own",
            remedy="Choose a recording of sentences or words",
        )
    labels = np.asarray(
        recording.column(recording.group) if recording.group is not None else np.arange(recording.n_stimuli) // 10
    ).astype(str)  # fmt: skip
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.unique(labels))
    if len(groups) < 2 * FOLDS:
        raise BrainLensError(
            f"{recording.id} has {len(groups)} groups of stimuli; a search needs {2 * FOLDS}, half of them unseen",
            remedy="Choose a recording with more topics or texts",
        )
    subjects = recording.subjects
    persons = rng.permutation(np.unique(subjects)) if subjects is not None else np.zeros(0)
    several = len(persons) >= 2
    halves = []
    for half in (0, 1):
        own = groups[half::2]
        rows = np.flatnonzero(np.isin(labels, own))
        targets = (
            np.flatnonzero(np.isin(subjects, persons[half::2]))
            if several and subjects is not None
            else np.arange(recording.n_targets)
        )
        place = {group: n % FOLDS for n, group in enumerate(own)}
        at = np.array([place[label] for label in labels[rows]])
        folds = [(np.flatnonzero(at != n), np.flatnonzero(at == n)) for n in range(FOLDS)]
        halves.append((rows, targets, folds))
    return Ground(recording, protocol, tuple(halves), several)


def judged(
    one: Candidate,
    on: Ground,
    *,
    seed: int = 0,
    updates: int = 0,
    text: str = "",
    corpus: Recording | str = "",
    store=None,
    report: Report = SILENT,
) -> dict:
    """One network on both halves: held-out r of the layer that is best on the search's, bits per byte, weights; stored.

    Parameters
    ----------
    seed : int
        Of its weights (and of the order of the text).
    updates : int
        Of all weights, before it is judged; 0: as at birth.
    text : str
        Of which bits per byte are; empty: none.
    corpus : str or Recording
        Reading times, for ``delta_ll`` (nats per word, see :func:`analysis.answers.outcomes.gain`); empty: none.

    Raises
    ------
    analysis.store.promises.Locked
        Where this network is locked on this recording: halves of it tell nearly the same.
    """
    store = store or Store()
    reader = _reader(one.name, seed)
    require_open(reader, on.recording, on.protocol, store)
    if corpus:
        require_open(reader, as_corpus(corpus), Protocol(), store)
    read = activation_key(reader, on.recording.reading(), on.protocol)
    told = [
        read,
        data_key(on.recording, on.protocol),
        [half[0].tolist() + half[1].tolist() for half in on.halves],
    ]
    times = [as_corpus(corpus).content_hash] if corpus else []
    key = content_key("net", CODE_VERSION, *told, updates, text, *times)
    kept = store.load_score(key)
    if kept is None:
        kept = xr.Dataset(
            {
                k: ((), float(v))
                for k, v in _judge(one, reader, on, updates, seed, text, corpus, report).items()
            }
        )
        store.save_score(key, kept)
    return {name: float(kept[name]) for name in kept.data_vars}


def _judge(
    one, reader, on: Ground, updates: int, seed: int, text: str, corpus, report: Report
) -> dict:
    module = reader.module
    if updates and one.direction == "forward":
        recipe = replace(recipe_of(one.name, module.config, seed), length=128)
        brief(module, recipe, tokens_for(reader.tokenizer), updates, piece_loss)
    layers = list(range(1, one.depth + 1))
    x = np.zeros((one.depth, on.recording.n_stimuli, one.width), np.float32)
    texts = _texts(reader, on.recording.reading(), on.protocol)
    for rows, values in reader.read(texts, layers, pooling=on.protocol.pooling, report=report):
        x[:, rows] = values
    scores, subjects = [], on.recording.subjects
    for rows, targets, folds in on.halves:
        y = np.ascontiguousarray(on.recording.responses.values[np.ix_(rows, targets)])
        fit = cross_validate(
            [layer[rows] for layer in x], y, folds, alphas=on.protocol.alphas, criterion="gcv",
            shared_alpha=on.protocol.shared_alpha, report=report,
        )  # fmt: skip
        own = None if subjects is None else subjects[targets]
        scores.append([summarise(r, np.zeros(len(folds)), own, on.protocol) for r in fit.r])
    best = int(np.argmax(scores[0]))
    found = {"search": scores[0][best], "held_out": scores[1][best], "layer": best + 1}
    found["bits_per_byte"] = np.nan
    if text and one.direction == "forward":
        nats = np.concatenate([tokens.nats for tokens in reader.surprisal([text])])
        found["bits_per_byte"] = np.nansum(nats) / np.log(2) / len(text.encode())
    if corpus:
        found["delta_ll"] = np.nan
        if one.direction == "forward":
            # a store of its own: the reader's name is that of the network at birth, which its surprisal is not
            with tempfile.TemporaryDirectory() as folder:
                found["delta_ll"] = gain(reader, corpus, store=Store(folder), report=report)
    found["weights"] = sum(value.numel() for value in module.parameters())
    return found


def _reader(name: str, seed: int) -> OperatorModel:
    """A network as it is at birth."""
    card = OperatorModel.named(name)
    assert card is not None  # a candidate is named by its own name
    return OperatorModel(card, None, variant=f"untrained:init:{seed}")


# ---- the search -----------------------------------------------------------------------------------------------------------
def search(
    on: Ground,
    count: int = 200,
    *,
    strategy: str = "evolution",
    seed: int = 0,
    width: int | None = None,
    updates: int = 0,
    text: str = "",
    store=None,
    report: Report = SILENT,
) -> pd.DataFrame:
    """The tree of every candidate.

    Parameters
    ----------
    count : int
        Candidates.
    strategy : str
        ``random``, or ``evolution``: the first quarter at random; then the best of eight of the last 40 is changed in eight ways,
        and the child that a ridge regression of ranks on the words of the language puts first is tried (regularised evolution,
        Real et al. 2019, with a surrogate). Only the search half is looked at.
    seed : int
        Of the search; weights of all candidates have seed 0, so that they differ in their operators alone.
    width : int, optional
        Of all candidates; None: the search chooses.

    Returns
    -------
    DataFrame
        number, name, formula, family, parent (number, -1 for none), strategy, search, held_out, layer, bits_per_byte, weights.
    """
    if strategy not in ("random", "evolution"):
        raise unknown("strategy of the search", strategy, ("random", "evolution"))
    rng = np.random.default_rng([seed, 7])
    rows, tried, alive = [], set(), []
    while len(rows) < count:
        parent = -1
        if strategy == "random" or len(rows) < max(4, count // 4):
            one = sampled(rng)
        else:
            drawn = rng.choice(alive, min(TOURNAMENT, len(alive)), replace=False)
            parent = int(max(drawn, key=lambda n: rows[n]["search"]))
            mother = _candidate(rows[parent]["name"])
            children = [mutated(mother, rng) for _ in range(CHILDREN)]
            children = [replace(child, width=width or child.width) for child in children]
            children = [child for child in children if child.name not in tried] or [sampled(rng)]
            one = _first(children, rows, rng)
        one = replace(one, width=width) if width else one
        if one.name in tried:
            continue
        tried.add(one.name)
        report.step(len(rows), count, f"networks, {strategy}")
        found = judged(one, on, updates=updates, text=text, store=store, report=report)
        rows.append(
            {"number": len(rows), "name": one.name, "formula": one.formula, "family": one.family, "parent": parent,
             "strategy": strategy, **found}
        )  # fmt: skip
        alive = [*alive, len(rows) - 1][-ALIVE:]
    return pd.DataFrame(rows)


def _first(children: Sequence[Candidate], rows: list[dict], rng) -> Candidate:
    """The child that a ridge regression of ranks puts first; every second time any."""
    from scipy import stats

    if rng.random() < 0.5:
        return children[int(rng.integers(len(children)))]
    x = np.stack([features(_candidate(row["name"])) for row in rows])
    y = stats.rankdata([row["search"] for row in rows]) / len(rows)
    mean, sd = x.mean(0), x.std(0) + 1e-9
    z = (x - mean) / sd
    weights = np.linalg.solve(z.T @ z + 5.0 * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    guess = [(features(child) - mean) / sd @ weights for child in children]
    return children[int(np.argmax(guess))]


def fresh_seeds(
    names: Sequence[str],
    on: Ground,
    *,
    seeds: int = 5,
    width: int | None = FRESH_WIDTH,
    updates: int = 0,
    text: str = "",
    corpus: Recording | str = "",
    store=None,
    report: Report = SILENT,
) -> pd.DataFrame:
    """Networks made anew from seeds that the search has not used, at one width; name, family, seed, held_out, bits_per_byte.

    Parameters
    ----------
    width : int, optional
        Of all of them, so that none wins by its size; None: each its own.
    corpus : str or Recording
        Reading times: ``delta_ll`` beside the others; empty: none.
    """
    rows = []
    for name in names:
        one = _candidate(name)
        one = replace(one, width=width) if width else one
        for seed in range(1, seeds + 1):
            report.step(len(rows), len(names) * seeds, "networks from fresh seeds")
            found = judged(
                one,
                on,
                seed=seed,
                updates=updates,
                text=text,
                corpus=corpus,
                store=store,
                report=report,
            )
            rows.append(
                {"name": name, "family": one.family, "formula": one.formula, "seed": seed, **found}
            )
    return pd.DataFrame(rows)


# ---- the answer -----------------------------------------------------------------------------------------------------------
def architectures(
    tree: pd.DataFrame,
    fresh: pd.DataFrame | None = None,
    random: pd.DataFrame | None = None,
    *,
    on: Ground | None = None,
) -> Answer:
    """The best network and the best unusual one, what choosing them added, and what is left from fresh seeds.

    Parameters
    ----------
    tree : DataFrame
        Of :func:`search`.
    fresh : DataFrame, optional
        Of :func:`fresh_seeds`: the winner, the best unusual and the best plain network.
    random : DataFrame, optional
        A random search of the same budget.

    Returns
    -------
    Answer
        ``frame``: the tree with ``front`` (on the Pareto front of held-out r, bits per byte where known, and weights).
        ``facts``: ``winner``, ``unusual``, ``plain`` (rows), ``optimism`` (how much less the winner is above the mean
        candidate on the unseen half than on the search's), ``fresh`` (a row per network with t interval), ``against_random``.
    """
    from scipy import stats

    if tree.empty:
        raise BrainLensError("No network was tried", remedy="Search for at least one")
    frame = tree.assign(front=_front(tree))
    winner = frame.loc[frame["search"].idxmax()]
    odd = frame[[_unusual(name) for name in frame["name"]]]
    plain = frame.drop(odd.index)
    unusual = odd.loc[odd["search"].idxmax()] if len(odd) else None
    usual = plain.loc[plain["search"].idxmax()] if len(plain) else None
    gain = {half: winner[half] - frame[half].mean() for half in ("search", "held_out")}
    optimism = float(gain["search"] - gain["held_out"])
    seen = (
        stats.spearmanr(frame["search"], frame["held_out"]).statistic if len(frame) > 2 else np.nan
    )
    means = _means(fresh)
    said = [
        f"Of {plural(len(frame), 'network')} {winner['formula']} ({_size(winner['name'])}) is best: "
        f"r = {decimal(winner['search'])} on the search's stimuli, {decimal(winner['held_out'])} on unseen ones"
        + (" of other people" if on is not None and on.people else "")
        + f"; {decimal(optimism) if optimism > 0 else 'nothing'} of its lead over the mean network came from choosing it"
    ]
    if unusual is not None:
        said.append(
            f"the best with an unusual operator is {unusual['formula']}, {decimal(unusual['held_out'])} unseen"
            + (
                f"; the best without, {usual['formula']}, {decimal(usual['held_out'])}"
                if usual is not None
                else ""
            )
        )
    if len(means) and unusual is not None and usual is not None:
        said.append(_fresh_verdict(fresh, unusual["name"], usual["name"]))
        said += _reading_verdict(means)
    against = np.nan
    if random is not None and len(random):
        best = random.loc[random["search"].idxmax()]
        against = float(winner["held_out"] - best["held_out"])
        said.append(f"a random search of {len(random)} ends at {decimal(best['held_out'])} unseen")
    caption = (
        "Untrained or briefly trained networks of a small language of operators; r of the layer that is best on the "
        "search's half, whole groups of stimuli "
        "held out inside each half. The search looks at one half of the stimuli"
        + (" and people" if on is not None and on.people else "")
        + ", the other is looked at afterwards. Choosing: how much more the best is above the mean candidate where it was chosen "
        f"than where it was not; rank r of both halves over candidates {decimal(seen)}. "
        "Fresh seeds: other weights, one width, t interval over seeds; of a text read forward only, bits per byte and what the "
        "surprisal adds to reading times."
    )
    return Answer(
        frame,
        "; ".join(said) + ".",
        caption,
        facts={"winner": winner, "unusual": unusual, "plain": usual, "optimism": optimism, "fresh": means, "rank": seen,
               "against_random": against},
        axes={"x_title": "r on the search's stimuli", "y_title": "r on unseen stimuli"},
    )  # fmt: skip


def _candidate(name: str) -> Candidate:
    one = Candidate.parse(name)
    assert one is not None  # a name that a search wrote
    return one


def _size(name: str) -> str:
    one = _candidate(name)
    return f"{one.depth} x {one.width}{', tied' if one.tied else ''}"


def _unusual(name: str) -> bool:
    return bool(set(UNUSUAL) & set(_candidate(name).gate))


def _front(tree: pd.DataFrame) -> np.ndarray:
    """Which candidates no other is at least as good as in all of held-out r, bits per byte (where all have them) and weights."""
    values = [-tree["held_out"].to_numpy(float), tree["weights"].to_numpy(float)]
    bits = tree["bits_per_byte"].to_numpy(float)
    if np.isfinite(bits).any():
        values.append(np.where(np.isfinite(bits), bits, np.inf))
    v = np.stack(values, axis=1)
    as_good = np.asarray((v[None] <= v[:, None]).all(-1) & (v[None] < v[:, None]).any(-1))
    return np.asarray(~as_good.any(axis=1))


def _means(fresh: pd.DataFrame | None) -> pd.DataFrame:
    if fresh is None or fresh.empty:
        return pd.DataFrame()

    measures = [name for name in ("held_out", "bits_per_byte", "delta_ll") if name in fresh]
    return mean_over_seeds(fresh, ("name", "formula", "family"), measures)


def _fresh_verdict(fresh: pd.DataFrame, unusual: str, usual: str) -> str:
    """The paired difference over fresh seeds, in words."""
    from scipy import stats

    table = fresh.pivot_table(index="seed", columns="name", values="held_out")
    if unusual not in table or usual not in table:
        return "fresh seeds have not been tried for both"
    gap = (table[unusual] - table[usual]).dropna().to_numpy()
    n = len(gap)
    if n < LEAST_SEEDS:
        return f"{plural(n, 'fresh seed')} cannot tell them apart"
    reach = stats.t.ppf(0.975, n - 1) * gap.std(ddof=1) / np.sqrt(n)
    low, high = gap.mean() - reach, gap.mean() + reach
    verdict = (
        "the unusual one is better"
        if low > 0
        else "the usual one is better"
        if high < 0
        else "no difference is shown"
    )
    return f"from {n} fresh seeds at one width {verdict} (difference {decimal(gap.mean())} {interval(low, high)})"


def _reading_verdict(means: pd.DataFrame) -> list[str]:
    """What surprisal of the networks from fresh seeds adds to reading times; a clause, or none where nothing was measured."""
    if "delta_ll" not in means or not np.isfinite(means["delta_ll"].iloc[0]):
        return []
    best = means.iloc[0]  # of the search, which did not look at reading times
    if best["seeds"] < LEAST_SEEDS or not best["delta_ll_low"] > 0:
        return ["to reading times the surprisal of the best one adds nothing that is shown"]
    ends = interval(best["delta_ll_low"], best["delta_ll_high"], 4)
    return [
        f"to reading times the surprisal of the best one adds {decimal(best['delta_ll'], 4)} {ends} nats a word"
    ]


def searched(
    recording: Recording | str,
    protocol: Protocol | str = "defended",
    *,
    count: int = 200,
    strategy: str = "evolution",
    updates: int = 0,
    seed: int = 0,
    seeds: int = 5,
    corpus: str = "",
    store=None,
    report: Report = SILENT,
) -> Answer:
    """The whole question: a search, a random search of the same budget, and the best ones made anew from fresh seeds; stored.

    Parameters
    ----------
    count, strategy, updates, seed
        As for :func:`search`.
    seeds : int
        Fresh seeds of the best network, the best unusual and the best usual one.
    corpus : str
        Reading times that those from fresh seeds are asked about, where networks are trained; empty: none.
    """
    on, store = ground(recording, protocol, seed=seed), store or Store()
    corpus = corpus if updates else ""  # as at birth nothing is predicted that readers could meet
    asked_for = _search_key(on, count, strategy, updates, seed, seeds, corpus)
    if (known := _found(on, asked_for, corpus, store)) is not None:
        return known
    text = "\n\n".join(prose()) if updates else ""
    asked: dict[str, Any] = dict(updates=updates, text=text, store=store, report=report)
    tree = search(on, count, strategy=strategy, seed=seed, **asked)
    random = (
        search(on, count, strategy="random", seed=seed + 1, **asked)
        if strategy != "random"
        else None
    )
    first = architectures(tree, on=on).facts
    best = [first[one]["name"] for one in ("winner", "unusual", "plain") if first[one] is not None]
    fresh = fresh_seeds(list(dict.fromkeys(best)), on, seeds=seeds, corpus=corpus, **asked)
    tables = {"tree": tree, "fresh": fresh, "random": random}
    told = {
        name: None if table is None else table.to_dict("list") for name, table in tables.items()
    }
    keep_told(store, asked_for, told)
    return architectures(tree, fresh, random, on=on)


def stored_search(
    recording: Recording | str,
    protocol: Protocol | str = "defended",
    *,
    count: int = 200,
    strategy: str = "evolution",
    updates: int = 0,
    seed: int = 0,
    seeds: int = 5,
    corpus: Recording | str = "",
    store=None,
) -> Answer | None:
    """What :func:`searched` gave before, or None; nothing is computed.

    Raises
    ------
    analysis.store.promises.Locked
        Where a network of it is locked on this recording.
    """
    on, corpus = ground(recording, protocol, seed=seed), corpus if updates else ""
    key = _search_key(on, count, strategy, updates, seed, seeds, corpus)
    return _found(on, key, corpus, store or Store())


def _found(on: Ground, key: str, corpus: Recording | str, store: Store) -> Answer | None:
    kept = find_told(store, key)
    if kept is None:
        return None
    tree, fresh, random = (
        None if kept[name] is None else pd.DataFrame(kept[name])
        for name in ("tree", "fresh", "random")
    )
    if held(store.root):
        tried = [(name, 0) for some in (tree, random) if some is not None for name in some["name"]]
        again = []
        if fresh is not None:
            again = [
                (replace(_candidate(name), width=FRESH_WIDTH).name, seed)
                for name, seed in zip(fresh["name"], fresh["seed"], strict=True)
            ]
        for name, seed in tried + again:
            require_open(_reader(name, seed), on.recording, on.protocol, store)
        for name, seed in again if corpus else ():
            require_open(_reader(name, seed), as_corpus(corpus), Protocol(), store)
    return architectures(tree, fresh, random, on=on)


def _search_key(
    on: Ground,
    count: int,
    strategy: str,
    updates: int,
    seed: int,
    seeds: int,
    corpus: Recording | str,
) -> str:
    code = (CODE_VERSION, ACTIVATIONS, OPERATORS, packages(READING))
    times = [as_corpus(corpus).content_hash] if corpus else []
    asked = (count, strategy, updates, seed, seeds, *times)
    return content_key("search", *code, data_key(on.recording, on.protocol), *asked)
