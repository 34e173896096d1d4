"""What a model folder cannot be read for, in words, before anything is loaded; and which of its weight files are the weights."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from analysis.models.files.json_files import pointer, read_json
from data.errors import BrainLensError

__all__ = [
    "PICKLE_VARIABLE",
    "TOKENIZER_FILES",
    "check",
    "check_tokenizer",
    "doubled",
    "tensors",
    "weight_files",
]

PICKLE_VARIABLE = "BRAINLENS_PICKLE_WEIGHTS"
"""Set to 1 by a user who insists on weights that are a pickle (read with PyTorch's restricted reader only)."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "merges.txt",
)
WITHOUT_VOCABULARY = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")
"""Classes of tokenizers that read bytes or characters: their folder holds tokenizer_config.json alone."""

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_PACKED = (
    *("qweight", "qzeros", "absmax", "quant_map", "SCB", "weight_packed"),
    *("weight_scale", "weight_scale_inv", "input_scale"),
)
_ROUNDED = re.compile("F8|F4|[IU]|BOOL")
"""Kinds of stored numbers that no weight is computed in."""
_FOREIGN = {".onnx": "ONNX", ".h5": "TensorFlow", ".msgpack": "Flax", ".mlmodel": "Core ML"}
_DIFFUSION = ("diffusion", "llada", "dream", "mdlm", "sedd", "bd3lm", "dllm", "sdar")
_METHODS = {
    "bitsandbytes": "bitsandbytes",
    "gptq": "GPTQ",
    "awq": "AWQ",
    "fp8": "FP8",
    "compressed-tensors": "compressed-tensors",
}


def weight_files(folder: Path) -> list[Path]:
    """The files that a model's weights are read from: each tensor once, where a folder holds them twice.

    ``model.safetensors`` goes before the shards that an index names, safetensors before a pickle, both before any other file
    (``consolidated.safetensors``, a copy in half precision).
    """
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if shards := sorted(set(read_json(folder / INDEX).get("weight_map", {}).values())):
        return [folder / Path(name).name for name in shards]
    others = sorted(folder.glob("*.safetensors"))
    return others or sorted([*folder.glob("*.bin"), *folder.glob("*.pt")])


def doubled(folder: Path) -> list[str]:
    """Names of further files with weights that are left unread."""
    used = {path.name for path in weight_files(folder)}
    found = [p.name for pattern in ("*.safetensors", "*.bin", "*.pt") for p in folder.glob(pattern)]
    return sorted(set(found) - used)


def tensors(folder: Path) -> Iterator[tuple[str, tuple[int, ...], str]]:
    """Name, shape and kind of number (``"F32"``) of every stored tensor, from the headers of the safetensors files.

    Raises
    ------
    BrainLensError
        Where a file is broken.
    """
    from safetensors import SafetensorError, safe_open

    for path in weight_files(folder):
        if path.suffix != ".safetensors":
            continue
        try:
            with safe_open(path, framework="np") as opened:
                for name in opened.keys():  # noqa: SIM118 - no mapping
                    part = opened.get_slice(name)
                    yield name, tuple(part.get_shape()), str(part.get_dtype())
        except (SafetensorError, OSError) as error:
            raise BrainLensError(
                f"The weights {path} cannot be read ({error})",
                remedy="Fetch or save the model again",
            ) from error


def check(folder: Path) -> None:
    """Refuse a transformer's folder that cannot be loaded, or would be read wrongly, naming the part and the way out.

    Raises
    ------
    BrainLensError
        Pointers instead of files, an adapter, a GGUF file, quantised weights, a diffusion model; no config.json, no tokenizer,
        no safetensors weights, or shards that the index names and the folder lacks.
    """
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        if pointer(path):
            raise _is_pointer(path)
    _check_adapter(folder)
    config = read_json(folder / "config.json")
    if not (folder / "config.json").is_file():
        if ggufs := sorted(p.name for p in folder.glob("*.gguf")):
            raise is_gguf(folder / ggufs[0])
        raise BrainLensError(
            f"The model folder {folder} has no config.json",
            choices=sorted(str(path.parent) for path in folder.glob("snapshots/*/config.json")),
            remedy="Save the model with save_pretrained, or name the folder that holds config.json",
        )
    _check_diffusion(folder, config)
    check_tokenizer(folder)
    _check_weights(folder)
    _check_quantised(folder, config)


def _is_pointer(path: Path) -> BrainLensError:
    return BrainLensError(
        f"{path} is a pointer of Git LFS, not the file itself",
        remedy="Run 'git lfs pull' in the folder the model was cloned into, or fetch the model again",
    )


def is_gguf(path: Path) -> BrainLensError:
    """GGUF is the format of llama.cpp."""
    return BrainLensError(
        f"{path} is GGUF, the (mostly quantised) format of llama.cpp, which is not read",
        remedy="Give the folder with model.safetensors that it was made from (its model card names it), or write one: "
        "AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype='float32').save_pretrained(new), and "
        "AutoTokenizer likewise",
    )


def _check_adapter(folder: Path) -> None:
    if not (folder / "adapter_config.json").is_file():
        return
    told = read_json(folder / "adapter_config.json")
    kind = str(told.get("peft_type") or "adapter")
    base = told.get("base_model_name_or_path") or "a base model it does not name"
    merge = (
        "merge it first: PeftModel.from_pretrained(base, folder).merge_and_unload().save_pretrained(new), with the "
        "tokenizer saved beside it"
    )
    if any((folder / name).is_file() for name in (WHOLE, INDEX)):
        raise BrainLensError(
            f"The model folder {folder} holds full weights and an adapter ({kind}) beside them, which would not be applied",
            remedy=f"To score the model with its adapter, {merge}; to score the model without, move adapter_config.json away",
        )
    raise BrainLensError(
        f"The model folder {folder} is an adapter ({kind}) of {base}, not a model",
        remedy=merge[0].upper() + merge[1:],
    )


def _check_diffusion(folder: Path, config: dict) -> None:
    told = " ".join(
        [str(config.get("model_type", "")), *map(str, config.get("architectures") or ())]
    )
    if not any(name in told.lower() for name in _DIFFUSION):
        return
    raise BrainLensError(
        f"{folder} is a diffusion language model ({told.strip()}): it fills in the words of a text in any order, and neither "
        "reads from left to right nor gives next-word probabilities",
        remedy="Pick a causal or masked model, or import its activations from a file",
    )


def _check_quantised(folder: Path, config: dict) -> None:
    told = config.get("quantization_config") or config.get("quantization")  # the second: MLX
    for name in ("quantize_config.json", "quant_config.json"):  # of AutoGPTQ and AutoAWQ
        if told is None and (folder / name).is_file():
            told = {"quant_method": "gptq" if name.startswith("quantize") else "awq"}
    packed = None
    if told is None:
        packed = next(filter(None, (_packed(*one) for one in tensors(folder))), None)
    if told is None and packed is None:
        return
    method = str((told or {}).get("quant_method", "")) if isinstance(told, dict) else ""
    label = _METHODS.get(method, method) or (f"tensor {packed}" if packed else "unknown method")
    bits = next(
        (
            f", {n} bit"
            for n, key in ((4, "load_in_4bit"), (8, "load_in_8bit"))
            if (told or {}).get(key)
        ),
        f", {told['bits']} bit" if told and told.get("bits") else "",
    )
    raise BrainLensError(
        f"The weights in {folder} are quantised ({label}{bits}), which is not read: rounded weights are another model",
        remedy="Use the unquantised repository it was made from (its model card names it), with dtype=bfloat16 where memory "
        "is short",
    )


def _packed(name: str, shape: tuple[int, ...], kind: str) -> str:
    """What a tensor is called where it belongs to rounded weights; else empty."""
    last = name.rpartition(".")[2]
    if last in _PACKED:
        return name
    return f"{name}, {kind}" if last == "weight" and len(shape) > 1 and _ROUNDED.match(kind) else ""


def check_tokenizer(folder: Path) -> None:
    """Refuse a folder without a tokenizer; those of bytes and characters have no vocabulary to bring.

    Raises
    ------
    BrainLensError
        Where there is none.
    """
    if any((folder / name).is_file() for name in TOKENIZER_FILES):
        return
    if read_json(folder / "tokenizer_config.json").get("tokenizer_class") in WITHOUT_VOCABULARY:
        return
    raise BrainLensError(
        f"The model folder {folder} has no tokenizer",
        choices=TOKENIZER_FILES,
        remedy="Save the tokenizer into the same folder: tokenizer.save_pretrained(folder)",
    )


def _check_weights(folder: Path) -> None:
    files = weight_files(folder)
    if files and files[0].suffix == ".safetensors":
        if missing := [path.name for path in files if not path.is_file()]:
            raise BrainLensError(
                f"The model folder {folder} lacks {len(missing)} of {len(files)} weight files, first {missing[0]}",
                remedy="Fetch the model again",
            )
        if not any((folder / name).is_file() for name in (WHOLE, INDEX)):
            raise BrainLensError(
                f"The model folder {folder} has no {WHOLE}, but {files[0].name}",
                choices=[path.name for path in files],
                remedy=f"Rename the file with the weights to {WHOLE}, or fetch the model again",
            )
        return
    if not files:
        raise BrainLensError(
            f"The model folder {folder} has no weights ({WHOLE}){_foreign(folder)}",
            remedy="Fetch or save the model again, with save_pretrained of transformers",
        )
    if os.environ.get(PICKLE_VARIABLE, "") != "1":
        raise BrainLensError(
            f"The weights of {folder} are a pickle ({files[0].name}), which can run code while it is read",
            remedy=f"Use a revision with {WHOLE}, or set {PICKLE_VARIABLE}=1 if you trust the source",
        )


def _foreign(folder: Path) -> str:
    """The weights of another program that are there instead."""
    for path in sorted(folder.iterdir()):
        if kind := _FOREIGN.get(path.suffix.lower()):
            return f", but {path.name}, those of {kind}, which are not read"
    return ""
