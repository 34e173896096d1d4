"""One rule for every path that a file names: what stands beside it, and nothing else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from data.errors import BrainLensError

__all__ = ["beside_of", "inside"]


def inside(name: str) -> bool:
    """Whether a path stays in the folder it is looked up in: relative, without ``..``, on any system."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    return not (
        not name.strip()
        or "\0" in name
        or posix.is_absolute()
        or windows.is_absolute()
        or windows.drive
        or name.startswith(("~", "\\"))
        or ".." in (*posix.parts, *windows.parts)
    )


def beside_of(path: Path, name: str, what: str, *, trusted: bool = False) -> Path:
    """The file that ``path`` names, in the same folder or below it.

    Parameters
    ----------
    trusted : bool
        The name was given in a call or on the command line, not in a file: it may lie anywhere.

    Raises
    ------
    BrainLensError
        Where it would leave the folder, also by a symbolic link, or is not there.
    """
    if trusted:
        named = Path(name).expanduser()
        found = named if named.is_absolute() or named.exists() else path.with_name(str(named))
    else:
        if not inside(name):
            raise BrainLensError(
                f"{path.name}: the {what} {name!r} lies outside its folder: it was not read",
                remedy="Put it beside the file, and name it without a path",
            )
        found = path.parent / name
        if not found.resolve().is_relative_to(path.parent.resolve()):
            raise BrainLensError(
                f"{path.name}: the {what} {name!r} is a link that leaves its folder: it was not read",
                remedy="Put the file itself beside it",
            )
    if not found.is_file():
        raise BrainLensError(
            f"There is no {what} {found}", remedy="Check the path, or put it beside the file"
        )
    return found
