"""What a model folder gives: config, tokenizer, weights, their hashes and their size in memory."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

from analysis.models.building import building, in_turn
from analysis.models.files import checks, hub
from analysis.models.files.json_files import read_json
from analysis.models.shared import tie_blocks, told_by_the_first
from analysis.models.variants.apply import apply
from analysis.models.variants.spec import Variant
from data.errors import BrainLensError
from data.hashes import file_hash
from data.home import home

__all__ = [
    "IncompleteWeights",
    "available_memory",
    "body_class",
    "count_parameters",
    "estimate",
    "fingerprint",
    "head_class",
    "load_config",
    "load_network",
    "load_spread",
    "locate",
    "quiet",
    "room_by_place",
    "tokenizer_hash",
]

TOKENIZER_PARTS = (
    "added_tokens.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)
_UNSAVED = (
    "pooler",
    "position_ids",
    "attn.bias",
    "masked_bias",
    "inv_freq",
)  # parts a checkpoint may lack without harm


def locate(source: str, revision: str | None = None) -> Path:
    """The folder of a model: the source itself, or what the hub keeps under that id."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or source.count("/") != 1:
        raise BrainLensError(
            f"No model folder at {source}",
            remedy="Check the path, or give an id from 'brainlens models list'",
        )
    return hub.fetch(source, revision or "")


@contextlib.contextmanager
def quiet():
    """transformers without its progress bars and advice."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


# ---- identity ------------------------------------------------------------------------
def fingerprint(folder: Path, *, weightless: bool = False) -> str:
    """Hash of the content of a folder's config and weight files.

    Parameters
    ----------
    weightless : bool
        The model takes nothing but the config (untrained by the library's own initialisation).
    """
    files = [folder / "config.json"]
    if not weightless:
        patterns = ("*.safetensors", "*.safetensors.index.json", "*.bin")
        files += sorted(p for pattern in patterns for p in folder.glob(pattern))
    digests = [[path.name, file_hash(path)] for path in files if path.is_file()]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def tokenizer_hash(folder: Path) -> str:
    """sha256 over the tokenizer's files."""
    digests = [
        [name, file_hash(folder / name)] for name in TOKENIZER_PARTS if (folder / name).is_file()
    ]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


# ---- config and tokenizer ------------------------------------------------------------------------
@in_turn
def load_config(folder: Path):
    """The configuration of a model folder.

    Raises
    ------
    BrainLensError
        Where there is none, or transformers does not know the architecture.
    """
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise BrainLensError(
            f"The model folder {folder} has no config.json",
            remedy="Name the folder that holds config.json",
        )
    try:
        with quiet():
            return AutoConfig.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
    except (OSError, ValueError, KeyError) as error:
        told = read_json(folder / "config.json")
        kind = told.get("model_type", "")
        if told.get("auto_map"):
            raise BrainLensError(
                f"The model type {kind!r} of {folder} brings program code of its own, which is not run",
                remedy="Import its activations from a file, or take a version of it that transformers knows by itself",
            ) from error
        raise BrainLensError(
            f"The model type {kind!r} of {folder} is not one this version of transformers can load ({_first(error)})",
            remedy="Update transformers, or import its activations from a file",
        ) from error


def _first(error: Exception) -> str:
    """The first sentence: what follows tells how to install other software."""
    return re.split(r"(?<=\w)\.\s|\n", str(error))[0]


# ---- weights ------------------------------------------------------------------------
@in_turn
def head_class(config, cls: str):
    """The auto class with a language-model head, or None where the architecture has none."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    if (
        cls == "encoder-decoder"
        and config.model_type in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    ):
        return transformers.AutoModelForSeq2SeqLM
    if cls == "causal" and config.model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return transformers.AutoModelForCausalLM
    if (
        cls in ("causal", "bidirectional")
        and config.model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    ):
        return transformers.AutoModelForMaskedLM
    return None


@in_turn
def body_class(config):
    """The auto class without a head; of an encoder-decoder its encoder alone, where transformers has it."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    alone = (
        config.is_encoder_decoder
        and config.model_type in auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES
    )
    return transformers.AutoModelForTextEncoding if alone else transformers.AutoModel


class IncompleteWeights(BrainLensError):
    """A checkpoint lacks tensors of the module it was to fill (a body without its head)."""


@in_turn
def load_network(auto, folder: Path, config, variant: Variant, tokenizer: Callable, name: str = ""):
    """A torch module in float32 on the CPU, with its variant applied.

    Parameters
    ----------
    tokenizer : callable
        Gives the model's tokenizer, where a variant asks for it.
    name : str
        The model's id, by which its own recipe of training is found.

    Raises
    ------
    BrainLensError
        Weights that are missing, a pickle nobody vouched for, or of another architecture.
    """
    import torch

    def fresh():
        with quiet():
            return tie_blocks(auto.from_config(config, dtype=torch.float32))

    if not variant:
        return _trained(auto, folder)

    with building():
        trained = None if variant.starts_fresh else _trained(auto, folder)
        return apply(trained, variant, fresh=fresh, tokenizer=tokenizer, name=name)


@in_turn
def load_spread(auto, folder: Path, dtype):
    """A torch module over all there is: graphics cards first, then memory, then the disk (accelerate places the blocks).

    Weights travel to where they are needed while the model runs: as exact as in one place, and slower.

    Raises
    ------
    BrainLensError
        As :func:`load_network`.
    """
    return _trained(
        auto,
        folder,
        dtype=dtype,
        device_map="auto",
        max_memory=room_by_place(),
        offload_folder=str(home("cache") / "offload" / fingerprint(folder)[:16]),
    )


def room_by_place() -> dict[int | str, int]:
    """Bytes that a model may take on each graphics card and in memory: nine tenths of a card, half of the free memory."""
    import torch

    cards = range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    room: dict[int | str, int] = {n: int(0.9 * torch.cuda.mem_get_info(n)[0]) for n in cards}
    return room | {"cpu": (available_memory("cpu") or 0) // 2}


def _trained(auto, folder: Path, **placed):
    import torch

    checks.check(folder)
    pickled = checks.weight_files(folder)[0].suffix != ".safetensors"
    try:
        with quiet():
            network, told = auto.from_pretrained(
                folder,
                **{"dtype": torch.float32, **placed},
                use_safetensors=not pickled,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # a broken file raises the classes of safetensors, torch and transformers alike
        raise BrainLensError(
            f"The weights in {folder} cannot be read ({type(error).__name__}: {error})",
            remedy="Fetch or save the model again",
        ) from error
    _check_shapes(folder, told["mismatched_keys"])
    _check_finite(folder, network)
    _check_beyond(folder, network, told["unexpected_keys"])
    once = told_by_the_first(network)
    missing = sorted(
        name
        for name in told["missing_keys"]
        if not any(part in name for part in _UNSAVED) and not name.startswith(once)
    )
    if missing:
        lack = f"The weights in {folder} lack {len(missing)} tensors of {type(network).__name__}, first {missing[0]}"
        prefix = getattr(network, "base_model_prefix", "")
        if wrapped := _wrapped(missing, told["unexpected_keys"], prefix):
            raise IncompleteWeights(
                f"{lack}; the file names its tensors with {wrapped!r} before, as a wrapped model does when it is saved "
                "(DataParallel, torch.compile, a training framework)",
                remedy=f"Save the model inside the wrapper with save_pretrained, or take {wrapped!r} off the names in the file",
            )
        raise IncompleteWeights(
            lack,
            remedy="Save the model with save_pretrained, with the head where surprisal is wanted",
        )
    return tie_blocks(network)


def _wrapped(missing: list[str], unexpected, prefix: str) -> str:
    """What stands before the names of tensors that are missing under their own, such as ``module.``; empty where nothing does.

    A body's own place in its model (``prefix``) is no wrapper.
    """
    before = {
        name.removesuffix(f".{lacks}")
        for name in unexpected
        for lacks in missing
        if name.endswith(f".{lacks}")
    }
    if not before:
        return ""
    outermost = min(before, key=len).removesuffix(prefix).rstrip(".")
    return f"{outermost}." if outermost else ""


def _check_shapes(folder: Path, mismatched) -> None:
    """Refuse weights of another shape than config.json asks for."""
    if not mismatched:
        return
    name, stored, asked = min(mismatched, key=lambda one: str(one[0]))
    more = f" and {len(mismatched) - 1} more" if len(mismatched) > 1 else ""
    raise BrainLensError(
        f"The weights in {folder} do not fit its config.json: {name}{more} is {tuple(stored)} in the file and "
        f"{tuple(asked)} by the config",
        remedy="Fetch config.json and weights of one revision (the vocabulary is 'vocab_size', the width 'hidden_size')",
    )


def _check_beyond(folder: Path, network, unexpected) -> None:
    """Refuse blocks that are stored and would not be read: those whose like the network has under another number."""
    plain = lambda name: re.sub(r"\d+", "#", name)  # noqa: E731
    known = {plain(name) for name in network.state_dict()}
    prefix = getattr(network, "base_model_prefix", "")
    known |= {name.removeprefix(f"{prefix}.") for name in known}
    beyond = sorted(name for name in unexpected if "#" in plain(name) and plain(name) in known)
    if beyond:
        raise BrainLensError(
            f"The weights in {folder} hold {len(beyond)} tensors that its config.json leaves out, first {beyond[0]}",
            remedy="Fetch config.json and weights of one revision (the number of blocks is 'num_hidden_layers')",
        )


def _check_finite(folder: Path, network) -> None:
    """Refuse weights that are no numbers, naming the tensor, and matrices that are all 0."""
    import torch

    matrices = [value for value in network.parameters() if value.ndim > 1]
    if matrices and not any(v.device.type == "meta" or bool(v.any()) for v in matrices):
        raise BrainLensError(
            f"All {len(matrices)} matrices in {folder} are 0: nothing was saved",
            remedy="Fetch or save the model again",
        )
    for name, value in network.named_parameters():
        if value.device.type == "meta" or not value.is_floating_point():
            continue
        if not bool(torch.isfinite(value).all()):
            what = "NaN" if bool(torch.isnan(value).any()) else "infinite values"
            count = int((~torch.isfinite(value)).sum())
            raise BrainLensError(
                f"{name} in {folder} holds {what} ({count} of {value.numel()} numbers): the checkpoint is broken",
                remedy="Fetch or save the model again, or take an earlier checkpoint",
            )


# ---- size ------------------------------------------------------------------------
def count_parameters(folder: Path) -> int | None:
    """Number of weights that are read, from the headers of the safetensors files; None where there are none.

    Raises
    ------
    BrainLensError
        Where a file is broken.
    """
    total = sum(math.prod(shape) for _, shape, _ in checks.tensors(folder))
    return total or None


def estimate(parameters: int | None, config, tokens: int, dtype: str) -> int:
    """Bytes needed to run ``tokens`` tokens at once: weights, and the largest block's intermediate values (six times over)."""
    shape = config.get_text_config()
    told = [
        getattr(shape, name, None) for name in ("intermediate_size", "ffn_dim", "d_ff", "n_inner")
    ]
    sizes = [n for one in told for n in (one if isinstance(one, list | tuple) else [one]) if n]
    inner = max(sizes, default=4 * shape.hidden_size)
    item = 2 if dtype == "bfloat16" else 4
    return (parameters or 0) * item + 6 * tokens * (inner + 4 * shape.hidden_size) * item


def available_memory(device: str) -> int | None:
    """Bytes free for a model on that device."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    import psutil

    free = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    with contextlib.suppress(OSError, ValueError):  # a container's own limit, where there is one
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return free
