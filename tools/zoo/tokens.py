"""The public-domain part of the training text as one file of pieces, which ships with the program."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np

from analysis.models.zoo.corpus import END
from analysis.progress import SILENT, Report
from data.files import atomic
from tools.zoo import text

__all__ = ["PUBLIC", "write_tokens"]

PUBLIC = ("addresses", "novel", "bible")
"""Sources in the public domain; the dictionary has a licence of its own and stays outside."""


def write_tokens(
    work: Path, tokenizer, path: Path, *, seed: int = 0, report: Report = SILENT
) -> int:
    """Write the training documents of the public sources as pieces, documents in a random order; how many pieces.

    Parameters
    ----------
    work : Path
        Folder of the packages.
    tokenizer : tokenizers.Tokenizer
        The zoo's.
    """
    found = text.documents(work / "packages", report, sources=PUBLIC)
    names = [name for name in sorted(found) if text.split_of(name) == "train"]
    np.random.default_rng(seed).shuffle(names)
    end = tokenizer.token_to_id(END)
    coded = tokenizer.encode_batch([found[name] for name in names])
    pieces = np.concatenate([np.array([*one.ids, end], "<u2") for one in coded])
    with atomic(path) as part:
        Path(part).write_bytes(lzma.compress(pieces.tobytes(), preset=9 | lzma.PRESET_EXTREME))
    return len(pieces)
