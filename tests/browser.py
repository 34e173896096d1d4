"""The browser that the tests drive: found where it is installed, installed in CI, asked for elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find() -> str | None:
    """Path of an installed Chromium (``BRAINLENS_CHROMIUM`` first), or None."""
    named = os.environ.get("BRAINLENS_CHROMIUM")
    if named:
        return shutil.which(named)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    """Say which browser the tests will use; in CI install one where there is none."""
    if path := find():
        print(f"Browser for the tests: {path}")
        return 0
    if os.environ.get("CI", "").lower() == "true" and shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo"]
        subprocess.run([*root, "apt-get", "update", "-qq"], check=True)
        subprocess.run(
            [*root, "apt-get", "install", "-y", "-qq", "chromium"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return 0 if find() else 1
    print(
        "No Chromium found, so browser tests will be skipped: install one ('apt install chromium' on Debian) and name it in "
        "BRAINLENS_CHROMIUM if it is not on the PATH.",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
