"""The model hub: what is already on this machine, and fetching what is not, with errors that say what to do."""

from __future__ import annotations

import os
from pathlib import Path

from analysis.models.folders import PICKLE_VARIABLE
from analysis.progress import SILENT, Report
from data.errors import BrainLensError

__all__ = ["cached", "fetch", "offline"]

PATTERNS = ["*.json", "*.txt", "*.model", "*.safetensors"]
SKIP = ["onnx/*", "openvino/*", "coreml/*", "original/*", "*/*.safetensors", "rust_model*", "tf_model*", "flax_model*"]


def offline() -> bool:
    """Whether the user switched the hub off (HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE)."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def cached(hub_id: str, revision: str = "") -> Path | None:
    """The folder of a fetched model, or None where it is not complete on this machine."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json", revision=revision or "main")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    weights = any(folder.glob("*.safetensors")) or (os.environ.get(PICKLE_VARIABLE) == "1" and any(folder.glob("*.bin")))
    return folder if weights else None


def fetch(hub_id: str, revision: str = "", *, report: Report = SILENT) -> Path:
    """The folder of a model, fetched where it is not here yet.

    Raises
    ------
    BrainLensError
        Where the hub is switched off or out of reach, or does not know the model or revision.
    """
    if (folder := cached(hub_id, revision)) is not None:
        return folder
    here = f"{hub_id} is not on this machine"
    if offline():
        raise BrainLensError(
            f"{here} and the model hub is switched off (HF_HUB_OFFLINE)",
            remedy=f"Unset HF_HUB_OFFLINE and run 'brainlens models fetch {hub_id}', or give a folder with the model",
        )
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    report.step(0, 1, f"fetching {hub_id}")
    patterns = PATTERNS + (["pytorch_model*.bin"] if os.environ.get(PICKLE_VARIABLE) == "1" else [])
    try:
        files = [f.rfilename for f in HfApi().model_info(hub_id, revision=revision or None, timeout=15).siblings or ()]
        if not any(name.endswith(".safetensors") for name in files) and len(patterns) == len(PATTERNS):
            raise BrainLensError(f"{hub_id} offers its weights as a pickle only, which can run code while it is read",
                                 remedy=f"Try '{hub_id}@revision:refs/pr/1', where the hub may keep a safetensors copy, or set "
                                        f"{PICKLE_VARIABLE}=1 if you trust the source")
        folder = Path(
            snapshot_download(hub_id, revision=revision or None, allow_patterns=patterns, ignore_patterns=SKIP, etag_timeout=15)
        )
    except BrainLensError:
        raise
    except GatedRepoError:
        raise BrainLensError(
            f"{hub_id} asks for its licence to be accepted first",
            remedy="Accept it on the model's page, then log in with 'hf auth login'",
        ) from None
    except RevisionNotFoundError:
        raise BrainLensError(
            f"{hub_id} has no revision {revision!r}", remedy="Look the revisions up on the model's page"
        ) from None
    except RepositoryNotFoundError:
        raise BrainLensError(
            f"The model hub has no model {hub_id!r}", remedy="Check the spelling: owner/name, or give a folder"
        ) from None
    except Exception as error:  # connection, proxy, disk: the library has many classes for them
        raise BrainLensError(
            f"{here} and the model hub could not be reached ({type(error).__name__})",
            remedy="Check the network or HTTPS_PROXY, set HF_ENDPOINT to a mirror, or give a folder with the model",
        ) from error
    report.step(1, 1, f"fetching {hub_id}")
    return folder
