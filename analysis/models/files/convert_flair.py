"""flair's character language models, read out of a pickle by an unpickler that can build tensors and plain containers only."""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import BrainLensError

__all__ = ["backward", "forward", "read_checkpoint"]

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class Record:
    """An object of a foreign class, reduced to its attributes."""

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)


class _Storage:
    def __init__(self, count: int):
        self.count, self.values = count, np.empty(0, "<f4")


class _Tensor:
    """Where a tensor's numbers stand in its storage."""

    def __init__(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_
    ):
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride

    def numpy(self) -> np.ndarray:
        size, contiguous = (
            int(np.prod(self.shape)),
            tuple(int(np.prod(self.shape[i + 1 :])) for i in range(len(self.shape))),
        )
        if (
            self.stride != contiguous
            or self.offset < 0
            or self.offset + size > len(self.storage.values)
        ):
            raise BrainLensError(
                "A tensor of the checkpoint does not lie in one piece",
                remedy="The file was refused",
            )
        return self.storage.values[self.offset : self.offset + size].reshape(self.shape).copy()


_ALLOWED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("builtins", "int"): int,
    ("torch", "FloatStorage"): _Storage,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor,
    ("torch._utils", "_rebuild_parameter"): lambda tensor, requires_grad, hooks: tensor,
} | {
    place: Record
    for place in [
        ("flair.data", "Dictionary"),
        ("flair.embeddings.token", "FlairEmbeddings"),
        ("flair.embeddings.token", "StackedEmbeddings"),
        ("flair.models.language_model", "LanguageModel"),
        ("torch.nn.modules.dropout", "Dropout"),
        ("torch.nn.modules.linear", "Linear"),
        ("torch.nn.modules.rnn", "LSTM"),
        ("torch.nn.modules.sparse", "Embedding"),
    ]
}
"""Everything a name in the file may stand for."""


class ClosedUnpickler(pickle.Unpickler):
    """Builds numbers, strings, plain containers, tensors and :class:`Record`; any other name is refused before it is imported."""

    def __init__(self, stream, storages: dict[str, _Storage]):
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> object:
        """One of the allowed names; nothing is ever imported."""
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise BrainLensError(
                f"The checkpoint wants to build {module}.{name}, which is not allowed",
                remedy="The file was refused and nothing of it was run",
            ) from None

    def persistent_load(self, what: tuple) -> object:
        """A storage by its key, or the class that a module was saved with."""
        if what[0] == "module":
            return what[1]
        if what[0] != "storage" or what[1] is not _Storage or what[5] is not None:
            raise BrainLensError(
                f"The checkpoint refers to {what[0]!r}, which is not allowed",
                remedy="The file was refused",
            )
        return self._storages.setdefault(what[2], _Storage(what[4]))


def read_checkpoint(path: Path) -> dict:
    """A checkpoint in PyTorch's old form (before zip files): several pickles, then the raw storages.

    Raises
    ------
    BrainLensError
        For a file of another form, a name that is not allowed, a storage that is cut short.
    """
    storages: dict[str, _Storage] = {}
    with open(path, "rb") as stream:

        def read() -> object:
            return ClosedUnpickler(stream, storages).load()

        try:
            if (read(), read()) != (MAGIC, PROTOCOL):
                raise BrainLensError(
                    f"{path.name} is no checkpoint of the expected form",
                    remedy="The file was refused",
                )
            system: Any = read()
            content: Any = read()
            keys: Any = read()
        except (
            pickle.UnpicklingError,
            EOFError,
            TypeError,
            AttributeError,
            IndexError,
            KeyError,
        ) as error:
            raise BrainLensError(
                f"{path.name} cannot be read as a checkpoint ({error})",
                remedy="The file was refused",
            ) from None
        if not system.get("little_endian", True):
            raise BrainLensError(
                f"{path.name} was written on a big-endian machine", remedy="The file was refused"
            )
        for key in keys:
            storage = storages[key]
            count = int.from_bytes(stream.read(8), "little")
            data = stream.read(4 * count) if count == storage.count else b""
            if len(data) != 4 * storage.count:
                raise BrainLensError(f"{path.name} is cut short", remedy="Fetch it again")
            storage.values = np.frombuffer(data, "<f4")
    return content


def _convert(files: Path, out: Path, number: int) -> None:
    from safetensors.numpy import save_file

    content = read_checkpoint(files / "pos_model.bin")
    prefix = f"embeddings.list_embedding_{number}.lm."
    names = {
        "encoder.weight": "embedding.weight",
        "decoder.weight": "head.weight",
        "decoder.bias": "head.bias",
    }
    tensors: dict[Any, Any] = {
        names.get(short := name.removeprefix(prefix), short): value.numpy()
        for name, value in content["state_dict"].items()
        if name.startswith(prefix)
    }
    model = content["embeddings"]._modules[f"list_embedding_{number}"]._modules["lm"]
    characters = [item.decode("utf-8") for item in model.dictionary.idx2item]
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architecture": "character-lstm",
        "vocab_size": len(characters),
        "width": model.hidden_size,
        "layers": model.nlayers,
        "embedding": model.embedding_size,
        "tied": False,
        "start": model.document_delimiter,
        "characters": characters,
        "unknown": characters.index("<unk>"),
        "direction": "forward" if model.is_forward_lm else "backward",
    }
    (out / "config.json").write_text(
        json.dumps(config, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def forward(files: Path, out: Path) -> None:
    """The language model that reads from left to right."""
    _convert(files, out, 0)


def backward(files: Path, out: Path) -> None:
    """The language model that reads from right to left."""
    _convert(files, out, 1)
