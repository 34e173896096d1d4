"""llama2.c's stories15M (version 0 file with its tokenizer behind it) -> a Llama folder."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from data.errors import BrainLensError

__all__ = ["llama", "read_tokenizer", "read_weights", "stories15m"]

SPECIAL = ("<unk>", "<s>", "</s>")


def stories15m(files: Path, out: Path) -> None:
    """stories15M and its tokenizer, which the package holds in one file."""
    data = (files / "llama2.data").read_bytes()
    config, tensors, used = read_weights(data)
    pieces, scores = read_tokenizer(data[used:], config["vocab_size"])
    llama(config, tensors, out)
    _tokenizer(pieces, scores, config["max_position_embeddings"], out)


def read_weights(data: bytes) -> tuple[dict, dict[str, np.ndarray], int]:
    """A version 0 file: seven integers, then float32 tensors in a fixed order.

    Returns
    -------
    config : dict of LlamaConfig fields
    tensors : dict, in the names and the rotary order of transformers
    used : int
        Bytes read.
    """
    width, hidden, layers, heads, shared_heads, vocabulary, longest = struct.unpack_from(
        "<7i", data
    )
    tied, vocabulary, at = vocabulary > 0, abs(vocabulary), 28
    size, narrow = width // heads, width // heads * shared_heads

    def take(*shape: int) -> np.ndarray:
        nonlocal at
        count = int(np.prod(shape))
        if at + 4 * count > len(data):
            raise BrainLensError("The llama2.c file is cut short", remedy="Fetch it again")
        values = np.frombuffer(data, "<f4", count, at).reshape(shape)
        at += 4 * count
        return values

    def rotary(weights: np.ndarray, n_heads: int) -> np.ndarray:
        """Rows from interleaved pairs (2i, 2i + 1) to halves (i, i + size / 2), head by head."""
        return np.ascontiguousarray(
            weights.reshape(n_heads, size // 2, 2, width).swapaxes(1, 2)
        ).reshape(weights.shape)

    embedding = take(vocabulary, width)
    order = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (narrow, width),
        "self_attn.v_proj": (narrow, width),
        "self_attn.o_proj": (width, width),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (hidden, width),
        "mlp.down_proj": (width, hidden),
        "mlp.up_proj": (hidden, width),
    }
    tensors = {"model.embed_tokens.weight": embedding}
    for name, shape in order.items():
        stacked = take(layers, *shape)
        for i in range(layers):
            value = stacked[i]
            if name.endswith(("q_proj", "k_proj")):
                value = rotary(value, heads if name.endswith("q_proj") else shared_heads)
            tensors[f"model.layers.{i}.{name}.weight"] = np.ascontiguousarray(value)
    tensors["model.norm.weight"] = take(width)
    take(longest, size)  # tables of cosines and sines
    if not tied:
        tensors["lm_head.weight"] = take(vocabulary, width)
    config = {
        "hidden_size": width,
        "intermediate_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": shared_heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": longest,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": tied,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return config, tensors, at


def read_tokenizer(data: bytes, count: int) -> tuple[list[str], list[float]]:
    """Pieces and scores of a tokenizer.bin: per piece a float32 score, a length and its bytes."""
    pieces, scores, at = [], [], 4
    try:
        for _ in range(count):
            score, length = struct.unpack_from("<fi", data, at)
            pieces.append(data[at + 8 : at + 8 + length].decode("utf-8"))
            scores.append(score)
            at += 8 + length
    except (struct.error, UnicodeDecodeError) as error:
        raise BrainLensError(
            f"The llama2.c tokenizer cannot be read ({error})", remedy="Fetch it again"
        ) from None
    pieces[:3] = SPECIAL
    return [piece if i < 259 else piece.replace(" ", "▁") for i, piece in enumerate(pieces)], scores


def llama(config: dict, tensors: dict[str, np.ndarray], out: Path) -> None:
    """Write config.json and model.safetensors of a Llama."""
    from safetensors.numpy import save_file
    from transformers import LlamaConfig

    LlamaConfig(**config, architectures=["LlamaForCausalLM"], dtype="float32").save_pretrained(out)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})


def _tokenizer(pieces: list[str], scores: list[float], longest: int, out: Path) -> None:
    """SentencePiece BPE: a pair merges earlier the higher its whole scores; unknown characters fall back to bytes."""
    from tokenizers import Tokenizer, decoders, normalizers
    from tokenizers.models import BPE
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, i in vocabulary.items():
        if i >= 259:
            splits = [
                (piece[:k], piece[k:])
                for k in range(1, len(piece))
                if piece[:k] in vocabulary and piece[k:] in vocabulary
            ]
            splits.sort(key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))
            merges += [(scores[i], left, right) for left, right in splits]
    merges.sort(key=lambda merge: -merge[0])
    tokenizer = Tokenizer(
        BPE(
            vocabulary,
            [(left, right) for _, left, right in merges],
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=longest,
    ).save_pretrained(out)
