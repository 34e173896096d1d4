"""How has a model's rank moved over versions of the program?"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from analysis.answers.answer import Answer, decimal, plural
from analysis.answers.compare import SCALES, known, rank
from data.errors import BrainLensError, unknown

__all__ = ["history", "version_of"]


def version_of(provenance: object) -> tuple[str, str]:
    """Version that computed a result (of the program and of the steps of a score), and when it did; empty where that is not said.

    Examples
    --------
    >>> version_of('{"versions": {"brainlens": "0.2.0"}, "code_version": "mapping 2", "computed": "2026-01-01T00:00:00Z"}')
    ('0.2.0 (mapping 2)', '2026-01-01T00:00:00Z')
    """
    try:
        told = json.loads(provenance) if isinstance(provenance, str) else {}
    except ValueError:
        told = {}
    program = (
        str((told.get("versions") or {}).get("brainlens", "")) if isinstance(told, dict) else ""
    )
    if not program:
        return "", ""
    steps = told.get("code_version") or ""
    steps = ", ".join(steps) if isinstance(steps, list) else str(steps)
    return f"{program} ({steps})" if steps else program, str(told.get("computed", "")).partition(
        " to "
    )[0]


def history(
    board: pd.DataFrame, recordings: Iterable[str] = (), *, scale: str = "raw", models: Iterable[str] = ()
) -> Answer:  # fmt: skip
    """Ranks of models by the version that computed them, one ranking per version and protocol.

    Parameters
    ----------
    board : pandas.DataFrame
        Rows of :func:`analysis.scoring.results.results`: the store keeps what older versions computed.
    recordings, scale
        As for :func:`analysis.answers.compare.rank`.
    models : iterable of str
        Those to follow; none: all.

    Returns
    -------
    Answer
        ``frame``: version, order (1 the oldest), since (first result), protocol, model, mean, rank, of (models ranked with it).
        ``missing``: results that do not say which version made them.

    Notes
    -----
    A rank moves when a number changes, and when other models come in or go: ``of`` says among how many it is.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if board.empty:
        raise BrainLensError("No result is here yet", remedy="Score a model first")
    told = board["provenance"].map(version_of)
    board = board.assign(version=[one for one, _ in told], since=[when for _, when in told])
    without = board[board["version"] == ""]
    rows, order = [], board[board["version"] != ""].groupby("version")["since"].min().sort_values()
    asked = list(recordings)
    for place, version in enumerate(order.index):
        some = board[board["version"] == version]
        names = known(some)
        if any(name not in names for name in asked):
            continue  # this version has no result on one of them
        frame = rank(some, asked, scale=scale).frame
        frame = frame[frame["mean"].notna()]
        for (protocol, _), group in frame.groupby(["protocol", "protocol_key"]):
            rows += [
                (
                    version,
                    place + 1,
                    order[version],
                    protocol,
                    one.model,
                    one.mean,
                    one.rank,
                    len(group),
                )
                for one in group.itertuples()
            ]
    frame = pd.DataFrame(
        rows, columns=["version", "order", "since", "protocol", "model", "mean", "rank", "of"]
    )
    wanted = list(models)
    frame = frame[frame["model"].isin(wanted)] if wanted else frame
    missing = without[["model"]].assign(reason="the result does not say which version made it")
    return Answer(
        frame.reset_index(drop=True),
        _sentence(frame),
        f"{plural(frame['version'].nunique(), 'version')}; a version is the program's and that of each step of a score. Each "
        f"ranks what it computed itself, protocols apart. {plural(len(missing), 'result')} without a version left out.",
        missing=missing.reset_index(drop=True),
        axes={"x_title": "Version, from the oldest", "y_title": "Rank (1 the highest mean)"},
    )


def _sentence(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "No result says which version made it."
    if frame["version"].nunique() == 1:
        best = frame.sort_values("rank").iloc[0]
        return (
            f"All results are of one version, in which {best['model']} is first of {int(best['of'])} with "
            f"{decimal(best['mean'])}."
        )
    moved = []
    for (model, protocol), group in frame.groupby(["model", "protocol"]):
        group = group.sort_values("order")
        if len(group) > 1:
            moved.append(
                (abs(group["rank"].iloc[-1] - group["rank"].iloc[0]), model, protocol, group)
            )
    if not moved:
        return "No model was scored by two versions."
    _, model, protocol, group = max(moved, key=lambda one: one[0])
    first, last = group.iloc[0], group.iloc[-1]
    still = first["rank"] == last["rank"]
    change = "stays" if still else f"moves from {first['rank']:.0f} of {first['of']:.0f} to"
    return (
        f"Over {plural(frame['version'].nunique(), 'version')}, {model} {change} {last['rank']:.0f} of {last['of']:.0f} under "
        f"{protocol} (mean {decimal(first['mean'], 3)} and {decimal(last['mean'], 3)})"
        + ("; no model moves more." if not still else "; no rank moves.")
    )
