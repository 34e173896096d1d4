"""Places inside the blocks of a transformer that are read like layers: attention, feed-forward part, single heads, decoder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from analysis.models.architectures import Anatomy, Stop, anatomy, without_head
from analysis.text.alignment import align, encode
from analysis.text.passages import sentences
from data.errors import BrainLensError, unknown

__all__ = ["KINDS", "Site", "expanded", "is_site", "listen_at", "read_decoder", "suffixes"]

KINDS = {
    "block": "output of block 3, as layer 3 is; block:0 is what enters the first",
    "attn": "what attention writes in block 3, behind its output matrix and before it is added",
    "mlp": "what the feed-forward part writes in block 3, likewise",
    "head": "head 5 of block 3 by itself (head:3: all heads), as it enters the output matrix",
    "dec": "output of block 3 of the decoder, which reads the sentence while the encoder reads what stands before it",
}
"""Kind of site -> what ``kind:3`` is (of a head ``head:3.5``); without a number: one for every block."""

_SITE = re.compile(r"(block|attn|mlp|head|dec)(?::(\d{1,4})(?:\.(\d{1,4}))?)?")
_ATTENTION = re.compile(
    r"(?:attn|attention)\.(?:o_proj|c_proj|out_proj|dense|out_lin|wo|output\.dense|o)$",
    re.IGNORECASE,
)
_CROSS = re.compile(r"cross|encdec|encoder_attn", re.IGNORECASE)
_FEED_FORWARD = re.compile(
    r"(?:mlp|ffn|feed_forward|denserelu\w*)\.(?:down_proj|c_proj|wo|dense_4h_to_h|fc_out|fc2|w2|lin2)$|^fc2$|^output\.dense$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Site:
    """One place: its kind, its block (from 1; 0 is the embedding output of ``block`` and ``dec``), and of a head its number."""

    kind: str
    block: int
    head: int | None = None

    @property
    def name(self) -> str:
        """``attn:3``, ``head:3.5``."""
        return f"{self.kind}:{self.block}" + ("" if self.head is None else f".{self.head}")


def is_site(text: object) -> bool:
    """Whether this names a site and not a layer.

    Examples
    --------
    >>> is_site("attn:3"), is_site("head:3.5"), is_site("3"), is_site("drop")
    (True, True, False, False)
    """
    found = _SITE.fullmatch(text) if isinstance(text, str) else None
    return found is not None and (found[3] is None or found[1] == "head")


def suffixes(text: str) -> list[str]:
    """What makes a model one that is read inside its blocks, for each kind of place that is named.

    Parameters
    ----------
    text : str
        Places with commas between them; empty: none.

    Raises
    ------
    BrainLensError
        For what is no place.

    Examples
    --------
    >>> suffixes("attn, mlp:3, mlp:1")
    ['@at:attn', '@at:mlp:3+mlp:1']
    """
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if not is_site(name):
            raise unknown(
                "place",
                name,
                [f"{kind}:1" for kind in KINDS],
                remedy="Write attn, mlp, head or dec, with :3 behind it for block 3 alone, head:3.5 for one head",
            )
    kinds: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        kinds.setdefault(name.partition(":")[0], []).append(name)
    return [f"@at:{'+'.join(some)}" for some in kinds.values()]


def expanded(
    names: Sequence[str], blocks: int, heads: int | None, decoder: int | None
) -> list[Site]:
    """The sites of a model, in the order named.

    Parameters
    ----------
    names : sequence of str
        Such as ``attn:3``; ``attn`` alone is one for every block.
    blocks, heads, decoder : int or None
        Blocks that are read, heads in each (None: not told), blocks of the decoder (None: there is none).

    Raises
    ------
    BrainLensError
        For what is no site, or none of this model's.
    """
    found: list[Site] = []
    for name in names:
        if not is_site(name):
            raise unknown(
                "site", name, [f"{kind}:1" for kind in KINDS], remedy="A layer is a number"
            )
        kind, block, head = _SITE.fullmatch(name).groups()  # type: ignore[union-attr]
        most, what = (decoder, "decoder") if kind == "dec" else (blocks, "model")
        if most is None:
            raise BrainLensError(
                f"{name!r} is in a decoder that reads what an encoder gives, and this model has none",
                remedy="Pick an encoder-decoder such as t5-small, or a layer by its number",
            )
        if kind == "head" and not heads:
            raise BrainLensError(
                f"{name!r}: config.json does not tell how many heads there are", remedy="Take attn"
            )
        least = 0 if kind in ("block", "dec") else 1
        numbers = range(least, most + 1) if block is None else [int(block)]
        if not least <= numbers[0] <= most:
            raise BrainLensError(
                f"{name!r}: the {what} has blocks {least} to {most}", remedy=f"Give {kind}:{most}"
            )
        for number in numbers:
            if kind != "head":
                found.append(Site(kind, number))
                continue
            own = range(heads) if head is None else [int(head)]  # type: ignore[arg-type]
            if own[0] >= heads:  # type: ignore[operator]
                raise BrainLensError(
                    f"{name!r}: heads are counted 0 to {heads - 1}",  # type: ignore[operator]
                    remedy=f"Give head:{number}.{heads - 1}",  # type: ignore[operator]
                )
            found += [Site(kind, number, one) for one in own]
    return list(dict.fromkeys(found))


# ---- hooks -----------------------------------------------------------------------------------------------------------
@contextmanager
def listen_at(parts: Anatomy, sites: Sequence[Site], heads: int | None, hear: Callable):
    """Hooks that hand what each site gives to ``hear(place in sites, hidden)``; the pass ends after the last block of them.

    Raises
    ------
    BrainLensError
        Where a block is used for several layers, or a part cannot be found in it.
    """
    if len(parts.blocks) != parts.n_blocks or parts.batch_second:
        raise BrainLensError(
            "This model has no block of its own for each layer, or keeps it in another order: its parts are not told apart",
            remedy="Score its layers by number",
        )
    handles, shape = [], []

    def told(at, hidden):
        """Some blocks hand all tokens of a batch to a part in one row."""
        hear(at, hidden if hidden.dim() > 2 else hidden.reshape(*shape[0], -1))

    def tell(at):
        return lambda module, args, output: told(
            at, output[0] if isinstance(output, tuple | list) else output
        )

    def slice_of(at, head):
        def before(module, args):
            width = args[0].shape[-1] // heads  # type: ignore[operator]
            told(at, args[0][..., head * width : (head + 1) * width])

        return before

    def measure(module, args, kwargs):
        shape[:] = [(args[0] if args else kwargs["hidden_states"]).shape[:2]]

    def entering(at):
        def before(module, args, kwargs):
            hear(at, args[0] if args else kwargs["hidden_states"])

        return before

    try:
        handles.append(parts.first.register_forward_pre_hook(measure, with_kwargs=True))  # type: ignore[attr-defined]
        for at, site in enumerate(sites):
            if site.block == 0:
                handles.append(
                    parts.first.register_forward_pre_hook(entering(at), with_kwargs=True)  # type: ignore[attr-defined]
                )
                continue
            block = parts.blocks[site.block - 1]
            if site.kind in ("block", "dec"):
                handles.append(block.register_forward_hook(tell(at)))
            elif site.kind == "mlp":
                handles.append(_part(block, _FEED_FORWARD, site).register_forward_hook(tell(at)))
            elif site.kind == "attn":
                handles.append(_part(block, _ATTENTION, site).register_forward_hook(tell(at)))
            else:
                part = _part(block, _ATTENTION, site)
                handles.append(part.register_forward_pre_hook(slice_of(at, site.head)))
        last = max(site.block for site in sites)
        if last:

            def stop(module, args, output):
                raise Stop

            handles.append(parts.blocks[last - 1].register_forward_hook(stop))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _part(block, pattern: re.Pattern, site: Site):
    """The one module whose output is what the part writes."""
    found = [
        module
        for name, module in block.named_modules()
        if pattern.search(name) and not _CROSS.search(name)
    ]
    if len(found) != 1:
        what = "several parts" if found else "no part"
        raise BrainLensError(
            f"{site.name}: {what} of {type(block).__name__} can be what is meant",
            remedy="Score the whole block by its number, or bring activations in a file",
        )
    return found[0]


# ---- the decoder -----------------------------------------------------------------------------------------------------
def read_decoder(
    model, passages, sites: Sequence[Site], pool: Callable, dtype: str, report, *, size: int = 16
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Decoder states of every stimulus: the decoder reads its sentence up to its end, the encoder all that stands before.

    Parameters
    ----------
    model : TransformerModel
    pool : callable
        (hidden, [(batch, first token, end)]) -> array, as the layers are pooled.

    Yields
    ------
    rows, values
        As of :meth:`analysis.models.base.Model.read`.
    """
    import torch

    network = without_head(model.network(dtype))
    parts = anatomy(network.get_decoder(), model.decoder_blocks)
    frame = model.frame()
    lead = (model.decoder_start, *frame[0])
    jobs = []
    for passage in passages:
        starts = sentences(passage.text) or [0]
        for row, (first, end) in zip(passage.rows, passage.spans, strict=True):
            report.checkpoint()
            begin = max(start for start in starts if start <= max(first, 0))
            coded = encode(model.tokenizer, passage.text[:end])
            cut = int(np.searchsorted(coded.offsets[:, 1], begin, side="right"))
            low, high = align(passage.text[:end], [(first, end)], coded.offsets)[0].tolist()
            before, own = coded.ids[:cut].tolist(), coded.ids[cut:].tolist()
            if model.window is not None:
                before = before[max(0, len(before) - (model.window - sum(map(len, frame)))) :]
                over = max(0, len(own) + len(lead) - model.window)
                own, cut = own[over:], cut + over
            jobs.append((row, before, own, max(low, cut) - cut + len(lead), high - cut + len(lead)))
    jobs.sort(key=lambda job: len(job[2]))
    for at in range(0, len(jobs), size):
        report.step(at, len(jobs), "stimuli")
        batch = jobs[at : at + size]
        longest = len(lead) + max(len(own) for _, _, own, _, _ in batch)
        ids = torch.full((len(batch), longest), model.padding, dtype=torch.long)
        for b, (_, _, own, _, _) in enumerate(batch):
            ids[b, : len(lead) + len(own)] = torch.tensor([*lead, *own])
        inputs = model.encoder_inputs([before for _, before, _, _, _ in batch], frame)
        inputs["decoder_input_ids"] = ids.to(model.device)
        wants = [(b, low, high) for b, (_, _, _, low, high) in enumerate(batch)]
        heard: dict[int, np.ndarray] = {}

        def hear(place, hidden, heard=heard, wants=wants):
            heard[place] = pool(hidden, wants)

        with (
            torch.inference_mode(),
            listen_at(parts, sites, None, hear),
            contextlib.suppress(Stop),
        ):
            network(**inputs)
        yield (
            np.asarray([row for row, *_ in batch]),
            [heard[place] for place in range(len(sites))],
        )
    report.step(len(jobs), len(jobs), "stimuli")
