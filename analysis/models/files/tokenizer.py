"""The tokenizer of a model folder: its tokens are those of tokenizer.json, and each of them has a row in the embedding."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analysis.models.building import in_turn
from analysis.models.files import checks
from analysis.models.files.json_files import read_json
from analysis.models.files.weights import quiet
from data.errors import BrainLensError, memory_error

__all__ = ["check_rows", "knows", "load_tokenizer", "own_frame"]

PROBE = "The café's keeper  read\nit twice: 12 boats (a few) hadn't — Ω 東京 “naïve” A.B. x_y 3.14%"
"""What two tokenizers that differ are told apart by: blanks, accents, clitics, numbers, punctuation, other scripts."""


@in_turn
def load_tokenizer(folder: Path):
    """The tokenizer of a model folder.

    The library chooses a class by the model's type and may build another tokenizer than the file describes; both are tried on
    a probe text, and where they differ the file is taken as it stands.

    Raises
    ------
    BrainLensError
        Where there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    checks.check_tokenizer(folder)
    try:
        with quiet():
            found = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
            file = folder / "tokenizer.json"
            if file.is_file() and _ids(found) != _ids_of_file(file):
                found = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError, TypeError, AttributeError) as error:
        if memory_error(error) is not None:
            raise
        raise BrainLensError(
            f"The tokenizer in {folder} cannot be read ({error})",
            remedy="Save the tokenizer again with tokenizer.save_pretrained(folder)",
        ) from error
    return found


def _ids(tokenizer) -> list[int]:
    return list(tokenizer(PROBE, add_special_tokens=False, verbose=False)["input_ids"])


def _ids_of_file(file: Path) -> list[int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except MemoryError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise ValueError(str(error)) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer.encode(PROBE, add_special_tokens=False).ids


def own_frame(tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Special tokens that a tokenizer itself puts before and after a text."""
    probe = "a"
    bare = tokenizer(probe, add_special_tokens=False)["input_ids"]
    full = tokenizer(probe, add_special_tokens=True)["input_ids"]
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return tuple(full[:at]), tuple(full[at + len(bare) :])
    return (), ()


def knows(folder: Path, token: str) -> bool:
    """Whether a folder's tokenizer has a token of that name, as its files tell; True where they do not tell."""
    content = read_json(folder / "tokenizer.json")
    if not content:
        vocabulary = read_json(folder / "vocab.json")
        return token in vocabulary if vocabulary else True
    if any(added.get("content") == token for added in content.get("added_tokens") or ()):
        return True
    pieces = (content.get("model") or {}).get("vocab") or {}
    return token in pieces if isinstance(pieces, dict) else any(p[0] == token for p in pieces)


def check_rows(name: str, tokenizer, ids, rows: int | None) -> None:
    """Refuse tokens that the embedding has no row for: added to the tokenizer, and the model never resized.

    Parameters
    ----------
    ids : sequence of int
        Tokens about to be read.
    rows : int or None
        Rows of the embedding; None: not known.

    Raises
    ------
    BrainLensError
        Naming the first such token, and both sizes.
    """
    ids = np.asarray(ids, np.int64).reshape(-1)
    if rows is None or not len(ids) or int(ids.max()) < rows:
        return
    number = int(ids[ids >= rows][0])
    token = tokenizer.convert_ids_to_tokens(number)
    raise BrainLensError(
        f"{name}: token {number} of the tokenizer ({token!r}) lies beyond the {rows} rows of the embedding",
        remedy="Train and save the model after model.resize_token_embeddings(len(tokenizer)), or, where it is only the start "
        'token, write {"bos": ""} into card.json of the model\'s folder to read without one',
    )
