"""Say what you expect before you look: models x recordings x protocol are frozen, hashed, and refused until revealed."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Mapping, Sequence

from analysis.models import load
from analysis.protocol import Protocol
from analysis.scoring.keys import cell_numbers, score_key, told_keys
from analysis.scoring.results import results
from analysis.scoring.sameness import plain_name
from analysis.store.keys import content_key
from analysis.store.promises import (
    Locked,
    Promise,
    held,
    held_pairs,
    promises,
    refuse,
    refuse_number,
    write,
)
from analysis.store.promises import reveal as open_promise
from analysis.store.store import Store
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["cell_keys", "lock", "refuse_told", "require_open", "reveal"]


def cell_keys(source, recording: Recording, protocol: Protocol) -> list[str]:
    """Keys under which a cell's numbers lie in the store: of each fold seed, and of the whole."""
    every = [protocol, *protocol.each_seed()]
    return list(dict.fromkeys(score_key(source, recording, one) for one in every))


def require_open(source, recording: Recording, protocol: Protocol, store) -> None:
    """Refuse a cell whose number is locked, before anything of it is computed or read.

    Raises
    ------
    analysis.store.promises.Locked
    """
    if not held(store.root):
        return
    for key in cell_keys(source, recording, protocol):
        refuse(store.root, key)
    refuse_number(store.root, cell_numbers(source, recording, protocol))


def refuse_told(told: Mapping, store) -> None:
    """Refuse a result that came from elsewhere (a capsule, a row of an export) and whose number is locked here.

    Parameters
    ----------
    told : mapping
        As of :func:`analysis.scoring.results.row`.

    Raises
    ------
    analysis.store.promises.Locked
    """
    if held(store.root):
        keys = told_keys(told)
        refuse_number(store.root, keys)
        who = plain_name(str(told.get("model"))), told.get("recording")
        if not keys and who in held_pairs(store.root):
            raise Locked(
                f"{told.get('model')} on {told.get('recording')} is locked by a prediction, and this result does not tell under "
                "which protocol it was made",
                remedy="See 'brainlens lock --list'; reveal the prediction when it is final",
            )


def lock(
    hypothesis: str,
    models: Sequence[str],
    recordings: Sequence[str | Recording],
    protocol: Protocol,
    *,
    store=None,
) -> Promise:
    """Freeze a prediction before its scores are shown.

    Parameters
    ----------
    hypothesis : str
        What you expect, in words.
    models : sequence of str
    recordings : sequence of str or Recording
    protocol : Protocol
    store : Store, optional
        The one whose cells are locked; None: the user's own.

    Returns
    -------
    Promise
        Its ``seen`` names what was stored of these models on these recordings already, under any protocol.

    Raises
    ------
    BrainLensError
        Without a hypothesis, models or recordings; for names that do not exist; where the same is locked already.

    Notes
    -----
    The hash is a promise to oneself: whoever can write the store can remove the file. The named cells are refused, under each of
    their fold seeds and whatever stands beside their r (:data:`analysis.scoring.keys.NEUTRAL`); other protocols stay open, and
    what was seen under them is written into the record when it is revealed.
    """
    if not hypothesis.strip() or not models or not recordings:
        raise BrainLensError(
            "A prediction needs a hypothesis, a model and a recording",
            remedy='For example: brainlens lock "larger is better" --model zoo-causal-3m --on simulated',
        )
    store = store or Store()
    sources = [load(model) for model in models]
    opened = [open_recording(one) if isinstance(one, str) else one for one in recordings]
    names = [one.id for one in sources], [one.id for one in opened]
    cells, seen = [], _known(store, *names)
    for source in sources:
        for on in opened:
            cells.append(
                {
                    "model": source.id,
                    "recording": on.id,
                    "data_key": content_key("data", on.content_hash),
                    "protocol_key": protocol.key(),
                    "keys": cell_keys(source, on, protocol),
                    "numbers": cell_numbers(source, on, protocol),
                }
            )
    return write(
        Promise(
            hypothesis.strip(),
            *names,
            protocol.to_dict(),
            cells,
            _now(),
            importlib.metadata.version("brainlens"),
            seen,
        ),
        store.root,
    )


def reveal(name: str, *, store=None) -> Promise:
    """Show the cells of a prediction from now on.

    Parameters
    ----------
    name : str
        The beginning of its hash.
    """
    store = store or Store()
    one = next((p for p in promises(store.root) if p.hash.startswith(name) and name), None)
    known = [] if one is None else _known(store, one.models, one.recordings)
    meanwhile = [] if one is None else [row for row in known if row not in one.seen]
    return open_promise(name, store.root, time=_now(), meanwhile=meanwhile)


def _known(store, models: Sequence[str], recordings: Sequence[str]) -> list[str]:
    """Results that are there already: model, recording, protocol; no numbers."""
    frame = results(store)
    mine = frame[frame["model"].isin(models) & frame["recording"].isin(recordings)]
    return sorted(
        f"{r.model} on {r.recording}, {r.protocol} ({r.source})" for r in mine.itertuples()
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
