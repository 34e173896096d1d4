"""What a transformer runs to read texts: as few sequences as is exact, batches of like length, and stimuli read off them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.models.files.tokenizer import check_rows
from analysis.progress import Report
from analysis.text.alignment import Encoded, align, encode
from analysis.text.passages import Passage
from data.errors import BrainLensError

__all__ = ["POOL", "Run", "batches", "planned", "pooled"]

BATCH_TOKENS = {"cpu": 4096, "cuda": 32768}
PREFIX_CHUNK = 64
POOL = {"last": None, "mean": "mean", "sum": "sum", "max": "amax"}


@dataclass
class Run:
    """One sequence to run, and the stimuli read off it: (row, first token, end)."""

    ids: tuple[int, ...]
    wants: list[tuple[int, int, int]] = field(default_factory=list)


def planned(
    model,
    passages: Sequence[Passage],
    start: str,
    window: int | None,
    whole: bool,
    report: Report,
) -> list[Run]:
    """Sequences that read every stimulus of the passages; the same sequence once, whatever reads off it.

    Parameters
    ----------
    model : TransformerModel
    start : str
        See :meth:`analysis.models.transformer.TransformerModel.frame`.
    window : int or None
        The newest tokens to keep, where that is less than the model sees.
    whole : bool
        Read the whole passage for each stimulus, not only what stands before it.
    """
    front, back = model.frame(start)
    seen = min((w for w in (window, model.window) if w is not None), default=None)
    room = None if seen is None else seen - len(front) - len(back)
    if room is not None and room < 1:
        raise BrainLensError(
            f"{model.id} sees only {seen} tokens", remedy="Pick a model with a longer window"
        )
    runs: dict[tuple[int, ...], Run] = {}

    def add(ids: np.ndarray, wants: list[tuple[int, int, int]], shift: int = 0):
        check_rows(model.id, model.tokenizer, ids, model.rows)
        sequence = (*front, *ids.tolist(), *back)
        run = runs.setdefault(sequence, Run(sequence))
        run.wants += [
            (row, first - shift + len(front), last - shift + len(front))
            for row, first, last in wants
        ]

    for number, passage in enumerate(passages):
        report.step(number, len(passages), "texts, aligning words and tokens")
        alone = range(len(passage.spans))
        if model.is_causal or whole:
            coded = encode(model.tokenizer, passage.text)
            found = align(passage.text, passage.spans, coded.offsets)
            ready, alone, ends = _exact(model.tokenizer, passage, coded, found, room, whole)
            if ready:
                add(coded.ids[:ends], [(passage.rows[i], *found[i].tolist()) for i in ready])
        for i in alone:
            report.checkpoint()
            span = passage.spans[i]
            text = passage.text if whole else passage.text[: span[1]]
            coded = encode(model.tokenizer, text)
            first, last = align(text, [span], coded.offsets)[0].tolist()
            low, high = _window(first, last, len(coded.ids), room)
            add(coded.ids[low:high], [(passage.rows[i], max(first, low), last)], shift=low)
    return list(runs.values())


def _exact(
    tokenizer, passage: Passage, coded: Encoded, found: np.ndarray, room: int | None, whole: bool
):
    """Stimuli that can be read off one pass, the others, and where that pass may end."""
    fits = len(coded.ids) if room is None else room
    if whole:
        return (
            (list(range(len(found))), [], len(coded.ids))
            if len(coded.ids) <= fits
            else ([], range(len(found)), 0)
        )
    ready = []
    for at in range(0, len(found), PREFIX_CHUNK):
        ends = [passage.spans[i][1] for i in range(at, min(at + PREFIX_CHUNK, len(found)))]
        for i, ids in enumerate(_prefix_ids(tokenizer, [passage.text[:end] for end in ends]), at):
            if (
                len(ids) <= fits
                and found[i, 1] == len(ids)
                and np.array_equal(ids, coded.ids[: len(ids)])
            ):
                ready.append(i)
    held = set(ready)
    return (
        ready,
        [i for i in range(len(found)) if i not in held],
        max((int(found[i, 1]) for i in ready), default=0),
    )


def _prefix_ids(tokenizer, texts: list[str]) -> list[np.ndarray]:
    if tokenizer.is_fast:
        coded = tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, verbose=False
        )["input_ids"]
        return [np.asarray(ids, np.int64) for ids in coded]
    return [
        np.asarray(tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), np.int64)
        for text in texts
    ]


def _window(first: int, last: int, count: int, room: int | None) -> tuple[int, int]:
    """The tokens to keep: up to the last of the text, the newest; where text follows the stimulus, as much on both sides."""
    if room is None or count <= room:
        return 0, count
    if last == count:
        return count - room, count
    low = min(max(0, (first + last - room) // 2), count - room)
    low = min(low, max(0, last - room)) if last > low + room else low
    return low, low + room


def batches(runs: list[Run], size: int, device: str) -> list[list[Run]]:
    """Runs of like length together, shortest first; the same runs always give the same batches."""
    tokens = BATCH_TOKENS.get(device.partition(":")[0], BATCH_TOKENS["cpu"])
    made: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: len(r.ids)):
        batch = made[-1] if made else None
        if batch is None or len(batch) == size or (len(batch) + 1) * len(run.ids) > tokens:
            made.append([run])
        else:
            batch.append(run)
    return made


def pooled(hidden, wants: list[tuple[int, int, int]], pooling: str) -> np.ndarray:
    """Hidden states (batch, token, unit) at the wanted tokens -> (wanted, unit), float32."""
    import torch

    if pooling == "last":
        at = torch.tensor([(b, last - 1) for b, _, last in wants], device=hidden.device)
        values = hidden[at[:, 0], at[:, 1]].float()
    else:
        values = torch.stack(
            [
                getattr(torch, POOL[pooling])(hidden[b, first:last].float(), dim=0)
                for b, first, last in wants
            ]
        )
    return values.cpu().numpy()
