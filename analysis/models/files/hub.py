"""The model hub: what is already on this machine, and fetching what is not, with errors that say what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from analysis.models.files.checks import INDEX, PICKLE_VARIABLE, WHOLE
from analysis.models.files.json_files import read_json
from analysis.progress import SILENT, Report
from data.catalog.licences import require_accepted
from data.errors import BrainLensError, Cancelled
from data.home import mirror

__all__ = ["Offer", "cached", "fetch", "offer", "offline"]

PATTERNS = ["*.json", "*.txt", "*.model", "*.safetensors"]
TERMS = ["LICENSE*", "LICENCE*", "NOTICE*", "README.md"]
SKIP = [
    "onnx/*",
    "openvino/*",
    "coreml/*",
    "original/*",
    "*/*.safetensors",
    "rust_model*",
    "tf_model*",
    "flax_model*",
]


@dataclass(frozen=True)
class Offer:
    """What the hub would send.

    Parameters
    ----------
    files : mapping
        Name -> size in bytes, None where the hub does not say it; ``config.json`` last.
    licence : str
        As the model's page states it; empty where it does not.
    commit : str
        The commit that the revision stands for now.
    """

    files: Mapping[str, int | None]
    licence: str = ""
    commit: str = ""

    @property
    def size(self) -> int | None:
        """Bytes of all files; None where one is not known."""
        sizes = list(self.files.values())
        return None if None in sizes else sum(size or 0 for size in sizes)


def offline() -> bool:
    """Whether the user switched the hub off (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def cached(hub_id: str, revision: str = "") -> Path | None:
    """The folder of a model in the hub's cache or in a mirror folder, or None where it is in neither as a whole.

    A mirror folder (``BRAINLENS_MIRROR``) holds it as ``models/OWNER--NAME``, another revision than ``main`` as
    ``models/OWNER--NAME@REVISION``, ``/`` written as ``--``; it is used where it lies.
    """
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json", revision=revision or "main")
    if isinstance(config, str) and _whole(Path(config).parent):
        return Path(config).parent
    if not mirror():
        return None
    name = hub_id if revision in ("", "main") else f"{hub_id}@{revision}"
    folder = Path(mirror()) / "models" / name.replace("/", "--")
    return folder if _whole(folder) else None


def offer(hub_id: str, revision: str = "") -> Offer:
    """What :func:`fetch` would bring, with sizes and licence; nothing is fetched.

    Raises
    ------
    BrainLensError
        Where the hub is switched off or out of reach, does not know the model or revision, or has weights as a pickle only.
    """
    if offline():
        raise BrainLensError(
            f"{hub_id} is not on this machine and the model hub is switched off (HF_HUB_OFFLINE)",
            remedy=f"Unset HF_HUB_OFFLINE and run 'brainlens models fetch {hub_id}', or give a folder with the model",
        )
    from huggingface_hub import HfApi
    from huggingface_hub.utils import filter_repo_objects

    with _in_words(hub_id, revision):
        info = HfApi().model_info(
            hub_id, revision=revision or None, files_metadata=True, timeout=15
        )
    listed = {file.rfilename: file for file in info.siblings or ()}
    patterns = PATTERNS + TERMS
    if not any(name.endswith(".safetensors") for name in listed):
        if os.environ.get(PICKLE_VARIABLE) != "1":
            raise BrainLensError(
                f"{hub_id} offers its weights as a pickle only, which can run code while it is read",
                remedy=f"Try '{hub_id}@revision:refs/pr/1', where the hub may keep a safetensors copy, or set "
                f"{PICKLE_VARIABLE}=1 if you trust the source",
            )
        patterns = [*patterns, "pytorch_model*.bin"]
    if "config.json" not in listed:
        raise BrainLensError(
            f"{hub_id} has no config.json",
            remedy="Name a model that the transformers library can load",
        )
    spare = "*.safetensors" if WHOLE in listed else "consolidated*.safetensors"
    names = sorted(
        (
            name  # weights that are there twice are fetched once
            for name in filter_repo_objects(listed, allow_patterns=patterns, ignore_patterns=SKIP)
            if name == WHOLE or not fnmatch(name, spare)
        ),
        key=lambda n: n == "config.json",
    )
    licence = getattr(info.card_data, "license", None) or ""
    return Offer(
        {name: listed[name].size for name in names},
        ", ".join(licence) if isinstance(licence, list) else str(licence),
        info.sha or "",
    )


def fetch(hub_id: str, revision: str = "", *, licence: str = "", report: Report = SILENT) -> Path:
    """The folder of a model, fetched file by file where it is not here yet, its licence and model card beside it.

    A cancel takes effect between two pieces of a file, or, where the hub sends it in its own way, between two files; what has
    come is kept and not fetched again.

    Parameters
    ----------
    licence : str
        As the catalogue knows it; empty: as the model's page states it.

    Raises
    ------
    BrainLensError
        As :func:`offer`, where nobody has accepted a licence that asks something, or where the model changed meanwhile.
    """
    if (folder := cached(hub_id, revision)) is not None:
        return folder
    if licence:
        require_accepted(hub_id, licence)
    offered = offer(hub_id, revision)
    require_accepted(hub_id, licence or offered.licence)
    from huggingface_hub import hf_hub_download

    done, total = 0, offered.size or 0
    for name, size in offered.files.items():

        def tell(came: int, before: int = done, name: str = name) -> None:
            report.step(before + came, max(total, before + came), f"bytes of {name}")

        tell(0)
        # The last file, config.json, goes by the name of the revision, so that the cache finds the commit by that name.
        wanted = offered.commit if name != "config.json" and offered.commit else revision or "main"
        with _in_words(hub_id, revision):
            path = hf_hub_download(
                hub_id, name, revision=wanted, etag_timeout=15, tqdm_class=_bar(tell)
            )
        done += size or 0
        tell(size or 0)
    if not _whole(Path(path).parent):
        raise BrainLensError(
            f"{hub_id} was changed on the hub while it was fetched", remedy="Fetch it again"
        )
    return Path(path).parent


def _whole(folder: Path) -> bool:
    """Whether a folder holds a config and every file of weights that its index names."""
    if not (folder / "config.json").is_file():
        return False
    if parts := read_json(folder / INDEX).get("weight_map"):
        return all((folder / name).is_file() for name in set(parts.values()))
    return any(folder.glob("*.safetensors")) or (
        os.environ.get(PICKLE_VARIABLE) == "1" and any(folder.glob("*.bin"))
    )


def _bar(tell) -> type:
    """A progress bar of the hub's library that draws nothing and tells the bytes of its file."""
    from tqdm.auto import tqdm

    class Bar(tqdm):
        def __init__(self, *args, **options):
            super().__init__(*args, **{**options, "disable": True})
            self.came = options.get("initial") or 0

        def update(self, n=1):
            self.came += n or 0
            tell(int(self.came))

        def update_transfer(self, n=1):
            """What travels, beside what is written: told once."""

        def set_transfer_postfix_str(self, text="", refresh=True):
            """Speed in words: not shown."""

    return Bar


@contextmanager
def _in_words(hub_id: str, revision: str):
    """Errors of the hub's library as one message."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except (BrainLensError, Cancelled):
        raise
    except GatedRepoError:
        raise BrainLensError(
            f"{hub_id} asks for its licence to be accepted first",
            remedy="Accept it on the model's page, then log in with 'hf auth login'",
        ) from None
    except RevisionNotFoundError:
        raise BrainLensError(
            f"{hub_id} has no revision {revision!r}",
            remedy="Look the revisions up on the model's page",
        ) from None
    except RepositoryNotFoundError:
        raise BrainLensError(
            f"The model hub has no model {hub_id!r}",
            remedy="Check the spelling: owner/name, or give a folder",
        ) from None
    except MemoryError:
        raise
    except Exception as error:  # connection, proxy, disk: the library has many classes for them
        raise BrainLensError(
            f"{hub_id} is not on this machine and the model hub could not be reached ({type(error).__name__})",
            remedy="Check the network or HTTPS_PROXY, set HF_ENDPOINT to a mirror, or give a folder with the model",
        ) from error
