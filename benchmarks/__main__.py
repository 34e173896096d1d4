"""``python -m benchmarks``: every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

NAMES = ("scoring", "ceilings", "activations", "store", "page")


def main() -> int:
    failed = [
        name
        for name in NAMES
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode
    ]
    if failed:
        print(f"Bars that were not met, or runs that failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
