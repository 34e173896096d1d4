"""Networks of operators as readers: by name alone, or from a folder that a search left."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.building import building
from analysis.models.files.json_files import read_json
from analysis.models.files.packages import folder_hash
from analysis.models.operators.language import Candidate
from analysis.models.recurrent import BATCH, LSTMLanguageModel, _segments
from analysis.models.variants.apply import apply
from analysis.models.variants.made_of import made_of
from analysis.models.variants.spec import Variant, split
from analysis.models.variants.untrained import untrained
from analysis.models.zoo.wire import one_thread
from analysis.progress import SILENT, Report
from analysis.text.passages import Passage
from data.errors import BrainLensError
from data.files import atomic, made_folder

__all__ = ["OperatorModel", "save"]

CODE_VERSION = 1
WINDOW = 256
VOCABULARY = 4096
_TOKENIZER = Path(str(files("data"))) / "zoo" / "zoo-causal-1m"


class OperatorModel(LSTMLanguageModel):
    """A network of operators: ``net-2x64-forward-none-x.h.add.tanh``. Layers: 0 the embedding, 1..L the states.

    It has the zoo's pieces. By its name alone it is as at birth (seed 0); ``@untrained:init:SEED`` is another birth,
    ``@wire:all:64:0`` a brief training. A network that reads backward sees each stimulus alone and predicts no words.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """No file and no folder in which nothing names the class."""
        return False

    @classmethod
    def named(cls, name: str) -> Card | None:
        """The card of a network whose name says all."""
        made = Candidate.parse(name)
        return None if made is None else _card(name, made)

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """As the config of its folder tells."""
        made = Candidate.parse(str(read_json(path / "config.json").get("network", "")))
        if made is None:
            raise BrainLensError(
                f"{path}/config.json names no network of operators",
                remedy='Write "network": "net-2x64-forward-none-x.h.add.tanh" into it',
            )
        return dataclasses.replace(_card(name, made), source="folder")

    def __init__(self, card: Card, folder: Path | None, *, variant: Variant | str | None = None):
        told = {} if folder is None else read_json(Path(folder) / "config.json")
        made = Candidate.parse(card.id if folder is None else str(told.get("network", "")))
        if made is None:
            raise BrainLensError(
                f"{card.id} is no network of operators", remedy="See docs/causes.md"
            )
        self.candidate, self.variant = made, Variant.parse(variant)
        self.folder = Path(folder) if folder is not None else _TOKENIZER
        self._trained_folder = Path(folder) if folder is not None else None
        self.card = dataclasses.replace(
            card,
            cls=_card(card.id, made).cls,
            layers=made.depth,
            width=made.width,
            bos="<|endoftext|>",
            space_before=True,
        )
        self.id = f"{card.id}@{self.variant}" if self.variant else card.id
        self._lock = threading.RLock()
        self._module: Any = None
        self._tokenizer = self._hash = None

    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        held = folder_hash(self._trained_folder) if self._trained_folder else "named"
        mark = f"{self.candidate.name}:{held}:{CODE_VERSION}"
        return f"{mark}:{self.variant}{made_of(self.variant)}"

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return (self.candidate.width,) * (self.candidate.depth + 1)

    @property
    def window(self) -> int:
        """Pieces it sees at most."""
        return WINDOW

    @property
    def module(self) -> Any:
        """The torch module in evaluation mode, with its variant; made when first asked for."""
        with self._lock:
            if self._module is None:
                variant = self.variant
                if self._trained_folder is None and variant.kind not in ("untrained", "wire"):
                    birth = Variant.parse("untrained:init:0")
                    variant = Variant.of([birth, *variant.steps])
                with building():
                    kept = None if variant.starts_fresh else self._kept()
                    module: Any = apply(
                        kept, variant, fresh=self._fresh, tokenizer=lambda: self.tokenizer, name=self.card.id
                    )  # fmt: skip
                self._module = module.eval().requires_grad_(False)
            return self._module

    def _fresh(self):
        from analysis.models.operators.network import OperatorNetwork

        return OperatorNetwork(self.candidate, VOCABULARY)

    def _kept(self):
        """The weights of its folder; without one, those of its birth."""
        from safetensors.torch import load_file

        module = untrained(None, "init", 0, fresh=self._fresh)
        if self._trained_folder is not None:
            module.load_state_dict(load_file(self._trained_folder / "model.safetensors"))
        return module

    def _states(self, ids, layers: Sequence[int]) -> list:
        with one_thread():  # so small a product waits longer for a second thread than it takes
            return self.module.states(ids)

    # ---- reading -----------------------------------------------------------------------------------------------------
    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        pooling: str = "last",
        attention: str = "prefix",
        dtype: str = "float32",
        report: Report = SILENT,
        skip: Collection[int] = (),
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations as in :meth:`Model.read`; a text behind the window is cut to the newest pieces before its stimulus."""
        options: dict[str, Any] = dict(
            pooling=pooling, attention=attention, dtype=dtype, report=report, skip=skip
        )
        if self.candidate.direction == "backward":
            return self._backwards(passages, layers, **options)
        return super().read(self._inside(passages), layers, **options)

    def _inside(self, passages: Sequence[Passage]) -> list[Passage]:
        """Passages that fit the window: of a longer one, each stimulus with so much before it as fits."""
        fit = []
        for one in passages:
            _, offsets = self.encode(one.text)
            if len(offsets) < WINDOW:
                fit.append(one)
                continue
            for row, (a, b) in zip(one.rows, one.spans, strict=True):
                last = int(np.searchsorted(offsets[:, 0], b))
                start = int(offsets[max(0, last - WINDOW + 8), 0])
                fit.append(Passage(one.text[start:b], ((max(a - start, 0), b - start),), (row,)))
        return fit

    def _backwards(self, passages, layers, *, pooling, attention, dtype, report, skip):
        """Each stimulus alone, from its last piece to its first; ``last`` is the state after its first piece."""
        import torch

        pools = {
            "last": lambda v: v[-1],
            "mean": lambda v: v.mean(0),
            "sum": lambda v: v.sum(0),
            "max": lambda v: v.amax(0),
        }
        layers = [self.layer_number(layer) for layer in layers]
        stimuli = [
            (row, self.encode(one.text[a:b])[0][::-1][:WINDOW] or [0])
            for one in passages
            for row, (a, b) in zip(one.rows, one.spans, strict=True)
        ]
        stimuli.sort(key=lambda pair: (len(pair[1]), pair[0]))
        for at in range(0, len(stimuli), BATCH):
            report.step(at, len(stimuli), "stimuli")
            batch = stimuli[at : at + BATCH]
            if set(skip).issuperset(row for row, _ in batch):
                continue
            ids = torch.zeros(len(batch), len(batch[-1][1]), dtype=torch.long)
            for b, (_, own) in enumerate(batch):
                ids[b, : len(own)] = torch.tensor(own)
            with torch.inference_mode():
                states = self._states(ids, layers)
            values = [
                np.stack([pools[pooling](states[n][b, : len(own)]).numpy() for b, (_, own) in enumerate(batch)])
                for n in layers
            ]  # fmt: skip
            yield np.asarray([row for row, _ in batch]), values

    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Surprisals as in :meth:`Model.surprisal`, in windows of 256 pieces, each after a start token."""
        if self.candidate.direction == "backward":
            return Model.surprisal(self, texts)
        import torch

        room = min(window or WINDOW, WINDOW) - 1
        begins, found = torch.from_numpy(self._word_starts()), []
        for number, text in enumerate(texts):
            ids, offsets = self.encode(text)
            nats, start = np.full(len(ids), np.nan), np.full(len(ids) + 1, np.nan)
            for low, first, high in _segments(len(ids), room, stride):
                report.step(number, len(texts), "texts")
                sequence = torch.tensor([[*self._start(), *ids[low:high]]])
                with torch.inference_mode(), one_thread():
                    logs = self.module(sequence)[0].log_softmax(-1)
                places = np.arange(first, high)
                nats[places] = -logs[places - low, ids[first:high]].double().numpy()
                words = logs[:, begins].logsumexp(-1).double().numpy()
                start[first : high + 1] = words[first - low : high - low + 1]
            found.append(TokenSurprisal(offsets, nats, start))
        return found


def _card(name: str, made: Candidate) -> Card:
    forward = made.direction == "forward"
    return Card(
        id=name,
        cls="recurrent" if forward else "embedding",
        family="operators",
        layers=made.depth,
        width=made.width,
        parameters=_weights(made),
        source="built",
        note=f"a network of operators: {made.formula}",
    )


def _weights(made: Candidate) -> int:
    own = 8 if made.heads else sum(word in ("x", "h") for word in made.gate)
    layers = 1 if made.tied else made.depth
    return VOCABULARY * (made.width + 1) + layers * own * made.width**2


def save(name: str, folder: Path) -> Path:
    """Write a network, with the training its name says, as a model folder that loads like any other.

    Parameters
    ----------
    name : str
        ``net-...`` with ``@untrained:init:SEED`` or ``@wire:all:UPDATES:SEED``.
    folder : Path
        Made where it is not there.
    """
    import json
    import shutil

    from safetensors.torch import save_file

    base, _, variant = split(name)
    made = OperatorModel.named(base)
    if made is None:
        raise BrainLensError(
            f"{base} is no network of operators",
            remedy="For example net-2x64-forward-none-x.h.add.tanh",
        )
    reader = OperatorModel(made, None, variant=variant)
    made_folder(folder)
    with atomic(folder / "model.safetensors") as part:
        save_file({n: v.contiguous() for n, v in reader.module.state_dict().items()}, part)
    for one in ("tokenizer.json", "tokenizer_config.json"):
        with atomic(folder / one) as part:
            shutil.copyfile(_TOKENIZER / one, part)
    told = {
        "architecture": "operators",
        "network": base,
        "made": str(variant) or "untrained:init:0",
    }
    with atomic(folder / "config.json") as part:
        part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return folder
