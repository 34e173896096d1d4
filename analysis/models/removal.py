"""Taking a fetched model off this machine again."""

from __future__ import annotations

import shutil
import uuid

from analysis.models.catalog import card, place, state
from analysis.models.rows import resolve
from data.errors import BrainLensError
from data.files import weighed
from data.home import home, personal
from data.rights import require

__all__ = ["remove"]


def remove(name: str) -> int:
    """Delete a model of the user's own models folder or of the hub's cache; returns the bytes freed.

    Raises
    ------
    BrainLensError
        For a model that is not here, ships with the program, or lives in the shared folder.
    """
    base = resolve(name)
    known = card(base)
    folder = place(base)
    if folder is not None:
        if folder.parent not in (home("models"), personal("models")):
            raise BrainLensError(
                f"{base} is not in your own models folder but in {folder.parent}",
                remedy="It can only be removed there",
            )
        if folder.parent == home("models"):
            require("remove")
        size = weighed(folder)
        away = folder.with_name(f".gone-{uuid.uuid4().hex[:8]}")
        folder.rename(away)  # a reader finds all of it or nothing
        shutil.rmtree(away, ignore_errors=True)
        return size
    if state(base) != "ready" or not known.hub_id:
        raise BrainLensError(f"{base} is not on this machine", remedy="There is nothing to remove")
    require("remove")
    return _from_hub(known.hub_id)


def _from_hub(hub_id: str) -> int:
    from huggingface_hub import scan_cache_dir

    cache = scan_cache_dir()
    commits = [
        rev.commit_hash for repo in cache.repos if repo.repo_id == hub_id for rev in repo.revisions
    ]
    plan = cache.delete_revisions(*commits)
    plan.execute()
    return plan.expected_freed_size
